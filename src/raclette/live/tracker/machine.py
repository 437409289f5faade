"""The tracker as a pure machine: events in, effects out; no clock, no socket.

A peer joins with a signed record, gets neighbours, and is announced to everybody else; it leaves, or falls silent, and
is struck off everywhere. Announcements go through the durable outbox: stored before they are sent, repeated until each
recipient has acknowledged. A newer announcement about the same peer replaces the one that still waits.

Names belong to the first key that took them, for as long as the record is kept (also while the peer is away).
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from raclette.engine.effects import SetTimer
from raclette.live import wire_pb2 as wire
from raclette.live.contract import PeerAddress
from raclette.live.tracker.book import Book, Page
from raclette.live.tracker.messages import ACKS_MAX, PAGE_RECORDS, encode, parse
from raclette.live.tracker.policy import NeighbourPolicy
from raclette.live.tracker.records import PeerRecord, leave_digest
from raclette.node.outbox import Dispatch, Dropped, Outbox, OutboxEffect, OutboxLimits, Write
from raclette.primitives.errors import PeerFault, Refused
from raclette.primitives.hashing import sha256
from raclette.primitives.randomness import Random
from raclette.primitives.signing import Claim, Ed25519Verifier
from raclette.primitives.units import HOUR, SECOND
from raclette.store.contract import Batch, Reader

_SWEEP = "sweep"
_OUTBOX = "outbox/"
_VERIFIER = Ed25519Verifier()


@dataclass(frozen=True, slots=True)
class TrackerLimits:
    """Times in nanoseconds."""

    # How often each peer is asked whether it is alive, and after how many unanswered times it is struck off.
    ping_interval: int = 30 * SECOND
    silent_pings_max: int = 3
    # Peers in the book, present or away. At half a kilobyte each, some 5 MB of memory.
    records_max: int = 10_000
    # How long the name of a peer that is away stays taken.
    record_age_max: int = 30 * 24 * HOUR
    # Requests (join, leave, resolve, list) one peer may make per second, and at once.
    requests_per_second: int = 20
    requests_burst: int = 100
    # Peers dialled at a time because announcements wait for them.
    reach_max: int = 32
    # Undelivered announcements; a peer away for longer than this hour gets a fresh list when it joins again.
    outbox: OutboxLimits = field(
        default_factory=lambda: OutboxLimits(
            count_max=100_000, retry_first=2 * SECOND, retry_max=300 * SECOND, age_max=HOUR
        )
    )


class Begun(NamedTuple):
    """First event, once."""

    now: int


class LinkUp(NamedTuple):
    """A peer is linked."""

    now: int
    peer: bytes


class LinkDown(NamedTuple):
    """No longer."""

    now: int
    peer: bytes


class Heard(NamedTuple):
    """A tracker frame from a linked peer."""

    now: int
    peer: bytes
    frame: bytes


class Fired(NamedTuple):
    """A timer of ours."""

    now: int
    name: str


TrackerEvent: TypeAlias = Begun | LinkUp | LinkDown | Heard | Fired


class Say(NamedTuple):
    """Send this frame to this peer."""

    peer: bytes
    frame: bytes


class Fault(NamedTuple):
    """The peer broke a rule: cut the link."""

    peer: bytes
    reason: str


class Reach(NamedTuple):
    """Dial exactly these, because something waits for them (and stop dialling others)."""

    addresses: tuple[PeerAddress, ...]


class Happened(NamedTuple):
    """For the log."""

    what: str
    detail: dict[str, Any]


TrackerEffect: TypeAlias = Write | Say | Fault | Reach | SetTimer | Happened


@dataclass(slots=True)
class _Link:
    """A linked peer: since when, and how many requests it may still make."""

    since: int
    allowed: int
    allowed_at: int


class TrackerMachine:
    """See the module's docstring. `Write` effects must be durable before later effects leave."""

    def __init__(
        self,
        reader: Reader,
        chain_id: int,
        policy: NeighbourPolicy,
        random: Random,
        limits: TrackerLimits | None = None,
    ) -> None:
        """Takes up the book and the undelivered announcements of an earlier life. Raises StoreDamaged."""
        self.limits = limits or TrackerLimits()
        self.chain_id = chain_id
        self.book = Book(reader, chain_id, self.limits.records_max)
        self.outbox = Outbox(reader, random, self.limits.outbox)
        self._policy = policy
        self._random = random
        self._links: dict[bytes, _Link] = {}
        self._now = 0
        self._effects: list[TrackerEffect] = []
        self._sweeps = 0
        # (recipient, subject) -> the announcement that waits there, by its hash in the outbox.
        self._waiting: dict[tuple[bytes, bytes], bytes] = {}
        for entry in self.outbox.entries():
            if isinstance(entry.destination, bytes):
                subject = parse(entry.payload).announce.record.node_id
                self._waiting[entry.destination, subject] = entry.content_hash

    def handle(self, event: TrackerEvent) -> tuple[TrackerEffect, ...]:
        """React; effects in order."""
        self._now = event.now
        self._effects = []
        match event:
            case Begun():
                self.book.touch_all(event.now)
                self._carry(self.outbox.start(event.now))
                self._effects.append(SetTimer(_SWEEP, self.limits.ping_interval))
            case LinkUp(now, peer):
                self._links[peer] = _Link(now, self.limits.requests_burst, now)
                self._carry(self.outbox.up(now, peer))
            case LinkDown(_, peer):
                self._links.pop(peer, None)
                self.outbox.down(peer)
            case Heard(_, peer, frame):
                self._heard(peer, frame)
            case Fired(_, name) if name == _SWEEP:
                self._sweep()
            case Fired(now, name):
                self._carry(self.outbox.fired(now, name.removeprefix(_OUTBOX)))
        return tuple(self._effects)

    def status(self) -> dict[str, Any]:
        """For people and metrics."""
        return {
            "linked": len(self._links),
            "listed": self.book.listed_count,
            "records": len(self.book),
            "undelivered": len(self.outbox),
        }

    # -- what peers say

    def _heard(self, peer: bytes, frame: bytes) -> None:
        link = self._links.get(peer)
        if link is None:
            return
        self.book.touch(peer, self._now)
        try:
            said = parse(frame)
            kind = said.WhichOneof("body")
            if kind in ("join", "leave", "resolve", "list"):
                self._charge(link)
            match kind:
                case "join":
                    self._join(peer, said.join)
                case "leave":
                    self._leave(peer, said.leave)
                case "ack":
                    if len(said.ack.ids) > ACKS_MAX:
                        raise PeerFault("too-many-acks", str(len(said.ack.ids)))
                    self._carry(self.outbox.acknowledged(self._now, list(said.ack.ids), peer))
                case "alive":
                    pass  # noted above
                case "resolve":
                    self._resolve(peer, said.resolve)
                case "list":
                    self._list(peer, said.list)
                case _:
                    raise PeerFault("tracker-frame-kind", f"{kind} is for a tracker to say")
        except PeerFault as fault:
            self._effects.append(Fault(peer, fault.reason))

    def _charge(self, link: _Link) -> None:
        """Token bucket of requests. Raises PeerFault when it is empty."""
        earned = (self._now - link.allowed_at) * self.limits.requests_per_second // SECOND
        if earned > 0:
            link.allowed = min(self.limits.requests_burst, link.allowed + earned)
            link.allowed_at = self._now
        if link.allowed <= 0:
            raise PeerFault("too-many-requests")
        link.allowed -= 1

    def _join(self, peer: bytes, said: wire.Join) -> None:
        record = PeerRecord.from_wire(said.record, self.chain_id)
        if record.node_id != peer:
            raise PeerFault("wrong-key", "a record of somebody else")
        page = self.book.page(peer)
        refusal = self.book.objection(record)
        if refusal is not None:
            self._say(peer, joined=wire.Joined(refused=refusal.reason, detail=refusal.detail))
            return
        news = page is None or not page.listed or page.record != record
        if news:
            batch = Batch()
            self.book.enter(record, self._now, batch)
            self._effects.append(Write(batch))
            self._happened("joined", record)
            self._announce(record, gone=False)
        others = [other for other in self.book.listed() if other != peer]
        neighbours = [self.book.record(other).to_wire() for other in self._policy.choose(others, self._random)]
        self._say(peer, joined=wire.Joined(neighbours=neighbours))

    def _leave(self, peer: bytes, said: wire.Leave) -> None:
        page = self.book.page(peer)
        digest = leave_digest(self.chain_id, peer, said.sequence)
        if not _VERIFIER.holds(Claim(peer, digest, said.signature)):
            raise PeerFault("bad-signature", "leave")
        if page is not None and page.listed and said.sequence > page.record.sequence:
            self._strike(page, "left")

    def _resolve(self, peer: bytes, said: wire.Resolve) -> None:
        record = self.book.by_name(said.name)
        found = record.to_wire() if record is not None else None
        self._say(peer, resolved=wire.Resolved(question=said.question, record=found))

    def _list(self, peer: bytes, said: wire.List) -> None:
        listed = self.book.listed_after(said.after, PAGE_RECORDS + 1)
        records = [self.book.record(node_id).to_wire() for node_id in listed[:PAGE_RECORDS]]
        more = len(listed) > PAGE_RECORDS
        self._say(peer, listed=wire.Listed(question=said.question, records=records, more=more))

    # -- liveness

    def _sweep(self) -> None:
        """Ask everybody, strike off the silent, forget the long gone, dial those for whom something waits."""
        self._effects.append(SetTimer(_SWEEP, self.limits.ping_interval))
        self._sweeps += 1
        patience = self.limits.ping_interval * self.limits.silent_pings_max
        for page in self.book.silent_since(self._now - patience):
            self._strike(page, "silent")
        batch = Batch()
        self.book.forget_before(self._now - self.limits.record_age_max, batch)
        if len(batch):
            self._effects.append(Write(batch))
        self._waiting = {key: name for key, name in self._waiting.items() if name in self.outbox}
        for peer, link in self._links.items():
            known = self.book.page(peer)
            if (known is None or not known.listed) and link.since < self._now - patience:
                self._effects.append(Fault(peer, "not-joined"))
            else:
                self._say(peer, alive=wire.Alive(nonce=self._sweeps))
        self._effects.append(Reach(self._unreached()))

    def _unreached(self) -> tuple[PeerAddress, ...]:
        addresses: dict[bytes, PeerAddress] = {}
        for entry in self.outbox.entries():
            peer = entry.destination
            if not isinstance(peer, bytes) or peer in self._links or peer in addresses:
                continue
            page = self.book.page(peer)
            if page is not None and page.record.address is not None:
                addresses[peer] = page.record.address
                if len(addresses) >= self.limits.reach_max:
                    break
        return tuple(addresses.values())

    def _strike(self, page: Page, why: str) -> None:
        batch = Batch()
        self.book.strike(page, batch)
        self._effects.append(Write(batch))
        self._happened(why, page.record)
        self._announce(page.record, gone=True)

    # -- announcements

    def _announce(self, record: PeerRecord, *, gone: bool) -> None:
        """To every listed peer but the subject, in place of an older one that still waits there."""
        payload = encode(announce=wire.Announce(record=record.to_wire(), gone=gone))
        stamp = self._now.to_bytes(8, "big")
        for peer in self.book.listed():
            if peer == record.node_id:
                continue
            older = self._waiting.pop((peer, record.node_id), None)
            if older is not None:
                self._carry(self.outbox.acknowledged(self._now, [older]))
            name = sha256(peer + stamp + payload)
            try:
                self._carry(self.outbox.put(self._now, [payload], peer, hashes=[name]))
            except Refused as full:
                self._effects.append(Happened("announcement-lost", {"why": str(full), "peer": peer.hex()[:16]}))
                return
            self._waiting[peer, record.node_id] = name

    def _carry(self, effects: tuple[OutboxEffect, ...]) -> None:
        """The outbox's effects as ours."""
        for effect in effects:
            match effect:
                case Dispatch(peers, content_hash, payload):
                    frame = parse(payload)
                    frame.announce.id = content_hash
                    self._effects.extend(Say(peer, frame.SerializeToString()) for peer in peers)
                case SetTimer(name, delay):
                    self._effects.append(SetTimer(_OUTBOX + name, delay))
                case Dropped(content_hash, reason):
                    self._effects.append(Happened("undelivered", {"id": content_hash.hex()[:16], "why": reason}))
                case Write():
                    self._effects.append(effect)

    def _say(self, peer: bytes, **body: object) -> None:
        self._effects.append(Say(peer, encode(**body)))

    def _happened(self, what: str, record: PeerRecord) -> None:
        where = f"{record.host}:{record.port}" if record.host else "nowhere"
        self._effects.append(
            Happened(f"peer-{what}", {"name": record.name, "node_id": record.node_id.hex()[:16], "at": where})
        )
