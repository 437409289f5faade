"""The one thing miners say to each other: here is a block."""

from dataclasses import dataclass, replace
from typing import ClassVar

from raclette.chain.block import Block
from raclette.chain.header import EXTRA_DATA_BYTES_MAX, Header
from raclette.engine.message import Message
from raclette.primitives.errors import DecodeError, Misuse
from raclette.primitives.signing import Claim

# A header without extra data takes at most 665 bytes (bloom, six hashes, integers of 32 bytes, prefixes).
ANNOUNCEMENT_BYTES_MAX = EXTRA_DATA_BYTES_MAX + 1024


@dataclass(frozen=True, slots=True)
class BlockAnnouncement:
    """NAK-29: a block, by its header; the body joins it on the way. Work, not a signature, speaks for it."""

    kind: ClassVar[str] = "block"

    header: Header
    block: Block | None = None

    def claims(self) -> tuple[Claim, ...]:
        """None."""
        return ()

    def with_block(self, block: Block) -> "BlockAnnouncement":
        """The same with its body. Raises Misuse if the body belongs to another header."""
        if block.hash != self.header.hash:
            raise Misuse("this body belongs to another header")
        return replace(self, block=block)


def encode(message: Message) -> bytes:
    """The header's RLP. Raises Misuse for another protocol's message."""
    if not isinstance(message, BlockAnnouncement):
        raise Misuse(f"nakamoto has no message {message.kind!r}")
    return message.header.encoded


def decode(payload: bytes) -> BlockAnnouncement:
    """From a header's RLP. Raises DecodeError."""
    if len(payload) > ANNOUNCEMENT_BYTES_MAX:
        raise DecodeError("announcement-size", f"{len(payload)} bytes, at most {ANNOUNCEMENT_BYTES_MAX}")
    return BlockAnnouncement(Header.decode(payload))
