"""What travels: a message of the engine with everything about it that is the same for all receivers."""

from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

from raclette.chain.block import Block
from raclette.engine.ballot import Ballot


class Policy(Enum):
    """What an engine hears of a topic (a kind of message)."""

    EVERY = "every"
    FIRST = "first"
    QUORUM = "quorum"


@dataclass(slots=True)
class Letter:
    """`content` is 63 bits of the hash of its bytes; `size` counts the wire's overhead and a block's body. `pair` is
    what an event needs: (sender's id, message). `ballot` is set where votes are counted."""

    sender: int
    message: Any
    kind: str
    size: int
    content: int
    pair: tuple[bytes, Any]
    policy: Policy = Policy.EVERY
    ballot: Ballot | None = None
    gossip: bool = False


class Ask(NamedTuple):
    """The host's question for a block and the ancestors that the asker lacks."""

    block_hash: bytes


class Answer(NamedTuple):
    """Blocks with their certificates, oldest first; none if the answerer does not have what was asked for."""

    block_hash: bytes
    blocks: tuple[tuple[Block, bytes], ...]


# Bytes of a question, and of an answer besides its blocks: one hash and a kind.
QUESTION_BYTES = 40
# Blocks in one answer; an engine that lacks more asks again.
ANSWER_BLOCKS_MAX = 64
