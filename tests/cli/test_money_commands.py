"""Sending, reading, registering: against a node that puts each transaction into a block at once."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.shell import BALANCE, Shell, World
from raclette.chain.presets import sample_key
from raclette.cli.purse import Purse
from raclette.primitives.amounts import WEI_MAX, format_amount, parse_amount
from raclette.primitives.errors import ConfigError
from raclette.primitives.keys import checksum_address
from raclette.primitives.units import ETHER


def test_a_letter_reaches_its_reader_and_nobody_else(shell: Shell, people: Purse, node: World) -> None:
    sent = shell("send", "bob", "2.5", "--message", "for the cheese", "--json").json
    assert sent["succeeded"]
    assert sent["block"] == 1
    (letter,) = shell("inbox", "--from", "bob", "--json").json
    assert letter["text"] == "for the cheese"
    assert letter["value"] == str(25 * ETHER // 10)
    assert letter["sender"] == checksum_address(sample_key(0).address)
    people.keep("carol", sample_key(2), "fondue")
    assert shell("inbox", "--from", "carol", "--json").json == []
    assert "for the cheese" in shell("inbox").out  # who wrote it can read it too


def test_balances_are_exact_and_fees_are_paid(shell: Shell, people: Purse, node: World) -> None:
    shell("send", "bob", "0.000000000000000001")
    found = shell("balance", "alice", "bob", "sample-2", "--json").json
    assert found["bob"] == str(BALANCE + 1)
    assert found["sample-2"] == str(BALANCE)
    assert int(found["alice"]) < BALANCE - 1  # the base fee of this chain is 7 wei
    assert "100.000000000000000001" in shell("balance").out


def test_a_name_of_the_directory_can_be_paid_and_written_to(shell: Shell, people: Purse, node: World) -> None:
    assert shell("send", "sample-3", "1", "-m", "hello").code == 0
    assert shell("balance", "sample-3", "--json").json == {"sample-3": str(BALANCE + ETHER)}


def test_an_address_without_a_public_key_gets_coins_but_no_letter(shell: Shell, people: Purse, node: World) -> None:
    stranger = checksum_address(sample_key(99).address)
    assert "published no public key" in shell.refusal(5, "send", stranger, "1", "-m", "hello")
    assert shell("send", stranger, "1").code == 0
    assert shell("balance", stranger, "--json").json == {stranger: str(ETHER)}


def test_registering_makes_a_stranger_reachable_by_name(shell: Shell, people: Purse, node: World) -> None:
    shell("wallet", "new", "eve")
    shell("send", "eve", "5")
    assert shell("register", "eve-of-zurich", "--from", "eve", "--json").json["succeeded"]
    assert shell("balance", "eve-of-zurich", "--json").json.keys() == {"eve-of-zurich"}
    assert "called eve-of-zurich already" in shell.refusal(5, "register", "eve-two", "--from", "eve")


def test_a_name_is_taken_once(shell: Shell, people: Purse, node: World) -> None:
    shell("wallet", "new", "eve")
    assert shell.refusal(5, "register", "sample-1", "--from", "eve") == "somebody is called 'sample-1' already"


def test_what_the_node_refuses_is_told_in_its_words(shell: Shell, people: Purse, node: World) -> None:
    assert "insufficient funds" in shell.refusal(5, "send", "bob", "1000")


@pytest.mark.parametrize(
    "amount", ["", "-1", "1e3", "nan", "1,5", "0x10", "1.0000000000000000001", "1_000", "٣", "9" * 61]
)
def test_what_is_no_amount_is_refused_before_anything_is_sent(shell: Shell, people: Purse, amount: str) -> None:
    said = shell.refusal(2, "send", "--", "bob", amount)
    assert "is no amount; accepted: a number like 1.5, at most 18 decimals" in said


def test_a_name_that_nobody_has(shell: Shell, people: Purse, node: World) -> None:
    assert shell.refusal(2, "send", "nobody", "1").startswith("nobody called 'nobody': neither in ")
    assert "digits; 40 belong" in shell.refusal(2, "balance", "0x12")


@pytest.mark.parametrize(
    "command", [("send", "bob", "1"), ("balance",), ("inbox",), ("status",), ("block",), ("peers",)]
)
def test_no_node_there_is_one_line_and_exit_code_4(shell: Shell, people: Purse, command: tuple[str, ...]) -> None:
    said = shell.refusal(4, *command)
    assert said.startswith("no JSON-RPC answer from http://127.0.0.1:9 (")
    assert said.endswith("is a node running there?")


@pytest.mark.parametrize("url", ["localhost", "ftp://x", "http://", "http://[", "http://a b"])
def test_an_address_that_is_none_is_one_line(shell: Shell, url: str) -> None:
    assert "no JSON-RPC answer from" in shell.refusal(4, "status", "--rpc", url)


def test_a_letter_cannot_steer_the_readers_terminal(shell: Shell, people: Purse, node: World) -> None:
    hostile = "[/bold] \x1b]0;owned\x07 \x1b[2J \u202egnp.exe"
    shell("send", "bob", "1", "-m", hostile)
    shown = shell("inbox", "--from", "bob").out
    assert "[/bold] \\x1b]0;owned\\x07 \\x1b[2J \\u202egnp.exe" in shown
    assert shell("inbox", "--from", "bob", "--json").json[0]["text"] == hostile


@settings(max_examples=200, deadline=None)
@given(st.integers(0, WEI_MAX))
def test_an_amount_survives_being_written_and_read(wei: int) -> None:
    assert parse_amount(format_amount(wei)) == wei


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=30) | st.from_regex(r"\A[0-9]{0,3}[.,eE+-]?[0-9]{0,20}\Z"))
def test_whatever_is_typed_is_an_exact_amount_or_refused(text: str) -> None:
    exact = re.fullmatch(r"([0-9]+)(?:\.([0-9]{1,18}))?", text)
    if exact is None:
        with pytest.raises(ConfigError, match="is no amount"):
            parse_amount(text)
    else:
        assert parse_amount(text) == int(exact[1]) * ETHER + int((exact[2] or "").ljust(18, "0"))
