"""How to lie in the hybrid: the adapter of `protocols.hybrid`.

Of its three trades a liar here is a member of a committee: what its inner engine says is twisted by the inner
protocol's own adapter and wrapped again, and entries of the log are signed for other blocks, days and ends. What it
mines is left alone: false work is the matter of other liars.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from google.protobuf.message import DecodeError as ProtobufError

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.contract import Draft
from raclette.engine.message import Message, is_closed
from raclette.node.host import Delivered, Lane, Transmit
from raclette.node.node import Node
from raclette.node.wire import EngineSaid, Frame, encode_engine
from raclette.primitives.errors import DecodeError, Misuse, PeerFault
from raclette.primitives.hashing import sha256
from raclette.primitives.randomness import Random
from raclette.primitives.rlp import int_to_bytes
from raclette.primitives.signing import Claim
from raclette.protocols.hybrid.almanac import Entry
from raclette.protocols.hybrid.codec import DAILY
from raclette.protocols.hybrid.day import DayRun
from raclette.protocols.hybrid.engine import HybridEngine
from raclette.protocols.hybrid.messages import (
    Complaint,
    Daily,
    DailyBlock,
    Signed,
    complaint_digest,
    entry_digest,
    wrap,
)
from raclette.protocols.wire import frame as tagged
from raclette.sim.liars.forging.contract import Forged, Forger, Round
from raclette.sim.liars.forging.pbft import PbftForger
from raclette.sim.liars.forging.simplex import SimplexForger
from raclette.sim.liars.forging.steps import mutate_field

_INNER: Mapping[str, Callable[[Any], Forger]] = {"pbft": PbftForger, "simplex": SimplexForger}
# What a liar remembers of each kind.
REMEMBERED_MAX = 64
_FAR = 1 << 40


class _InnerBlocks:
    """Frames for an inner adapter: its messages are wrapped as the day's, so that their blocks travel with them."""

    def __init__(self, node: Node, run: DayRun) -> None:
        self._node = node
        self._run = run
        self.last = b""

    def frame(self, message: Message, *, public: bool) -> bytes:
        """See `node.blocks`."""
        wrapped = wrap(self._run.day, self._run.engine.encode(message), message)
        self.last = self._node.blocks.frame(wrapped, public=public)
        return self.last


