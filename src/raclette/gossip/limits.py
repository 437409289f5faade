"""Every limit of gossip, with its unit and reason."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from raclette.gossip.events import Topic
from raclette.primitives.units import MILLISECOND, MINUTE, SECOND


@dataclass(frozen=True, slots=True)
class TopicLimits:
    """How one topic behaves. Delays and ages are in nanoseconds."""

    # After a send, further items wait this long and leave in one frame. The first after a pause leaves at once, so an
    # idle network adds no latency. 0 sends each item at once.
    batch_delay: int = 0
    # Most items in one frame of payloads.
    batch_items: int = 1_000
    # Announcements to lazy peers wait this long: the eager copy has normally arrived by then and nobody grafts.
    ihave_delay: int = 100 * MILLISECOND
    # How long an announced item may fail to arrive before we graft: an eager path longer than the lazy one by this much
    # is worth changing.
    missing_delay: int = 300 * MILLISECOND
    # How long a grafted item may take before the next announcer is asked: a slow round trip with a large payload.
    graft_delay: int = 1 * SECOND
    # Ids remembered as seen. Two sets of half this size; 32-byte ids cost about 130 bytes each.
    seen_max: int = 200_000
    # Ids older than this are forgotten (nothing honest is still under way then).
    seen_age: int = 10 * MINUTE
    # Duplicates (less what was new) that a peer may send before it is pruned. 1 is Plumtree's own rule for one source;
    # with many sources, patience finds the ways that are of use to none of them (50 nodes, 8 links each, 100 items a
    # round: 900 grafts with 1, fewer than 10 with 16; copies per node 1.4 with both).
    waste_max: int = 1
    # Duplicates named in a PRUNE: a sample that shows the ways they came.
    prune_ids: int = 64


@dataclass(frozen=True, slots=True)
class GossipLimits:
    """Bounds on what strangers make us keep."""

    topics: Mapping[Topic, TopicLimits] = field(
        default_factory=lambda: {
            Topic.TRANSACTIONS: TopicLimits(batch_delay=5 * MILLISECOND, waste_max=32),
            Topic.BLOCKS: TopicLimits(batch_items=1, seen_max=20_000, waste_max=16),
        }
    )
    # Ids in one announcement or graft; more are ignored. 128 KiB of ids.
    control_ids_max: int = 4_000
    # Announced but missing ids, per topic.
    missing_max: int = 50_000
    # ... of which one peer may have announced first this many, so that a stranger's inventions cannot crowd out others.
    missing_peer_max: int = 8_000
    # Announcers remembered per missing id: that many lies or losses in a row lose the item (sync or outbox repairs).
    announcers_max: int = 8
