"""Where the RPC listens, who may ask, and how much."""

from dataclasses import dataclass, field

from raclette.primitives.errors import ConfigError
from raclette.primitives.units import KIBIBYTE, MEBIBYTE


@dataclass(frozen=True, slots=True)
class RpcLimits:
    """What a stranger can make the server hold or do. Defaults serve wallets and our own load generator."""

    # A request body or WebSocket message, in bytes: a batch of 1,000 transfers is 0.4 MiB, the largest one 0.3.
    body_bytes_max: int = 2 * MEBIBYTE
    # Objects and arrays in a body, counted before it is parsed: parsed JSON takes up to 60 bytes for each byte of "[".
    nodes_max: int = 25_000
    # Calls in a batch (geth: 1,000).
    batch_max: int = 1_000
    # Answer to one body, in bytes (geth: 25 MB).
    response_bytes_max: int = 25 * MEBIBYTE
    # Bodies being answered at the same time; reads are quick and share one thread anyway.
    in_flight_max: int = 32
    # Bodies waiting for one of those places; the next one is told to come back later.
    waiting_max: int = 256
    # Seconds for one body's answer.
    request_s: float = 30.0
    # Seconds for a client to deliver its headers, then its body, and to make room for more of the answer.
    delivery_s: float = 15.0
    # Bytes of request line and headers.
    header_bytes_max: int = 16 * KIBIBYTE
    # Open connections, WebSockets included, and WebSockets alone: each holds a file descriptor and some buffers.
    connections_max: int = 512
    websockets_max: int = 128
    # Subscriptions on a WebSocket.
    subscriptions_max: int = 16
    # Notifications that wait for a slow subscriber before its connection is cut.
    notifications_max: int = 1_024
    # Blocks searched by one raclette_memos call, at up to a millisecond each.
    memo_blocks_max: int = 2_000
    # Blocks in one eth_feeHistory (geth: 1,024), and in one that asks for rewards, which reads whole bodies.
    fee_history_max: int = 1_024
    reward_history_max: int = 32


@dataclass(frozen=True, slots=True)
class RpcConfig:
    """`host` and `port` to listen on (port 0: any free one). Browsers: pages from `origins` may ask, "*" for any;
    pages from this machine always may. `vhosts` are names by which clients may call this server, beside "localhost" and
    IP addresses; a page that points its own name here (DNS rebinding) is turned away."""

    host: str = "127.0.0.1"
    port: int = 8545
    origins: tuple[str, ...] = ()
    vhosts: tuple[str, ...] = ()
    limits: RpcLimits = field(default_factory=RpcLimits)

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"rpc.port is {self.port}; accepted: 0 (any free port) to 65535")
