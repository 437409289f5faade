"""Workloads: signed payments between the sample accounts, each from the change of the one before."""

from collections.abc import Mapping, Sequence
from typing import Any

from raclette.chain.genesis import quantity
from raclette.chain.presets import SAMPLE_ACCOUNTS, sample_key
from raclette.ledgers.coins.execution import genesis_hash
from raclette.ledgers.coins.limits import GAS_PER_BYTE, GAS_PER_OUTPUT, GAS_PER_SIGNATURE
from raclette.ledgers.coins.script import lock_to
from raclette.ledgers.coins.transaction import Coin, Output, coins_made, sign_spend
from raclette.primitives.errors import Misuse
from raclette.primitives.hashing import keccak256
from raclette.primitives.keys import AccountKey, checksum_address
from raclette.primitives.randomness import Random

# A payment from one input to two outputs: less than 384 bytes, with amounts of 32 bytes each.
_PAYMENT_GAS_MAX = 384 * GAS_PER_BYTE + GAS_PER_SIGNATURE + 2 * GAS_PER_OUTPUT


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
    change = sum(coin.output.amount for coin in coins) - amount - fee
    if change < 0 or amount < 1:
        raise Misuse(f"a payment of {amount} and a fee of {fee} need {-change} more")
    outputs = [Output(amount, lock_to(to))]
    if change:
        outputs.append(Output(change, lock_to(key.address)))
    raw = sign_spend(chain_id, coins, outputs, [[key]] * len(coins))
    return raw, coins_made(keccak256(raw), outputs)[1] if change else None


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
) -> list[bytes]:
    """`count` signed payments of 1 to `value_max` (or of `values`, one each), executable in order on a genesis with
    `alloc`; each bids `price` for a unit of gas, generously counted.

    The sample accounts from `first_account` on take turns as senders; receivers are drawn from `seed`. Each spends what
    genesis gave it, then its change: what it receives it keeps. Raises Misuse if somebody runs out of money.
    """
    random = Random(seed)
    fee = price * _PAYMENT_GAS_MAX
    keys = [sample_key(first_account + index) for index in range(accounts)]
    purses = [genesis_coin(key.address, alloc) for key in keys]
    payments = []
    for index in range(count):
        turn = index % accounts
        to = keys[random.below(accounts)].address
        amount = values[index] if values else 1 + random.below(value_max)
        purse = purses[turn]
        raw, purses[turn] = sign_payment(keys[turn], chain_id, [] if purse is None else [purse], to, amount, fee)
        payments.append(raw)
    return payments
