"""The wires of engine fidelity: what becomes of each frame, decided when it is sent.

A node sends one frame after another: start = max(now, uplink free), finish = start + bits / bandwidth, then the link's
delay. A link keeps order like TCP, except for frames that are repeated or reordered. All that can go wrong is in the
`Plan` or drawn from the frame's number on its link, so nothing that happens later changes a frame's fate. This is the
reference; `fast.wires` computes the same for a whole broadcast in one compiled loop.

Deviations: one lane (blocks delay votes behind them), an unbounded queue at the uplink, connections that are always up.
"""

from typing import TypeAlias

from raclette.primitives.randomness import mix64
from raclette.primitives.units import SECOND
from raclette.sim.engines.plan import LATE_NS, MILLION, Noise, Plan
from raclette.sim.models import NetworkModel

# Why a frame does not arrive; fates are arrival times (positive) or one of these.
LOST, SHUT, DOWN = -1, -2, -3
WHY = {LOST: "loss", SHUT: "partition", DOWN: "down"}
_GOLDEN = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1
BITS_TO_NS = 8 * SECOND
_QUIET = Noise(0, 0, 0, 0, 0)

# For each receiver: when the frame arrives (or why it does not), when a second copy does (0: there is none), and the
# frame's number on its link.
Fate: TypeAlias = tuple[int, int, int]


def link_key(seed: int, sender: int, receiver: int) -> int:
    """What the draws of one direction depend on."""
    return mix64(wires_key(seed) ^ (sender << 24 | receiver))


def wires_key(seed: int) -> int:
    """What all draws of a run's wires depend on."""
    return mix64((seed ^ 0x77697265) & _MASK)


class Wires:
    """Decides fates. Everything is an integer; times in ns."""

    def __init__(self, model: NetworkModel, nodes: int, seed: int, plan: Plan) -> None:
        self.model = model
        self.nodes = nodes
        self.plan = plan
        self._keys = [link_key(seed, sender, receiver) for sender in range(nodes) for receiver in range(nodes)]
        self._numbers = [0] * (nodes * nodes)
        self._last = [0] * (nodes * nodes)
        self._free = [0] * nodes
        self._shut = [(shut.begin, shut.end, frozenset(shut.pairs)) for shut in plan.shut]
        self._down: list[list[tuple[int, int]]] = [[] for _ in range(nodes)]
        for down in plan.down:
            self._down[down.node].append((down.begin, down.end))

    def launch(self, now: int, sender: int, receivers: tuple[int, ...], size: int) -> list[Fate]:
        """`size` bytes (overhead included) go from `sender` to each receiver, in order."""
        fates: list[Fate] = []
        free = max(now, self._free[sender])
        bits = size * BITS_TO_NS
        for receiver in receivers:
            rate = self.model.bandwidth(sender, receiver)
            free += bits // rate if rate else 0
            fates.append(self._fate(now, sender, receiver, free))
        self._free[sender] = free
        return fates

    def clear_uplink(self, node: int) -> None:
        """`node` starts again: what it had not sent is gone."""
        self._free[node] = 0

    def _fate(self, now: int, sender: int, receiver: int, finish: int) -> Fate:
        """Handed over at `now`; the last bit leaves at `finish`."""
        link = sender * self.nodes + receiver
        number = self._numbers[link]
        self._numbers[link] = number + 1
        key = self._keys[link]
        arrival = finish + max(1, self.model.delay(sender, receiver, _draw(key, number, 0)))
        noise = self._noise(finish) if self.plan.noise else _QUIET
        if noise.loss_ppm and _draw(key, number, 1) * MILLION >> 64 < noise.loss_ppm:
            return LOST, 0, number
        if noise.reorder_ppm and _draw(key, number, 2) * MILLION >> 64 < noise.reorder_ppm:
            arrival += _draw(key, number, 3) * LATE_NS >> 64
        else:
            arrival = self._last[link] = max(arrival, self._last[link] + 1)
        if self._shut and self._is_shut(sender, receiver, finish, arrival):
            return SHUT, 0, number
        if self._crashes(sender, now, finish) or self._is_down(receiver, arrival):
            return DOWN, 0, number
        second = 0
        if noise.duplicate_ppm and _draw(key, number, 4) * MILLION >> 64 < noise.duplicate_ppm:
            self._numbers[link] = number + 2
            second = arrival + 1 + (_draw(key, number, 5) * LATE_NS >> 64)
            if self._is_down(receiver, second):
                second = 0
        return arrival, second, number

    def _noise(self, time: int) -> Noise:
        for noise in reversed(self.plan.noise):
            if noise.begin <= time < noise.end:
                return noise
        return _QUIET

    def _is_shut(self, sender: int, receiver: int, finish: int, arrival: int) -> bool:
        return any(
            (begin <= finish < end or begin <= arrival < end) and (sender, receiver) in pairs
            for begin, end, pairs in self._shut
        )

    def _crashes(self, node: int, after: int, until: int) -> bool:
        return any(after < begin <= until for begin, _ in self._down[node])

    def _is_down(self, node: int, time: int) -> bool:
        return any(begin <= time < end for begin, end in self._down[node])


def _draw(key: int, number: int, purpose: int) -> int:
    return mix64((key + _GOLDEN * (8 * number + purpose + 1)) & _MASK)
