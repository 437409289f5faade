"""Looking at a node: the same facts for people and for programs."""

import json

import pytest

from cli.shell import Shell, World
from raclette.cli.purse import Purse


@pytest.mark.parametrize("command", ["status", "peers", "block", "votes", "leader"])
def test_json_is_one_line_of_json_and_people_get_text(shell: Shell, node: World, command: str) -> None:
    programs, person = shell(command, "--json"), shell(command)
    assert programs.code == person.code == 0
    assert len(programs.out.splitlines()) == 1
    assert programs.json is not None
    assert person.out.strip()
    assert not person.out.startswith("{")


def test_status_names_what_is_inside_with_dots_and_cuts_nothing(shell: Shell, node: World) -> None:
    lines = dict(line.split(maxsplit=1) for line in shell("status").out.splitlines() if len(line.split()) > 1)
    status = shell("status", "--json").json
    assert lines["finalized.hash"].strip() == status["finalized"]["hash"]
    assert lines["syncing"].strip() == "-"
    assert lines["mempool.pending"].strip() == "0"
    assert lines["consensus.view"].strip() == str(status["consensus"]["view"])
    assert not any(line.startswith("consensus.votes") for line in lines)  # they have a command of their own


def test_peers_fit_on_80_columns_and_json_has_whole_ids(shell: Shell, node: World) -> None:
    assert max(map(len, shell("peers").out.splitlines())) <= 80
    assert shell("peers", "--json").json[0]["nodeId"] == "0x" + "01" * 32


def test_a_block_is_found_by_number_hash_and_tag(shell: Shell, people: Purse, node: World) -> None:
    shell("send", "bob", "1")
    by_number = shell("block", "1", "--json").json
    assert shell("block", by_number["hash"], "--json").json == by_number
    assert shell("block", "finalized", "--json").json == by_number
    assert "transactions  " in shell("block", "1").out


def test_a_block_that_is_not_there(shell: Shell, node: World) -> None:
    assert shell.refusal(5, "block", "99") == "there is no block 99"
    outcome = shell("block", "99", "--json")
    assert (outcome.code, json.loads(outcome.out)) == (5, None)


@pytest.mark.parametrize("which", ["newest", "-1", "0x12", "1.5", "٣"])
def test_what_names_no_block(shell: Shell, which: str) -> None:
    assert "is no block; accepted: a number, a 0x-hash, latest" in shell.refusal(2, "block", "--", which)
