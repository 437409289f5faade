"""The examples run as they stand in the folder, and say what they promise."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from raclette.cli.network import LocalNetwork, NetworkPlan

EXAMPLES = Path(__file__).parent.parent / "examples"


async def run(name: str, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(EXAMPLES / name),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, errors.decode()
    return out.decode()


def test_simulate_gives_the_same_run_twice() -> None:
    first, second = (asyncio.run(run("simulate.py", "5")) for _ in range(2))
    assert "agreed: True" in first
    assert first == second


def test_attack_leaves_the_honest_in_agreement() -> None:
    out = asyncio.run(run("attack.py"))
    assert out.count("honest nodes agree: True") == 3


def test_own_ledger_passes_the_exam_and_runs_under_two_protocols() -> None:
    out = asyncio.run(run("own_ledger.py"))
    assert out.count("agreed: True, 100 lines") == 2
    assert len((EXAMPLES / "own_ledger.py").read_text().splitlines()) < 80


def test_draw_a_crash_draws_the_picture_in_the_readme(tmp_path: Path) -> None:
    out = asyncio.run(run("draw_a_crash.py", str(tmp_path / "drawn.svg")))
    assert "agreed: True, height 2" in out
    drawn = (tmp_path / "drawn.svg").read_text()
    assert all(words in drawn for words in (">down<", "view-change (", "new-view (", "final 2 "))


@pytest.mark.live
def test_pay_with_web3_on_a_real_network(tmp_path: Path) -> None:
    async def story() -> str:
        async with LocalNetwork(NetworkPlan(tmp_path, nodes=1, accounts=20)) as network:
            return await run("pay_with_web3.py", network.nodes[0].rpc_url)

    assert asyncio.run(story()).strip().endswith("has 1")


def said_at(prompt: str, *lines: str) -> str:
    """What a person types, line by line."""
    return "".join(line + "\n" for line in (prompt, *lines))


def voters(name: str, *arguments: str) -> subprocess.Popen[str]:
    """The voting program, with a person at its prompt."""
    words = [sys.executable, str(EXAMPLES / "voting.py"), name, *arguments]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.live
def test_two_voting_programs_count_the_same_votes() -> None:
    ann, bob = voters("ann"), None
    try:
        assert ann.stdout is not None
        address = ann.stdout.readline().split()[-1]
        bob = voters("bob", address)
        typed = [said_at("a", "ann", "fondue"), said_at("a", "ann", "raclette"), said_at("a", "bob", "fondue")]
        out, _ = bob.communicate("".join(typed) + said_at("a", "eve", "milk") + "d\nq\n", timeout=60)
        assert "linked with ann" in out
        assert out.count("counted") == 2
        assert out.count("Invalid/duplicate vote") == 2
        assert "fondue: 2\nraclette: 0\n" in out
        out, _ = ann.communicate(said_at("a", "ann", "raclette") + "d\n", timeout=60)
        assert "Invalid/duplicate vote" in out, "bob's program has counted ann's vote"
        assert "fondue: 2\n" in out
        assert (ann.returncode, bob.returncode) == (0, 0)
    finally:
        for process in (ann, bob):
            if process is not None:
                process.kill()
                process.wait()


def test_every_example_is_tested() -> None:
    text = Path(__file__).read_text()
    untested = [path.name for path in EXAMPLES.glob("*.py") if f'"{path.name}"' not in text]
    assert untested == []