class HybridForger:
    """Implements `Forger` for the node inside."""

    votes: tuple[str, ...] = ("prepare", "vote", "commit", "finalize", "entry")

    def __init__(self, node: Node) -> None:
        """Raises Misuse if the node runs something else."""
        if not isinstance(node.engine, HybridEngine):
            raise Misuse(f"lies in hybrid, not in {node.engine.name}")
        self.node = node
        self.engine: HybridEngine = node.engine
        self.hashes: dict[bytes, None] = {}
        # The inner protocol's adapter, for the engine that it was made for.
        self._inside: tuple[Any, Forger | None] = (None, None)

    @property
    def _run(self) -> DayRun | None:
        return self.engine.run

    def _inner(self, run: DayRun) -> Forger:
        engine, forger = self._inside
        if forger is None or engine is not run.engine:
            engine = run.engine
            inside = SimpleNamespace(engine=engine, blocks=_InnerBlocks(self.node, run))
            forger = _INNER[engine.name](inside)
            self._inside = (engine, forger)
        return forger

    # --- frames ---------------------------------------------------------------------------------------------------

    def open(self, frame: bytes) -> Message | None:
        """What our own node says as a member. Its snail blocks and announcements are left alone."""
        parsed = Frame()
        try:
            parsed.ParseFromString(frame)
            if parsed.WhichOneof("content") != "engine":
                return None
            message = self.engine.decode(parsed.engine.payload)
        except (ProtobufError, DecodeError):
            return None
        if is_closed(message) or not isinstance(message, Daily | DailyBlock | Signed):
            return None
        if isinstance(message, DailyBlock):
            block = self.engine.core.chain.block(message.header.hash)
            return None if block is None else message.with_block(block)
        return message

    def wrap(self, peers: Sequence[bytes], message: Message) -> Transmit:
        """As the node inside would send it."""
        return Transmit(tuple(peers), Lane.CONSENSUS, self.node.blocks.frame(message, public=False), message.kind)

    def round_of(self, message: Message) -> Round:
        """Where the inner protocol puts it, by day; an entry by its number."""
        if isinstance(message, Signed):
            return Round(message.kind, message.entry.day, message.entry.number)
        run = self._run
        if isinstance(message, Daily | DailyBlock) and message.inner is not None and run is not None:
            inner = self._inner(run).round_of(message.inner)
            return Round(inner.kind, inner.view + (message.day << 32), inner.height)
        return Round(message.kind, 0, 0)

    def hear(self, event: Delivered) -> None:
        """Keep hashes of entries; the inner adapter keeps its own things."""
        content = event.parcel.content
        if not isinstance(content, EngineSaid):
            return
        message, run = content.message, self._run
        if isinstance(message, Signed):
            self._keep(message.entry.block_hash)
        elif not isinstance(message, Daily | DailyBlock) or run is None:
            return
        elif message.inner is not None and message.day == run.day.number:
            parcel = event.parcel._replace(content=content._replace(message=message.inner))
            self._inner(run).hear(event._replace(parcel=parcel))

    def _keep(self, block_hash: bytes) -> None:
        self.hashes[block_hash] = None
        if len(self.hashes) > REMEMBERED_MAX:
            del self.hashes[next(iter(self.hashes))]

    # --- signing as ourselves -------------------------------------------------------------------------------------

    def entry(self, entry: Entry) -> Signed:
        """Signed by us."""
        return Signed(entry, self.engine.core.sign(entry_digest(self.engine.core.chain.chain_id, entry)))

    def _twisted(self, message: Message, lie: Callable[[Forger, Message], Message | None]) -> Message | None:
        """An inner message after `lie`, wrapped again."""
        run = self._run
        if not isinstance(message, Daily | DailyBlock) or message.inner is None:
            return None
        if run is None or run.day.number != message.day:
            return None
        inner = lie(self._inner(run), message.inner)
        return None if inner is None else self._said(run, inner)

    @staticmethod
    def _said(run: DayRun, inner: Message) -> Message:
        return wrap(run.day, run.engine.encode(inner), inner)

    # --- small steps ----------------------------------------------------------------------------------------------

    def mutate(self, message: Message, random: Random) -> Message | None:
        """One field, one step: of an entry, or of the inner message."""
        if isinstance(message, Signed):
            return self.entry(_step(message.entry, tuple(self.hashes), random))
        if isinstance(message, DailyBlock) and random.chance(1, 3):
            return self._mutate_mark(message, random)
        return self._twisted(message, lambda forger, inner: forger.mutate(inner, random))

    def _mutate_mark(self, message: DailyBlock, random: Random) -> Message | None:
        """The day, or the election that is named."""
        snail = self.engine.snail.chain
        marks = (snail.head.hash, snail.almanac().day.snail_hash, snail.genesis.hash)
        header = mutate_field(message.header, {"mix_hash": marks, "nonce": (bytes(7) + b"\x02",)}, random)
        return self._repropose(message, header)

    def _repropose(self, message: DailyBlock, header: Header) -> Message | None:
        """The same proposal with another header, signed."""
        block, run = message.block, self._run
        if block is None or run is None or header == message.header:
            return None
        return self._with_block(run, message, Block(header, block.transactions))

    def _with_block(self, run: DayRun, message: DailyBlock, block: Block) -> Message | None:
        inner: Any = message.inner
        forger: Any = self._inner(run)
        if not forger._is_ours(inner):
            return None
        signed = forger.signed(replace(inner, header=block.header, block=block))
        return None if signed is None else self._said(run, signed)

    # --- two of a kind --------------------------------------------------------------------------------------------

    def rival(self, message: Message, book: dict[bytes, Any], random: Random) -> Message | None:
        """A proposal has a second, as valid block for its rival; votes and entries follow the book."""
        if isinstance(message, Signed):
            known = book.get(message.entry.block_hash)
            other = known.hash if known is not None else sha256(b"rival of " + message.entry.block_hash)
            return self.entry(message.entry._replace(block_hash=other))
        if isinstance(message, DailyBlock):
            run, block = self._run, self._rival_block(message.header, book)
            return None if run is None or block is None else self._with_block(run, message, block)
        return self._twisted(message, lambda forger, inner: forger.rival(inner, book, random))

    def _rival_block(self, header: Header, book: dict[bytes, Any]) -> Block | None:
        """The same marks, another beneficiary, on the rival of its parent if that has one."""
        chain = self.engine.core.chain
        known = book.get(header.hash)
        if known is not None:
            return chain.block(known.hash)
        parent = book.get(header.parent_hash) or chain.header(header.parent_hash)
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
            return None
        if block.hash == header.hash:
            return None
        book[header.hash] = block.header
        if len(book) > REMEMBERED_MAX:
            del book[next(iter(book))]
        return block

    def twist(self, message: Message, random: Random) -> Message | None:
        """As the inner protocol's liars do."""
        return self._twisted(message, lambda forger, inner: forger.twist(inner, random))

    # --- from nothing ---------------------------------------------------------------------------------------------

    def forge(self, random: Random, *, refused: bool) -> Forged | None:
        """An entry in another's name; entries of ours for blocks that nobody ordered, a stop that nobody wants, a
        complaint without cause, and what the inner protocol's liars make up (who does not run that day cannot read it,
        so no gate refuses it everywhere)."""
        if refused:
            return self._stolen_entry(random)
        run = self._run
        if run is not None and random.chance(1, 2):
            made = self._inner(run).forge(random, refused=random.chance(1, 4))
            return None if made is None else self._rewrapped(run, made)
        if random.chance(1, 4):
            election = self.engine.snail.chain.almanac().day.snail_hash
            claim = self.engine.core.sign(complaint_digest(self.engine.core.chain.chain_id, election))
            return self._forged("complaint-without-cause", Complaint(election, claim), refused=False)
        return self._forged("entry-out-of-thin-air", self._false_entry(random), refused=False)

    def _false_entry(self, random: Random) -> Signed:
        log, almanac = self.engine.log, self.engine.snail.chain.almanac()
        day = almanac.find(almanac.day.number - random.below(2)) or almanac.day
        block_hash = random.choice((log.tip.hash, *self.hashes, random.bytes(32)))
        number = log.final.number + random.between(0, 3)
        return self.entry(day.entry(number, block_hash, ends=random.chance(1, 2)))

    def _stolen_entry(self, random: Random) -> Forged | None:
        others = [node_id for node_id in self.engine.validators() if node_id != self.engine.core.me]
        if not others:
            return None
        ours = self._false_entry(random)
        stolen = Claim(random.choice(others), ours.claim.digest, ours.claim.signature)
        return self._forged("entry-in-anothers-name", Signed(ours.entry, stolen), refused=True)

    def _forged(self, what: str, message: Message, *, refused: bool) -> Forged:
        frame = encode_engine(self.engine.encode(message), None, public=False)
        return Forged(what, frame, message.kind, refused)

    def _rewrapped(self, run: DayRun, made: Forged) -> Forged:
        """An inner frame as one of the day's, if it is not one yet."""
        inner: Any = self._inner(run)
        if made.frame == inner.node.blocks.last:
            return made._replace(refused=False)
        parsed = Frame()
        parsed.ParseFromString(made.frame)
        parsed.engine.payload = tagged(DAILY, [int_to_bytes(run.day.number), run.day.snail_hash, parsed.engine.payload])
        return Forged(made.what, parsed.SerializeToString(), made.kind, refused=False)

    def junk(self, random: Random) -> Message:
        """Entries and inner messages that nothing can come of, near and far."""
        run = self._run
        if run is not None and random.chance(1, 2):
            return self._said(run, self._inner(run).junk(random))
        day, number = 1 + random.below(random.choice((3, _FAR))), 1 + random.below(_FAR)
        return self.entry(Entry(day, number, random.bytes(32), False, random.bytes(32)))


def _step(entry: Entry, hashes: Sequence[bytes], random: Random) -> Entry:
    """One field, one step."""
    match random.below(4):
        case 0:
            return entry._replace(day=max(1, entry.day + random.choice((-1, 1))))
        case 1:
            return entry._replace(number=max(1, entry.number + random.choice((-1, 1))))
        case 2 if hashes:
            return entry._replace(block_hash=random.choice(hashes))
    return entry._replace(ends=not entry.ends)


__all__ = ["HybridForger"]
