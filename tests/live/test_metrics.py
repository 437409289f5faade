"""The metrics page and the log."""

import asyncio
import io

import httpx
import orjson
import pytest
import structlog
import uvloop
from live_stubs import StubHost, linked, stopped, until
from prometheus_client.parser import text_string_to_metric_families

from raclette.live.logs import set_up_logs
from raclette.live.metrics import MetricsServer, make_registry
from raclette.node.host import Flush, Lane, Noted, Transmit
from raclette.primitives.errors import ConfigError


def test_the_page_shows_what_happened() -> None:
    async def story() -> None:
        alice, bob = StubHost(1), StubHost(2)
        server = MetricsServer.of(make_registry(bob.host, bob.transport, None))
        await server.start("127.0.0.1", 0)
        await linked(alice, bob)
        for frame in (b"vote:1", b"heavy:2", b"bad:3"):
            alice.say(bob, Lane.CONSENSUS, frame)
        bob.host.effects.add((Flush(), Transmit((alice.id,), Lane.BLOCKS, b"block:1", "block"), Noted("synced", {})))
        await until(lambda: bob.host.noted["synced"] == 1 and bool(bob.host.faults), "everything happened")
        url = f"http://127.0.0.1:{server.port}"
        async with httpx.AsyncClient(trust_env=False) as client:
            page = (await client.get(f"{url}/metrics")).text
            assert (await client.get(f"{url}/other")).status_code == 404
        samples = {
            (sample.name, *sorted(sample.labels.values())): sample.value
            for family in text_string_to_metric_families(page)
            for sample in family.samples
        }
        assert samples["raclette_frames_total", "in", "vote"] == 1
        assert samples["raclette_frames_total", "block", "out"] == 1
        assert samples["raclette_faults_total", "bad-signature"] == 1
        assert samples["raclette_links",] == 1
        assert samples["raclette_sync_seconds_count",] == 1
        assert samples["raclette_gate_seconds_count",] >= 1
        assert samples["raclette_noted_total", "synced"] == 1
        with pytest.raises(
            ConfigError, match=r"metrics.listen: cannot listen on 127.0.0.1:\d+: Address already in use"
        ):
            await MetricsServer(lambda: b"").start("127.0.0.1", server.port)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"x" * 20_000)
        assert await reader.read() == b""
        writer.close()
        await server.stop()
        await stopped(alice, bob)

    uvloop.run(story())


def test_logs_are_json_lines_for_programs() -> None:
    stream = io.StringIO()
    try:
        set_up_logs("info", "json", stream, node="alice")
        structlog.get_logger(room="test").info("new-head", number=7, key=b"\x01")
        structlog.get_logger(room="test").debug("hidden")
    finally:
        structlog.reset_defaults()
    (line,) = stream.getvalue().splitlines()
    entry = orjson.loads(line)
    assert entry.pop("timestamp").endswith("Z")
    assert entry == {"event": "new-head", "level": "info", "room": "test", "node": "alice", "number": 7, "key": "0x01"}


def test_log_settings_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"log.level: 'loud'; accepted: debug"):
        set_up_logs("loud")
    with pytest.raises(ConfigError, match=r"log.format: 'xml'; accepted: console, json"):
        set_up_logs("info", "xml")
