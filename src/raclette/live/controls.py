"""The transport's own frames (`Control` in wire.proto), encoded and strictly decoded."""

from typing import NamedTuple, TypeAlias

from google.protobuf.message import DecodeError as ProtobufError

from raclette.live import wire_pb2 as wire
from raclette.live.contract import ChainIdentity, PeerHello, Role
from raclette.live.limits import HELLO_BYTES_MAX, HOST_BYTES_MAX, NAME_BYTES_MAX, TRANSPORT_VERSION
from raclette.primitives.errors import DecodeError, PeerFault
from raclette.primitives.signing import NODE_ID_BYTES

INSTANCE_BYTES = 8
# Reasons are slugs of ours, details one line for a log; what a stranger sends beyond that is cut.
REASON_CHARS_MAX = 40
DETAIL_CHARS_MAX = 200


class Greeting(NamedTuple):
    """A hello as it arrived: who, on which chain, speaking which version."""

    version: int
    chain: ChainIdentity
    hello: PeerHello


class Ping(NamedTuple):
    """Are you there?"""

    nonce: int


class Pong(NamedTuple):
    """Yes."""

    nonce: int


class Goodbye(NamedTuple):
    """The sender closes, and why."""

    reason: str
    detail: str


Control: TypeAlias = Greeting | Ping | Pong | Goodbye


def encode_hello(hello: PeerHello, chain: ChainIdentity) -> bytes:
    """The first frame of a link."""
    message = wire.Hello(
        version=TRANSPORT_VERSION,
        chain_id=chain.chain_id,
        genesis_hash=chain.genesis_hash,
        node_id=hello.node_id,
        host=hello.host,
        port=hello.port,
        name=hello.name,
        role=hello.role,
        instance=hello.instance,
    )
    return wire.Control(hello=message).SerializeToString()


def encode_ping(nonce: int) -> bytes:
    """A question to which `encode_pong(nonce)` is the answer."""
    return wire.Control(ping=wire.Ping(nonce=nonce)).SerializeToString()


def encode_pong(nonce: int) -> bytes:
    """The answer to a ping."""
    return wire.Control(pong=wire.Pong(nonce=nonce)).SerializeToString()


def encode_goodbye(reason: str, detail: str = "") -> bytes:
    """The last frame of a link."""
    return wire.Control(
        goodbye=wire.Goodbye(reason=reason[:REASON_CHARS_MAX], detail=detail[:DETAIL_CHARS_MAX])
    ).SerializeToString()


def decode_control(payload: bytes) -> Control:
    """A control frame. Raises DecodeError."""
    if len(payload) > HELLO_BYTES_MAX:
        raise DecodeError("control-size", f"{len(payload)} bytes, at most {HELLO_BYTES_MAX}")
    message = wire.Control()
    try:
        message.ParseFromString(payload)
    except ProtobufError as error:
        raise DecodeError("control-encoding", str(error)) from error
    match message.WhichOneof("body"):
        case "hello":
            return _greeting(message.hello)
        case "ping":
            return Ping(message.ping.nonce)
        case "pong":
            return Pong(message.pong.nonce)
        case "goodbye":
            goodbye = message.goodbye
            return Goodbye(printable(goodbye.reason, REASON_CHARS_MAX), printable(goodbye.detail, DETAIL_CHARS_MAX))
        case _:
            raise DecodeError("control-kind", "neither hello, ping, pong nor goodbye")


def printable(text: str, limit: int) -> str:
    """`text` cut to `limit` characters, with whatever could disturb a log or a terminal replaced."""
    return "".join(char if char.isprintable() else "?" for char in text[:limit])


def check_name(name: str) -> str:
    """A peer's name: printable, without surrounding space, at most NAME_BYTES_MAX. Raises DecodeError."""
    if len(name.encode()) > NAME_BYTES_MAX or not name.isprintable() or name != name.strip():
        raise DecodeError("bad-name", f"{printable(name, NAME_BYTES_MAX)!r}")
    return name


def check_host(host: str, port: int) -> None:
    """A place to dial, or empty host and port 0 for none. Raises DecodeError."""
    if not host and not port:
        return
    if not 0 < port < 65536 or not 0 < len(host) <= HOST_BYTES_MAX or not host.isascii():
        raise DecodeError("bad-address", f"{printable(host, 40)!r} port {port}")
    if not all(char.isalnum() or char in "-._:%" for char in host):
        raise DecodeError("bad-address", f"{printable(host, 40)!r}")


def _greeting(message: wire.Hello) -> Greeting:
    if len(message.node_id) != NODE_ID_BYTES or len(message.instance) != INSTANCE_BYTES:
        raise DecodeError("bad-hello", "node id or instance of the wrong size")
    try:
        role = Role(message.role)
    except ValueError as error:
        raise DecodeError("bad-hello", f"unknown role {message.role}") from error
    check_host(message.host, message.port)
    hello = PeerHello(
        node_id=message.node_id,
        host=message.host,
        port=message.port,
        name=check_name(message.name),
        role=role,
        instance=message.instance,
    )
    return Greeting(message.version, ChainIdentity(message.chain_id, message.genesis_hash), hello)


def check_greeting(greeting: Greeting, chain: ChainIdentity, proven_id: bytes) -> None:
    """Is this a hello we can link with, from the one whose key TLS has proven? Raises PeerFault naming what differs."""
    if greeting.version != TRANSPORT_VERSION:
        raise PeerFault("wrong-version", f"they speak {greeting.version}, we {TRANSPORT_VERSION}")
    if greeting.chain.chain_id != chain.chain_id:
        raise PeerFault("wrong-chain", f"they are on chain {greeting.chain.chain_id}, we on {chain.chain_id}")
    if greeting.chain.genesis_hash != chain.genesis_hash:
        theirs, ours = greeting.chain.genesis_hash.hex()[:16], chain.genesis_hash.hex()[:16]
        raise PeerFault("wrong-genesis", f"theirs is {theirs}, ours {ours}")
    if greeting.hello.node_id != proven_id:
        raise PeerFault("wrong-key", "the hello's node id is not the key that TLS has proven")
