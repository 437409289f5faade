"""Clients that mean harm: they break every rule that a client can break, beside those that use the ledger as meant.

They own accounts of their own, so that nobody else's nonces or money depend on what they do. Each *trick* is a short
story told to a few nodes: the same nonce twice, the same money twice, a transaction signed for another chain or for
none, one sent again after everybody has executed it, an account emptied, filled and asked for the same once more,
amounts at the edges of 64, 128 and 256 bits. Nobody waits for any of it to be executed; some of it lawfully will be.

What a trick sends is given to a node as a client's would be: decoded first, and refused there if it is no transaction
of this chain. `lawful` says which of it anybody ever signed for this chain: the rest must never be in a block.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from raclette.chain.ledger import Transaction
from raclette.chain.presets import SAMPLE_BALANCE, sample_key
from raclette.chain.transaction import LEGACY, sign_transaction, sign_transfer
from raclette.primitives.errors import Refused
from raclette.primitives.keys import AccountKey
from raclette.primitives.randomness import Random
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.sim.kernel import Kind
from raclette.sim.world import World

# Every trick has two accounts to itself, so that one does not spoil another.
ACCOUNTS_PER_TRICK = 2
# What a trick's later steps wait, so that the earlier ones have been executed in a network that works.
STEP_NS = 2 * SECOND
# Amounts at which arithmetic of some width goes wrong, and how far around them.
EDGES = (1 << 31, 1 << 32, 1 << 63, 1 << 64, 1 << 128, 1 << 255, (1 << 256) - 1)
_STREAM = 9


class Attempt(NamedTuple):
    """`raw` is handed to a node `after` ns from the start of its trick; `place` counts nodes from a drawn one."""

    after: int
    place: int
    raw: bytes
    lawful: bool = True


class Purse:
    """The two accounts of one trick."""

    def __init__(self, index: int, first: int, chain_id: int) -> None:
        self.key: AccountKey = sample_key(first + ACCOUNTS_PER_TRICK * index)
        self.other: AccountKey = sample_key(first + ACCOUNTS_PER_TRICK * index + 1)
        self.chain_id = chain_id

    def pays(self, nonce: int, value: int, *, fee: int = 0) -> bytes:
        """A transfer to the other account, for this chain."""
        return sign_transfer(self.key, chain_id=self.chain_id, nonce=nonce, to=self.other.address, value=value, fee=fee)

    def returns(self, nonce: int, value: int) -> bytes:
        """And back."""
        return sign_transfer(self.other, chain_id=self.chain_id, nonce=nonce, to=self.key.address, value=value)


Trick = Callable[[Purse, Random], Sequence[Attempt]]


def same_nonce(purse: Purse, random: Random) -> Sequence[Attempt]:
    """Two transactions with one nonce, at two nodes at once."""
    return [Attempt(0, place, purse.pays(0, 1 + place + random.below(1_000))) for place in (0, 1)]


def same_money(purse: Purse, random: Random) -> Sequence[Attempt]:
    """Two transactions that the account can pay for one at a time, to one node or to two."""
    value = SAMPLE_BALANCE // 2 + 1 + random.below(SAMPLE_BALANCE // 4)
    second = random.below(2)
    return [Attempt(0, 0, purse.pays(0, value)), Attempt(0, second, purse.pays(1, value))]


def again(purse: Purse, random: Random) -> Sequence[Attempt]:
    """What has been executed, sent once more to every second node."""
    raw = purse.pays(0, 1 + random.below(1_000))
    return [Attempt(0, 0, raw), *(Attempt(STEP_NS, place, raw) for place in (0, 2))]


def emptied(purse: Purse, random: Random) -> Sequence[Attempt]:
    """All an account has, back again, and the first transaction once more."""
    first = purse.pays(0, SAMPLE_BALANCE)
    return [
        Attempt(0, 0, first),
        Attempt(STEP_NS, 1, purse.returns(0, SAMPLE_BALANCE)),
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
    attempts = [Attempt(0, 0, purse.pays(0, (1 << 64) + random.below(1_000)))]
    for place, edge in enumerate(random.sample(EDGES, 3)):
        value = min(edge + random.between(-2, 2), (1 << 256) - 1)
        attempts.append(Attempt(STEP_NS, place, purse.pays(1, value)))
    return [*attempts, Attempt(2 * STEP_NS, 1, purse.pays(1, 1, fee=1 << 48))]


def gap(purse: Purse, random: Random) -> Sequence[Attempt]:
    """A nonce that never comes before one that does, and one far beyond."""
    return [Attempt(0, 0, purse.pays(2, 1)), Attempt(0, 1, purse.pays(0, 1)), Attempt(0, 1, purse.pays(1 << 40, 1))]


TRICKS: tuple[Trick, ...] = (same_nonce, same_money, again, emptied, other_chain, edges, gap)


def accounts_of(mischief: int) -> int:
    """Accounts that this many tricks need."""
    return ACCOUNTS_PER_TRICK * mischief


class Mischief:
    """Plays `count` drawn tricks, each beginning within `lasting` ns from `start`, with the sample accounts from
    `first` on."""

    def __init__(
        self,
        world: World,
        decode: Callable[[bytes], Transaction],
        chain_id: int,
        *,
        count: int,
        first: int,
        start: int,
        lasting: int,
    ) -> None:
        self._world = world
        self._decode = decode
        self._lawful: set[bytes] = set()
        # Virtual time of the last attempt; 0 for none.
        self.end = 0
        # Attempts by what became of them: "submitted", "refused" (no transaction of this chain).
        self.told: dict[str, int] = {"submitted": 0, "refused": 0}
        random = Random(world.seed, _STREAM)
        for index in range(count):
            trick = random.choice(TRICKS)
            begin = start + random.below(max(MILLISECOND, lasting))
            node = random.below(len(world.hosts))
            for number, attempt in enumerate(trick(Purse(index, first, chain_id), random)):
                if attempt.lawful:
                    self._lawful.add(attempt.raw)
                self.end = max(self.end, begin + attempt.after)
                place = (node + attempt.place) % len(world.hosts)
                content = index << 8 | number
                world.plan(begin + attempt.after, Kind.CLIENT, place, content, self._submit, (place, attempt.raw))

    def lawful(self, raw: bytes) -> bool:
        """Did one of us sign this for this chain?"""
        return raw in self._lawful

    def _submit(self, told: tuple[int, bytes]) -> None:
        node, raw = told
        try:
            transaction = self._decode(raw)
        except Refused as refusal:
            self.told["refused"] += 1
            self._world.note(node, "refused", {"reason": refusal.reason})
            return
        self.told["submitted"] += 1
        self._world.note(node, "submit", {"transaction": transaction.hash.hex()[:12], "attempt": 1})
        self._world.submit(node, transaction)
