"""Tricks with accounts: nonces and balances, envelopes of other chains, amounts at the edges of arithmetic."""

from collections.abc import Sequence

from raclette.chain.presets import SAMPLE_BALANCE
from raclette.chain.transaction import LEGACY, sign_transaction, sign_transfer
from raclette.primitives.randomness import Random
from raclette.sim.mischief.trick import STEP_NS, Attempt, Purse, Trick

# Amounts at which arithmetic of some width goes wrong, and how far around them.
EDGES = (1 << 31, 1 << 32, 1 << 63, 1 << 64, 1 << 128, 1 << 255, (1 << 256) - 1)


def pays(purse: Purse, nonce: int, value: int, *, fee: int = 0) -> bytes:
    """A transfer to the purse's other account, for this chain."""
    to = purse.other.address
    return sign_transfer(purse.key, chain_id=purse.chain_id, nonce=nonce, to=to, value=value, fee=fee)


def returns(purse: Purse, nonce: int, value: int) -> bytes:
    """And back."""
    return sign_transfer(purse.other, chain_id=purse.chain_id, nonce=nonce, to=purse.key.address, value=value)


def same_nonce(purse: Purse, random: Random) -> Sequence[Attempt]:
    """Two transactions with one nonce, at two nodes at once."""
    return [Attempt(0, place, pays(purse, 0, 1 + place + random.below(1_000))) for place in (0, 1)]


def same_money(purse: Purse, random: Random) -> Sequence[Attempt]:
    """Two transactions that the account can pay for one at a time, to one node or to two."""
    value = SAMPLE_BALANCE // 2 + 1 + random.below(SAMPLE_BALANCE // 4)
    second = random.below(2)
    return [Attempt(0, 0, pays(purse, 0, value)), Attempt(0, second, pays(purse, 1, value))]


def again(purse: Purse, random: Random) -> Sequence[Attempt]:
    """What has been executed, sent once more to every second node."""
    raw = pays(purse, 0, 1 + random.below(1_000))
    return [Attempt(0, 0, raw), *(Attempt(STEP_NS, place, raw) for place in (0, 2))]


def emptied(purse: Purse, random: Random) -> Sequence[Attempt]:
    """All an account has, back again, and the first transaction once more."""
    first = pays(purse, 0, SAMPLE_BALANCE)
    return [
        Attempt(0, 0, first),
        Attempt(STEP_NS, 1, returns(purse, 0, SAMPLE_BALANCE)),
        *(Attempt(STEP_NS * step, step, first) for step in (2, 3, 4)),
    ]


def other_chain(purse: Purse, random: Random) -> Sequence[Attempt]:
    """Signed for another chain, of either kind of envelope, or for no chain at all."""
    to, value = purse.other.address, 1 + random.below(1_000)
    far = purse.chain_id + 1 + random.below(1_000)
    raws = (
        sign_transfer(purse.key, chain_id=far, nonce=0, to=to, value=value),
        sign_transaction(purse.key, chain_id=far, nonce=0, to=to, value=value, kind=LEGACY),
        sign_transaction(purse.key, chain_id=None, nonce=0, to=to, value=value, kind=LEGACY),
    )
    return [Attempt(0, place, raw, lawful=False) for place, raw in enumerate(raws)]


def edges(purse: Purse, random: Random) -> Sequence[Attempt]:
    """Amounts around powers of two: one that there is, others of which most are more than there is, and a high fee."""
    attempts = [Attempt(0, 0, pays(purse, 0, (1 << 64) + random.below(1_000)))]
    for place, edge in enumerate(random.sample(EDGES, 3)):
        value = min(edge + random.between(-2, 2), (1 << 256) - 1)
        attempts.append(Attempt(STEP_NS, place, pays(purse, 1, value)))
    return [*attempts, Attempt(2 * STEP_NS, 1, pays(purse, 1, 1, fee=1 << 48))]


def gap(purse: Purse, random: Random) -> Sequence[Attempt]:
    """A nonce that never comes before one that does, and one far beyond."""
    return [Attempt(0, 0, pays(purse, 2, 1)), Attempt(0, 1, pays(purse, 0, 1)), Attempt(0, 1, pays(purse, 1 << 40, 1))]


TRICKS: tuple[Trick, ...] = (same_nonce, same_money, again, emptied, other_chain, edges, gap)
