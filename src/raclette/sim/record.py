"""What a run leaves for reports and live views: the block tree, who had what when, and what crossed the wires.

A `RunRecord` holds plain integers, texts and lists, in virtual nanoseconds, and nothing of the machinery that made it:
`to_json` and `from_json` are inverse. Blocks and nodes are named by number. The tree is that of everybody: a block is
in it as soon as one node has it as its head, so a withheld block is there from its birth; what was proposed or stored
and never adopted is added at the end.

Recording costs memory for every event kept and a few per cent of time; it changes nothing in the run, so the digest
with and without it is the same.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, NamedTuple

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.message import carries_block
from raclette.node.host import NewFinal, NewHead, Notice
from raclette.node.view import NodeView
from raclette.node.wire import EngineSaid
from raclette.primitives.errors import Misuse, PeerFault
from raclette.primitives.units import SECOND
from raclette.sim.faults import Fault
from raclette.sim.host import Host
from raclette.sim.network import FRAME_OVERHEAD_BYTES, Frame
from raclette.sim.world import World
from raclette.store.contract import Table

# Version of the JSON form. A reader refuses others.
RECORD_VERSION = 1
NEVER = -1
UNKNOWN = -1


@dataclass(slots=True)
class BlockRecord:
    """A block of the tree. `parent` is its place in `RunRecord.blocks` (-1 for genesis, which is block 0).

    `miner`: number of the node that made it, -1 if unknown (genesis). `born`: virtual time (ns) at which it was first
    sent, or first some node's head. `bytes` is header and body; `work` its difficulty; `canonical`: on the branch of
    the head at the end; `final`: called final by an honest node.
    """

    hash: str
    parent: int
    height: int
    miner: int
    born: int
    bytes: int
    transactions: int
    work: int
    canonical: bool = False
    final: bool = False


class HeadChange(NamedTuple):
    """At `time` (ns) the head of `node` became `block`, after `removed` blocks of its branch were given up."""

    time: int
    node: int
    block: int
    removed: int


class Finality(NamedTuple):
    """At `time` (ns) `node` called `block` and all its ancestors final."""

    time: int
    node: int
    block: int


class Stretch(NamedTuple):
    """Something was wrong from `start` to `end` (ns; -1: it never ended): the name of a fault and what it did."""

    start: int
    end: int
    what: str
    detail: str


def stretch_of(fault: Fault) -> Stretch:
    """A fault as a stretch of the record: its dataclass' name, and its other fields as text."""
    name = "".join("-" + c.lower() if c.isupper() else c for c in type(fault).__name__).lstrip("-")
    shown = [f.name for f in fields(fault) if f.name not in ("at", "lasting")]  # type: ignore[arg-type]
    detail = " ".join(f"{key}={getattr(fault, key)}" for key in shown)
    return Stretch(fault.at, fault.at + fault.lasting if fault.lasting else NEVER, name, detail)


class Order(NamedTuple):
    """One transaction: when a client first sent it and when the first honest node had it in its chain (ns; -1:
    never)."""

    submitted: int
    executed: int


