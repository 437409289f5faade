"""Frames between peers and tracker (`TrackerFrame` in wire.proto), decoded with bounds."""

from google.protobuf.message import DecodeError as ProtobufError

from raclette.live import wire_pb2 as wire
from raclette.primitives.errors import DecodeError
from raclette.primitives.units import KIBIBYTE

# A page of 64 records of at most 500 bytes, or 256 neighbours; nothing here is larger.
TRACKER_FRAME_BYTES_MAX = 256 * KIBIBYTE
# Records in one answer to List.
PAGE_RECORDS = 64
# Neighbours in one answer to Join.
NEIGHBOURS_MAX = 256
# Acknowledgements in one frame.
ACKS_MAX = 1_024


def parse(frame: bytes) -> wire.TrackerFrame:
    """The frame, with a known body. Raises DecodeError."""
    if len(frame) > TRACKER_FRAME_BYTES_MAX:
        raise DecodeError("tracker-frame-size", f"{len(frame)} bytes, at most {TRACKER_FRAME_BYTES_MAX}")
    parsed = wire.TrackerFrame()
    try:
        parsed.ParseFromString(frame)
    except ProtobufError as error:
        raise DecodeError("tracker-frame-encoding", str(error)) from error
    if parsed.WhichOneof("body") is None:
        raise DecodeError("tracker-frame-kind", "nothing we know")
    return parsed


def encode(**body: object) -> bytes:
    """A frame with this one body: `encode(ack=wire.Ack(ids=[...]))`."""
    return wire.TrackerFrame(**body).SerializeToString()  # type: ignore[arg-type]
