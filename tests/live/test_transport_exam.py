"""The TLS transport passes the exam of its contract."""

import asyncio

import uvloop

from raclette.live.contract import ChainIdentity, PeerAddress
from raclette.live.exam import check_transport
from raclette.live.limits import TransportLimits
from raclette.live.transport import TlsTransport

CHAIN = ChainIdentity(2600, b"g" * 32)


def make(index: int, limits: TransportLimits) -> TlsTransport:
    return TlsTransport(bytes([index + 1]) * 32, CHAIN, listen=("127.0.0.1", 0), limits=limits)


def address_of(transport: TlsTransport) -> PeerAddress:
    return PeerAddress(transport.node_id, "127.0.0.1", transport.port)


def test_the_tls_transport_passes_the_exam_on_uvloop() -> None:
    uvloop.run(check_transport(make, address_of))


def test_the_tls_transport_passes_the_exam_on_asyncio_alone() -> None:
    asyncio.run(check_transport(make, address_of))
