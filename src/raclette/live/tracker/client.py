"""The peers' side of the tracker: join, stay joined, hear of others, find them by name.

What was learned is kept on disk, so that a peer finds the others again when the tracker is gone. Every record is
checked by its own signature: a tracker can hide peers, not invent them.
"""

import asyncio
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog

from raclette.live import wire_pb2 as wire
from raclette.live.contract import PeerAddress, PeerHello, Service, Transport
from raclette.live.tracker.book import Book
from raclette.live.tracker.messages import NEIGHBOURS_MAX, PAGE_RECORDS, encode, parse
from raclette.live.tracker.records import PeerRecord, leave_digest, name_key
from raclette.node.host import Lane
from raclette.primitives import rlp
from raclette.primitives.errors import PeerFault
from raclette.primitives.signing import Signer
from raclette.primitives.units import MINUTE
from raclette.store.contract import Batch, Store, Table

_log = structlog.get_logger(room="tracker")

# Peers whose records are kept here. More than a tracker lists by default makes no sense.
DIRECTORY_MAX = 10_000
# Of those, as many are told to RPC clients in one answer.
INFO_PEERS_MAX = 256
# Wait before asking again to be let in, after a refusal that may pass ("tracker-full").
REJOIN_SECONDS = 30.0
# How long a restarted peer waits for the tracker, and for its neighbours of before, until it dials everybody it knows.
ALONE_SECONDS = 10.0
# Where the neighbours that the tracker gave are kept.
_NEIGHBOURS_KEY = b"neighbours"
# How long a question to the tracker may take.
ANSWER_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Membership:
    """How this peer is known: `host` and `port` as others dial it, `account_key` 33 bytes or empty."""

    tracker: PeerAddress
    chain_id: int
    name: str
    account_key: bytes
    host: str
    port: int


