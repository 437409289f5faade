"""Frames on a byte stream: 4 bytes length (big-endian, of what follows), 1 byte tag, payload.

The tag's high half names the service, the low half the lane it was sent in, so that the receiver can keep each lane's
order without making one lane wait for another.
"""

from raclette.live.contract import Service
from raclette.node.host import Lane
from raclette.primitives.errors import PeerFault

_LENGTH_BYTES = 4
FRAME_OVERHEAD_BYTES = _LENGTH_BYTES + 1

CONTROL_TAG = 0

# Tag -> meaning, for every tag there is; anything else is a fault.
TAGS: dict[int, tuple[Service, Lane]] = {
    service << 4 | lane: (service, lane) for service in (Service.NODE, Service.TRACKER) for lane in Lane
}


def tag_of(service: Service, lane: Lane) -> int:
    """The byte that stands for service and lane."""
    return service << 4 | lane


def frame_head(tag: int, payload_bytes: int) -> bytes:
    """The five bytes before a payload."""
    return (payload_bytes + 1).to_bytes(_LENGTH_BYTES, "big") + bytes((tag,))


class FrameReader:
    """Cuts a stream into frames. Holds at most one unfinished frame and never reserves what was only announced."""

    __slots__ = ("_held", "_held_bytes", "_needed", "payload_max")

    def __init__(self, payload_max: int) -> None:
        self.payload_max = payload_max
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._needed = FRAME_OVERHEAD_BYTES

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """The (tag, payload) pairs that `data` completes. Raises PeerFault; the stream is unusable afterwards."""
        if self._held:
            self._held.append(data)
            self._held_bytes += len(data)
            if self._held_bytes < self._needed:
                return []
            data = b"".join(self._held)
            self._held = []
        frames = []
        at, end = 0, len(data)
        self._needed = FRAME_OVERHEAD_BYTES
        while end - at >= FRAME_OVERHEAD_BYTES:
            length = int.from_bytes(data[at : at + _LENGTH_BYTES], "big")
            if length == 0:
                raise PeerFault("frame-empty")
            if length - 1 > self.payload_max:
                raise PeerFault("frame-too-large", f"{length - 1} bytes announced, at most {self.payload_max}")
            stop = at + _LENGTH_BYTES + length
            if stop > end:
                self._needed = stop - at
                break
            frames.append((data[at + _LENGTH_BYTES], data[at + FRAME_OVERHEAD_BYTES : stop]))
            at = stop
        if at < end:
            self._held = [data[at:]]
            self._held_bytes = end - at
        return frames
