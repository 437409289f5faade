"""Over WebSocket: requests as over HTTP, and subscriptions; web3.py as the client, then a bare one for the edges."""

import asyncio
import json
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from rpc_world import CHAIN_ID, World, serve
from web3 import AsyncWeb3, WebSocketProvider
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from raclette.chain.presets import sample_key
from raclette.chain.transaction import sign_transfer
from raclette.rpc.config import RpcConfig, RpcLimits

LIMITS = RpcLimits(body_bytes_max=50_000, subscriptions_max=2, websockets_max=2, notifications_max=20, delivery_s=1.0)


@pytest.fixture
def tight() -> Iterator[World]:
    yield from serve(RpcConfig(port=0, limits=LIMITS))


def transfer(nonce: int) -> bytes:
    return sign_transfer(sample_key(0), chain_id=CHAIN_ID, nonce=nonce, to=sample_key(1).address, value=1, fee=7)


async def ask(client: ClientConnection, method: str, *params: Any) -> Any:
    """One request on a connection without subscriptions."""
    await client.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
    answer = json.loads(await client.recv())
    return answer["result"] if "result" in answer else answer["error"]


async def notified(client: ClientConnection, subscription: str) -> Any:
    message = json.loads(await asyncio.wait_for(client.recv(), 10))
    assert message["method"] == "eth_subscription"
    assert message["params"]["subscription"] == subscription
    return message["params"]["result"]


def test_web3_hears_of_new_heads_and_of_transactions(world: World) -> None:
    async def run() -> None:
        async with AsyncWeb3(WebSocketProvider(world.ws_url)) as web3:
            assert await web3.eth.chain_id == CHAIN_ID
            heads = await web3.eth.subscribe("newHeads")
            pending = await web3.eth.subscribe("newPendingTransactions")
            sent = await web3.eth.send_raw_transaction(transfer(0))
            first = await asyncio.to_thread(world.mine)
            second = await asyncio.to_thread(world.mine)
            heard: dict[Any, list[Any]] = {heads: [], pending: []}
            async for message in web3.socket.process_subscriptions():
                heard[message["subscription"]].append(message["result"])
                if len(heard[heads]) == 2 and heard[pending]:
                    break
            assert [bytes(head["hash"]) for head in heard[heads]] == [first.hash, second.hash]
            assert heard[heads][1]["parentHash"] == heard[heads][0]["hash"]
            assert heard[pending] == [sent]
            assert await web3.eth.unsubscribe(heads)

    asyncio.run(run())


def test_a_reorganisation_is_told_as_the_new_branch_in_order(world: World) -> None:
    async def run() -> None:
        async with connect(world.ws_url) as client:
            subscription = await ask(client, "eth_subscribe", "newHeads")
            lost = await asyncio.to_thread(world.mine)
            assert (await notified(client, subscription))["hash"] == "0x" + lost.hash.hex()
            await asyncio.to_thread(world.submit, transfer(0))
            genesis = world.backend.genesis
            new = await asyncio.to_thread(world.do, lambda: world.backend.mine(on=genesis))
            head = await notified(client, subscription)
            assert (head["hash"], head["number"]) == ("0x" + new.hash.hex(), "0x1")

    asyncio.run(run())


def test_whole_pending_transactions_are_sent_on_demand(world: World) -> None:
    async def run() -> None:
        async with connect(world.ws_url) as client:
            subscription = await ask(client, "eth_subscribe", "newPendingTransactions", True)
            await asyncio.to_thread(world.submit, transfer(0))
            entry = await notified(client, subscription)
            assert (entry["nonce"], entry["blockHash"]) == ("0x0", None)
            assert await ask(client, "eth_unsubscribe", subscription) is True
            assert world.backend.streams == []

    asyncio.run(run())


def test_subscriptions_end_with_their_connection(world: World) -> None:
    async def run() -> None:
        async with connect(world.ws_url) as client:
            await ask(client, "eth_subscribe", "newHeads")
            assert len(world.backend.streams) == 1
        while world.backend.streams:
            await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(run(), 10))


def test_subscribing_wrongly_is_an_error(tight: World) -> None:
    async def run() -> None:
        async with connect(tight.ws_url) as client:
            assert await ask(client, "eth_subscribe", "logs") == {
                "code": -32602,
                "message": 'no "logs" subscription in eth namespace',
            }
            assert (await ask(client, "eth_unsubscribe", "0x1"))["message"] == "subscription not found"
            for _ in range(LIMITS.subscriptions_max):
                assert isinstance(await ask(client, "eth_subscribe", "newHeads"), str)
            assert (await ask(client, "eth_subscribe", "newHeads"))["code"] == -32005

    asyncio.run(run())


def test_http_has_no_subscriptions(world: World) -> None:
    call = {"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]}
    assert httpx.post(world.url, json=call).json()["error"] == {
        "code": -32601,
        "message": "notifications not supported",
    }


def test_nonsense_on_a_socket_is_answered_and_a_huge_message_ends_it(tight: World) -> None:
    async def run() -> None:
        async with connect(tight.ws_url) as client:
            for nonsense in ("{", b"\xff\x00", "[]", "7"):
                await client.send(nonsense)
                assert json.loads(await client.recv())["error"]["code"] in (-32700, -32600)
            await client.send("x" * 60_000)
            with pytest.raises(ConnectionClosed) as closed:
                await client.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1009

    asyncio.run(run())


def test_strangers_pages_and_too_many_sockets_are_turned_away(tight: World) -> None:
    async def run() -> None:
        with pytest.raises(InvalidStatus) as refused:
            await connect(tight.ws_url, origin="https://evil.example")  # type: ignore[arg-type]
        assert refused.value.response.status_code == 403
        async with connect(tight.ws_url), connect(tight.ws_url):
            with pytest.raises(InvalidStatus) as full:
                await connect(tight.ws_url)
            assert full.value.response.status_code == 503

    asyncio.run(run())


def test_a_subscriber_that_does_not_read_is_cut_and_others_are_not(tight: World) -> None:
    """A client with a tiny receive buffer that never reads, while another follows every head."""

    async def run() -> None:
        deaf = _deaf_subscriber(tight)
        async with connect(tight.ws_url) as client:
            subscription = await ask(client, "eth_subscribe", "newHeads")
            count = 0
            while tight.server.websockets == 2 and count < 20_000:
                await asyncio.to_thread(tight.mine)
                count += 1
                assert int((await notified(client, subscription))["number"], 16) == count
            assert count < 20_000
        deaf.close()

    asyncio.run(run())


def _deaf_subscriber(world: World) -> socket.socket:
    """A WebSocket opened by hand, subscribed, with the smallest buffers the system gives."""
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    deaf.connect((world.host, world.port))
    deaf.sendall(
        b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    assert deaf.recv(12) == b"HTTP/1.1 101"
    request = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]}).encode()
    frame = b"\x81" + bytes((0x80 | len(request),)) + bytes(4) + request  # a mask of zeros changes nothing
    assert len(request) < 126
    deaf.sendall(frame)
    return deaf
