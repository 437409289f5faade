"""What engines say to each other."""

from functools import cache
from typing import ClassVar, Protocol, TypeGuard, runtime_checkable

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.primitives.signing import Claim


class Message(Protocol):
    """An immutable statement. `kind` names it in accounting, logs and diagrams ("pre-prepare")."""

    kind: ClassVar[str]

    def claims(self) -> tuple[Claim, ...]:
        """Every signature that must hold for this message to be taken seriously."""


@runtime_checkable
class CarriesBlock(Message, Protocol):
    """A message about a whole block. On the wire the body travels compact (short ids); the node puts it together again
    and hands the message to the engine with the block in it. `Engine.encode` leaves the body out."""

    @property
    def header(self) -> Header:
        """The block's header: always on the wire."""

    @property
    def block(self) -> Block | None:
        """The block, or None while the body is still missing."""

    def with_block(self, block: Block) -> "Message":
        """The same message with its block (whose header equals `header`)."""


@cache
def _is_about_blocks(kind: type) -> bool:
    # As isinstance(message, CarriesBlock), which takes ten microseconds a message, but asked once for each class.
    return all(hasattr(kind, name) for name in ("header", "block", "with_block"))


def carries_block(message: Message) -> TypeGuard[CarriesBlock]:
    """Is this message about a whole block?"""
    return _is_about_blocks(type(message))


def is_closed(message: Message) -> bool:
    """Could the engine that decoded this not read it at that moment? An engine made of others reads a message of an
    inner engine only while it runs that one. Such a message says `closed`, claims nothing, and nobody acts on what it
    holds; encoded again it is the same bytes."""
    return bool(getattr(message, "closed", False))
