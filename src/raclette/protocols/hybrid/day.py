"""A day at work: the inner engine that a committee runs, with the chain and the frame that it sees.

The inner engine is one of the BFT protocols, unchanged. It starts on the block where the day starts, signs in a domain
of its own (`chain_id`), and calls the committee's members its validators. Through its frame we mark blocks: the nonce
says which day orders a block, `mix_hash` names the snail block that elected the day in charge of the next one. HYB-30
to HYB-38.

A block with another election's mark than its own day's *ends* the day. An inner engine may need blocks on top of that
one before it is sure of it; they are ordered, but they are not of the log (HYB-33): once the end is final, the next
committee builds on it.
"""

from collections.abc import Callable, Mapping
from hashlib import blake2b

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.chain.ledger import StateReader
from raclette.chain.roll import Member
from raclette.engine.contract import ChainView, Draft, Engine
from raclette.engine.effects import (
    Accuse,
    Adopt,
    Broadcast,
    CancelTimer,
    Effect,
    Finalize,
    Persist,
    Publish,
    Send,
    SetTimer,
)
from raclette.engine.events import Event, Pending, Started
from raclette.engine.nesting import Mark
from raclette.primitives.errors import InvalidHeader, NotYet
from raclette.primitives.hashing import HASH_BYTES
from raclette.protocols import pbft, simplex
from raclette.protocols.hybrid.almanac import Day
from raclette.protocols.hybrid.core import Core
from raclette.protocols.hybrid.evidence import encode_inner
from raclette.protocols.hybrid.messages import wrap
from raclette.protocols.hybrid.snail_chain import SnailChain

DAY_BYTES = 8
RECORD = b"day/"
# The hash of the last block that the inner engine made final, and its certificate: among the inner engine's records.
CERTIFIED = b"certified"
TIMER = "day/"
# How much shallower a block may lie at a voter than at the proposer: it saw one block less.
LAG = 1

_INNER = {"pbft": pbft.make_engine, "simplex": simplex.make_engine}


def day_of(header: Header) -> int:
    """HYB-31: the day whose committee orders this block; 0 for genesis."""
    return int.from_bytes(header.nonce, "big") if header.number else 0


def nonce_of(day: int) -> bytes:
    """As a header carries it."""
    return day.to_bytes(DAY_BYTES, "big")


def records_of(day: Day) -> bytes:
    """What the keys of a day's records begin with: its number, and which election of that number it is."""
    return RECORD + nonce_of(day.number) + day.snail_hash[:8]


def marked(snail: SnailChain, header: Header) -> Day | None:
    """HYB-31: the day that `header` hands over to; None if we do not know that snail block, or it elected nobody."""
    return snail.elected_at(header.mix_hash if header.number else snail.genesis.hash)


class DayView:
    """The chain as the inner engine sees it."""

    def __init__(self, run: "DayRun", chain: ChainView) -> None:
        self._run = run
        self._chain = chain
        self.chain_id = _domain(chain.chain_id, run.day)
        # Of the last block that the inner engine made final: only it can read its own certificates.
        self._certified: tuple[bytes, bytes] = (b"", b"")

    @property
    def genesis(self) -> Header:
        return self._run.base

    @property
    def head(self) -> Header:
        return self._run.tip()

    @property
    def finalized(self) -> Header:
        return self._run.tip()

    def header(self, block_hash: bytes) -> Header | None:
        return self._chain.header(block_hash)

    def block(self, block_hash: bytes) -> Block | None:
        return self._chain.block(block_hash)

    def canonical(self, number: int) -> Header | None:
        return self._chain.canonical(number)

    def certificate(self, block_hash: bytes) -> bytes:
        certified, certificate = self._certified
        return certificate if block_hash == certified else b""

    def keep_certificate(self, block_hash: bytes, certificate: bytes) -> None:
        """For those who missed the votes. Of the last block only: whoever lacks an older one has the log's."""
        self._certified = (block_hash, certificate)

    def state(self, block_hash: bytes) -> StateReader:
        return self._chain.state(block_hash)

    def members(self, block_hash: bytes) -> tuple[Member, ...]:
        return self._chain.members(block_hash)

    def has_pending(self, parent: Header) -> bool:
        return not self._run.frame.has_ended(parent) and self._chain.has_pending(parent)

    def pending_from(self, account: bytes) -> bool:
        return self._chain.pending_from(account)

    def sends(self, block_hash: bytes, account: bytes) -> bool:
        return self._chain.sends(block_hash, account)

    def build(self, parent: Header, draft: Draft) -> Block:
        return self._chain.build(parent, draft)

    def check(self, block: Block) -> None:
        self._chain.check(block)


