"""Workloads: data that sample accounts sign, for demos, benchmarks and tests."""

from raclette.chain.genesis import sample_key
from raclette.ledgers.data.entry import sign_entry
from raclette.primitives.randomness import Random


def sample_entries(count: int, seed: int, chain_id: int, *, accounts: int) -> list[bytes]:
    """`count` different entries, which the first `accounts` sample accounts sign in turn."""
    random = Random(seed)
    return [
        sign_entry(
            sample_key(index % accounts), chain_id=chain_id, data=b"sample %d: %d" % (index, random.below(1_000_000))
        )
        for index in range(count)
    ]
