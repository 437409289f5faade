"""Prometheus metrics: what the host has counted, translated when somebody looks, on a page of its own.

Names follow Prometheus' rules (base units, `_total` for counters). The page is served by the host's own event loop, so
that it never sees the node in the middle of a turn; it answers `GET /metrics` and nothing else.
"""

import asyncio
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from raclette.live.host import LiveHost
from raclette.live.listener import bind
from raclette.live.transport import TlsTransport
from raclette.node.host import Lane
from raclette.node.view import NodeView

# From a cached write to a disk that is in trouble.
SYNC_SECONDS_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0)
# From one vote to a block full of transactions.
GATE_SECONDS_BUCKETS = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5)

REQUEST_BYTES_MAX = 8_192
REQUEST_SECONDS_MAX = 5.0
SCRAPERS_MAX = 8


class HostCollector(Collector):
    """Reads a host, its transport and its node's view at the moment of a scrape."""

    def __init__(self, host: LiveHost, transport: TlsTransport, view: NodeView | None) -> None:
        self._host = host
        self._transport = transport
        self._view = view

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client."""
        yield from self._traffic()
        yield from self._links()
        yield from self._process()
        if self._view is not None:
            yield from self._chain(self._view)

    def _traffic(self) -> Iterator[Metric]:
        counted = self._transport.counters
        frames = CounterMetricFamily("raclette_frames", "Frames by kind and direction", labels=["kind", "direction"])
        size = CounterMetricFamily("raclette_frame_bytes", "Their payload bytes", labels=["kind", "direction"])
        for kind, count in sorted(counted.frames_sent.items()):
            frames.add_metric([kind, "out"], count)
            size.add_metric([kind, "out"], counted.bytes_sent[kind])
        for kind, count in sorted(self._host.received.items()):
            frames.add_metric([kind, "in"], count)
            size.add_metric([kind, "in"], self._host.received_bytes[kind])
        dropped = CounterMetricFamily("raclette_frames_dropped", "Refused by a full lane", labels=["lane", "kind"])
        for (lane, kind), count in sorted(counted.frames_dropped.items()):
            dropped.add_metric([lane, kind], count)
        faults = CounterMetricFamily("raclette_faults", "Rules broken by peers", labels=["reason"])
        for reason, count in sorted(self._host.faults.items()):
            faults.add_metric([reason], count)
        yield from (frames, size, dropped, faults)

    def _links(self) -> Iterator[Metric]:
        links = self._transport.links()
        yield GaugeMetricFamily("raclette_links", "Links that are up", len(links))
        waiting = GaugeMetricFamily("raclette_lane_bytes", "Bytes waiting, all peers", labels=["lane"])
        for lane in Lane:
            waiting.add_metric([lane.name.lower()], sum(link.queued_bytes[lane] for link in links))
        refused = CounterMetricFamily("raclette_links_refused", "Connections that became no link", labels=["reason"])
        for reason, count in sorted(self._transport.counters.refusals.items()):
            refused.add_metric([reason], count)
        lost = CounterMetricFamily("raclette_links_lost", "Links that ended", labels=["reason"])
        for reason, count in sorted(self._transport.counters.links_lost.items()):
            lost.add_metric([reason], count)
        yield from (waiting, refused, lost)

    def _process(self) -> Iterator[Metric]:
        host = self._host
        yield GaugeMetricFamily("raclette_loop_lag_seconds", "How late the event loop last was", host.loop_lag_seconds)
        yield GaugeMetricFamily("raclette_effects_waiting", "Effects behind a sync", len(host.effects))
        yield GaugeMetricFamily("raclette_gate_backlog_frames", "Frames at the gate", host.gatehouse.backlog_frames)
        yield CounterMetricFamily("raclette_flushes", "Durability barriers asked for", host.effects.flushes)
        yield CounterMetricFamily("raclette_transactions_accepted", "Into the mempool", host.accepted)
        noted = CounterMetricFamily("raclette_noted", "Lines of the event log", labels=["what"])
        for what, count in sorted(host.noted.items()):
            noted.add_metric([what], count)
        yield noted

    def _chain(self, view: NodeView) -> Iterator[Metric]:
        yield GaugeMetricFamily("raclette_head_number", "Height of the head", view.head.number)
        yield GaugeMetricFamily("raclette_final_number", "Height of the last final block", view.finalized.number)
        yield GaugeMetricFamily("raclette_peers", "Peers of the node", len(view.peers()))
        mempool = GaugeMetricFamily("raclette_mempool", "Transactions (or bytes) that wait", labels=["what"])
        for what, count in view.mempool().items():
            if isinstance(count, int):
                mempool.add_metric([what], count)
        yield mempool


def make_registry(host: LiveHost, transport: TlsTransport, view: NodeView | None) -> CollectorRegistry:
    """A registry of its own, so that several nodes can live in one process; hooks the host's two histograms up."""
    registry = CollectorRegistry()
    sync = Histogram("raclette_sync_seconds", "One fsync", buckets=SYNC_SECONDS_BUCKETS, registry=registry)
    gate = Histogram("raclette_gate_seconds", "One job at the gate", buckets=GATE_SECONDS_BUCKETS, registry=registry)
    host.effects.sync_seconds = sync.observe
    host.gatehouse.gate_seconds = gate.observe
    registry.register(HostCollector(host, transport, view))
    return registry


class MetricsServer:
    """One page over HTTP/1.1, one request a connection."""

    def __init__(self, render: Callable[[], bytes]) -> None:
        self._render = render
        self._server: asyncio.Server | None = None
        self._open = 0
        self.port = 0

    @classmethod
    def of(cls, registry: CollectorRegistry) -> "MetricsServer":
        """Serves this registry."""
        return cls(lambda: generate_latest(registry))

    async def start(self, host: str, port: int) -> None:
        """Listen. Raises ConfigError if the port cannot be had."""
        listener = bind(host, port, "metrics.listen")
        self.port = int(listener.getsockname()[1])
        self._server = await asyncio.start_server(self._serve, sock=listener, limit=REQUEST_BYTES_MAX)

    async def stop(self) -> None:
        """Close. Idempotent."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open <= SCRAPERS_MAX:
                async with asyncio.timeout(REQUEST_SECONDS_MAX):
                    head = await reader.readuntil(b"\r\n\r\n")
                    writer.write(self._answer(head))
                    await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return
        finally:
            self._open -= 1
            writer.close()

    def _answer(self, head: bytes) -> bytes:
        method, _, rest = head.partition(b" ")
        path = rest.partition(b" ")[0]
        if method == b"GET" and path == b"/metrics":
            return _response("200 OK", CONTENT_TYPE_LATEST, self._render())
        return _response("404 Not Found", "text/plain", b"GET /metrics\n")


def _response(status: str, content_type: str, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
