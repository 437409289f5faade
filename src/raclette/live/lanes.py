"""The sending side of one peer: three queues, the lowest lane first, each bounded in bytes and frames.

Control frames (pings, goodbye) go before all lanes; the transport makes few of them, so they need no bound.
"""

from collections import deque

from raclette.live.frames import CONTROL_TAG, FRAME_OVERHEAD_BYTES, frame_head
from raclette.live.limits import TransportLimits
from raclette.node.host import Lane


class Lanes:
    """What waits for one peer. Not for use by two threads."""

    __slots__ = ("_bytes_max", "_control", "_frames_max", "_queues", "dropped", "queued_bytes")

    def __init__(self, limits: TransportLimits) -> None:
        self._control: deque[bytes] = deque()
        self._queues: tuple[deque[tuple[bytes, bytes]], ...] = tuple(deque() for _ in Lane)
        self._bytes_max = limits.lane_bytes_max
        self._frames_max = limits.lane_frames_max
        self.queued_bytes = [0 for _ in Lane]
        self.dropped = [0 for _ in Lane]

    def push_control(self, payload: bytes) -> None:
        """Queue one of the transport's own frames, before everything else."""
        self._control.append(frame_head(CONTROL_TAG, len(payload)) + payload)

    def push(self, lane: Lane, head: bytes, frame: bytes) -> bool:
        """Queue a frame; False (and counted) if the lane is full."""
        size = len(frame) + FRAME_OVERHEAD_BYTES
        queue = self._queues[lane]
        if self.queued_bytes[lane] + size > self._bytes_max[lane] or len(queue) >= self._frames_max[lane]:
            self.dropped[lane] += 1
            return False
        queue.append((head, frame))
        self.queued_bytes[lane] += size
        return True

    def take(self, size: int) -> bytes:
        """The next frames, joined, until they reach `size` bytes (the last one may exceed it); empty if none wait."""
        parts: list[bytes] = []
        total = 0
        while self._control and total < size:
            part = self._control.popleft()
            parts.append(part)
            total += len(part)
        for lane, queue in enumerate(self._queues):
            before = total
            while queue and total < size:
                head, frame = queue.popleft()
                parts.append(head)
                parts.append(frame)
                total += len(frame) + FRAME_OVERHEAD_BYTES
            self.queued_bytes[lane] -= total - before
        return b"".join(parts)

    @property
    def control_count(self) -> int:
        """Control frames that wait."""
        return len(self._control)

    def __len__(self) -> int:
        return len(self._control) + sum(len(queue) for queue in self._queues)
