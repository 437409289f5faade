"""Clients that mean harm: the ledger bears them, and what would let them win is noticed."""

import pytest

from raclette.chain.presets import SAMPLE_ACCOUNTS, sample_key
from raclette.chain.transaction import sign_transfer
from raclette.ledgers import LEDGERS, ledger_of
from raclette.primitives.errors import ConfigError
from raclette.primitives.units import SECOND
from raclette.sim.config import SimConfig, Workload
from raclette.sim.liars import LiarSpec
from raclette.sim.mischief import TRICKS, accounts_of
from raclette.sim.simulate import Simulation, simulate

LOAD = Workload(count=20, start=SECOND // 4, mischief=12)


# What the ledger must have said to them, so that the run shows something.
TOLD = {
    "bank": {"nonce-too-low", "insufficient-funds"},
    "coins": {"unknown-output", "wrong-output"},
    "poll": {"wrong-ballot", "unknown-choice", "not-enrolled"},
    "data": {"duplicate"},
}


def run_of(protocol: str, seed: int, ledger: str = "bank") -> Simulation:
    parameters = {"block_interval_s": 1} if protocol == "nakamoto" else {}
    return Simulation(
        SimConfig(
            protocol=protocol,
            ledger=ledger,
            seed=seed,
            accounts=20,
            workload=LOAD,
            parameters=parameters,
            duration=6 * SECOND,
        )
    )


def test_every_ledger_has_tricks() -> None:
    assert set(TRICKS) == set(LEDGERS) == set(TOLD)


@pytest.mark.parametrize("ledger", LEDGERS)
@pytest.mark.parametrize("protocol", ["pbft", "nakamoto"])
def test_no_trick_harms_anybody(protocol: str, ledger: str) -> None:
    run = run_of(protocol, 1, ledger)
    report = run.run()
    assert report.agreed, report.violations
    assert report.transactions == LOAD.count
    # The tricks were played: some attempts were no transactions of this chain, some the ledger refused.
    assert run.mischief.told["submitted"] > LOAD.mischief
    assert run.mischief.told["refused"] > 0 or ledger == "data"
    assert TOLD[ledger] <= set(report.refused)


def test_mischief_is_drawn_from_the_seed() -> None:
    one, same, other = (run_of("pbft", seed).run() for seed in (2, 2, 3))
    assert one == same
    assert one.digest != other.digest


def test_honest_clients_are_not_disturbed() -> None:
    """The tricks have accounts of their own: without them the same orders are executed."""
    quiet = simulate(SimConfig(accounts=20, workload=Workload(count=20), duration=6 * SECOND))
    loud = simulate(SimConfig(accounts=20, workload=Workload(count=20, mischief=5), duration=6 * SECOND))
    assert quiet.transactions == loud.transactions == 20


def test_what_cannot_be_executed_does_not_hide_what_can() -> None:
    """A nonce too high comes first; the silent primary of what comes after it is not waited for."""
    run = Simulation(
        SimConfig(
            accounts=20,
            workload=Workload(count=5, start=2 * SECOND, mischief=1),
            liars={0: LiarSpec("silent")},
            checkers=("agreement", "liveness"),
            settle=20 * SECOND,
        )
    )
    run.world.run_until(SECOND)
    early = sign_transfer(
        sample_key(20), chain_id=run.genesis.chain_id, nonce=1, to=sample_key(21).address, value=1, fee=0
    )
    for host in run.world.hosts:
        run.world.submit(host.index, ledger_of(run.genesis).decode(early))
    report = run.run()
    assert report.transactions == 5
    assert report.agreed, report.violations


def test_more_tricks_than_accounts_are_refused() -> None:
    most = (SAMPLE_ACCOUNTS - 20) // accounts_of(1)
    SimConfig(accounts=20, workload=Workload(mischief=most)).validate()
    with pytest.raises(ConfigError, match=f"workload.mischief: {most + 1}; accepted are 0 to {most}"):
        SimConfig(accounts=20, workload=Workload(mischief=most + 1)).validate()
