"""The tracker's book: every peer it knows, present (*listed*) or away, on disk in the PEERS table."""

from bisect import bisect_right, insort
from dataclasses import dataclass

from google.protobuf.message import DecodeError as ProtobufError

from raclette.live import wire_pb2 as wire
from raclette.live.tracker.records import PeerRecord, name_key
from raclette.primitives import rlp
from raclette.primitives.errors import PeerFault, StoreDamaged
from raclette.primitives.rlp import as_bytes, bytes_to_int, int_to_bytes
from raclette.store.contract import Batch, Reader, Table

PAGE_PREFIX = b"tracker/"


@dataclass(slots=True)
class Page:
    """One peer. `seen` (ns) is when it was last heard of; on disk it is brought up to date when the page is written."""

    record: PeerRecord
    listed: bool
    seen: int

    def encode(self) -> bytes:
        """As stored."""
        return rlp.encode(
            [self.record.to_wire().SerializeToString(), int_to_bytes(self.listed), int_to_bytes(self.seen)]
        )

    @classmethod
    def decode(cls, data: bytes, chain_id: int) -> "Page":
        """From the store. Raises PeerFault."""
        record, listed, seen = rlp.decode_list(data, 3)
        message = wire.PeerRecord()
        message.ParseFromString(as_bytes(record))
        return cls(PeerRecord.from_wire(message, chain_id), bool(bytes_to_int(listed)), bytes_to_int(seen, size_max=8))


class Book:
    """All pages, by node id and by name."""

    def __init__(self, reader: Reader, chain_id: int, records_max: int) -> None:
        """Raises StoreDamaged."""
        self._pages: dict[bytes, Page] = {}
        self._names: dict[str, bytes] = {}
        self._listed: list[bytes] = []
        self._records_max = records_max
        for key, value in reader.scan(Table.PEERS, PAGE_PREFIX, PAGE_PREFIX + b"\xff" * 33):
            try:
                page = Page.decode(value, chain_id)
            except (PeerFault, ProtobufError) as error:
                raise StoreDamaged(f"table peers, key {key.hex()}: {error}") from error
            self._add(page)

    def __len__(self) -> int:
        return len(self._pages)

    @property
    def listed_count(self) -> int:
        """Peers that are present."""
        return len(self._listed)

    def page(self, node_id: bytes) -> Page | None:
        """What is known of this peer."""
        return self._pages.get(node_id)

    def record(self, node_id: bytes) -> PeerRecord:
        """Of a peer that is in the book."""
        return self._pages[node_id].record

    def by_name(self, name: str) -> PeerRecord | None:
        """Whose name this is, present or away."""
        node_id = self._names.get(name_key(name))
        return self._pages[node_id].record if node_id is not None else None

    def listed(self) -> tuple[bytes, ...]:
        """Present peers, in order of node id."""
        return tuple(self._listed)

    def listed_after(self, node_id: bytes, count: int) -> list[bytes]:
        """The next `count` present peers after this id."""
        at = bisect_right(self._listed, node_id)
        return self._listed[at : at + count]

    def silent_since(self, time: int) -> list[Page]:
        """Present peers not heard of since `time`."""
        return [page for node_id in self._listed if (page := self._pages[node_id]).seen < time]

    def objection(self, record: PeerRecord) -> PeerFault | None:
        """Why this record cannot be entered, if so: "stale", "name-taken" or "tracker-full"."""
        page = self._pages.get(record.node_id)
        if page is not None and record != page.record and record.sequence <= page.record.sequence:
            return PeerFault("stale", f"sequence {record.sequence}, known is {page.record.sequence}")
        owner = self._names.get(name_key(record.name))
        if owner is not None and owner != record.node_id:
            return PeerFault("name-taken", f"{record.name} belongs to {owner.hex()[:16]}")
        if page is None and len(self._pages) >= self._records_max and self._oldest_away() is None:
            return PeerFault("tracker-full", f"{len(self._pages)} peers")
        return None

    def enter(self, record: PeerRecord, now: int, batch: Batch) -> None:
        """Write the record as present. A full book gives up the page of the peer longest away."""
        older = self._pages.get(record.node_id)
        if older is not None:
            self._drop(older)
        elif len(self._pages) >= self._records_max and (away := self._oldest_away()) is not None:
            self._drop(away)
            batch.delete(Table.PEERS, PAGE_PREFIX + away.record.node_id)
        page = Page(record, True, now)
        self._add(page)
        batch.put(Table.PEERS, PAGE_PREFIX + record.node_id, page.encode())

    def strike(self, page: Page, batch: Batch) -> None:
        """Present no longer."""
        self._listed.remove(page.record.node_id)
        page.listed = False
        batch.put(Table.PEERS, PAGE_PREFIX + page.record.node_id, page.encode())

    def forget_before(self, time: int, batch: Batch) -> None:
        """Remove those away since before `time`; their names are free again."""
        for page in [page for page in self._pages.values() if not page.listed and page.seen < time]:
            self._drop(page)
            batch.delete(Table.PEERS, PAGE_PREFIX + page.record.node_id)

    def touch(self, node_id: bytes, now: int) -> None:
        """Heard of just now."""
        page = self._pages.get(node_id)
        if page is not None:
            page.seen = now

    def touch_all(self, now: int) -> None:
        """After a restart everybody present gets time to come back."""
        for node_id in self._listed:
            self._pages[node_id].seen = now

    def _oldest_away(self) -> Page | None:
        return min((page for page in self._pages.values() if not page.listed), key=lambda page: page.seen, default=None)

    def _add(self, page: Page) -> None:
        self._pages[page.record.node_id] = page
        self._names[name_key(page.record.name)] = page.record.node_id
        if page.listed:
            insort(self._listed, page.record.node_id)

    def _drop(self, page: Page) -> None:
        del self._pages[page.record.node_id]
        del self._names[name_key(page.record.name)]
        if page.listed:
            self._listed.remove(page.record.node_id)
