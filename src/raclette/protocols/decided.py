"""Final blocks with what proves them: how they are passed on, and what every engine says of them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, Self

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.message import Message
from raclette.primitives.errors import DecodeError, InvalidCertificate, InvalidHeader, NotYet
from raclette.primitives.rlp import Item, as_bytes
from raclette.primitives.signing import Claim
from raclette.primitives.units import SECOND
from raclette.protocols.wire import expect


@dataclass(frozen=True, slots=True)
class Decided:
    """A final block with its proof, for everybody: `certificate` is what the chain keeps beside the block."""

    header: Header
    certificate: bytes
    proof: tuple[Claim, ...]
    block: Block | None = None

    def claims(self) -> tuple[Claim, ...]:
        """The signatures of the quorum that decided, and those that they rest on."""
        return self.proof

    def with_block(self, block: Block) -> Self:
        """The same with its body."""
        return replace(self, block=block)


def read_decided(
    items: list[Item], finality_claims: Callable[[Header, bytes], tuple[Claim, ...]]
) -> tuple[Header, bytes, tuple[Claim, ...]]:
    """The header, the certificate and its claims, from the wire. Raises DecodeError."""
    header_item, certificate_item = expect(items, 2)
    header, certificate = Header.decode(as_bytes(header_item)), as_bytes(certificate_item)
    try:
        return header, certificate, finality_claims(header, certificate)
    except InvalidCertificate as error:
        raise DecodeError(error.reason, error.detail) from error


class Codec(Protocol):
    """What the codecs of such engines have in common."""

    def encode(self, message: Message) -> bytes:
        """To the wire, without a block's body."""

    def decode(self, payload: bytes) -> Message:
        """From the wire. Raises DecodeError."""

    def finality_claims(self, header: Header, certificate: bytes) -> tuple[Claim, ...]:
        """What must hold for the certificate to make `header` final. Raises InvalidCertificate."""


class DecidingEngine:
    """The part of an engine that anybody may ask, where each block is decided for good before the next one is."""

    needs_certificate = True

    def __init__(self, codec: Codec) -> None:
        self._codec = codec

    def encode(self, message: Message) -> bytes:
        """To the wire, without a block's body."""
        return self._codec.encode(message)

    def decode(self, payload: bytes) -> Message:
        """From the wire. Raises DecodeError."""
        return self._codec.decode(payload)

    def check_certificate(self, header: Header, certificate: bytes) -> tuple[Claim, ...]:
        """The quorum's signatures under `header` or a descendant shown. Raises InvalidCertificate."""
        return self._codec.finality_claims(header, certificate)

    def weight(self, header: Header) -> int:
        """Every block counts the same: fork choice never decides anything here."""
        return 1

    def reward(self, number: int) -> int:
        """No new money."""
        return 0


def check_follows(header: Header, parent: Header) -> None:
    """Number, parent, and a time that does not run backwards; difficulty 1, for nobody mines. Raises InvalidHeader."""
    if header.parent_hash != parent.hash or header.number != parent.number + 1:
        raise InvalidHeader("header-parent", f"block {header.number} does not follow {parent.number}")
    if header.timestamp < parent.timestamp:
        raise InvalidHeader("header-time", f"{header.timestamp} before its parent's {parent.timestamp}")
    if header.difficulty != 1:
        raise InvalidHeader("header-seal", "a block that a quorum decides carries no proof of work")


def check_clock(header: Header, now: int, drift_s: int) -> None:
    """Raises NotYet for a block more than `drift_s` seconds ahead of the clock `now` (ns). To be asked last."""
    latest = now // SECOND + drift_s
    if header.timestamp > latest:
        raise NotYet("header-time", f"{header.timestamp} ahead of the clock: at most {latest}")
