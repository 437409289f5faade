"""Tricks with outputs: one spent twice, made of nothing, or paid to somebody else than was signed for."""

from collections.abc import Sequence

from raclette.chain.presets import SAMPLE_BALANCE
from raclette.ledgers.coins.execution import genesis_hash
from raclette.ledgers.coins.limits import AMOUNT_MAX
from raclette.ledgers.coins.samples import sign_split
from raclette.ledgers.coins.script import lock_to, unlock_with
from raclette.ledgers.coins.transaction import Coin, Output, body_hash, decode_spend, encode_spend, sighash, sign_spend
from raclette.primitives.errors import Misuse
from raclette.primitives.keys import AccountKey
from raclette.primitives.randomness import Random
from raclette.sim.mischief.trick import STEP_NS, Attempt, Purse, Trick

# Words in whose arithmetic two large amounts add up to a small one.
WORDS = (1 << 64, 1 << 128, 1 << 192, 1 << 256)


def coin_of(key: AccountKey) -> Coin:
    """What genesis gave a sample account."""
    return Coin(genesis_hash(key.address), 0, Output(SAMPLE_BALANCE, lock_to(key.address)))


def pays(purse: Purse, coin: Coin, amount: int) -> tuple[bytes, Coin]:
    """(a payment to the purse's other account, the coin of the change)."""
    raw, change = sign_split(purse.key, purse.chain_id, [coin], [(purse.other.address, amount)])
    if change is None:
        raise Misuse("a trick that leaves no change")
    return raw, change


def unchecked(purse: Purse, coins: Sequence[Coin], outputs: Sequence[Output]) -> bytes:
    """Properly signed by the purse, whatever it says."""
    body = body_hash(purse.chain_id, coins, outputs)
    unlocks = [unlock_with(purse.key.sign_compact(sighash(body, index))) for index in range(len(coins))]
    return encode_spend(purse.chain_id, coins, unlocks, outputs)


def same_output(purse: Purse, random: Random) -> Sequence[Attempt]:
    """One output spent by two transactions, at two nodes at once."""
    coin = coin_of(purse.key)
    return [Attempt(0, place, pays(purse, coin, 1 + place + random.below(1_000))[0]) for place in (0, 1)]


def same_change(purse: Purse, random: Random) -> Sequence[Attempt]:
    """Two payments from one change, right behind the payment that makes it, and one of them again later."""
    raw, change = pays(purse, coin_of(purse.key), 1 + random.below(1_000))
    children = [pays(purse, change, 1 + place + random.below(1_000))[0] for place in (0, 1)]
    place = random.below(2)
    return [
        Attempt(0, 0, raw),
        Attempt(0, 0, children[0]),
        Attempt(0, place, children[1]),
        Attempt(STEP_NS, 2, children[1]),
    ]


def again(purse: Purse, random: Random) -> Sequence[Attempt]:
    """What has been executed, sent once more to every second node."""
    raw, _ = pays(purse, coin_of(purse.key), 1 + random.below(1_000))
    return [Attempt(0, 0, raw), *(Attempt(STEP_NS, place, raw) for place in (0, 2))]


def twice_inside(purse: Purse, random: Random) -> Sequence[Attempt]:
    """One transaction that names the same output as two of its inputs."""
    coin = coin_of(purse.key)
    taken = 2 * SAMPLE_BALANCE - random.below(1_000)
    return [Attempt(0, 0, unchecked(purse, [coin, coin], [Output(taken, lock_to(purse.other.address))]))]


def overflowing(purse: Purse, random: Random) -> Sequence[Attempt]:
    """Outputs whose sum is small in the arithmetic of some word, and one that is below zero in it."""
    coin = coin_of(purse.key)
    lock = lock_to(purse.other.address)
    change = Output(1 + random.below(SAMPLE_BALANCE), lock_to(purse.key.address))
    attempts = []
    for place, word in enumerate(random.sample(WORDS, 2)):
        half = min(word // 2, (1 << 256) - 1)
        attempts.append(Attempt(0, place, unchecked(purse, [coin], [Output(half, lock), Output(half, lock), change])))
        below_zero = Output(word - 1 - random.below(1_000), lock)
        attempts.append(Attempt(STEP_NS, place, unchecked(purse, [coin], [below_zero, change])))
    return attempts


def dearer(purse: Purse, random: Random) -> Sequence[Attempt]:
    """An input that says it holds more than it does."""
    coin = coin_of(purse.key)
    amount = min(SAMPLE_BALANCE << random.between(1, 8), AMOUNT_MAX)
    false = coin._replace(output=coin.output._replace(amount=amount))
    return [Attempt(0, 0, unchecked(purse, [false], [Output(amount, lock_to(purse.other.address))]))]


def rerouted(purse: Purse, random: Random) -> Sequence[Attempt]:
    """A payment that somebody on its way has turned to himself, and made larger; and one that nobody signed at all."""
    coin = coin_of(purse.key)
    raw, _ = pays(purse, coin, 1 + random.below(1_000))
    unlocks = decode_spend(raw, purse.chain_id).unlocks
    stolen = [Output(SAMPLE_BALANCE - random.below(1_000), lock_to(purse.other.address))]
    body = body_hash(purse.chain_id, [coin], stolen)
    own = [unlock_with(purse.other.sign_compact(sighash(body, 0)))]
    return [
        Attempt(0, 0, encode_spend(purse.chain_id, [coin], unlocks, stolen), lawful=False),
        Attempt(0, 1, encode_spend(purse.chain_id, [coin], own, stolen), lawful=False),
        Attempt(STEP_NS, 0, raw),
    ]


def other_chain(purse: Purse, random: Random) -> Sequence[Attempt]:
    """Signed for another chain."""
    far = purse.chain_id + 1 + random.below(1_000)
    raw = sign_spend(far, [coin_of(purse.key)], [Output(SAMPLE_BALANCE, lock_to(purse.other.address))], [[purse.key]])
    return [Attempt(0, 0, raw, lawful=False)]


TRICKS: tuple[Trick, ...] = (
    same_output,
    same_change,
    again,
    twice_inside,
    overflowing,
    dearer,
    rerouted,
    other_chain,
)
