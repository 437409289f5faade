"""Whole nodes in the world: they agree through everything that a run may do to them, and always in the same way."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from raclette.primitives.errors import ConfigError
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.sim.config import SimConfig, Workload
from raclette.sim.demo import demo_config
from raclette.sim.faults import Crash, Impair, Partition
from raclette.sim.liars import LiarSpec
from raclette.sim.log import Entry
from raclette.sim.simulate import SimReport, simulate

SHORT = Workload(count=40, interval=SECOND // 20, start=SECOND // 2)
PROTOCOLS = ("pbft", "nakamoto")


def run(protocol: str = "pbft", **changes: Any) -> SimReport:
    config = SimConfig(protocol=protocol, accounts=20, workload=SHORT, duration=4 * SECOND)
    return simulate(replace(config, **changes))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_nodes_agree_on_one_ledger_and_execute_everything(protocol: str) -> None:
    report = run(protocol)
    assert report.agreed, report.violations
    assert report.transactions == 40
    assert report.height >= 1
    assert report.misbehaved == {}


def test_a_quiet_network_commits_within_milliseconds() -> None:
    assert run().p99_ms < 20


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_report_is_json_with_what_the_command_line_promises(protocol: str) -> None:
    report = json.loads(run(protocol).to_text())
    assert {"agreed", "height", "digest", "violations", "events", "transactions"} <= report.keys()
    assert len(report["digest"]) == 64


def test_real_keys_agree_as_ideal_ones_do() -> None:
    report = run(real_keys=True)
    assert report.agreed, report.violations
    assert report.height == run().height


def test_the_primary_crashes_and_the_others_go_on_and_wait_for_it() -> None:
    crash = Crash(at=SECOND, node=0, mode="lose", lasting=4 * SECOND)
    report = run(faults=(crash,), parameters={"view_timeout_ms": 300})
    assert report.agreed, report.violations
    assert report.messages["view-change"] >= 3
    assert report.messages["new-view"] >= 2


def test_a_minority_cut_off_catches_up() -> None:
    split = Partition(at=SECOND, groups=((0, 1, 2), (3,)), lasting=5 * SECOND)
    report = run(faults=(split,))
    assert report.agreed, report.violations
    assert report.lost["partition"] > 0


def test_loss_is_repaired() -> None:
    report = run(faults=(Impair(at=0, lasting=4 * SECOND, loss_ppm=200_000),))
    assert report.agreed, report.violations
    assert report.lost["loss"] > 50


def test_two_lying_replicas_of_four_are_found_out_by_the_checkers() -> None:
    """More liars than f: nothing holds, and the report says so instead of hiding it."""
    report = run(liars={0: LiarSpec("silent"), 1: LiarSpec("silent")}, settle=2 * SECOND)
    assert not report.agreed
    assert "liveness" in {violation["checker"] for violation in report.violations}


def test_an_equivocating_primary_changes_nothing() -> None:
    for seed in range(1, 6):
        report = run(seed=seed, liars={0: LiarSpec("twins")}, parameters={"view_timeout_ms": 300})
        assert report.agreed, (seed, report.violations)


def test_an_observer_follows_without_a_vote() -> None:
    report = run(nodes=5, observers=1)
    assert report.agreed, report.violations
    assert report.messages["pre-prepare"] == 3 * report.height


def test_far_away_nodes_agree_more_slowly() -> None:
    near, far = run(), run(network="internet-2019")
    assert far.agreed, far.violations
    assert far.p50_ms > 10 * near.p50_ms


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_demo_survives_its_crash_and_its_late_joiner(protocol: str) -> None:
    report = simulate(demo_config(protocol, transfers=150))
    assert report.agreed, report.violations
    assert (report.transactions, report.crashes) == (150, 2)


def test_the_log_of_a_run_names_its_messages_and_commits() -> None:
    entries: list[Entry] = []
    config = SimConfig(workload=Workload(count=1, start=SECOND), duration=SECOND + 50 * MILLISECOND)
    quiet = simulate(config)
    logged = simulate(config, entries.append)
    assert quiet == logged
    kinds = {entry.detail["kind"] for entry in entries if entry.what == "receive"}
    assert {"pre-prepare", "prepare", "commit"} <= kinds
    assert sum(1 for entry in entries if entry.what == "final") == 4


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"protocol": "paxos"}, "nakamoto, pbft"),
        ({"ledger": "shop"}, "bank"),
        ({"nodes": 0}, "1 to 1000"),
        ({"network": "pigeon"}, "internet-2019"),
        ({"topology": "moebius"}, "bitcoin"),
        ({"liars": {0: LiarSpec("polite")}}, "twins"),
        ({"liars": {9: LiarSpec("silent")}}, "0 to 3"),
        ({"observers": 4}, "0 to 3"),
        ({"accounts": 0}, "1 to 1000"),
        ({"parameters": {"windw": 1}}, "windw"),
    ],
)
def test_a_config_that_cannot_be_is_refused_with_what_is_accepted(changes: dict[str, Any], names: str) -> None:
    with pytest.raises(ConfigError, match=names):
        run(**changes)


SCRIPT = """
import sys
from raclette.sim.config import SimConfig, Workload
from raclette.sim.faults import Crash, Impair, Partition
from raclette.sim.liars import LiarSpec
from raclette.sim.simulate import simulate
second = 10**9
faults = (
    Impair(second // 2, 2 * second, 100_000, 50_000, 100_000),
    Partition(second, ((0, 1), (2, 3)), second),
    Crash(2 * second, 2, "tear", second),
)
for seed in (3, 10, 17):
    workload = Workload(count=20, interval=second // 10)
    liars = {1: LiarSpec("twins")}
    config = SimConfig(
        sys.argv[1], seed=seed, network="wan", workload=workload, faults=faults, liars=liars, duration=4 * second
    )
    print(simulate(config).to_text())
"""


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_two_processes_with_different_hash_seeds_report_the_same_to_the_byte(protocol: str) -> None:
    reports = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT, protocol],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("0", "4711")
    }
    assert len(reports) == 1
    assert reports.pop().count('"digest"') == 3
