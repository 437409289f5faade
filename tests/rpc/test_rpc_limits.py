"""What strangers can make the server do: bounded, and never down."""

import asyncio
import json
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from rpc_world import CHAIN_ID, FakeBackend, World, serve

from raclette.primitives.errors import ConfigError
from raclette.rpc.config import RpcConfig, RpcLimits
from raclette.rpc.guard import Guard
from raclette.rpc.server import RpcServer

JSON = {"content-type": "application/json"}
CHAIN_ID_CALL = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"}
TIGHT = RpcLimits(
    body_bytes_max=2_000,
    nodes_max=40,
    batch_max=5,
    response_bytes_max=3_000,
    in_flight_max=1,
    waiting_max=1,
    request_s=0.5,
    delivery_s=0.5,
    header_bytes_max=4_000,
    connections_max=4,
    memo_blocks_max=2,
)


@pytest.fixture
def tight() -> Iterator[World]:
    yield from serve(RpcConfig(port=0, limits=TIGHT, origins=("https://good.example",), vhosts=("node.example",)))


def is_alive(world: World) -> bool:
    answer: dict[str, Any] = httpx.post(world.url, json=CHAIN_ID_CALL).json()
    return bool(answer["result"] == hex(CHAIN_ID))


def error_of(world: World, body: Any) -> Any:
    return httpx.post(world.url, json=body).json()["error"]


def test_a_large_body_is_refused_by_its_length_and_by_its_bytes(tight: World) -> None:
    big = json.dumps({**CHAIN_ID_CALL, "params": ["x" * 3_000]}).encode()
    told = httpx.post(tight.url, content=big, headers=JSON)
    assert told.status_code == 413
    assert told.text == f"content length too large ({len(big)}>2000)\n"
    chunked = httpx.post(tight.url, content=iter([big[:1500], big[1500:]]), headers=JSON)
    assert chunked.status_code == 413
    assert is_alive(tight)


def test_wide_bodies_and_batches_are_refused_before_they_cost(tight: World) -> None:
    assert "objects and arrays, at most 40" in error_of(tight, [[]] * 45)["message"]
    assert error_of(tight, [CHAIN_ID_CALL] * 6) == {"code": -32600, "message": "batch too large"}


def test_an_answer_is_cut_where_it_grows_too_large(tight: World) -> None:
    block = {"jsonrpc": "2.0", "id": 1, "method": "eth_getBlockByNumber", "params": ["0x0"]}
    answers = httpx.post(tight.url, json=[block] * 5).json()
    assert "result" in answers[0]
    assert answers[-1]["error"] == {"code": -32003, "message": "response too large"}


def test_a_slow_method_times_out(tight: World) -> None:
    async def forever(raw: bytes) -> bytes:
        await asyncio.Event().wait()
        return raw

    tight.backend.submit = forever  # type: ignore[method-assign]
    call = {"jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransaction", "params": ["0x01"]}
    assert error_of(tight, call) == {"code": -32002, "message": "request timed out"}


def test_more_requests_than_can_wait_are_turned_away(tight: World) -> None:
    call = {"jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransaction", "params": ["0x01"]}

    async def storm() -> list[httpx.Response]:
        release = asyncio.Event()

        async def slow(raw: bytes) -> bytes:
            await asyncio.wait_for(release.wait(), 5)
            return raw * 32

        tight.backend.submit = slow  # type: ignore[method-assign]
        async with httpx.AsyncClient() as client:
            tasks = [asyncio.create_task(client.post(tight.url, json=call)) for _ in range(4)]
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            while len(done) < 2:
                more, _ = await asyncio.wait(set(tasks) - done, return_when=asyncio.FIRST_COMPLETED)
                done |= more
            tight.loop.call_soon_threadsafe(release.set)
            return list(await asyncio.gather(*tasks))

    responses = asyncio.run(storm())
    assert sorted(response.status_code for response in responses) == [200, 200, 503, 503]
    refused = next(response for response in responses if response.status_code == 503)
    assert refused.json()["error"]["code"] == -32005


def test_a_page_of_a_strange_origin_is_not_answered(tight: World) -> None:
    for origin, status in (
        ("https://evil.example", 403),
        ("null", 403),
        ("https://good.example", 200),
        ("http://localhost:3000", 200),
        ("http://127.0.0.1:8080", 200),
        ("https://localhost.evil.example", 403),
    ):
        response = httpx.post(tight.url, json=CHAIN_ID_CALL, headers={"origin": origin})
        assert response.status_code == status
        if status == 200:
            assert response.headers["access-control-allow-origin"] == origin


