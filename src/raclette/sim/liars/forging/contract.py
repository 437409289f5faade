"""What a liar must know of a protocol to lie in it: one small adapter per protocol.

The liars themselves know messages only as immutable things with a `kind`. An adapter opens its own node's frames, makes
other messages of them, signs those with its own key, and wraps them again. It can sign as itself only: whatever it puts
under another's name the gates of honest nodes refuse, and to try that is one of the lies.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from raclette.engine.message import Message
from raclette.node.host import Delivered, Transmit
from raclette.primitives.randomness import Random


class Round(NamedTuple):
    """Where in the protocol a message belongs: all copies of it, whoever they go to, are of one round."""

    kind: str
    view: int
    height: int


class Forged(NamedTuple):
    """A frame made from nothing. `refused` if no honest gate lets it pass."""

    what: str
    frame: bytes
    kind: str
    refused: bool


class Forger(Protocol):
    """The adapter of one protocol, for one lying node."""

    # Kinds of messages that are votes, in the order in which the protocol casts them.
    votes: tuple[str, ...]

    def open(self, frame: bytes) -> Message | None:
        """The consensus message in a frame of our own node, or None if there is none."""

    def wrap(self, peers: Sequence[bytes], message: Message) -> Transmit:
        """As a frame to `peers`."""

    def round_of(self, message: Message) -> Round:
        """Where it belongs."""

    def hear(self, event: Delivered) -> None:
        """Something arrived: remember what may serve a lie later."""

    def mutate(self, message: Message, random: Random) -> Message | None:
        """The same with one field changed by a small step, and signed; None if nothing of it can be changed."""

    def rival(self, message: Message, book: dict[bytes, Any], random: Random) -> Message | None:
        """Another message for the same place, signed too; None if the protocol has no such thing. `book` maps block
        hashes to their rivals, and is shared by all who conspire."""

    def twist(self, message: Message, random: Random) -> Message | None:
        """A message of ours that keeps the letter of the protocol and not its spirit: proofs chosen, not invented."""

    def forge(self, random: Random, *, refused: bool) -> Forged | None:
        """Something false from nothing, such that gates refuse it or not; None if there is nothing to make it of."""

    def junk(self, random: Random) -> Message:
        """Something well-formed, signed, and worthless: far views and heights, unknown blocks."""
