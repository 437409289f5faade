"""`raclette up`: a network that stays up, a wallet that works at once, a folder that goes on."""

import asyncio
import json
import signal
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cli.shell import Shell
from raclette.chain.presets import preset_alloc
from raclette.cli.network import NetworkPlan
from raclette.cli.screen import NodeSample, Rates, draw, sparkline
from raclette.cli.up import PASSPHRASE, PEOPLE, LastingNetwork, how_to_use, make_wallet
from raclette.primitives.errors import ConfigError
from raclette.primitives.units import ETHER

LEADER = "0x" + "ab" * 32


def drawn(*samples: NodeSample) -> str:
    console = Console(width=80, file=StringIO())
    with console.capture() as captured:
        console.print(draw(samples, Rates(), {LEADER: "node-0"}, "footer"))
    return captured.get()


def make(name: str = "node-0", **values: Any) -> NodeSample:
    return NodeSample(name, "http://127.0.0.1:8545", 1234567, answers=values.pop("answers", True), **values)


def test_a_row_tells_everything_on_80_columns() -> None:
    text = drawn(
        make(
            height=123_456,
            head="0x" + "cd" * 32,
            finalized=123_450,
            peers=63,
            mempool=9_999,
            turn={"view": 12, "leader": LEADER},
        )
    )
    for part in ("node-0", "123,456", "0xcdcdcdcdcdcd…", "123,450", "63", "9999", "view 12: node-0", "1234567"):
        assert part in text
    assert max(map(len, text.splitlines())) <= 80
    assert "day 3: node-0" in drawn(make(turn={"view": 0, "leader": LEADER, "day": 3, "own_seats": 2}))
    assert "day 3: no seat" in drawn(make(turn={"view": 0, "leader": "", "day": 3, "own_seats": 0}))
    assert "difficulty 4,194,304" in drawn(make(turn={"difficulty": 1 << 22}))


def test_a_node_that_died_leaves_its_last_words() -> None:
    text = drawn(make(), NodeSample("node-1", "", None, answers=False, last_line="port \x1b[2J in use"))
    assert "ended" in text
    assert "node-1: port \\x1b[2J in use" in text
    assert "no answer" in drawn(NodeSample("node-1", "", 99, answers=False))


def test_a_sparkline_is_relative_to_its_top() -> None:
    assert sparkline([0, 1, 2, 4, 8]) == "▁▁▂▄█"
    assert sparkline([0, 0]) == "▁▁"


def plan(folder: Path, **values: Any) -> NetworkPlan:
    return NetworkPlan(folder, **{"nodes": 2, "accounts": 10} | values)


def test_a_folder_goes_on_with_the_same_network_only(tmp_path: Path) -> None:
    async def genesis(**values: Any) -> Any:
        return LastingNetwork(plan(tmp_path, **values)).genesis

    first = asyncio.run(genesis())
    assert asyncio.run(genesis()) == first
    rich = {"accounts": 10, "alloc": preset_alloc("10_rich_man")}
    for other in ({"nodes": 3}, {"protocol": "nakamoto"}, {"accounts": 11}, rich):
        with pytest.raises(ConfigError, match="has another network: pbft, bank, 10 accounts"):
            asyncio.run(genesis(**other))


def test_a_starting_chain_has_its_owners_and_nobody_else(tmp_path: Path) -> None:
    """Under stake one owner is one voter: the others follow until they are paid and enter the roll."""

    async def genesis() -> Any:
        told = plan(tmp_path, protocol="senate", ledger="coins", nodes=3, accounts=1, alloc=preset_alloc("genic"))
        return LastingNetwork(told).genesis

    (owner,) = asyncio.run(genesis()).alloc.values()
    assert owner["balance"] == str(1_000_000 * ETHER)
    assert owner["node"].startswith("0x")


def test_a_starting_chain_that_nobody_knows_is_refused(shell: Shell) -> None:
    said = shell.refusal(2, "up", "--start", "poor")
    assert said == "no starting chain 'poor'; accepted: bank, genic, 10_rich_man, 100_rich_man"


def test_what_it_prints_is_what_one_types(tmp_path: Path) -> None:
    async def told() -> str:
        return how_to_use(LastingNetwork(plan(tmp_path)), make_wallet(tmp_path / "wallet", 10))

    text = asyncio.run(told())
    assert f"export RACLETTE_WALLET={tmp_path / 'wallet'}" in text
    assert "raclette send bob 1 --message hi" in text
    assert make_wallet(tmp_path / "wallet", 10).default().name == "alice"  # again: nothing is overwritten


def test_what_cannot_be_started_is_one_line(shell: Shell) -> None:
    assert shell.refusal(2, "up", "--ledger", "frobnicate").startswith("no ledger 'frobnicate'; accepted: bank")
    assert "accepted: nakamoto, " in shell.refusal(2, "up", "--protocol", "frobnicate", "--json")


@pytest.mark.live
def test_a_network_stays_up_serves_a_wallet_and_ends_when_told(shell: Shell, tmp_path: Path) -> None:
    words = ["up", "-n", "4", "--accounts", "10", "--folder", str(tmp_path / "net"), "--rpc-port", "0", "--json"]
    running = subprocess.Popen([sys.executable, "-m", "raclette", *words], stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        ready = json.loads(running.stdout.readline())
        assert ready["event"] == "ready"
        assert ready["accounts"] == sorted(PEOPLE)
        assert ready["environment"]["RACLETTE_PASSPHRASE"] == PASSPHRASE
        shell.env.update(ready["environment"])
        assert shell("send", "bob", "1", "--message", "hi", "--json").json["succeeded"]
        assert [letter["text"] for letter in shell("inbox", "--from", "bob", "--json").json] == ["hi"]
        assert sorted(peer["name"] for peer in shell("peers", "--json").json) == ["node-1", "node-2", "node-3"]
        assert "node-2" in shell("peers").out
        shell("wallet", "new", "erin")
        assert shell("register", "erin", "--from", "erin", "--fund", "25", "--json").json["funded"]["succeeded"]
        assert shell("balance", "erin", "--json").json == {"erin": str(25 * 10**18)}
        status = json.loads(running.stdout.readline())
        while status["transactions"] == 0:
            status = json.loads(running.stdout.readline())
        assert [node["answers"] for node in status["nodes"]] == [True] * 4
        assert {node["turn"]["view"] for node in status["nodes"]} == {0}
    finally:
        running.send_signal(signal.SIGTERM)
        assert running.wait(20) == 0
    outcome = shell("db", "check", str(tmp_path / "net" / "node-3"), "--json")
    assert outcome.json["chain_verified"]
    assert shell("status").code == 4  # nobody is left
