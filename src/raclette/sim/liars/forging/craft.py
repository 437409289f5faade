"""What the adapters of several protocols do alike: read what their own node says and hears, send as it would, remember
a little, and put a second block, or a spoilt one, in the place of one that was proposed."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from google.protobuf.message import DecodeError as ProtobufError

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.contract import ChainView, Draft
from raclette.engine.message import Message, carries_block
from raclette.node.host import Delivered, Lane, Transmit
from raclette.node.node import Node
from raclette.node.wire import EngineSaid, Frame
from raclette.primitives.errors import DecodeError, Misuse, PeerFault
from raclette.primitives.hashing import sha256
from raclette.primitives.randomness import Random
from raclette.sim.liars.forging.contract import Forged
from raclette.sim.liars.forging.steps import mutate_field

# What a liar remembers of each kind (hashes, certificates, rivals): enough to be stale by, little enough to be nothing
# in a world of a hundred.
REMEMBERED_MAX = 64
# A view, round or height beyond anything honest.
FAR = 1 << 40

K = TypeVar("K")
V = TypeVar("V")


def keep(memory: dict[K, V], key: K, value: V, most: int = REMEMBERED_MAX) -> None:
    """Remember it; of more than `most` the oldest is forgotten."""
    memory[key] = value
    while len(memory) > most:
        del memory[next(iter(memory))]


# --- frames -----------------------------------------------------------------------------------------------------------


def read_own(node: Node, frame: bytes, *, whole: tuple[type, ...] = (), public: bool = False) -> Message | None:
    """What our own node's engine says in this frame, if anything. What it announces in public is left alone without
    `public`: most of that carries its proof with it. A message of the types `whole` comes with its block, as the chain
    has it; None if it has not."""
    parsed = Frame()
    try:
        parsed.ParseFromString(frame)
        name = parsed.WhichOneof("content")
        if name != "engine" and not (public and name == "public_message"):
            return None
        message = node.engine.decode(getattr(parsed, name).payload)
    except (ProtobufError, DecodeError):
        return None
    if not isinstance(message, whole) or not carries_block(message):
        return message
    block = node.chain.block(message.header.hash)
    return None if block is None else message.with_block(block)


def heard(event: Delivered) -> Message | None:
    """The consensus message that arrives, if it is one."""
    content = event.parcel.content
    return content.message if isinstance(content, EngineSaid) else None


def send_directly(node: Node, peers: Sequence[bytes], message: Message) -> Transmit:
    """As the node inside sends to validators."""
    return Transmit(tuple(peers), Lane.CONSENSUS, node.blocks.frame(message, public=False), message.kind)


def forged(node: Node, what: str, message: Message, *, refused: bool) -> Forged:
    """`message`, made from nothing, as the node inside would say it to a validator."""
    return Forged(what, node.blocks.frame(message, public=False), message.kind, refused)


# --- rivals and spoilt blocks -----------------------------------------------------------------------------------------


def rival_block(
    chain: ChainView, header: Header, book: dict[bytes, Any], *, branch: bool = True, empty: bool = True
) -> Block | None:
    """Another valid block in the place of `header`'s, remembered in `book`: the same author and marks, another
    beneficiary. With `branch` it stands on the rival of the parent, if that has one, so that each half of the world
    gets a chain of its own. None if none can be built, or if it would be empty and may not."""
    known = book.get(header.hash)
    if known is not None:
        return chain.block(known.hash)
    parent = (book.get(header.parent_hash) if branch else None) or chain.header(header.parent_hash)
    if parent is None or chain.header(parent.hash) is None:
        return None
    draft = Draft(
        max(header.timestamp, parent.timestamp),
        beneficiary=sha256(header.hash)[:20],
        extra_data=header.extra_data,
        mix_hash=header.mix_hash,
        nonce=header.nonce,
    )
    try:
        block = chain.build(parent, draft)
        chain.check(block)
    except (Misuse, PeerFault):
        return None  # a branch that is no longer kept
    if block.hash == header.hash or not (block.transactions or empty):
        return None
    keep(book, header.hash, block.header)
    return block


def rival_hash(book: Mapping[bytes, Any], block_hash: bytes) -> bytes:
    """The hash of the rival in the book; where there is none, that of a block that does not exist."""
    known = book.get(block_hash)
    rival: bytes = known.hash if known is not None else sha256(b"rival of " + block_hash)
    return rival


def spoilt(block: Block, known: Mapping[str, Sequence[Any]], random: Random) -> Block:
    """One of the header's `known` fields changed (see `mutate_field`). The body stays, so what the header says of it
    may not hold any more."""
    return Block(mutate_field(block.header, known, random), block.transactions)
