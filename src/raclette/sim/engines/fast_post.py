"""The post of the fast kernel: votes that are counted are not queued at all.

When a vote is sent to many, the wires know at once when it reaches whom. So it is written into its row (see `compiled`)
in order of arrival, and what is queued is one wake a row: the moment at which the first node's count reaches its
threshold. Everything else happens as in `post.Post`, and the two leave the same trace.

Where votes of one place contradict each other, somebody lies, and where a node has lost its memory of a row that was
closed, counts begin anew. Both are rare; such places go on in the reference's tallies, vote by vote.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from raclette.engine.ballot import Ballot
from raclette.engine.events import Gathered
from raclette.sim.engines.compiled import ALONE, KEY, KEY_SHIFT, OWN, WHEN, WHO
from raclette.sim.engines.fast_wires import FastWires
from raclette.sim.engines.letter import Letter, Policy
from raclette.sim.engines.plan import NEVER
from raclette.sim.engines.post import Post, Told
from raclette.sim.engines.rows import COLLECT_LEAST, LAST, Row, Rows
from raclette.sim.engines.tally import Waiting
from raclette.sim.engines.wires import WHY
from raclette.sim.engines.world import EPOCH, EngineWorld, Node
from raclette.sim.kernel import NODES_MAX, Kind, place

Words = npt.NDArray[Any]

# Sets of receivers kept as arrays: one for each node's broadcasts and one for its neighbours, and some to spare.
PACKED_MAX = 4_096
_NODE_MASK = NODES_MAX - 1
_NODE_BITS = _NODE_MASK.bit_length()
_NUMBER_MASK = (1 << KEY_SHIFT) - 1


class FastPost(Post):
    """See the module."""

    kernel = "fast"

    def __init__(
        self,
        world: EngineWorld,
        wires: FastWires,
        policies: Mapping[str, Policy],
        default: Policy,
        neighbours: Sequence[Sequence[int]] | None,
    ) -> None:
        super().__init__(world, wires, policies, default, neighbours)
        self._fast = wires
        # Receivers as arrays, by the identity of the tuple (which is kept, so that it stays the only one).
        self._packed: dict[int, tuple[tuple[int, ...], Words]] = {}
        self._singles = np.arange(len(world.nodes), dtype=np.int64)
        self._rows: Rows | None = None
        # Places whose votes go through the tallies, and places that are closed everywhere, with a ballot of each.
        self._slow: dict[Hashable, Ballot] = {}
        self._closed: dict[Hashable, Ballot] = {}
        self._listeners = np.zeros(len(world.nodes), dtype=np.bool_)
        # Sets of receivers (by identity) that are known to listen.
        self._heard: set[int] = set()
        self._gone = {down.node for down in world.plan.down if down.end >= NEVER}

    # --- sending --------------------------------------------------------------------------------------------------

    def _mail(self, letter: Letter, node: Node, receivers: tuple[int, ...]) -> None:
        ballot = letter.ballot
        if ballot is None:
            self._launch(letter, node.index, receivers)
            return
        row = self._row_of(ballot, receivers)
        if row is None:
            if ballot.place in self._closed:
                self._launch(letter, node.index, receivers)
            else:
                super()._mail(letter, node, receivers)
            return
        self._listeners[node.index] = True
        if not self._is_closed(row, node.index):
            self._count_now(row, node.index, node.index, OWN)
        self._launch(letter, node.index, receivers, row)

    def _row_of(self, ballot: Ballot, receivers: tuple[int, ...]) -> Row | None:
        """The row for a ballot, or None if its place is slow or closed."""
        rows = self._rows_of(len(receivers) + 1)
        row = rows.rows.get(ballot.place)
        if row is not None:
            if row.ballot.statement == ballot.statement:
                return row
            self._slow_down(row)
            return None
        if ballot.place in self._slow or ballot.place in self._closed:
            return None
        if len(rows.rows) >= rows.collect_at or not rows.free:
            self._collect(rows)
            rows.collect_at = max(COLLECT_LEAST, 2 * len(rows.rows))
        return rows.open(ballot)

    def _rows_of(self, authors: int = 0) -> Rows:
        if self._rows is None:
            voters = max(authors, len(self._world.nodes[0].engine.validators()) or len(self._world.nodes))
            self._rows = Rows(len(self._world.nodes), voters)
        return self._rows

    def _launch(self, letter: Letter, sender: int, receivers: tuple[int, ...], row: Row | None = None) -> None:
        world, wires = self._world, self._fast
        packed = self._pack(receivers)
        wires.launch(world.now, sender, packed, letter.size)
        fates = wires.fates[:, : len(receivers)]
        world.trace.row(world.now, sender, letter.size, letter.content)
        world.trace.words(fates[0])
        arriving, lost, shut, down, latest, seconds = wires.summary.tolist()
        if seconds:
            world.trace.words(fates[1])
        if lost or shut or down:
            self._lose(lost, shut, down)
        self._account(letter, len(receivers), arriving)
        self._note_arrivals(letter.kind, fates, latest)
        if row is None:
            if letter.ballot is None or letter.ballot.alone or letter.ballot.place in self._slow:
                self._queue_all(letter, sender, receivers, fates)
            return
        row.latest = max(row.latest, latest)
        self._file(letter, sender, receivers, packed, fates, row)

    def _pack(self, receivers: tuple[int, ...]) -> Words:
        if len(receivers) == 1:
            return self._singles[receivers[0] : receivers[0] + 1]
        known = self._packed.get(id(receivers))
        if known is None:
            known = self._packed[id(receivers)] = (receivers, np.array(receivers, dtype=np.int64))
            if len(self._packed) > PACKED_MAX:
                del self._packed[next(iter(self._packed))]
        return known[1]

    def _lose(self, *counts: int) -> None:
        for why, count in enumerate(counts, start=1):
            if count:
                self.lost[WHY[-why]] += count

    def _note_arrivals(self, kind: str, fates: Words, latest: int) -> None:
        if self._world.undone:
            self.latest = max(self.latest, latest)
            return
        for arrival in fates[:2].ravel().tolist():
            if arrival > 0:
                self._late.append((arrival, kind))

    def _queue_all(self, letter: Letter, sender: int, receivers: tuple[int, ...], fates: Words) -> None:
        for receiver, (arrival, second, number) in zip(receivers, fates.T.tolist(), strict=True):
            if arrival > 0:
                self._queue_copy(letter, sender, receiver, arrival, number)
            if second:
                self._queue_copy(letter, sender, receiver, second, number + 1)

    def _queue_copy(self, letter: Letter, sender: int, receiver: int, arrival: int, number: int) -> None:
        where = place(Kind.ARRIVAL, receiver, sender)
        self._world.schedule(arrival, where, number, 1, self._arrive, (letter, sender, receiver, number))

    def _file(
        self, letter: Letter, sender: int, receivers: tuple[int, ...], packed: Words, fates: Words, row: Row
    ) -> None:
        """Write a vote into its row."""
        rows = self._rows_of()
        is_alone = letter.ballot is not None and letter.ballot.alone
        if len(receivers) == 1 or id(receivers) not in self._heard:
            self._heard.add(id(receivers))
            self._listeners[packed] = True
        before = row.letters.get(sender)
        repeats = rows.file(row, sender, sender | ALONE if is_alone else sender, packed, fates)
        wake = rows.wake
        if is_alone:
            self._queue_all(letter, sender, receivers, fates)
        else:
            row.letters[sender] = letter
            row.messages[sender] = letter.message
            rows.contents[row.index, sender] = letter.content
        for receiver, time, number, is_overtaken in rows.again[:repeats].tolist():
            if is_overtaken and before is not None:
                self._queue_copy(before, sender, receiver, time, number)
            elif not is_overtaken and not is_alone:
                self._queue_copy(letter, sender, receiver, time, number)
        self._set_wake(row, wake)

    # --- waking ---------------------------------------------------------------------------------------------------

    def _plan_wake(self, row: Row) -> None:
        self._set_wake(row, self._rows_of().next_wake(row))

    def _set_wake(self, row: Row, wake: tuple[int, int, int] | None) -> None:
        if wake is not None and wake != row.wake:
            time, node, key = wake
            where = place(Kind.ARRIVAL, node, key >> KEY_SHIFT)
            self._world.schedule(time, where, key & _NUMBER_MASK, 0, self._wake, (row, wake))
        row.wake = wake

    def _wake(self, argument: tuple[Row, tuple[int, int, int]]) -> None:
        row, wake = argument
        if row.wake != wake:
            return
        rows = self._rows_of()
        node = wake[1]
        authors, content = rows.reach(row, node, is_closed=self._is_closed(row, node))
        self._set_wake(row, rows.wake)
        if authors:
            self._world.tell(self._world.nodes[node], *self._told(row, authors, content))

    def _is_closed(self, row: Row, node: int) -> bool:
        return self._rows_of().is_closed(row, node, self._world.nodes[node].chain.finalized.number)

    def _told(self, row: Row, authors: list[int], content: int) -> Told:
        return Gathered(EPOCH + self._world.now, tuple(map(row.messages.__getitem__, authors))), content

    def _order_here(self, node: int) -> int:
        """Votes of this very moment that have come to `node` already have an order up to this."""
        _, where, number = self._world.key
        kind, receiver, sender = where >> 2 * _NODE_BITS, where >> _NODE_BITS & _NODE_MASK, where & _NODE_MASK
        if kind != Kind.ARRIVAL or receiver != node:
            reached = kind > Kind.ARRIVAL or (kind == Kind.ARRIVAL and receiver > node)
            return LAST if reached else -1
        return sender << KEY_SHIFT | number

    def _count_now(self, row: Row, node: int, author: int, flag: int) -> None:
        """A vote counts from this moment on; what it completes is told right after the present event."""
        reached = self._rows_of().count_at(row, node, self._world.now, author, self._order_here(node), flag)
        if reached:
            authors, content = self._rows_of().take(row, node, reached)
            if authors:
                self._world.due.append(self._told(row, authors, content))

    # --- receiving ------------------------------------------------------------------------------------------------

    def _arrive(self, argument: tuple[Letter, int, int, int]) -> None:
        """As in `Post`; of counted votes only those come here that are alone, repeated, or of a slow place."""
        letter, sender, receiver, _ = argument
        ballot = letter.ballot
        if ballot is None or ballot.place in self._slow:
            super()._arrive(argument)
            return
        row = self._rows_of().rows.get(ballot.place)
        if row is not None and not self._is_closed(row, receiver):
            self._arrive_counted(letter, sender, receiver, row)
        elif ballot.alone:
            self._world.deliver(receiver, letter)

    def _arrive_counted(self, letter: Letter, sender: int, receiver: int, row: Row) -> None:
        rows, world = self._rows_of(), self._world
        is_alone = letter.ballot is not None and letter.ballot.alone
        if is_alone and not world.plan.down:
            world.deliver(receiver, letter)
            return
        index = rows.find(row, receiver, sender)
        if index < 0:
            # The receiver has forgotten the first copy: this is the first.
            self._count_now(row, receiver, sender, ALONE if is_alone else 0)
            self._plan_wake(row)
            while world.due:
                world.tell(world.nodes[receiver], *world.due.pop(0))
            if is_alone:
                world.deliver(receiver, letter)
            return
        waits = index >= rows.handed[row.index, receiver] and rows.book[row.index, receiver, index, WHO] < ALONE
        if is_alone or not waits:
            world.deliver(receiver, letter)

    # --- votes that wait ------------------------------------------------------------------------------------------

    def flush(self, node: int) -> Told | None:
        """As in `Post`: what waits in the rows, and in the tally."""
        final = self._world.nodes[node].chain.finalized.number
        waiting = self._tallies[node].flush(final)
        if self._rows is not None:
            for row in self._rows.rows.values():
                if not self._rows.is_closed(row, node, final):
                    waiting += self._take_waiting(row, node)
            self._collect(self._rows)
        waiting.sort(key=lambda entry: entry[:3])
        return self._gather(waiting) if waiting else None

    def _take_waiting(self, row: Row, node: int) -> list[Waiting]:
        rows = self._rows_of()
        count = rows.arrived(row, node, self._world.now, self._order_here(node))
        found = self._waiting(row, node, count)
        rows.handed[row.index, node] = max(int(rows.handed[row.index, node]), count)
        return found

    def _waiting(self, row: Row, node: int, count: int) -> list[Waiting]:
        """Of the first `count` votes those that the engine has not got."""
        rows, index = self._rows_of(), row.index
        found = []
        for at in range(int(rows.handed[index, node]), count):
            author = int(rows.book[index, node, at, WHO])
            if author < ALONE:
                number = int(rows.book[index, node, at, KEY]) & _NUMBER_MASK
                found.append(Waiting(int(rows.book[index, node, at, WHEN]), author, number, row.letters[author]))
        return found

    def forget(self, node: int) -> None:
        super().forget(node)
        if self._rows is None:
            return
        for row in self._rows.rows.values():
            self._rows.forget(row, node, self._world.now)
            self._plan_wake(row)
        # What is closed for all others is open for this one again: go on with tallies.
        for known, ballot in self._closed.items():
            self._slow[known] = ballot
            for other, tally in enumerate(self._tallies):
                if other != node:
                    tally.resume(ballot, (), (), spent=True)
        self._closed.clear()

    # --- closing rows ---------------------------------------------------------------------------------------------

    def _collect(self, rows: Rows) -> None:
        """Close the rows that nobody needs; if none is free then, the oldest goes on in the tallies."""
        world = self._world
        listening = [index for index in np.flatnonzero(self._listeners).tolist() if index not in self._gone]
        lowest = min((world.nodes[index].chain.finalized.number for index in listening), default=0)
        listeners = np.array(listening, dtype=np.int64)
        for row in list(rows.rows.values()):
            if row.latest < world.now and rows.is_closed_everywhere(row, lowest, listeners):
                self._closed[row.ballot.place] = row.ballot
                rows.close(row)
        for places in (self._closed, self._slow):
            for known in [known for known, ballot in places.items() if ballot.useless_from <= lowest]:
                del places[known]
        if not rows.free:
            self._slow_down(next(iter(rows.rows.values())))

    def _slow_down(self, row: Row) -> None:
        """From now on the votes of this place go through the tallies, one by one."""
        rows, world, ballot = self._rows_of(), self._world, row.ballot
        for node in world.nodes:
            index = node.index
            count = rows.arrived(row, index, world.now, self._order_here(index))
            authors = [int(tag) & (ALONE - 1) for tag in rows.book[row.index, index, :count, WHO]]
            waiting = self._waiting(row, index, count)
            spent = bool(rows.stage[row.index, index] == len(row.thresholds))
            ids = [world.nodes[author].node_id for author in authors]
            self._tallies[index].resume(ballot, ids, waiting, spent=spent)
            for at in range(count, int(rows.filled[row.index, index])):
                author = int(rows.book[row.index, index, at, WHO])
                if author < ALONE:
                    number = int(rows.book[row.index, index, at, KEY]) & _NUMBER_MASK
                    self._queue_copy(
                        row.letters[author], author, index, int(rows.book[row.index, index, at, WHEN]), number
                    )
        self._slow[ballot.place] = ballot
        rows.close(row)
