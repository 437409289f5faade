"""JSON-RPC 2.0 itself, with geth's codes and wording, over bare HTTP."""

from typing import Any

import httpx
import pytest
from rpc_world import CHAIN_ID, NODE_ID, World

from raclette.chain.presets import sample_key
from raclette.chain.transaction import sign_transfer
from raclette.node.view import SyncProgress

JSON = {"content-type": "application/json"}


def post(world: World, body: Any) -> Any:
    """The parsed answer to a body: text as it is, anything else as JSON."""
    content = {"content": body, "headers": JSON} if isinstance(body, (str, bytes)) else {"json": body}
    response = httpx.post(world.url, **content)
    assert response.status_code == 200
    return response.json() if response.content else None


def call(world: World, method: str, *params: Any) -> Any:
    """Result or error of one call."""
    answer = post(world, {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)})
    assert answer["jsonrpc"] == "2.0"
    assert answer["id"] == 1
    return answer["result"] if "result" in answer else answer["error"]


def transfer(sender: int, nonce: int, value: int = 1) -> str:
    raw = sign_transfer(
        sample_key(sender), chain_id=CHAIN_ID, nonce=nonce, to=sample_key(1).address, value=value, fee=7
    )
    return "0x" + raw.hex()


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ("{nonsense", -32700, "parse error"),
        ("", -32700, "parse error"),
        (b"\xff\xfe", -32700, "parse error"),
        ("[" * 5000 + "]" * 5000, -32700, "parse error"),
        ("[]", -32600, "empty batch"),
        ("1", -32600, "invalid request"),
        ('"text"', -32600, "invalid request"),
        ("null", -32600, "invalid request"),
        ({"id": 1}, -32600, "invalid request"),
        ({"jsonrpc": "1.0", "id": 1, "method": "eth_chainId"}, -32600, "invalid request"),
        ({"jsonrpc": "2.0", "id": {}, "method": "eth_chainId"}, -32600, "invalid request"),
        ({"jsonrpc": "2.0", "id": True, "method": "eth_chainId"}, -32600, "invalid request"),
        ({"jsonrpc": "2.0", "id": 1, "method": 7}, -32600, "invalid request"),
        ({"jsonrpc": "2.0", "id": 1, "method": "x"}, -32601, "the method x does not exist/is not available"),
        ({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": {}}, -32602, "non-array args"),
        (
            {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": [1]},
            -32602,
            "too many arguments, want at most 0",
        ),
    ],
)
def test_a_bad_request_is_answered_with_the_right_code(world: World, body: Any, code: int, message: str) -> None:
    assert post(world, body)["error"] == {"code": code, "message": message}


@pytest.mark.parametrize(
    ("method", "params", "message"),
    [
        ("eth_getBalance", [], "missing value for required argument 0"),
        ("eth_getBalance", [None], "missing value for required argument 0"),
        ("eth_getBalance", [5], "invalid argument 0: non-string where hex data is expected"),
        ("eth_getBalance", ["11"], "invalid argument 0: hex string without 0x prefix"),
        ("eth_getBalance", ["0x11"], "invalid argument 0: hex string has length 2, want 40 for an address"),
        ("eth_getBalance", ["0x1"], "invalid argument 0: hex string of odd length"),
        ("eth_getBalance", ["0x" + "1 " * 20], "invalid argument 0: invalid hex string"),
        ("eth_getBalance", ["0x" + "zz" * 20], "invalid argument 0: invalid hex string"),
        ("eth_getBalance", ["0x" + "11" * 20, "newest"], "invalid argument 1: hex string without 0x prefix"),
        ("eth_getBalance", ["0x" + "11" * 20, "0x01"], "invalid argument 1: hex number with leading zero digits"),
        ("eth_getBalance", ["0x" + "11" * 20, "0x"], 'invalid argument 1: hex string "0x"'),
        ("eth_getBalance", ["0x" + "11" * 20, "0x" + "f" * 17], "invalid argument 1: hex number > 64 bits"),
        (
            "eth_getBalance",
            ["0x" + "11" * 20, {"blockHash": "0x" + "11" * 32, "blockNumber": "0x0"}],
            "invalid argument 1: cannot specify both BlockHash and BlockNumber, choose one or the other",
        ),
        ("eth_getBlockByNumber", ["latest", "yes"], "invalid argument 1: not a boolean"),
        ("eth_call", [{"to": "0x1"}], "invalid argument 0: to: hex string of odd length"),
        (
            "eth_feeHistory",
            [4, "latest", [50, 20]],
            "invalid argument 2: reward percentiles must be ascending, from 0 to 100",
        ),
        ("eth_feeHistory", [0, "latest"], "invalid argument 0: block count must be at least 1"),
    ],
)
def test_a_bad_parameter_is_named_by_its_place(world: World, method: str, params: list[Any], message: str) -> None:
    assert call(world, method, *params) == {"code": -32602, "message": message}


def test_a_block_can_be_required_to_be_canonical(world: World) -> None:
    world.mine()
    lost = world.backend.head.hash
    genesis = world.backend.genesis

    def fork() -> None:
        world.backend.pool.add(
            world.backend.ledger.decode(bytes.fromhex(transfer(2, 0)[2:])), world.backend.chain.state(genesis.hash)
        )
        world.backend.mine(on=genesis)

    world.do(fork)
    holder = "0x" + sample_key(0).address.hex()
    reference: dict[str, Any] = {"blockHash": "0x" + lost.hex()}
    assert isinstance(call(world, "eth_getBalance", holder, reference), str)
    reference["requireCanonical"] = True
    assert call(world, "eth_getBalance", holder, reference)["message"] == "hash is not currently canonical"
    unknown = call(world, "eth_getBalance", holder, {"blockHash": "0x" + "77" * 32})
    assert unknown == {"code": -32000, "message": "header for hash not found"}


def test_a_batch_is_answered_in_order_and_notifications_are_not(world: World) -> None:
    answers = post(
        world,
        [
            {"jsonrpc": "2.0", "id": "a", "method": "eth_chainId"},
            {"jsonrpc": "2.0", "method": "eth_chainId"},
            5,
            {"jsonrpc": "2.0", "id": None, "method": "nope"},
            {"jsonrpc": "2.0", "id": 1.5, "method": "web3_sha3", "params": ["0x68656c6c6f"]},
        ],
    )
    assert [answer["id"] for answer in answers] == ["a", None, None, 1.5]
    assert answers[0]["result"] == hex(CHAIN_ID)
    assert [answer.get("error", {}).get("code") for answer in answers] == [None, -32600, -32601, None]
    assert answers[3]["result"] == "0x1c8aff950685c2ed4bc3174f3472287b56d9517b9c948127319a09a7a36deac8"
    assert post(world, {"jsonrpc": "2.0", "method": "eth_chainId"}) is None
    assert post(world, [{"jsonrpc": "2.0", "method": "eth_chainId"}]) is None


def test_sends_of_a_batch_reach_the_host_together_and_what_follows_sees_them(world: World) -> None:
    sender = "0x" + sample_key(0).address.hex()
    raws = [transfer(0, 0), transfer(0, 1), transfer(0, 0), transfer(0, 2)]
    requests = [
        {"jsonrpc": "2.0", "id": i, "method": "eth_sendRawTransaction", "params": [raw]} for i, raw in enumerate(raws)
    ]
    requests.append({"jsonrpc": "2.0", "id": 4, "method": "eth_getTransactionCount", "params": [sender, "pending"]})
    requests.append({"jsonrpc": "2.0", "id": 5, "method": "eth_sendRawTransaction", "params": ["0xzz"]})
    answers = post(world, requests)
    assert world.backend.batches == [4]
    assert [answer["id"] for answer in answers] == [0, 1, 2, 3, 4, 5]
    assert answers[2]["error"] == {"code": -32000, "message": "already known", "data": {"reason": "already-known"}}
    assert all(len(answers[i]["result"]) == 66 for i in (0, 1, 3))
    assert answers[4]["result"] == "0x3"
    assert answers[5]["error"]["message"] == "invalid argument 0: invalid hex string"


def test_many_transactions_can_be_sent_in_one_call(world: World) -> None:
    outcome = call(world, "raclette_sendRawTransactions", [transfer(0, 0), transfer(0, 0), "0x00", transfer(0, 1)])
    assert len(outcome[0]) == len(outcome[3]) == 66
    assert outcome[1] == {"code": -32000, "message": "already known", "data": {"reason": "already-known"}}
    assert outcome[2]["message"] == "transaction type not supported"
    assert call(world, "txpool_status") == {"pending": "0x2", "queued": "0x0"}
    content = call(world, "txpool_content")["pending"]["0x" + sample_key(0).address.hex()]
    assert sorted(content) == ["0", "1"]


def test_a_crash_inside_a_method_is_our_error_and_the_server_goes_on(world: World) -> None:
    world.backend.pool = None  # type: ignore[assignment]
    assert call(world, "txpool_status") == {"code": -32603, "message": "method handler crashed"}
    assert call(world, "eth_chainId") == hex(CHAIN_ID)


def test_the_node_tells_its_state_under_its_own_names(world: World) -> None:
    block = world.mine(final=True)
    world.mine()
    status = call(world, "raclette_status")
    assert (status["height"], status["finalized"]["number"], status["peers"]) == (2, 1, 2)
    assert status["stateRoot"] == "0x" + world.backend.head.state_root.hex()
    assert status["mempool"]["pending"] == 0
    assert status["host"] == {"name": "test", "huge": hex(2**80)}
    info = call(world, "raclette_nodeInfo")
    assert (info["nodeId"], info["protocol"], info["ledger"]) == ("0x" + NODE_ID.hex(), "pbft", "bank")
    assert info["genesisHash"] == "0x" + world.backend.genesis.hash.hex()
    assert call(world, "raclette_peers")[0] == {
        "nodeId": "0x" + "01" * 32,
        "name": "",
        "height": 3,
        "score": -2,
        "isValidator": True,
    }
    state = call(world, "raclette_consensusState")
    assert (state["view"], state["target"]) == (3, hex(2**255))
    assert call(world, "raclette_leader") == "0x" + "01" * 32
    assert call(world, "raclette_votes") == {"4": {"prepares": 2}}
    assert call(world, "raclette_mempool")["limit"] > 0
    assert call(world, "raclette_evidence") == [{"accused": "0x" + "03" * 32, "reason": "equivocation"}]
    certificate = call(world, "raclette_certificate", "finalized")
    assert bytes.fromhex(certificate["certificate"][2:]) == b"certificate of " + block.hash
    assert call(world, "raclette_certificate", "latest") is None


def test_syncing_tells_where_the_node_is(world: World) -> None:
    world.backend.progress = SyncProgress(1, 5, 9)
    assert call(world, "eth_syncing") == {"startingBlock": "0x1", "currentBlock": "0x5", "highestBlock": "0x9"}
    assert call(world, "raclette_status")["syncing"] == {"starting": 1, "current": 5, "highest": 9}


def test_the_ledgers_own_reads_are_there_by_name(world: World) -> None:
    holder = "0x" + sample_key(1).address.hex()
    found = call(world, "raclette_query", "whois", ["sample-1"])
    assert found["address"].lower() == holder
    assert call(world, "raclette_query", "balance", [holder]) == hex(100 * 10**18)
    assert call(world, "raclette_query", "nope", [])["code"] == -32000
    assert call(world, "raclette_query", "balance", [[1]])["code"] == -32602


def test_the_supply_is_the_sum_of_all_balances(world: World) -> None:
    call(world, "raclette_sendRawTransactions", [transfer(0, 0, 5)])
    world.mine()
    total = call(world, "raclette_supply")
    assert (total["number"], total["supply"]) == (1, str(5 * 100 * 10**18))


def test_state_that_is_no_longer_kept_is_said_so(world: World) -> None:
    world.backend.state = lambda block_hash: None  # type: ignore[method-assign]
    error = call(world, "eth_getBalance", "0x" + "11" * 20)
    assert error["code"] == -32000
    assert error["message"].startswith("missing trie node ")
    assert error["message"].endswith("the state of block 0 is no longer kept")


def test_memos_are_searched_in_pages(world: World) -> None:
    for _ in range(5):
        world.mine()
    world.backend.chain_id = CHAIN_ID
    found = call(world, "raclette_memos", "0x" + "11" * 20, "0x2", "0x4")
    assert found == {"memos": [], "nextBlock": None}
    assert call(world, "raclette_memos", "0x" + "11" * 20, "0x4", "0x2")["code"] == -32602
