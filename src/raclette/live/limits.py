"""Every limit on what strangers can make a live process do, with its unit and reason."""

from dataclasses import dataclass

from raclette.node.host import FRAME_BYTES_MAX
from raclette.primitives.units import KIBIBYTE, MEBIBYTE, SECOND

# Version of the transport's framing and hello. Raised on any change that an older peer would misread.
TRANSPORT_VERSION = 1

# A frame before the hello is accepted: a hello is about 200 bytes, a stranger gets no larger buffer.
HELLO_BYTES_MAX = 4 * KIBIBYTE

# Names in hellos and records: enough for a person or a machine, small enough for a table.
NAME_BYTES_MAX = 64

# DNS allows 253.
HOST_BYTES_MAX = 253

# Written to TLS in one call. Small frames are joined up to this, so that a burst of votes costs one system call.
WRITE_BYTES = 64 * KIBIBYTE

# What may wait below the lanes, where nothing can overtake it any more: 2 ms on a gigabit link.
SOCKET_BYTES_HIGH = 256 * KIBIBYTE


@dataclass(frozen=True, slots=True)
class TransportLimits:
    """Limits that an operator may want to change. Times in nanoseconds, sizes in bytes."""

    # Links that others opened to us. Each may hold up to the lanes' bytes of memory.
    inbound_max: int = 128
    # Of those, from one IP address: enough for a household or a test machine, too few to fill `inbound_max` alone.
    inbound_per_ip_max: int = 64
    # Connections that have not said a proper hello yet; a slow stranger holds one for `handshake_timeout`.
    handshakes_max: int = 64
    # TLS and hello together. Honest ones take tens of milliseconds.
    handshake_timeout: int = 5 * SECOND
    # Silence after which we ask, and silence after which the link counts as dead.
    ping_interval: int = 5 * SECOND
    silence_timeout: int = 20 * SECOND
    # Bytes and frames waiting in each lane of each peer: consensus, blocks, transactions. One whole view change
    # (some MB of proofs), a few blocks, and about a second of transactions.
    lane_bytes_max: tuple[int, int, int] = (16 * MEBIBYTE, 32 * MEBIBYTE, 8 * MEBIBYTE)
    lane_frames_max: tuple[int, int, int] = (16_384, 4_096, 16_384)
    # What one peer may send us per second on average, and at once; beyond it we read slower, nothing is lost.
    inbound_bytes_per_second: int = 64 * MEBIBYTE
    inbound_frames_per_second: int = 20_000
    # Largest frame after the hello.
    frame_bytes_max: int = FRAME_BYTES_MAX
    # Waits between dials: doubled from the first to the last, and spread by up to half to avoid lockstep.
    redial_first: int = SECOND // 4
    redial_last: int = 30 * SECOND
    # How long a stopping process lets queued frames leave.
    farewell_timeout: int = 2 * SECOND
    # Peers that are dialled until they answer, and bans that are remembered.
    wanted_max: int = 1_024
    bans_max: int = 4_096
