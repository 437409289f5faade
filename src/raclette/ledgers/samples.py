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
from raclette.ledgers.poll.samples import sample_actions, sample_elections, sample_turns
from raclette.primitives.errors import ConfigError

ONE_OUTPUT = (1, 1)


@dataclass(frozen=True)
class Demand:
    """`count` transactions, drawn from `seed`, that the first `accounts` sample accounts sign in turn. Where money
    moves, it is 1 to `value_max` each, or `values` one by one; where one payment can have several receivers, `outputs`
    are the least and the most of them."""

    count: int
    seed: int
    accounts: int
    value_max: int = 1_000
    values: Sequence[int] = ()
    outputs: tuple[int, int] = ONE_OUTPUT


def _no_parameters(accounts: int, count: int) -> dict[str, Any]:
    return {}


def _in_turn(count: int, accounts: int) -> list[int]:
    return [index % accounts for index in range(count)]


@dataclass(frozen=True)
class SampleKit:
    """`transactions` are raw, and executable in order on the genesis. `parameters(accounts, count)` are what genesis'
    `config.ledger` needs for that many of that many accounts. `turns(count, accounts)` is the account that signs each:
    what one account signs must stay in order. With `splits` a payment can have several receivers."""

    transactions: Callable[[Genesis, Demand], list[bytes]]
    parameters: Callable[[int, int], dict[str, Any]] = _no_parameters
    turns: Callable[[int, int], list[int]] = _in_turn
    splits: bool = False


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
        outputs=demand.outputs,
    )


def _entries(genesis: Genesis, demand: Demand) -> list[bytes]:
    return sample_entries(demand.count, demand.seed, genesis.chain_id, accounts=demand.accounts)


def _actions(genesis: Genesis, demand: Demand) -> list[bytes]:
    return sample_actions(demand.count, demand.seed, genesis.chain_id, accounts=demand.accounts)


SAMPLES: dict[str, SampleKit] = {
    "bank": SampleKit(_transfers),
    "coins": SampleKit(_payments, splits=True),
    "poll": SampleKit(_actions, sample_elections, sample_turns),
    "data": SampleKit(_entries),
}


def sample_transactions(genesis: Genesis, demand: Demand) -> list[bytes]:
    """Raw transactions for the genesis' ledger. Raises ConfigError if some are wanted and there are none for it."""
    if not demand.count:
        return []
    if genesis.ledger not in SAMPLES:
        raise ConfigError(f"ledger: {genesis.ledger!r} has no sample transactions; accepted are {', '.join(SAMPLES)}")
    check_outputs(genesis.ledger, demand.outputs)
    return SAMPLES[genesis.ledger].transactions(genesis, demand)


def sample_turns_of(ledger: str, count: int, accounts: int) -> list[int]:
    """Which account signs each of the transactions of such a workload."""
    return SAMPLES[ledger].turns(count, accounts) if ledger in SAMPLES else _in_turn(count, accounts)


def check_outputs(ledger: str, outputs: tuple[int, int]) -> None:
    """Raises ConfigError if payments of this ledger cannot have so many receivers."""
    if outputs != ONE_OUTPUT and not (ledger in SAMPLES and SAMPLES[ledger].splits):
        able = ", ".join(name for name, kit in SAMPLES.items() if kit.splits)
        raise ConfigError(f"workload.outputs: means nothing with the ledger {ledger!r}; accepted with {able}")


def sample_parameters(ledger: str, accounts: int, count: int) -> dict[str, Any]:
    """Genesis' `config.ledger` for a workload of `count` transactions; empty for most ledgers."""
    return SAMPLES[ledger].parameters(accounts, count) if ledger in SAMPLES else {}
