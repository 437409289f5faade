"""Workloads: pre-signed transfers between sample accounts, for demos, benchmarks and tests."""

from collections.abc import Sequence

from raclette.chain.genesis import sample_key
from raclette.chain.presets import SAMPLE_ACCOUNTS
from raclette.chain.transaction import sign_transfer
from raclette.primitives.randomness import Random


def sample_transfers(
    count: int,
    seed: int,
    chain_id: int,
    *,
    accounts: int = SAMPLE_ACCOUNTS,
    first_account: int = 0,
    first_nonce: int = 0,
    value_max: int = 1_000,
    fee: int = 0,
    values: Sequence[int] = (),
) -> list[bytes]:
    """`count` signed transfers of 1 to `value_max` wei (or of `values`, one each), executable in order on a genesis
    with the sample accounts.

    The sample accounts from `first_account` on take turns as senders, each counting its nonces from `first_nonce`;
    receivers are drawn from `seed`. About 30 us each. Raises ValueError if `accounts` is less than 1.
    """
    random = Random(seed)
    keys = [sample_key(first_account + index) for index in range(accounts)]
    transfers = []
    for index in range(count):
        receiver = keys[random.below(accounts)].address
        value = values[index] if values else 1 + random.below(value_max)
        transfers.append(
            sign_transfer(
                keys[index % accounts],
                chain_id=chain_id,
                nonce=first_nonce + index // accounts,
                to=receiver,
                value=value,
                fee=fee,
            )
        )
    return transfers
