"""Workloads: signed payments between the sample accounts, each from the change of the one before.

A payment of several outputs is the one of "Leader selection in proof of stake": one output of the payer's is split
among the next few accounts, in random parts, and what is left goes back to the payer.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from raclette.chain.genesis import quantity
from raclette.chain.presets import SAMPLE_ACCOUNTS, sample_key
from raclette.ledgers.coins.execution import genesis_hash
from raclette.ledgers.coins.limits import GAS_PER_BYTE, GAS_PER_OUTPUT, GAS_PER_SIGNATURE, OUTPUTS_MAX
from raclette.ledgers.coins.script import lock_to
from raclette.ledgers.coins.transaction import Coin, Output, coins_made, sign_spend
from raclette.primitives.errors import ConfigError, Misuse
from raclette.primitives.hashing import keccak256
from raclette.primitives.keys import AccountKey, checksum_address
from raclette.primitives.randomness import Random

# Bytes of a payment from one input to its payer only, and of each further output, with amounts of 32 bytes each.
_PAYMENT_BYTES_MAX, _OUTPUT_BYTES_MAX = 320, 64
# How finely random parts are drawn.
_GRAIN = 1_000


def genesis_coin(owner: bytes, alloc: Mapping[str, Any]) -> Coin | None:
    """What genesis gives to `owner`, whose address `alloc` writes with its checksum; None for nothing."""
    entry = alloc.get(checksum_address(owner), {})
    amount = quantity(entry.get("balance", 0), "balance")
    return Coin(genesis_hash(owner), 0, Output(amount, lock_to(owner))) if amount else None


def sign_payment(
    key: AccountKey, chain_id: int, coins: Sequence[Coin], to: bytes, amount: int, fee: int = 0
) -> tuple[bytes, Coin | None]:
    """(a raw payment of `amount` to an address, the coin of the change, if there is any), from all of `coins`, which
    are the key's. Raises Misuse if they do not suffice."""
    return sign_split(key, chain_id, coins, [(to, amount)], fee)


def sign_split(
    key: AccountKey, chain_id: int, coins: Sequence[Coin], parts: Sequence[tuple[bytes, int]], fee: int = 0
) -> tuple[bytes, Coin | None]:
    """The same to several: an address and an amount each, in this order, the change last. Raises Misuse."""
    change = sum(coin.output.amount for coin in coins) - sum(amount for _, amount in parts) - fee
    if change < 0 or any(amount < 1 for _, amount in parts):
        paid = ", ".join(str(amount) for _, amount in parts)
        raise Misuse(f"a payment of {paid} and a fee of {fee} need {-change} more")
    outputs = [Output(amount, lock_to(to)) for to, amount in parts]
    if change:
        outputs.append(Output(change, lock_to(key.address)))
    raw = sign_spend(chain_id, coins, outputs, [[key]] * len(coins))
    return raw, coins_made(keccak256(raw), outputs)[-1] if change else None


def random_parts(amount: int, count: int, random: Random) -> list[int]:
    """`amount` (raised to `count` if it is less) in `count` parts of at least 1."""
    weights = [1 + random.below(_GRAIN) for _ in range(count)]
    rest, whole = max(0, amount - count), sum(weights)
    parts = [1 + rest * weight // whole for weight in weights]
    parts[0] += rest + count - sum(parts)
    return parts


def sample_payments(
    count: int,
    seed: int,
    chain_id: int,
    alloc: Mapping[str, Any],
    *,
    accounts: int = SAMPLE_ACCOUNTS,
    first_account: int = 0,
    value_max: int = 1_000,
    price: int = 0,
    values: Sequence[int] = (),
    outputs: tuple[int, int] = (1, 1),
) -> list[bytes]:
    """`count` signed payments of 1 to `value_max` (or of `values`, one each), executable in order on a genesis with
    `alloc`; each bids `price` for a unit of gas, generously counted.

    The sample accounts from `first_account` on take turns as senders. Each spends what genesis gave it, then its
    change: what it receives it keeps. `outputs` are the least and the most receivers of one payment, drawn; a single
    one is drawn from all, several are the accounts after the sender, and share the amount in random parts. Raises
    Misuse if somebody runs out of money, ConfigError for more receivers than there are.
    """
    least, most = outputs
    if not 1 <= least <= most <= min(OUTPUTS_MAX - 1, max(1, accounts - 1)):
        accepted = min(OUTPUTS_MAX - 1, max(1, accounts - 1))
        raise ConfigError(f"workload.outputs: {least} to {most}; accepted are 1 to {accepted}, as accounts say")
    random = Random(seed)
    keys = [sample_key(first_account + index) for index in range(accounts)]
    purses = [genesis_coin(key.address, alloc) for key in keys]
    payments = []
    for index in range(count):
        turn = index % accounts
        receivers = [random.below(accounts)]
        amount = values[index] if values else 1 + random.below(value_max)
        parts = [amount]
        wanted = random.between(least, most) if most > 1 else 1
        if wanted > 1:
            receivers = [(turn + step) % accounts for step in range(1, wanted + 1)]
            parts = random_parts(amount, wanted, random)
        shares = [(keys[to].address, part) for to, part in zip(receivers, parts, strict=True)]
        purse = purses[turn]
        coins = [] if purse is None else [purse]
        raw, purses[turn] = sign_split(keys[turn], chain_id, coins, shares, price * _gas_max(wanted))
        payments.append(raw)
    return payments


def _gas_max(receivers: int) -> int:
    """Gas of a payment to so many, and to the payer."""
    size = _PAYMENT_BYTES_MAX + _OUTPUT_BYTES_MAX * receivers
    return size * GAS_PER_BYTE + GAS_PER_SIGNATURE + (receivers + 1) * GAS_PER_OUTPUT
