"""The wires: uplinks, latency, loss, partitions.

A node sends one frame after another: start = max(now, uplink free), finish = start + bits / bandwidth, then the
link's delay. When more than a millisecond of sending is queued, frames wait in three lanes, and the lower lane goes
first, as in the live host.
A link is an ordered connection like TCP unless it is told to reorder: a frame never overtakes an earlier one. When a
link breaks, what is under way on it is lost.

Every draw is a function of (seed, link, number of the frame on that link, purpose), so that what happens on one link
never disturbs another.
"""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

from raclette.node.host import Lane
from raclette.primitives.randomness import mix64
from raclette.primitives.units import MEBIBYTE, MILLISECOND, SECOND
from raclette.sim.kernel import Kernel, Kind, place
from raclette.sim.models import NetworkModel

# Frames that wait in one lane of one node; beyond it new ones are dropped, as the live host does.
LANE_BYTES_MAX = 64 * MEBIBYTE
# A node hands frames to the operating system while less than this is queued there; the lanes order the rest.
SOCKET_BUFFER_NS = MILLISECOND
# Bytes each frame costs on the wire besides its own: length, TLS record, TCP/IP headers.
FRAME_OVERHEAD_BYTES = 90
MILLION = 1_000_000
_GOLDEN = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1
_BITS_TO_NS = 8 * SECOND


@dataclass(frozen=True, slots=True)
class LinkFaults:
    """What goes wrong with frames at random, in parts per million. `reorder_ns` is the most that one reordered frame
    may be late; only reordered and duplicated frames break the order of a link."""

    loss_ppm: int = 0
    duplicate_ppm: int = 0
    reorder_ppm: int = 0
    reorder_ns: int = 50_000_000


PERFECT = LinkFaults()


class Impairment(NamedTuple):
    """Faults on some links: those from and to `nodes`, or the one `link` (from, to); on all, if both are empty."""

    faults: LinkFaults
    nodes: frozenset[int] = frozenset()
    link: tuple[int, ...] = ()

    def covers(self, sender: int, receiver: int) -> bool:
        """Is the link from `sender` to `receiver` among them?"""
        if self.link:
            return self.link == (sender, receiver)
        return not self.nodes or sender in self.nodes or receiver in self.nodes


def either(first: LinkFaults, second: LinkFaults) -> LinkFaults:
    """Both at once: a frame is spared if each of them spares it."""

    def union(a: int, b: int) -> int:
        return a + b - a * b // MILLION

    return LinkFaults(
        union(first.loss_ppm, second.loss_ppm),
        union(first.duplicate_ppm, second.duplicate_ppm),
        union(first.reorder_ppm, second.reorder_ppm),
        max(first.reorder_ns, second.reorder_ns),
    )


class Frame(NamedTuple):
    """A frame on its way. `session` is that of the link when it left; `content` the first 8 bytes of its hash."""

    sender: int
    receiver: int
    payload: bytes
    kind: str
    sent: int
    session: int
    content: int


class Link:
    """One direction of a connection. `session` counts how often it came up."""

    __slots__ = ("counter", "key", "last_arrival", "session", "up")

    def __init__(self, key: int) -> None:
        self.key = key
        self.up = False
        self.session = 0
        self.counter = 0
        self.last_arrival = 0


class Traffic:
    """Messages and bytes per kind, and what was lost and why."""

    __slots__ = ("bytes", "lost", "messages")

    def __init__(self) -> None:
        self.messages: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()


def content_of(frame: bytes) -> int:
    """64 bits that stand for a frame in the trace."""
    return int.from_bytes(blake2b(frame, digest_size=8).digest(), "little")


class _Uplink:
    __slots__ = ("bytes", "free_at", "lanes", "turn", "waiting")

    def __init__(self) -> None:
        self.free_at = 0
        self.lanes: tuple[deque[Frame], ...] = tuple(deque() for _ in Lane)
        self.bytes = [0] * len(Lane)
        self.waiting = 0
        self.turn = 0


