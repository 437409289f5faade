"""The rows of votes on their way (see `compiled`), and what Python keeps beside each."""

from collections.abc import Hashable
from typing import Any

import numpy as np
import numpy.typing as npt

from raclette.engine.ballot import Ballot
from raclette.sim.engines import compiled
from raclette.sim.engines.letter import Letter
from raclette.sim.engines.plan import NEVER

Words = npt.NDArray[Any]

# Memory of all rows together; a row takes 24 bytes for each pair of a receiver and an author.
ROWS_BYTES_MAX = 256 * 1024 * 1024
ROWS_MIN, ROWS_MAX = 8, 512
# Looking for rows that are not needed takes a few microseconds each; memory that is used again stays in the cache.
COLLECT_LEAST = 12
_KEY_MAX = (1 << 62) - 1


class Row:
    """One statement at one place. `letters` are those of each author that the engine can be given, `messages` what is
    in them, by author; `wake` is the moment (time, node, key) on the queue; nothing arrives after `latest`."""

    __slots__ = ("ballot", "index", "latest", "letters", "messages", "spoke", "thresholds", "wake")

    def __init__(self, index: int, ballot: Ballot, thresholds: Words, nodes: int) -> None:
        self.index = index
        self.ballot = ballot
        self.thresholds = thresholds
        self.letters: dict[int, Letter] = {}
        self.messages: list[Any] = [None] * nodes
        self.spoke: set[int] = set()
        self.wake: tuple[int, int, int] | None = None
        self.latest = 0


class Rows:
    """All rows of a run, recycled."""

    def __init__(self, nodes: int, authors: int) -> None:
        count = min(ROWS_MAX, max(ROWS_MIN, ROWS_BYTES_MAX // (24 * nodes * authors)))
        self.book = np.empty((count, nodes, authors, 3), dtype=np.int64)
        self.filled = np.zeros((count, nodes), dtype=np.int64)
        self.handed = np.zeros((count, nodes), dtype=np.int64)
        self.stage = np.zeros((count, nodes), dtype=np.int64)
        self.contents = np.zeros((count, nodes), dtype=np.int64)
        self.again = np.zeros((3 * nodes, 4), dtype=np.int64)
        self.authors = np.zeros(authors, dtype=np.int64)
        # What compiled code says: the next wake (time, node, key), and the sum of the contents handed over.
        self.out = np.zeros(4, dtype=np.int64)
        self.free = list(range(count - 1, -1, -1))
        # Rows in use by place, in order of their making.
        self.rows: dict[Hashable, Row] = {}
        # So many rows in use, and it is time to look which are not needed any more.
        self.collect_at = COLLECT_LEAST
        self._thresholds: dict[tuple[int, ...], Words] = {}

    def open(self, ballot: Ballot) -> Row:
        """A new row. There must be a free one."""
        index = self.free.pop()
        for table in (self.filled, self.handed, self.stage):
            table[index] = 0
        thresholds = self._thresholds.get(ballot.acts_at)
        if thresholds is None:
            thresholds = self._thresholds[ballot.acts_at] = np.array(ballot.acts_at, dtype=np.int64)
        row = self.rows[ballot.place] = Row(index, ballot, thresholds, self.contents.shape[1])
        return row

    def close(self, row: Row) -> None:
        """Nobody needs it any more."""
        del self.rows[row.ballot.place]
        self.free.append(row.index)
        row.wake = None

    def file(self, row: Row, sender: int, tag: int, receivers: Words, fates: Words) -> int:
        """See `compiled.file_votes`; `wake` then says what `next_wake` would."""
        is_repeated = sender in row.spoke
        row.spoke.add(sender)
        repeats: int = compiled.file_votes(
            self.book,
            self.filled,
            row.index,
            sender,
            tag,
            is_repeated,
            receivers,
            fates,
            self.again,
            self.stage,
            row.thresholds,
            self.out,
        )
        return repeats

    def next_wake(self, row: Row) -> tuple[int, int, int] | None:
        """(time, node, key) of the next threshold that is reached."""
        compiled.next_wake(self.book, self.filled, self.stage, row.index, row.thresholds, self.out)
        return self.wake

    @property
    def wake(self) -> tuple[int, int, int] | None:
        """What was found last."""
        time, node, key, _ = self.out.tolist()
        return (time, node, key) if time < NEVER else None

    def count_at(self, row: Row, node: int, time: int, author: int, order: int, flag: int) -> int:
        """`author`'s vote counts at `node` from this moment on, unless one of his is there; the count if that is a
        threshold, else 0."""
        return int(
            compiled.insert_own(
                self.book,
                self.filled,
                self.stage,
                row.index,
                node,
                time,
                order,
                author | flag,
                row.thresholds,
            )
        )

    def find(self, row: Row, node: int, author: int) -> int:
        """Index of an author's vote at a node, or -1."""
        return int(compiled.find(self.book, self.filled, row.index, node, author))

    def take(self, row: Row, node: int, count: int) -> tuple[list[int], int]:
        """Hand over what waits among the first `count`: (authors in order of arrival, sum of contents)."""
        taken = compiled.take(self.book, self.handed, self.contents, row.index, node, count, self.authors, self.out)
        return self.authors[:taken].tolist(), int(self.out[3])

    def reach(self, row: Row, node: int, *, is_closed: bool) -> tuple[list[int], int]:
        """The count at `node` has reached a threshold: as `take` with what there is, or nothing if `is_closed`; `wake`
        then says what `next_wake` would."""
        taken = compiled.wake(
            self.book,
            self.filled,
            self.handed,
            self.stage,
            self.contents,
            row.index,
            node,
            is_closed,
            row.thresholds,
            self.authors,
            self.out,
        )
        return self.authors[:taken].tolist(), int(self.out[3])

    def arrived(self, row: Row, node: int, time: int, order: int) -> int:
        """How many votes there are by now."""
        return int(compiled.arrived(self.book, self.filled, row.index, node, time, order))

    def forget(self, row: Row, node: int, now: int) -> None:
        """`node` loses its memory."""
        compiled.forget(self.book, self.filled, self.handed, self.stage, row.index, node, now)

    def is_closed(self, row: Row, node: int, final: int) -> bool:
        """Can no vote here change anything at `node`?"""
        ballot = row.ballot
        if ballot.useless_from <= final:
            return True
        return ballot.spent_from <= final and self.stage[row.index, node] == len(row.thresholds)

    def is_closed_everywhere(self, row: Row, lowest_final: int, listeners: Words) -> bool:
        """The same for all of these nodes, of which the one furthest behind has this final height."""
        ballot = row.ballot
        if ballot.useless_from <= lowest_final:
            return True
        return ballot.spent_from <= lowest_final and bool(
            (self.stage[row.index, listeners] == len(row.thresholds)).all()
        )


LAST = _KEY_MAX
__all__ = ["LAST", "Row", "Rows"]