def test_a_name_that_was_pointed_here_is_not_answered(tight: World) -> None:
    for host, status in (("evil.example", 403), ("node.example:8545", 200), ("localhost", 200), ("192.168.1.7", 200)):
        response = httpx.post(tight.url, json=CHAIN_ID_CALL, headers={"host": host})
        assert response.status_code == status


def test_a_preflight_is_answered_for_allowed_pages_only(tight: World) -> None:
    good = httpx.options(tight.url, headers={"origin": "https://good.example"})
    assert (good.status_code, good.headers["access-control-allow-methods"]) == (200, "POST")
    assert httpx.options(tight.url, headers={"origin": "https://evil.example"}).status_code == 403


def test_what_is_not_json_by_post_is_refused(tight: World) -> None:
    assert httpx.get(tight.url).status_code == 405
    form = httpx.post(tight.url, data={"a": "b"})
    assert form.status_code == 415
    assert "only application/json is supported" in form.text


def test_guards_do_not_stumble_over_malformed_names() -> None:
    guard = Guard(origins=(), vhosts=())
    assert not guard.allows_host("[::1")
    assert guard.allows_host("[::1]:8545")
    assert not guard.allows_host("")
    assert not guard.allows_origin("http://[::1")
    assert not guard.allows_origin("")
    assert guard.allows_origin("http://[::1]:1")
    assert Guard(origins=("*",), vhosts=("*",)).allows_host("any.example")


def test_endless_or_slow_headers_are_cut(tight: World) -> None:
    with socket.create_connection((tight.host, tight.port), 10) as endless:
        endless.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\n")
        with pytest.raises(OSError):  # noqa: PT012
            for i in range(10_000):
                endless.sendall(b"X-%d: " % i + b"y" * 1_000 + b"\r\n")
            assert endless.recv(1) == b"never"
            raise OSError
    with socket.create_connection((tight.host, tight.port), 10) as slow:
        slow.sendall(b"POST / HTTP/1.1\r\nHost: ")
        assert slow.recv(100) == b""
    with socket.create_connection((tight.host, tight.port), 10) as silent:
        assert silent.recv(100) == b""
    assert is_alive(tight)


def test_a_body_that_does_not_arrive_is_given_up(tight: World) -> None:
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    with socket.create_connection((tight.host, tight.port), 10) as slow:
        slow.sendall(head)
        assert slow.recv(100).startswith(b"HTTP/1.1 408")


def test_too_many_connections_are_cut_at_once(tight: World) -> None:
    held = [socket.create_connection((tight.host, tight.port), 10) for _ in range(TIGHT.connections_max)]
    try:
        with socket.create_connection((tight.host, tight.port), 10) as extra:
            try:
                assert extra.recv(10) == b""
            except ConnectionResetError:
                extra.close()
    finally:
        for connection in held:
            connection.close()


def test_memos_are_searched_a_bounded_number_of_blocks_at_a_time(tight: World) -> None:
    for _ in range(4):
        tight.mine()
    pages, start = 0, "0x0"
    while start is not None:
        call = {"jsonrpc": "2.0", "id": 1, "method": "raclette_memos", "params": ["0x" + "11" * 20, start]}
        start = httpx.post(tight.url, json=call).json()["result"]["nextBlock"]
        pages += 1
    assert pages == 3


def test_a_port_in_use_is_one_clear_line(tight: World) -> None:
    server = RpcServer(FakeBackend(), RpcConfig(port=tight.port))
    with pytest.raises(
        ConfigError, match=rf"^rpc\.listen: cannot listen on 127\.0\.0\.1:{tight.port}: Address already in use$"
    ):
        asyncio.run(server.start())
    with pytest.raises(ConfigError, match=r"^rpc\.port is 70000; accepted: 0 \(any free port\) to 65535$"):
        RpcConfig(port=70000)


def test_stopping_twice_or_before_starting_is_nothing() -> None:
    async def run() -> None:
        server = RpcServer(FakeBackend(), RpcConfig(port=0))
        await server.stop()
        await server.start()
        await server.stop()
        await server.stop()

    asyncio.run(run())
