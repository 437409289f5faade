"""Workloads by ledger: what clients of a demo, a simulation or a testbed send.

A ledger that wants to be run with clients has an entry in `SAMPLES`: a function that signs transactions of the sample
accounts, and, if its genesis needs more than balances for them, one that gives the parameters.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from raclette.chain.genesis import Genesis
from raclette.ledgers.bank.samples import sample_transfers
from raclette.ledgers.coins.samples import sample_payments
from raclette.ledgers.data.samples import sample_entries
from raclette.ledgers.poll.samples import sample_elections, sample_votes
from raclette.primitives.errors import ConfigError


@dataclass(frozen=True)
class Demand:
    """`count` transactions, drawn from `seed`, that the first `accounts` sample accounts sign in turn. Where money
    moves, it is 1 to `value_max` each, or `values` one by one."""

    count: int
    seed: int
    accounts: int
    value_max: int = 1_000
    values: Sequence[int] = ()


def _no_parameters(accounts: int, count: int) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class SampleKit:
    """`transactions` are raw, and executable in order on the genesis. `parameters(accounts, count)` are what genesis'
    `config.ledger` needs for that many of that many accounts."""

    transactions: Callable[[Genesis, Demand], list[bytes]]
    parameters: Callable[[int, int], dict[str, Any]] = _no_parameters


def _transfers(genesis: Genesis, demand: Demand) -> list[bytes]:
    return sample_transfers(
        demand.count,
        demand.seed,
        genesis.chain_id,
        accounts=demand.accounts,
        value_max=demand.value_max,
        values=demand.values,
        fee=genesis.base_fee,
    )


def _payments(genesis: Genesis, demand: Demand) -> list[bytes]:
    return sample_payments(
        demand.count,
        demand.seed,
        genesis.chain_id,
        genesis.alloc,
        accounts=demand.accounts,
        value_max=demand.value_max,
        values=demand.values,
        price=genesis.base_fee,
    )


def _entries(genesis: Genesis, demand: Demand) -> list[bytes]:
    return sample_entries(demand.count, demand.seed, genesis.chain_id, accounts=demand.accounts)


def _votes(genesis: Genesis, demand: Demand) -> list[bytes]:
    return sample_votes(demand.count, demand.seed, genesis.chain_id, accounts=demand.accounts)


SAMPLES: dict[str, SampleKit] = {
    "bank": SampleKit(_transfers),
    "coins": SampleKit(_payments),
    "poll": SampleKit(_votes, sample_elections),
    "data": SampleKit(_entries),
}


def sample_transactions(genesis: Genesis, demand: Demand) -> list[bytes]:
    """Raw transactions for the genesis' ledger. Raises ConfigError if some are wanted and there are none for it."""
    if not demand.count:
        return []
    if genesis.ledger not in SAMPLES:
        raise ConfigError(f"ledger: {genesis.ledger!r} has no sample transactions; accepted are {', '.join(SAMPLES)}")
    return SAMPLES[genesis.ledger].transactions(genesis, demand)


def sample_parameters(ledger: str, accounts: int, count: int) -> dict[str, Any]:
    """Genesis' `config.ledger` for a workload of `count` transactions; empty for most ledgers."""
    return SAMPLES[ledger].parameters(accounts, count) if ledger in SAMPLES else {}
