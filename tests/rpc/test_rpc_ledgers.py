"""The RPC over ledgers that are not the bank: what makes sense is answered, the rest is refused in words."""

from collections.abc import Iterator
from typing import Any

import pytest
from rpc_world import ACCOUNTS, BALANCE, CHAIN_ID, FakeBackend, World, serve
from test_json_rpc import call, post

from raclette.chain.genesis import Genesis, even_alloc, sample_key
from raclette.ledgers.poll import POLL_ADDRESS, Vote, encode_action
from raclette.ledgers.samples import Demand, sample_parameters, sample_transactions

WHO = "0x" + sample_key(0).address.hex()
GENESIS = {
    name: Genesis(
        "pbft",
        name,
        CHAIN_ID,
        alloc=even_alloc(ACCOUNTS, BALANCE),
        ledger_parameters=sample_parameters(name, ACCOUNTS, ACCOUNTS),
    )
    for name in ("coins", "poll")
}


@pytest.fixture
def coins() -> Iterator[World]:
    yield from serve(backend=FakeBackend(GENESIS["coins"]))


@pytest.fixture
def poll() -> Iterator[World]:
    yield from serve(backend=FakeBackend(GENESIS["poll"]))


def send(world: World, name: str) -> list[str]:
    """Hashes of what the first two accounts do."""
    raws = sample_transactions(GENESIS[name], Demand(2, 1, ACCOUNTS))
    return [call(world, "eth_sendRawTransaction", "0x" + raw.hex()) for raw in raws]


def error(world: World, method: str, *params: Any) -> str:
    answer = post(world, {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)})
    message: str = answer["error"]["message"]
    return message


def test_coins_are_sent_seen_in_the_pool_and_found_in_blocks(coins: World) -> None:
    hashes = send(coins, "coins")
    waiting = call(coins, "txpool_content")["pending"]
    assert sorted(item for lane in waiting.values() for item in lane) == sorted(hashes)
    coins.mine()
    found = call(coins, "eth_getTransactionByHash", hashes[0])
    assert (found["hash"], found["from"], found["nonce"], found["blockNumber"]) == (hashes[0], WHO, None, "0x1")
    assert len(found["conflicts"]) == 1
    receipt = call(coins, "eth_getTransactionReceipt", hashes[0])
    assert (receipt["status"], receipt["type"], receipt["to"]) == ("0x1", "0x55", None)
    block = call(coins, "eth_getBlockByNumber", "0x1", True)
    assert [item["hash"] for item in block["transactions"]] == hashes
    assert call(coins, "eth_feeHistory", "0x1", "latest", [50])["reward"] == [["0x0"]]


def test_coins_answer_balances_outputs_and_the_supply(coins: World) -> None:
    send(coins, "coins")
    coins.mine()
    outputs = call(coins, "raclette_query", "outputs", [WHO])
    balance = int(call(coins, "eth_getBalance", WHO, "latest"), 16)
    assert sum(int(item["amount"], 16) if isinstance(item["amount"], str) else item["amount"] for item in outputs) == (
        balance
    )
    assert call(coins, "raclette_query", "output", [outputs[0]["outpoint"]]) == outputs[0]


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("eth_getTransactionCount", [WHO, "latest"]),
        ("eth_getTransactionCount", [WHO, "pending"]),
        ("eth_getProof", [WHO, [], "latest"]),
        ("eth_estimateGas", [{"from": WHO, "to": WHO, "value": "0x1"}]),
    ],
)
def test_what_only_accounts_have_is_refused_in_words_for_coins(coins: World, method: str, params: list[Any]) -> None:
    assert error(coins, method, *params) == "the coins ledger has no accounts and transactions as Ethereum's"


def test_a_ballot_is_sent_as_any_wallet_would_and_the_tally_is_read(poll: World) -> None:
    hashes = send(poll, "poll")
    poll.mine()
    found = call(poll, "eth_getTransactionByHash", hashes[0])
    assert (found["from"], found["to"], found["nonce"]) == (WHO, "0x" + POLL_ADDRESS.hex(), "0x0")
    assert call(poll, "eth_getTransactionCount", WHO, "latest") == "0x1"
    assert call(poll, "raclette_query", "tally", ["sample-0"])["cast"] == 2
    again = "0x" + sample_transactions(GENESIS["poll"], Demand(1, 1, ACCOUNTS))[0].hex()
    assert error(poll, "eth_sendRawTransaction", again).startswith("nonce too low")


def test_the_gas_of_a_ballot_is_estimated_and_what_is_none_is_refused(poll: World) -> None:
    data = encode_action(Vote(b"sample-0", 1))
    fields = {"from": WHO, "to": "0x" + POLL_ADDRESS.hex(), "input": "0x" + data.hex()}
    assert int(call(poll, "eth_estimateGas", fields), 16) > 21_000
    assert error(poll, "eth_estimateGas", fields | {"to": WHO}).startswith("the poll ledger has ballots only")
    proof = call(poll, "eth_getProof", WHO, [], "latest")
    assert int(proof["balance"], 16) == BALANCE