class TrackerClient:
    """Implements `host.TrackerHandler`. `is_validator` tells of which peers (and itself) consensus needs links."""

    def __init__(
        self,
        membership: Membership,
        signer: Signer,
        transport: Transport,
        store: Store,
        *,
        is_validator: Callable[[bytes], bool] = lambda node_id: False,
        configured: frozenset[bytes] = frozenset(),
    ) -> None:
        """`configured` peers are dialled whatever the tracker says. Raises StoreDamaged."""
        self.membership = membership
        self.joined = False
        self.refusal = ""
        self._signer = signer
        self._transport = transport
        self._store = store
        self._is_validator = is_validator
        self._configured = configured
        self._book = Book(store, membership.chain_id, DIRECTORY_MAX)
        self._questions: dict[int, asyncio.Future[wire.TrackerFrame]] = {}
        self._numbers = itertools.count(1)
        self._up = False
        self._rejoin: asyncio.TimerHandle | None = None
        self._alone: asyncio.TimerHandle | None = None
        self._reading: asyncio.Task[int] | None = None

    def start(self) -> None:
        """Dial the tracker, and the neighbours of before; everybody known, if there were none, or if the tracker does
        not let us in before long. Call when the transport has started."""
        neighbours = self._kept_neighbours()
        known = self._book.listed()
        for node_id in known[:NEIGHBOURS_MAX]:
            if not neighbours or node_id in neighbours or self._is_needed(node_id):
                self._want(self._book.record(node_id))
        self._alone = asyncio.get_running_loop().call_later(ALONE_SECONDS, self._reach_out)
        self._transport.want(self.membership.tracker)

    def stop(self) -> None:
        """Tell the tracker that we leave."""
        for timer in (self._rejoin, self._alone, self._reading):
            if timer is not None:
                timer.cancel()
        if self._up:
            sequence = time.time_ns()
            digest = leave_digest(self.membership.chain_id, self._signer.public_key, sequence)
            self._say(leave=wire.Leave(sequence=sequence, signature=self._signer.sign(digest)))
        for question in tuple(self._questions.values()):
            question.cancel()

    def directory(self) -> tuple[PeerRecord, ...]:
        """Everybody heard of and not struck off, by name."""
        records = (self._book.record(node_id) for node_id in self._book.listed())
        return tuple(sorted(records, key=lambda record: name_key(record.name)))

    def info(self) -> dict[str, Any]:
        """Membership and the first peers of the directory. JSON-able."""
        return {
            "address": str(self.membership.tracker),
            "joined": self.joined,
            "refusal": self.refusal,
            "peers": [_shown(record) for record in self.directory()[:INFO_PEERS_MAX]],
        }

    async def whois(self, name: str) -> dict[str, Any] | None:
        """As `resolve`, for people. JSON-able."""
        record = await self.resolve(name)
        return None if record is None else _shown(record)

    async def resolve(self, name: str) -> PeerRecord | None:
        """Whose name this is: the tracker's answer, or what was heard earlier if it does not answer."""
        answer = await self._ask(resolve=wire.Resolve(question=next(self._numbers), name=name))
        if answer is not None:
            if not answer.resolved.HasField("record"):
                return None
            try:
                record = PeerRecord.from_wire(answer.resolved.record, self.membership.chain_id)
            except PeerFault:
                record = None
            if record is not None and name_key(record.name) == name_key(name):
                return record
        return self._book.by_name(name)

    async def refresh(self) -> int:
        """Read the tracker's whole list into the directory; how many records came."""
        after, count = b"", 0
        while count < DIRECTORY_MAX:
            answer = await self._ask(list=wire.List(question=next(self._numbers), after=after))
            if answer is None or not answer.listed.records:
                break
            for message in answer.listed.records[:PAGE_RECORDS]:
                self._learn(message)
            count += len(answer.listed.records)
            after = answer.listed.records[-1].node_id
            if not answer.listed.more:
                break
        return count

    # -- TrackerHandler

    def on_tracker_up(self, hello: PeerHello) -> bool:
        """Join, if it is our tracker."""
        if hello.node_id != self.membership.tracker.node_id:
            return False
        self._up = True
        self._join()
        return True

    def on_tracker_down(self, peer: bytes) -> bool:
        """The transport dials again by itself."""
        if peer != self.membership.tracker.node_id:
            return False
        self._up = False
        self.joined = False
        return True

    def on_tracker_frame(self, peer: bytes, frame: bytes) -> None:
        """A frame of the tracker service; only our tracker's count."""
        if peer != self.membership.tracker.node_id:
            return
        try:
            said = parse(frame)
            match said.WhichOneof("body"):
                case "joined":
                    self._on_joined(said.joined)
                case "announce":
                    self._on_announce(said.announce)
                case "alive":
                    self._say(alive=wire.Alive(nonce=said.alive.nonce, answer=True))
                case "resolved":
                    self._answer(said.resolved.question, said)
                case "listed":
                    self._answer(said.listed.question, said)
        except PeerFault as fault:
            _log.warning("tracker-fault", reason=fault.reason, detail=fault.detail)

    # -- inside

    def _join(self) -> None:
        membership = self.membership
        record = PeerRecord(
            chain_id=membership.chain_id,
            node_id=self._signer.public_key,
            name=membership.name,
            account_key=membership.account_key,
            host=membership.host,
            port=membership.port,
            sequence=time.time_ns(),
        )
        self._say(join=wire.Join(record=record.signed(self._signer).to_wire()))

    def _on_joined(self, said: wire.Joined) -> None:
        if said.refused:
            self.refusal = said.refused
            _log.warning("tracker-refused", reason=said.refused, detail=said.detail)
            self._rejoin = asyncio.get_running_loop().call_later(REJOIN_SECONDS, self._try_again)
            return
        self.joined, self.refusal = True, ""
        _log.info("tracker-joined", name=self.membership.name, neighbours=len(said.neighbours))
        neighbours = []
        for message in said.neighbours[:NEIGHBOURS_MAX]:
            record = self._learn(message)
            if record is not None:
                self._want(record)
                neighbours.append(record.node_id)
        batch = Batch()
        batch.put(Table.PEERS, _NEIGHBOURS_KEY, rlp.encode(neighbours))
        self._store.write(batch)
        # Names of all, also of those that joined before us and are no neighbours.
        if self._reading is not None:
            self._reading.cancel()
        self._reading = asyncio.get_running_loop().create_task(self.refresh())

    def _kept_neighbours(self) -> frozenset[bytes]:
        kept = self._store.get(Table.PEERS, _NEIGHBOURS_KEY)
        return frozenset() if kept is None else frozenset(rlp.as_bytes(one) for one in rlp.decode_list(kept))

    def _reach_out(self) -> None:
        """The tracker is gone: everybody known is a neighbour."""
        if not self.joined:
            for node_id in self._book.listed()[:NEIGHBOURS_MAX]:
                self._want(self._book.record(node_id))

    def _try_again(self) -> None:
        if self._up and not self.joined:
            self._join()

    def _on_announce(self, said: wire.Announce) -> None:
        record = PeerRecord.from_wire(said.record, self.membership.chain_id)
        if said.gone:
            self._forget(record)
        elif self._learn(said.record) is not None and self._is_needed(record.node_id):
            self._want(record)
        self._say(ack=wire.Ack(ids=[said.id]))

    def _learn(self, message: wire.PeerRecord) -> PeerRecord | None:
        """Into the directory, if it is true and not older than what is known; None otherwise."""
        try:
            record = PeerRecord.from_wire(message, self.membership.chain_id)
        except PeerFault as fault:
            _log.warning("bad-record", reason=fault.reason, detail=fault.detail)
            return None
        if record.node_id == self._signer.public_key:
            return None
        page = self._book.page(record.node_id)
        if page is not None and page.listed and page.record == record:
            return record
        if self._book.objection(record) is not None:
            return None
        batch = Batch()
        self._book.enter(record, time.time_ns(), batch)
        self._store.write(batch)
        return record

    def _forget(self, record: PeerRecord) -> None:
        """Struck off. Links to validators are kept up: consensus needs them as soon as they are back."""
        page = self._book.page(record.node_id)
        if page is None or not page.listed or page.record.sequence > record.sequence:
            return
        batch = Batch()
        self._book.strike(page, batch)
        self._book.forget_before(time.time_ns() - 60 * MINUTE, batch)
        self._store.write(batch)
        if not self._is_needed(record.node_id) and record.node_id not in self._configured:
            self._transport.unwant(record.node_id)

    def _is_needed(self, node_id: bytes) -> bool:
        return self._is_validator(node_id) and self._is_validator(self._signer.public_key)

    def _want(self, record: PeerRecord) -> None:
        if record.address is not None and record.node_id not in self._configured:
            self._transport.want(record.address)

    def _say(self, **body: object) -> None:
        peer = self.membership.tracker.node_id
        self._transport.send((peer,), Lane.BLOCKS, encode(**body), "tracker", Service.TRACKER)

    async def _ask(self, **question: wire.Resolve | wire.List) -> wire.TrackerFrame | None:
        """The tracker's answer, or None if it is not linked or takes too long."""
        if not self._up:
            return None
        (asked,) = question.values()
        future: asyncio.Future[wire.TrackerFrame] = asyncio.get_running_loop().create_future()
        self._questions[asked.question] = future
        self._say(**question)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await future
        except TimeoutError:
            return None
        finally:
            del self._questions[asked.question]

    def _answer(self, number: int, said: wire.TrackerFrame) -> None:
        question = self._questions.get(number)
        if question is not None and not question.done():
            question.set_result(said)


def _shown(record: PeerRecord) -> dict[str, Any]:
    return {
        "name": record.name,
        "node_id": record.node_id.hex(),
        "host": record.host,
        "port": record.port,
        "account": "0x" + record.account.hex() if record.account else None,
        "account_key": "0x" + record.account_key.hex() if record.account_key else None,
    }
