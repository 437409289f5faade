"""A scenario on real processes gives what the simulator gives, and is judged as sharply."""

import asyncio
import json
import os
import stat
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from raclette.cli.app import app
from raclette.cli.commands import load
from raclette.cli.network import LocalNode
from raclette.cli.testbed.faults import FaultPlan
from raclette.cli.testbed.observe import Observatory
from raclette.cli.testbed.run import not_done
from raclette.cli.testbed.verdicts import Verdicts
from raclette.cli.testbed.wires import Loopback
from raclette.primitives.units import SECOND
from raclette.sim.config import SimConfig
from raclette.sim.faults import Churn, Crash, Fault, Partition, Pause, SlowDisk
from raclette.sim.liars import LiarSpec
from raclette.sim.record import BlockRecord, Finality, HeadChange, RunRecord

SCENARIO = """
title = "A crash and a pause"
nodes = 4
[workload]
count = 20
rate = 10
[stop]
seconds = 4
[[faults]]
kind = "crash"
mode = "clean"
node = 1
at = "1500ms"
for = "500ms"
[[faults]]
kind = "pause"
node = 2
at = "3s"
for = "300ms"
"""

# Stands in for ssh: carries tunnels and runs the command on this machine.
FAKE_SSH = """#!{python}
import socket, subprocess, sys, threading
words = sys.argv[1:]
tunnels = []
while words and words[0].startswith("-"):
    if words[0] == "-L":
        near, _, rest = words[1].partition(":")
        host, _, far = rest.partition(":")
        tunnels.append((int(near), host, int(far)))
    words = words[2:]
def pump(a, b):
    try:
        while data := a.recv(65536):
            b.sendall(data)
    except OSError:
        pass
    finally:
        for end in (a, b):
            try: end.shutdown(socket.SHUT_RDWR)
            except OSError: pass
def serve(near, host, far):
    server = socket.create_server(("127.0.0.1", near))
    while True:
        a, _ = server.accept()
        try: b = socket.create_connection((host, far))
        except OSError: a.close(); continue
        threading.Thread(target=pump, args=(a, b), daemon=True).start()
        threading.Thread(target=pump, args=(b, a), daemon=True).start()
for tunnel in tunnels:
    threading.Thread(target=serve, args=tunnel, daemon=True).start()
sys.exit(subprocess.run(["sh", "-c", " ".join(words[1:])]).returncode)
"""


def run(*words: str) -> tuple[int, str]:
    load()
    result = CliRunner().invoke(app, ["testbed", *words])
    return result.exit_code, result.stdout


@pytest.mark.live
def test_a_scenario_runs_on_processes_and_in_the_simulator_and_both_agree(tmp_path: Path) -> None:
    path = tmp_path / "scenario.toml"
    path.write_text(SCENARIO)
    code, text = run(str(path), "--wires", "loopback", "--out", str(tmp_path / "report"), "--json")
    found = json.loads(text)
    assert (code, found["violations"]) == (0, [])
    assert found["agreed"]
    assert found["simulator_agreed"]
    assert (found["transactions"], found["crashes"], found["wires"]) == (20, 1, "loopback")
    assert found["messages"]["commit"] > 20
    assert found["side_by_side"]["transactions"] == {"simulator": 20, "processes": 20, "ratio": 1}
    page = (tmp_path / "report" / "report.html").read_text()
    assert "A crash and a pause" in page
    for name in ("growth", "latency", "finality", "messages"):
        assert (tmp_path / "report" / "figures" / f"{name}.png").stat().st_size > 10_000


