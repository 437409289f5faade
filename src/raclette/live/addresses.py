"""Addresses as people write them: `host:port`, `[::1]:port`, `<node id>@host:port`."""

from raclette.live.contract import PeerAddress
from raclette.live.controls import check_host
from raclette.primitives.errors import ConfigError, DecodeError
from raclette.primitives.signing import NODE_ID_BYTES

PORT_MAX = 65535


def parse_host_port(text: str) -> tuple[str, int]:
    """(host, port); port 0 is allowed. Raises ConfigError."""
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ConfigError(f"{text!r}: accepted: IPv6 addresses in brackets, as [::1]:7045")
    if not colon or not host or not (port.isascii() and port.isdecimal()) or int(port) > PORT_MAX:
        raise ConfigError(f"{text!r}: accepted: host:port with a port of 0 to {PORT_MAX}")
    try:
        check_host(host, int(port) or 1)
    except DecodeError as error:
        raise ConfigError(f"{text!r}: {host!r} is no host name or IP address; accepted: host:port") from error
    return host, int(port)


def parse_peer(text: str) -> PeerAddress:
    """From `<node id in hex>@host:port`. Raises ConfigError."""
    node_id, at, where = text.partition("@")
    try:
        key = bytes.fromhex(node_id.removeprefix("0x"))
    except ValueError:
        key = b""
    if not at or len(key) != NODE_ID_BYTES:
        raise ConfigError(f"{text!r}: accepted: <node id, 64 hexadecimal digits>@host:port")
    host, port = parse_host_port(where)
    return PeerAddress(key, host, port)
