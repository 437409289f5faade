"""What a live host says about itself, for RPC and people."""

from typing import TYPE_CHECKING, Any

from raclette.live.contract import LinkStatus
from raclette.primitives.units import SECOND

if TYPE_CHECKING:
    from raclette.live.host import LiveHost


def describe(host: "LiveHost") -> dict[str, Any]:
    """JSON-able: who, since when, how busy, linked with whom, known to which tracker."""
    return {
        "name": host.settings.name,
        "node_id": host.node.node_id.hex(),
        "started_at": host.started_at // SECOND,
        "uptime_s": (host.now() - host.started_at) // SECOND,
        "loop_lag_ms": round(host.loop_lag_seconds * 1000, 1),
        "effects_waiting": len(host.effects),
        "gate_backlog": host.gatehouse.backlog_frames,
        "syncs": host.effects.syncs,
        "flushes": host.effects.flushes,
        "links": [describe_link(link) for link in host.transport.links()],
        "faucet": host.faucet.info() if host.faucet is not None else None,
        "tracker": host.tracker_handler.info() if host.tracker_handler is not None else None,
    }


def describe_link(link: LinkStatus) -> dict[str, Any]:
    """One link."""
    return {
        "node_id": link.hello.node_id.hex(),
        "name": link.hello.name,
        "role": link.hello.role.name.lower(),
        "address": link.address,
        "dialled": link.dialled,
        "round_trip_us": link.round_trip // 1000,
        "queued_bytes": list(link.queued_bytes),
        "dropped": link.dropped,
    }