@pytest.mark.live
def test_hosts_over_ssh_run_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "bin" / "ssh"
    fake.parent.mkdir()
    fake.write_text(FAKE_SSH.format(python=sys.executable))
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{fake.parent}{os.pathsep}{os.environ['PATH']}")
    raclette = Path(sys.executable).with_name("raclette")
    port = 20_000 + os.getpid() % 20_000
    (tmp_path / "inventory.toml").write_text(
        f'control = "127.0.0.1"\n[[hosts]]\nssh = "me@there"\naddress = "127.0.0.1"\nslots = 4\n'
        f'first_port = {port}\nraclette = "{raclette}"\nfolder = "{tmp_path / "there"}"\n'
    )
    (tmp_path / "scenario.toml").write_text(SCENARIO)
    code, text = run(str(tmp_path / "scenario.toml"), "--hosts", str(tmp_path / "inventory.toml"), "--no-sim", "--json")
    found = json.loads(text)
    assert (code, found["violations"]) == (0, [])
    assert (found["wires"], found["transactions"], found["crashes"]) == ("ssh", 20, 1)
    assert (tmp_path / "there" / "node-3" / "db").is_dir()


def test_what_cannot_be_done_is_said(tmp_path: Path) -> None:
    nodes = [LocalNode(f"n{i}", tmp_path, bytes(31) + bytes([i + 1]), "127.0.0.1") for i in range(2)]
    faults: list[Fault] = [
        Partition(SECOND, ((0,), (1,)), SECOND),
        SlowDisk(SECOND, 0, SECOND, 5),
        Crash(SECOND, 0, "tear", SECOND),
        Pause(SECOND, 1, SECOND),
    ]
    plan = FaultPlan(faults, nodes, Loopback())
    assert [each.what for each in plan.skipped] == ["partition", "slow-disk", "crash mode=tear"]
    assert [at for at, _ in plan.acts] == [1, 1, 2, 2]
    config = SimConfig(liars={3: LiarSpec("twins")}, topology="regular", degree=2)
    assert [each.what for each in not_done(config)] == ["liar n03: twins", "topology regular"]


def test_churn_takes_one_after_another(tmp_path: Path) -> None:
    nodes = [LocalNode(f"n{i}", tmp_path, bytes(31) + bytes([i + 1]), "127.0.0.1") for i in range(3)]
    plan = FaultPlan([Churn(0, 5 * SECOND, 2 * SECOND)], nodes, Loopback())
    assert [at for at, _ in plan.acts] == [0, 2, 2, 4, 4, 5]


def seen(blocks: list[tuple[int, int]], heads: list[int], finals: list[tuple[int, int]]) -> Verdicts:
    """`blocks` as (parent, height); the head of each node; (node, block) called final."""
    record = RunRecord("pbft", 1, len(heads), honest=[True] * len(heads))
    record.blocks = [BlockRecord(str(i), parent, height, 0, i, 1, 1, 1) for i, (parent, height) in enumerate(blocks)]
    record.heads = [HeadChange(1, node, head, 0) for node, head in enumerate(heads)]
    record.finals = [Finality(1, node, block) for node, block in finals]
    observatory = Observatory([], record, {})
    observatory._transactions = {i: [str(height)] for i, (_, height) in enumerate(blocks)}
    return Verdicts(observatory, [])


FORK = [(-1, 0), (0, 1), (0, 1), (1, 2)]


def test_two_final_blocks_at_one_height_break_agreement() -> None:
    verdicts = seen(FORK, [3, 2], [(0, 3), (1, 2)])
    verdicts.agreement()
    assert [violation["checker"] for violation in verdicts.violations] == ["agreement"]


def test_a_head_that_leaves_its_final_block_breaks_finality() -> None:
    verdicts = seen(FORK, [2], [(0, 1)])
    verdicts.agreement()
    assert [violation["checker"] for violation in verdicts.violations] == ["finality-kept"]


def test_a_repeated_transaction_and_a_standstill_are_found_and_a_fork_without_finality_is_none() -> None:
    verdicts = seen(FORK, [3, 2], [])
    verdicts.agreement()
    verdicts.exactly_once()
    verdicts.liveness("")
    assert verdicts.violations == []
    verdicts._seen._transactions[3] = ["1"]
    verdicts.exactly_once()
    verdicts.liveness("3 transactions are not executed")
    assert [violation["checker"] for violation in verdicts.violations] == ["exactly-once", "liveness"]
    asyncio.run(verdicts.supply(0))