@dataclass
class RunRecord:
    """A run as its data. Lists that say "a node" have one entry for each node, in order; times are virtual ns.

    `reached[block][node]`: when the node first had the block on its branch, or -1. With `by_node` False (an engine
    world that keeps only how fast, not where) a block's times are sorted instead and stand for nobody in particular.
    `sent[kind][node]` and `sent_bytes[kind][node]`: frames of that kind that the node put on the wire, overhead of
    `FRAME_OVERHEAD_BYTES` included. `heads` and `finals` are in order of time. `power`: relative hash power (or stake)
    of each node; `liars`: node number as text, and its lie.
    """

    protocol: str
    seed: int
    nodes: int
    fidelity: str = "full"
    version: int = RECORD_VERSION
    end: int = 0
    by_node: bool = True
    regions: list[str] = field(default_factory=list)
    honest: list[bool] = field(default_factory=list)
    power: list[int] = field(default_factory=list)
    liars: dict[str, str] = field(default_factory=dict)
    faults: list[Stretch] = field(default_factory=list)
    blocks: list[BlockRecord] = field(default_factory=list)
    reached: list[list[int]] = field(default_factory=list)
    heads: list[HeadChange] = field(default_factory=list)
    finals: list[Finality] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    sent: dict[str, list[int]] = field(default_factory=dict)
    sent_bytes: dict[str, list[int]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """JSON-able; blocks as objects, rows of times as lists."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "RunRecord":
        """What `to_json` gave, also after a trip through text. Raises Misuse for another version or shape."""
        if data.get("version") != RECORD_VERSION:
            raise Misuse(f"record version {data.get('version')!r}; this program reads {RECORD_VERSION}")
        try:
            rows = {
                "blocks": [BlockRecord(**row) for row in data["blocks"]],
                "heads": [HeadChange(*row) for row in data["heads"]],
                "finals": [Finality(*row) for row in data["finals"]],
                "faults": [Stretch(*row) for row in data["faults"]],
                "orders": [Order(*row) for row in data["orders"]],
            }
            return cls(**(data | rows))
        except (KeyError, TypeError) as error:
            raise Misuse(f"this is no record of a run: {error}") from error

    # What follows from it

    def stale(self) -> list[int]:
        """Blocks that did not end on the winning branch."""
        return [number for number, block in enumerate(self.blocks) if not block.canonical]

    def delays(self, block: int) -> list[int]:
        """Sorted ns from the block's birth to its arrival at each honest node that had it, its maker among them."""
        born = self.blocks[block].born
        times = self.reached[block]
        whose = range(len(times)) if not self.by_node else [n for n in range(len(times)) if self.honest[n]]
        return sorted(times[node] - born for node in whose if times[node] != NEVER)

    def delays_by_region(self, block: int) -> dict[str, list[int]]:
        """The same for each region, by name. Empty where the record does not say which node had it when."""
        if not self.by_node:
            return {}
        born = self.blocks[block].born
        found: dict[str, list[int]] = {region: [] for region in sorted(set(self.regions))}
        for node, time in enumerate(self.reached[block]):
            if time != NEVER and self.honest[node]:
                found[self.regions[node]].append(time - born)
        return {region: sorted(delays) for region, delays in found.items()}

    def times_to_finality(self) -> list[int]:
        """Sorted ns from a block's birth to the moment an honest node calls it (or a descendant) final: one entry for
        each block and node."""
        found: list[int] = []
        reached = [0] * self.nodes
        for time, node, block in self.finals:
            cursor = block
            while self.honest[node] and cursor > 0 and self.blocks[cursor].height > reached[node]:
                found.append(time - self.blocks[cursor].born)
                cursor = self.blocks[cursor].parent
            reached[node] = max(reached[node], self.blocks[block].height)
        return sorted(found)

    def heights(self, points: int = 200) -> list[tuple[int, int, int, int]]:
        """The run as a curve, at equal distances: (time, lowest and highest head of honest nodes, highest final).

        Where the record has no changes of heads (engine fidelity), a node's head is the highest block it has had."""
        marks = [self.end * i // max(1, points) for i in range(points + 1)]
        if not self.heads:
            return [(mark, *self._heights_at(mark), 0) for mark in marks]
        head, final, curve = [0] * self.nodes, 0, []
        heads, finals = iter([*self.heads, None]), iter([*self.finals, None])
        change, finality = next(heads), next(finals)
        for mark in marks:
            while change is not None and change.time <= mark:
                head[change.node] = self.blocks[change.block].height
                change = next(heads)
            while finality is not None and finality.time <= mark:
                final = max(final, self.blocks[finality.block].height if self.honest[finality.node] else 0)
                finality = next(finals)
            ours = [height for node, height in enumerate(head) if self.honest[node]] or [0]
            curve.append((mark, min(ours), max(ours), final))
        return curve

    def _heights_at(self, mark: int) -> tuple[int, int]:
        tops = [0] * self.nodes
        for block, times in zip(self.blocks, self.reached, strict=True):
            if block.born <= mark:
                for node, time in enumerate(times):
                    if time <= mark and time != NEVER and block.height > tops[node]:
                        tops[node] = block.height
        return min(tops, default=0), max(tops, default=0)


class Recorder:
    """Fills a `RunRecord` while a world runs: an observer of the world, and a listener on its wires."""

    def __init__(self, world: World, record: RunRecord, view_of: Callable[[Host], NodeView], miners: Sequence[bytes]):
        """`miners`: the beneficiary of each node's blocks."""
        self.record = record
        self._world = world
        self._view_of = view_of
        self._miners = {miner: node for node, miner in enumerate(miners)}
        self._places: dict[bytes, int] = {}
        self._headers: list[Header] = []
        self._heard: dict[bytes, tuple[int, Header]] = {}
        self._blockless: set[str] = set()
        genesis = self._any_view().genesis
        self._add(genesis, 0)
        record.reached[0] = [0] * record.nodes
        world.observers.append(self)
        world.network.on_sent = self._on_sent

    def observe(self, world: World, host: Host, notice: Notice) -> None:
        """A node said something."""
        now = world.kernel.now
        if isinstance(notice, NewHead) and notice.added:
            for header in notice.added:
                place = self._place(header, now)
                row = self.record.reached[place]
                if row[host.index] == NEVER:
                    row[host.index] = now
            self.record.heads.append(HeadChange(now, host.index, place, len(notice.removed)))
        elif isinstance(notice, NewFinal):
            place = self._place(notice.header, now)
            self.record.finals.append(Finality(now, host.index, place))

    def finish(self, orders: Iterable[Order] = ()) -> RunRecord:
        """The run is over: what no node adopted, sizes, which branch won."""
        record, world = self.record, self._world
        record.end = world.kernel.now
        record.orders = list(orders)
        self._sweep()
        for place, header in enumerate(self._headers):
            block = self._block(header.hash)
            if block is not None:
                record.blocks[place].bytes = len(header.encoded) + len(block.encoded_body)
                record.blocks[place].transactions = len(block.transactions)
        self._mark_winners()
        return record

    def _mark_winners(self) -> None:
        blocks = self.record.blocks
        heads = [self._view_of(host).head for host in self._world.hosts if host.honest and host.alive]
        lowest = min(heads, key=lambda header: header.number, default=self._headers[0])
        cursor = self._places.get(lowest.hash, 0)
        while cursor != UNKNOWN:
            blocks[cursor].canonical = True
            cursor = blocks[cursor].parent
        blocks[0].final = True
        for _, node, place in self.record.finals:
            while self.record.honest[node] and not blocks[place].final:
                blocks[place].final = True
                place = blocks[place].parent

    def _place(self, header: Header, born: int) -> int:
        """The number of a block; its unknown ancestors come before it."""
        found = self._places.get(header.hash)
        if found is not None:
            return found
        missing = [header]
        while missing[-1].parent_hash not in self._places:
            parent = self._header(missing[-1].parent_hash)
            if parent is None:
                break
            missing.append(parent)
        for each in reversed(missing):
            self._add(each, born)
        return self._places[header.hash]

    def _add(self, header: Header, adopted: int) -> None:
        born, _ = self._heard.get(header.hash, (adopted, header))
        self._places[header.hash] = len(self._headers)
        self._headers.append(header)
        self.record.blocks.append(
            BlockRecord(
                hash="0x" + header.hash.hex(),
                parent=self._places.get(header.parent_hash, UNKNOWN),
                height=header.number,
                miner=self._miners.get(header.beneficiary, UNKNOWN),
                born=born,
                bytes=len(header.encoded),
                transactions=0,
                work=header.difficulty,
            )
        )
        self.record.reached.append([NEVER] * self.record.nodes)

    def _sweep(self) -> None:
        """Blocks that were sent, or lie on an honest node's disk, and were never anybody's head."""
        found = {
            block_hash: header for block_hash, (_, header) in self._heard.items() if block_hash not in self._places
        }
        for host in self._world.hosts:
            if host.honest:
                for block_hash, raw in host.store.scan(Table.HEADERS):
                    if block_hash not in self._places and block_hash not in found:
                        found[block_hash] = Header.decode(raw)
        for header in sorted(found.values(), key=lambda each: (each.number, each.hash)):
            self._place(header, max(0, header.timestamp * SECOND - self._world.epoch))

    def _any_view(self) -> NodeView:
        return self._view_of(next(host for host in self._world.hosts if host.honest))

    def _header(self, block_hash: bytes) -> Header | None:
        for host in self._world.hosts:
            found = self._view_of(host).header(block_hash) if host.honest else None
            if found is not None:
                return found
        return None

    def _block(self, block_hash: bytes) -> Block | None:
        for host in self._world.hosts:
            found = self._view_of(host).block(block_hash) if host.honest else None
            if found is not None:
                return found
        return None

    def _on_sent(self, frame: Frame) -> None:
        record = self.record
        counts = record.sent.get(frame.kind)
        if counts is None:
            counts = record.sent[frame.kind] = [0] * record.nodes
            record.sent_bytes[frame.kind] = [0] * record.nodes
        counts[frame.sender] += 1
        record.sent_bytes[frame.kind][frame.sender] += len(frame.payload) + FRAME_OVERHEAD_BYTES
        if frame.kind not in self._blockless:
            self._hear(frame)

    def _hear(self, frame: Frame) -> None:
        """A message about a block says when it was proposed, which engines that vote do before anybody adopts it."""
        opened = self._world.open_frame(self._world.hosts[frame.sender].node, frame.payload)
        if isinstance(opened, PeerFault):
            return
        message = opened.content.message if isinstance(opened.content, EngineSaid) else None
        if message is None or not carries_block(message):
            self._blockless.add(frame.kind)
        else:
            self._heard.setdefault(message.header.hash, (self._world.kernel.now, message.header))
