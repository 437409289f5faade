"""`raclette load`: what a network of processes takes of its ledger's transactions, and what it sends for them."""

import pytest

from cli.shell import Shell


def test_a_ledger_that_is_not_there_is_named(shell: Shell) -> None:
    said = shell.refusal(2, "load", "--ledger", "gold")
    assert said == "no ledger 'gold'; accepted: bank, coins, poll, data"


def test_several_receivers_need_a_ledger_that_has_them(shell: Shell) -> None:
    said = shell.refusal(2, "load", "--ledger", "poll", "--outputs", "3")
    assert said == "workload.outputs: means nothing with the ledger 'poll'; accepted with coins"


@pytest.mark.live
def test_payments_of_four_outputs_are_committed_and_their_bytes_counted(shell: Shell) -> None:
    words = ("--ledger", "coins", "--outputs", "3", "--count", "120", "--accounts", "12", "-n", "4", "--json")
    result = shell("load", *words).json
    assert (result["transactions"], result["ledger"], result["protocol"]) == (120, "coins", "pbft")
    assert 200 < result["transaction_bytes"] < 300
    # Every node hears of every transaction from somebody.
    assert result["bytes"]["transactions"] + result["bytes"].get("block-transactions", 0) > 120 * 200
    assert result["messages"]["commit"] >= result["height"] * 3
    assert 0 < result["p50_ms"] <= result["p99_ms"]
