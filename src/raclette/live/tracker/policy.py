"""Which peers a newcomer is told to link with."""

from collections.abc import Sequence
from typing import NamedTuple

from raclette.live.tracker.messages import NEIGHBOURS_MAX
from raclette.primitives.errors import ConfigError
from raclette.primitives.randomness import Random

# A third of a small network may be too few to hear of everything when some are down.
THIRD_MIN = 3


class NeighbourPolicy(NamedTuple):
    """`kind` is "all", "fanout" (`fanout` at random) or "third" (a random third, at least THIRD_MIN)."""

    kind: str
    fanout: int = 0

    @classmethod
    def parse(cls, text: str) -> "NeighbourPolicy":
        """From "all", "third" or "fanout:8". Raises ConfigError."""
        kind, _, count = text.partition(":")
        if kind in ("all", "third") and not count:
            return cls(kind)
        if kind == "fanout" and count.isdecimal() and 0 < int(count) <= NEIGHBOURS_MAX:
            return cls(kind, int(count))
        raise ConfigError(
            f'tracker.neighbours: {text!r}; accepted: "all", "third", "fanout:1" to "fanout:{NEIGHBOURS_MAX}"'
        )

    def choose(self, others: Sequence[bytes], random: Random) -> list[bytes]:
        """Some of `others`, which come in a defined order; never more than NEIGHBOURS_MAX."""
        wanted = {"all": len(others), "fanout": self.fanout, "third": max(THIRD_MIN, (len(others) + 2) // 3)}[self.kind]
        if wanted >= len(others) and len(others) <= NEIGHBOURS_MAX:
            return list(others)
        return random.sample(others, min(wanted, NEIGHBOURS_MAX))