class DayFrame:
    """What a committee's blocks carry, and which of them need no transactions."""

    def __init__(self, day: Day, base: Header, snail: SnailChain, stable_depth: int) -> None:
        self._day = day
        self._base = base
        self._snail = snail
        self._stable = stable_depth
        self._nonce = nonce_of(day.number)

    def has_ended(self, parent: Header) -> bool:
        """Does `parent`, or a block before it, end this day?"""
        return parent.hash != self._base.hash and parent.mix_hash != self._day.snail_hash

    def due(self) -> Day | None:
        """HYB-32: the next day, if its election is stable as we see it."""
        following = self._snail.almanac().find(self._day.number + 1)
        if following is None:
            return None
        depth = self._snail.depth_of(following.snail_hash)
        return following if depth is not None and depth >= self._stable else None

    def mark(self, parent: Header, now: int) -> Mark:
        """HYB-31, HYB-32: the own day's election, or the next one's as soon as it is stable."""
        if self.has_ended(parent):
            return Mark(parent.mix_hash, self._nonce)
        following = self.due()
        return Mark((following or self._day).snail_hash, self._nonce)

    def check(self, header: Header, parent: Header, now: int) -> None:
        """HYB-31 to HYB-33. Raises InvalidHeader, NotYet."""
        if header.nonce != self._nonce:
            raise InvalidHeader("header-day", f"day {day_of(header)} in the blocks of day {self._day.number}")
        if self.has_ended(parent):
            if header.mix_hash != parent.mix_hash:
                raise InvalidHeader("header-mark", "the day has ended with another mark")
        elif header.mix_hash != self._day.snail_hash:
            check_handover(self._snail, self._day, header.mix_hash, self._stable - LAG)

    def worth(self, block: Block) -> bool:
        """A block that ends the day, or comes after that, needs no transactions."""
        return bool(block.transactions) or block.header.mix_hash != self._day.snail_hash

    def wanted(self, parent: Header) -> bool:
        """HYB-32: a day ends though nothing waits."""
        return not self.has_ended(parent) and self.due() is not None


def check_handover(snail: SnailChain, day: Day, snail_hash: bytes, depth: int) -> None:
    """HYB-32: does this snail block elect the day after `day`, `depth` deep at least? Raises NotYet, InvalidHeader."""
    if snail.header(snail_hash) is None:
        raise NotYet("header-mark", f"snail block {snail_hash.hex()[:16]} is not known here")
    following = snail.elected_at(snail_hash)
    if following is None or following.number != day.number + 1:
        raise InvalidHeader("header-mark", f"the block it names does not elect day {day.number + 1}")
    found = snail.depth_of(snail_hash)
    if found is None or found < depth:
        raise NotYet("header-mark", f"the election of day {following.number} is not stable here")


