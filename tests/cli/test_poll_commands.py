"""Voting from the command line: open and secret elections, one vote each, and tallies that anybody can read."""

from collections.abc import Iterator

import pytest

from cli.shell import MiningBackend, Shell, World, serve
from raclette.chain.genesis import Genesis, even_alloc
from raclette.chain.presets import sample_key
from raclette.cli.purse import Purse
from raclette.primitives.keys import checksum_address

DINNER = {"id": "dinner", "question": "What?", "choices": ["raclette", "fondue"], "voters": "alloc"}
# Votes are taken in blocks 1 and 2, revealed in 3 to 5.
BOARD = {**DINNER, "id": "board", "choices": ["Ann", "Bo"], "closes": 3, "reveals": 6}
ALICE = checksum_address(sample_key(0).address)


@pytest.fixture
def booth(shell: Shell, people: Purse) -> Iterator[World]:
    """A node that holds two elections, in which alice, bob and three others vote. Each ballot is a block."""
    parameters = {"elections": [DINNER, BOARD]}
    genesis = Genesis("pbft", "poll", 4242, ledger_parameters=parameters, alloc=even_alloc(5, 10**18))
    for world in serve(backend=MiningBackend(genesis)):
        shell.env["RACLETTE_RPC"] = world.url
        yield world


def test_everybody_votes_once_and_the_tally_is_everybodys(shell: Shell, booth: World) -> None:
    assert shell("vote", "dinner", "fondue", "--json").json["succeeded"]
    assert "Invalid/duplicate vote" in shell.refusal(5, "vote", "dinner", "raclette")
    assert shell("vote", "dinner", "fondue", "--from", "bob").code == 0
    found = shell("tally", "dinner", "--json").json
    assert (found["counts"], found["cast"], found["enrolled"]) == ({"raclette": 0, "fondue": 2}, 2, 5)
    assert "fondue" in shell("tally", "dinner").out
    listed = shell("elections", "--json").json
    assert [(one["id"], one["secret"]) for one in listed] == [("dinner", False), ("board", True)]
    assert "What?" in shell("elections").out


def test_a_sealed_vote_shows_nothing_and_is_revealed_by_the_key_alone(shell: Shell, booth: World) -> None:
    sealed = shell("vote", "board", "Bo")
    assert "raclette reveal board" in sealed.out
    assert "Bo" not in sealed.out
    assert "goes on until" in shell.refusal(5, "reveal", "board")
    assert shell("vote", "board", "Ann", "--from", "bob").code == 0
    assert shell("tally", "board", "--json").json["counts"] == {"Ann": 0, "Bo": 0}
    for voter in ("alice", "bob"):
        assert shell("reveal", "board", "--from", voter, "--json").json["succeeded"]
    assert "nothing to reveal: revealed" in shell.refusal(5, "reveal", "board")
    assert shell("tally", "board", "--json").json["counts"] == {"Ann": 1, "Bo": 1}


def test_what_cannot_be_voted_on_is_one_line(shell: Shell, people: Purse, booth: World) -> None:
    assert "there are: dinner, board" in shell.refusal(5, "vote", "lunch", "soup")
    assert "there are: dinner, board" in shell.refusal(5, "tally", "lunch")
    assert "accepted: raclette, fondue" in shell.refusal(5, "vote", "dinner", "pizza")
    people.keep("stranger", sample_key(77), "fondue")
    assert "no voter of dinner" in shell.refusal(5, "vote", "dinner", "fondue", "--from", "stranger")
    assert "nothing to reveal: no voter" in shell.refusal(5, "reveal", "board", "--from", "stranger")
    assert "nothing to reveal: enrolled" in shell.refusal(5, "reveal", "board")


def test_a_chain_without_elections_says_so(shell: Shell, people: Purse, node: World) -> None:
    for words in (("vote", "dinner", "fondue"), ("tally", "dinner"), ("elections",), ("reveal", "dinner")):
        assert "the ledger of this chain is bank" in shell.refusal(5, *words)


def test_an_organiser_opens_an_election(shell: Shell, booth: World) -> None:
    words = ("open-election", "lunch", "What for lunch?", "-c", "soup", "-c", "salad", "-v", "bob", "-v", "sample-2")
    assert shell(*words, "--lasting", "2", "--json").json["succeeded"]
    assert shell("vote", "lunch", "soup", "--from", "bob").code == 0
    assert "no voter of lunch" in shell.refusal(5, "vote", "lunch", "soup")
    assert shell("vote", "dinner", "fondue").code == 0
    found = shell("tally", "lunch", "--json").json
    assert (found["final"], found["winners"], found["enrolled"]) == (True, ["soup"], 2)
    assert "say --lasting too" in shell.refusal(5, *words, "--revealing", "2")
    assert shell("elections", "--json").json[2]["organiser"] == ALICE


def test_the_console_votes(shell: Shell, booth: World) -> None:
    done = shell("console", typed="elections\nvote dinner fondue\ntally dinner\nvote dinner raclette\n")
    assert "Invalid/duplicate vote" in done.err
    assert "fondue in dinner: in block 1" in done.out
