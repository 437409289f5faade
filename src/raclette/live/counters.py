"""Plain counters, incremented in hot paths and read by the metrics page.

A Prometheus counter costs a lock and about a microsecond per increment; a dictionary entry a tenth of it. So the host
counts here and `metrics.py` translates when somebody looks.
"""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class TrafficCounters:
    """Since the process started. Keys are kinds of frames, lanes' names, or reasons (slugs)."""

    frames_sent: Counter[str] = field(default_factory=Counter)
    bytes_sent: Counter[str] = field(default_factory=Counter)
    frames_received: Counter[str] = field(default_factory=Counter)
    bytes_received: Counter[str] = field(default_factory=Counter)
    frames_dropped: Counter[tuple[str, str]] = field(default_factory=Counter)  # (lane, kind)
    refusals: Counter[str] = field(default_factory=Counter)  # links not made, by reason
    faults: Counter[str] = field(default_factory=Counter)  # rules broken by linked peers, by reason
    links_made: int = 0
    links_lost: Counter[str] = field(default_factory=Counter)