class Network:
    """Carries frames between numbered nodes and hands each arrival to `deliver`."""

    def __init__(
        self, kernel: Kernel, model: NetworkModel, nodes: int, seed: int, deliver: Callable[[Frame], None]
    ) -> None:
        self.model = model
        self._impairments: list[Impairment] = []
        self._impaired: dict[tuple[int, int], LinkFaults] = {}
        self.traffic = Traffic()
        self.on_lost: Callable[[Frame, str], None] | None = None
        self.on_sent: Callable[[Frame], None] | None = None
        self._kernel = kernel
        self._seed = mix64((seed ^ 0x6E6574776F726B) & _MASK)
        self._deliver = deliver
        self._links: dict[tuple[int, int], Link] = {}
        self._uplinks = [_Uplink() for _ in range(nodes)]
        self._blocked: Counter[tuple[int, int]] = Counter()
        self._slowness: dict[tuple[int, int], int] = {}

    # Links

    def link(self, sender: int, receiver: int) -> Link:
        """The link in that direction, made when first asked for."""
        found = self._links.get((sender, receiver))
        if found is None:
            found = self._links[sender, receiver] = Link(mix64(self._seed ^ (sender << 24 | receiver)))
        return found

    def is_up(self, sender: int, receiver: int) -> bool:
        """Is there a connection?"""
        found = self._links.get((sender, receiver))
        return found is not None and found.up

    def raise_link(self, a: int, b: int) -> None:
        """Connect, in both directions."""
        for link in (self.link(a, b), self.link(b, a)):
            link.up = True
            link.session += 1
            link.last_arrival = 0

    def cut_link(self, a: int, b: int) -> None:
        """Disconnect, in both directions; frames under way are lost."""
        self.link(a, b).up = False
        self.link(b, a).up = False

    def block(self, sender: int, receiver: int) -> None:
        """Let nothing through in this direction, though the connection stays. Blocks add up."""
        self._blocked[sender, receiver] += 1

    def unblock(self, sender: int, receiver: int) -> None:
        """Take one block back."""
        self._blocked[sender, receiver] -= 1

    def is_blocked(self, sender: int, receiver: int) -> bool:
        """Is this direction shut by a partition?"""
        return self._blocked[sender, receiver] > 0

    def slow(self, sender: int, receiver: int, extra: int) -> None:
        """Add `extra` ns to everything in this direction; less than 0 takes it back."""
        slowness = self._slowness.get((sender, receiver), 0) + extra
        if slowness:
            self._slowness[sender, receiver] = slowness
        else:
            self._slowness.pop((sender, receiver), None)

    def impair(self, impairment: Impairment) -> None:
        """From now on. Several add up."""
        self._impairments.append(impairment)
        self._impaired.clear()

    def repair(self, impairment: Impairment) -> None:
        """Take back one like this. Raises ValueError if there is none."""
        self._impairments.remove(impairment)
        self._impaired.clear()

    def faults_on(self, sender: int, receiver: int) -> LinkFaults:
        """What goes wrong now on that link: everything that covers it."""
        found = self._impaired.get((sender, receiver))
        if found is None:
            found = PERFECT
            for impairment in self._impairments:
                if impairment.covers(sender, receiver):
                    found = impairment.faults if found is PERFECT else either(found, impairment.faults)
            self._impaired[sender, receiver] = found
        return found

    def clear_uplink(self, node: int) -> None:
        """Forget what `node` had not sent yet: it crashed."""
        uplink = self._uplinks[node]
        for lane in uplink.lanes:
            lane.clear()
        uplink.bytes = [0] * len(Lane)
        uplink.waiting = 0
        uplink.turn += 1

    # Frames

    def send(self, sender: int, receivers: list[int], lane: int, payload: bytes, kind: str) -> None:
        """Queue `payload` for each receiver that is connected."""
        size = len(payload)
        content = content_of(payload)
        now = self._kernel.now
        uplink = self._uplinks[sender]
        for receiver in receivers:
            link = self._links.get((sender, receiver))
            if link is None or not link.up:
                self.traffic.lost["not-connected"] += 1
                continue
            frame = Frame(sender, receiver, payload, kind, now, link.session, content)
            if not uplink.waiting and uplink.free_at <= now + SOCKET_BUFFER_NS:
                self._start(uplink, link, frame)
            elif uplink.bytes[lane] + size > LANE_BYTES_MAX:
                self._lose(frame, "lane-full")
            else:
                uplink.lanes[lane].append(frame)
                uplink.bytes[lane] += size
                uplink.waiting += 1
                if uplink.waiting == 1:
                    self._schedule_turn(sender, uplink)

    def _schedule_turn(self, node: int, uplink: _Uplink) -> None:
        uplink.turn += 1
        time = uplink.free_at - SOCKET_BUFFER_NS
        self._kernel.schedule(time, place(Kind.UPLINK, node), uplink.turn, 0, self._take_turn, (node, uplink.turn))

    def _take_turn(self, node_and_turn: tuple[int, int]) -> None:
        node, turn = node_and_turn
        uplink = self._uplinks[node]
        if turn != uplink.turn:
            return
        now = self._kernel.now
        while uplink.waiting and uplink.free_at <= now + SOCKET_BUFFER_NS:
            lane = next(i for i, frames in enumerate(uplink.lanes) if frames)
            frame = uplink.lanes[lane].popleft()
            uplink.bytes[lane] -= len(frame.payload)
            uplink.waiting -= 1
            link = self._links[frame.sender, frame.receiver]
            if link.up and link.session == frame.session:
                self._start(uplink, link, frame)
            else:
                self._lose(frame, "not-connected")
        if uplink.waiting:
            self._schedule_turn(node, uplink)

    def _start(self, uplink: _Uplink, link: Link, frame: Frame) -> None:
        """`frame` goes to the wire: its first bit leaves when those before it have left."""
        sender, receiver = frame.sender, frame.receiver
        start = max(self._kernel.now, uplink.free_at)
        size = len(frame.payload) + FRAME_OVERHEAD_BYTES
        rate = self.model.bandwidth(sender, receiver)
        finish = uplink.free_at = start + (size * _BITS_TO_NS // rate if rate else 0)
        self.traffic.messages[frame.kind] += 1
        self.traffic.bytes[frame.kind] += size
        if self.on_sent is not None:
            self.on_sent(frame)
        number = link.counter
        link.counter = number + 1
        if self._blocked and self._blocked[sender, receiver] > 0:
            self._lose(frame, "partition")
            return
        arrival = finish + self.model.delay(sender, receiver, self._draw(link, number, 0))
        if self._slowness:
            arrival += self._slowness.get((sender, receiver), 0)
        if self._impairments:
            faults = self.faults_on(sender, receiver)
            if faults is not PERFECT:
                self._start_impaired(faults, link, frame, number, arrival)
                return
        if arrival <= link.last_arrival:
            arrival = link.last_arrival + 1
        link.last_arrival = arrival
        self._arrive_at(arrival, frame, number)

    def _start_impaired(self, faults: LinkFaults, link: Link, frame: Frame, number: int, arrival: int) -> None:
        """As the rest of `_start`, with what may go wrong."""
        if self._draw(link, number, 1) * MILLION >> 64 < faults.loss_ppm:
            self._lose(frame, "loss")
            return
        if self._draw(link, number, 2) * MILLION >> 64 < faults.reorder_ppm:
            arrival += self._draw(link, number, 3) * faults.reorder_ns >> 64
        else:
            arrival = link.last_arrival = max(arrival, link.last_arrival + 1)
        self._arrive_at(arrival, frame, number)
        if self._draw(link, number, 4) * MILLION >> 64 < faults.duplicate_ppm:
            late = 1 + (self._draw(link, number, 5) * faults.reorder_ns >> 64)
            link.counter += 1
            self._arrive_at(arrival + late, frame, number + 1)

    def _arrive_at(self, time: int, frame: Frame, number: int) -> None:
        where = place(Kind.ARRIVAL, frame.receiver, frame.sender)
        self._kernel.schedule(time, where, number, frame.content, self._arrive, frame)

    def _arrive(self, frame: Frame) -> None:
        link = self._links[frame.sender, frame.receiver]
        if link.up and link.session == frame.session:
            self._deliver(frame)
        else:
            self._lose(frame, "not-connected")

    def _lose(self, frame: Frame, why: str) -> None:
        self.traffic.lost[why] += 1
        if self.on_lost is not None:
            self.on_lost(frame, why)

    @staticmethod
    def _draw(link: Link, number: int, purpose: int) -> int:
        return mix64((link.key + _GOLDEN * (8 * number + purpose + 1)) & _MASK)
