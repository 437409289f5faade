"""Every protocol with every ledger, in the simulator and as real processes: nobody is told what the other one is.

The pairs come from the registries, so a protocol or ledger that is added is walked too. Simulated, all of them run with
the suite; as processes only `LIVE`, which takes about half a minute, the others with `make matrix` (about five).
"""

import asyncio
import os
from pathlib import Path

import pytest

from raclette import LEDGERS, PROTOCOLS, SimConfig, simulate
from raclette.cli.testbed.run import run_on_processes
from raclette.cli.testbed.wires import Loopback
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.sim.config import Workload
from raclette.sim.faults import Crash

PAIRS = [(protocol, ledger) for protocol in PROTOCOLS for ledger in LEDGERS]
# Each ledger once, under votes, stakes, proof of work, and work that elects voters. Ballot's window alone takes longer.
LIVE = (("senate", "coins"), ("nakamoto", "poll"), ("simplex", "data"), ("hybrid", "bank"))
COUNT = 24
# Each account twice and more: nonces go up, change is spent again.
ACCOUNTS = 9


def config(protocol: str, ledger: str, **more: object) -> SimConfig:
    workload = Workload(count=COUNT, interval=100 * MILLISECOND)
    settings = {"nodes": 4, "accounts": ACCOUNTS, "workload": workload, "duration": 3 * SECOND, **more}
    return SimConfig(protocol=protocol, ledger=ledger, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(("protocol", "ledger"), PAIRS)
def test_simulated_all_agree_although_a_node_crashes(protocol: str, ledger: str) -> None:
    crash = Crash(at=1500 * MILLISECOND, node=1, lasting=SECOND)
    report = simulate(config(protocol, ledger, faults=(crash,)))
    assert report.violations == []
    assert report.agreed
    assert (report.transactions, report.crashes) == (COUNT, 1)


def test_every_ledger_and_most_protocols_run_as_processes_with_the_suite() -> None:
    assert set(LIVE) <= set(PAIRS)
    assert {ledger for _, ledger in LIVE} == set(LEDGERS)


@pytest.mark.live
@pytest.mark.parametrize(("protocol", "ledger"), PAIRS)
def test_as_processes_all_agree(protocol: str, ledger: str, tmp_path: Path) -> None:
    if (protocol, ledger) not in LIVE and not os.environ.get("RACLETTE_MATRIX"):
        pytest.skip("with `make matrix`")
    run = asyncio.run(run_on_processes(config(protocol, ledger), tmp_path, Loopback()))
    assert run.report["violations"] == []
    assert run.report["agreed"]
    assert run.report["transactions"] == COUNT
