"""How to lie in the hybrid: the adapter of `protocols.hybrid`.

Of its three trades a liar here is a member of a committee: what its inner engine says is twisted by the inner
protocol's own adapter and wrapped again, and entries of the log are signed for other blocks, days and ends. What it
mines is left alone: false work is the matter of other liars.
"""

from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.message import Message, is_closed
from raclette.node.host import Delivered, Transmit
from raclette.node.node import Node
from raclette.node.wire import EngineSaid
from raclette.primitives.errors import Misuse
from raclette.primitives.randomness import Random
from raclette.primitives.signing import Claim
from raclette.protocols.hybrid.almanac import Entry
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
from raclette.sim.liars.forging.contract import Forged, Forger, Round
from raclette.sim.liars.forging.craft import FAR, forged, keep, read_own, rival_block, rival_hash, send_directly
from raclette.sim.liars.forging.pbft import PbftForger
from raclette.sim.liars.forging.simplex import SimplexForger
from raclette.sim.liars.forging.steps import mutate_field

_INNER: Mapping[str, Callable[[Any], Forger]] = {"pbft": PbftForger, "simplex": SimplexForger}


class _InnerBlocks:
    """Frames for an inner adapter: its messages are wrapped as the day's, so that their blocks travel with them."""

    def __init__(self, node: Node, run: DayRun) -> None:
        self._node = node
        self._run = run

    def frame(self, message: Message, *, public: bool) -> bytes:
        """See `node.blocks`."""
        wrapped = wrap(self._run.day, self._run.engine.encode(message), message)
        return self._node.blocks.frame(wrapped, public=public)


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
        message = read_own(self.node, frame, whole=(DailyBlock,))
        is_ours = isinstance(message, Daily | DailyBlock | Signed) and not is_closed(message)
        return message if is_ours else None

    def wrap(self, peers: Sequence[bytes], message: Message) -> Transmit:
        """As the node inside would send it."""
        return send_directly(self.node, peers, message)

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
            keep(self.hashes, message.entry.block_hash, None)
        elif not isinstance(message, Daily | DailyBlock) or run is None:
            return
        elif message.inner is not None and message.day == run.day.number:
            parcel = event.parcel._replace(content=content._replace(message=message.inner))
            self._inner(run).hear(event._replace(parcel=parcel))

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
        if not forger.is_ours(inner):
            return None
        signed = forger.with_block(inner, block)
        return None if signed is None else self._said(run, signed)

    # --- two of a kind --------------------------------------------------------------------------------------------

    def rival(self, message: Message, book: dict[bytes, Any], random: Random) -> Message | None:
        """A proposal has a second, as valid block for its rival; votes and entries follow the book."""
        if isinstance(message, Signed):
            return self.entry(message.entry._replace(block_hash=rival_hash(book, message.entry.block_hash)))
        if isinstance(message, DailyBlock):
            run, block = self._run, rival_block(self.engine.core.chain, message.header, book)
            return None if run is None or block is None else self._with_block(run, message, block)
        return self._twisted(message, lambda forger, inner: forger.rival(inner, book, random))

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
            return None if made is None else made._replace(refused=False)
        if random.chance(1, 4):
            election = self.engine.snail.chain.almanac().day.snail_hash
            claim = self.engine.core.sign(complaint_digest(self.engine.core.chain.chain_id, election))
            return forged(self.node, "complaint-without-cause", Complaint(election, claim), refused=False)
        return forged(self.node, "entry-out-of-thin-air", self._false_entry(random), refused=False)

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
        return forged(self.node, "entry-in-anothers-name", Signed(ours.entry, stolen), refused=True)

    def junk(self, random: Random) -> Message:
        """Entries and inner messages that nothing can come of, near and far."""
        run = self._run
        if run is not None and random.chance(1, 2):
            return self._said(run, self._inner(run).junk(random))
        day, number = 1 + random.below(random.choice((3, FAR))), 1 + random.below(FAR)
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