class DayRun:
    """The inner engine of one day at one member. `tip()` is the log's last block; `decided` is called with each block
    that the inner engine makes final."""

    def __init__(
        self,
        core: Core,
        day: Day,
        base: Header,
        snail: SnailChain,
        tip: Callable[[], Header],
        decided: Callable[[Header], None],
        records: Mapping[bytes, bytes],
    ) -> None:
        """`records` are those of this day, under the inner engine's own keys."""
        self._core = core
        self.day = day
        self.base = base
        self.tip = tip
        self._decided = decided
        self._records = dict(records)
        certified = self._records.get(CERTIFIED, b"")
        self.frame = DayFrame(day, base, snail, core.parameters.stable_depth)
        self._prefix = f"{TIMER}{day.number}/"
        self._view = DayView(self, core.chain)
        self._view.keep_certificate(certified[:HASH_BYTES], certified[HASH_BYTES:])
        self.engine = self._make()

    def _make(self) -> Engine:
        parameters = self._core.parameters
        unit = "view_timeout" if parameters.inner == "pbft" else "delta"
        return _INNER[parameters.inner](
            self._core.setup._replace(
                parameters={
                    "validators": ["0x" + node_id.hex() for node_id in self.day.members],
                    "weights": list(self.day.weights.values()),
                    f"{unit}_ms": parameters.timeout_ms,
                    f"{unit}_cap_ms": max(30_000, parameters.timeout_ms),
                    "clock_drift_s": parameters.future_limit_s,
                },
                chain=self._view,
                records={key: value for key, value in self._records.items() if key != CERTIFIED},
                frame=self.frame,
            )
        )

    def start(self) -> None:
        """Begin, or begin again."""
        self.feed(Started(self._core.now))
        self.feed(Pending(self._core.now))

    def records(self) -> dict[bytes, bytes]:
        """What has been persisted, under our keys."""
        return {self._key(key): value for key, value in self._records.items()}

    def feed(self, event: Event) -> None:
        """Let it react."""
        for effect in self.engine.handle(event):
            self._carry(effect)

    def timer(self, name: str) -> str | None:
        """The inner engine's name for a timer of ours; None if it is not this day's."""
        return name[len(self._prefix) :] if name.startswith(self._prefix) else None

    def close(self) -> None:
        """HYB-35: the day is over: its records are of no use."""
        for key in self._records:
            self._core.emit(Persist(self._key(key), None))
        self._records.clear()

    def _key(self, key: bytes) -> bytes:
        return records_of(self.day) + key

    def _carry(self, effect: Effect) -> None:
        core = self._core
        match effect:
            case Persist(key, value):
                if value is None:
                    self._records.pop(key, None)
                else:
                    self._records[key] = value
                core.emit(Persist(self._key(key), value))
            case Broadcast(message):
                core.emit(Broadcast(wrap(self.day, self.engine.encode(message), message)))
            case Send(peer, message):
                core.emit(Send(peer, wrap(self.day, self.engine.encode(message), message)))
            case SetTimer(name, delay):
                core.emit(SetTimer(self._prefix + name, delay))
            case CancelTimer(name):
                core.emit(CancelTimer(self._prefix + name))
            case Finalize(block_hash, certificate):
                self._finalize(block_hash, certificate)
            case Accuse(peer, reason, evidence) if evidence:
                core.emit(Accuse(peer, reason, encode_inner(self.day.snail_hash, evidence)))
            case Adopt() | Publish():
                pass  # the log has its own way to tell everybody
            case _:
                core.emit(effect)

    def _finalize(self, block_hash: bytes, certificate: bytes) -> None:
        header = self._core.chain.header(block_hash)
        if header is None:
            return
        self._view.keep_certificate(block_hash, certificate)
        # HYB-37: an engine of the same day that begins again goes on from here.
        self._carry(Persist(CERTIFIED, block_hash + certificate))
        self._decided(header)


def _domain(chain_id: int, day: Day) -> int:
    """HYB-30: each day signs for itself, so a member's word of yesterday says nothing today. 63 bits."""
    text = b"raclette/hybrid/day" + chain_id.to_bytes(8, "big") + nonce_of(day.number) + day.snail_hash
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big") >> 1
