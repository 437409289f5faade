"""Who is in charge when: what the snail chain says about days and committees, as a function of its blocks alone.

A day is what one committee orders. Days follow each other in this way (spec/hybrid.md):

- a day is *elected* when `committee_size` snail blocks have passed since the last election, or a third of the newest
  committee has complained; the seats go to those who made the last `committee_size` blocks (or fruits). HYB-10, HYB-12
- the committee before it *ends* its day with a block that names the election: its record, signed by a third of that
  committee, goes into the snail chain. HYB-13
- where no such record appears in time, the day is *closed by force* behind the highest block that has been recorded,
  and the new committee goes on from there. HYB-14

An `Almanac` is the state after one snail block; `step` makes that after the next. It holds the newest day, the one
before it while that has not ended, and a linked list of all that is past, so two branches share what they share.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from raclette.primitives.errors import InvalidBlock
from raclette.protocols.hybrid.parameters import Parameters


class Day:
    """A committee and what elected it. `seats` are node ids, one for each seat; `members` the distinct ones in order of
    first appearance, `weights` their seats."""

    __slots__ = ("elected", "members", "number", "seats", "snail_hash", "threshold", "weights")

    def __init__(self, number: int, elected: int, snail_hash: bytes, seats: tuple[bytes, ...]) -> None:
        self.number = number
        # Number and hash of the snail block of the election: a block that names the hash hands over to this day.
        self.elected = elected
        self.snail_hash = snail_hash
        self.seats = seats
        self.weights: dict[bytes, int] = {}
        for node_id in seats:
            self.weights[node_id] = self.weights.get(node_id, 0) + 1
        self.members = tuple(self.weights)
        # HYB-20: the paper's th: more than the third that may lie.
        self.threshold = (len(seats) + 2) // 3

    def weigh(self, nodes: Iterable[bytes]) -> int:
        """Seats of these distinct nodes together."""
        return sum(self.weights.get(node_id, 0) for node_id in nodes)

    def entry(self, number: int, block_hash: bytes, *, ends: bool) -> "Entry":
        """What its members sign for a block of the log."""
        return Entry(self.number, number, block_hash, ends, self.snail_hash)


class Entry(NamedTuple):
    """One block of the log, as its committee signs it; `ends` is True for the last one of a day. `election` is the
    snail block that elected the day: two branches of the snail chain may each have a day of that number."""

    day: int
    number: int
    block_hash: bytes
    ends: bool
    election: bytes


class End(NamedTuple):
    """Day `day` is over: `number` and `block_hash` name the last block of the log that counts, `at` the snail block
    that settled it. `forced`: nobody signed that end."""

    day: int
    number: int
    block_hash: bytes
    forced: bool
    at: int


class Past:
    """A day that is over, and those before it. `jump` leads further down, so that any of n days is found in about
    log n steps (Myers, "An applicative random-access stack", 1983): strangers ask for days of long ago."""

    __slots__ = ("before", "day", "end", "jump")

    def __init__(self, day: Day, end: End, before: "Past | None") -> None:
        self.day = day
        self.end = end
        self.before = before
        self.jump = before
        near = before.jump if before is not None else None
        far = near.jump if near is not None else None
        if before is not None and near is not None and far is not None:
            number = near.day.number
            if before.day.number - number == number - far.day.number:
                self.jump = far


class Almanac(NamedTuple):
    """After snail block `number`. `entry` and `entry_before` are the highest records of the newest day and of the one
    before it; `since` is where the newest day's length begins to count."""

    number: int
    day: Day
    before: Day | None
    entry: Entry | None
    entry_before: Entry | None
    complaints: frozenset[bytes]
    since: int
    past: Past | None

    def days(self) -> Iterator[Day]:
        """Newest first."""
        yield self.day
        if self.before is not None:
            yield self.before
        past = self.past
        while past is not None:
            yield past.day
            past = past.before

    def find(self, number: int) -> Day | None:
        """The day of that number, if it is elected."""
        for day in (self.day, self.before):
            if day is not None and day.number == number:
                return day
        past = self._past(number)
        return past.day if past is not None else None

    def end_of(self, number: int) -> End | None:
        """How that day ended, if it has."""
        past = self._past(number)
        return past.end if past is not None else None

    def _past(self, number: int) -> Past | None:
        past = self.past
        while past is not None and past.day.number > number:
            jump = past.jump
            past = jump if jump is not None and jump.day.number >= number else past.before
        return past if past is not None and past.day.number == number else None

    def record_of(self, day: int) -> Entry | None:
        """The highest entry of an unended day that is on the snail chain."""
        if day == self.day.number:
            return self.entry
        return self.entry_before if self.before is not None and day == self.before.number else None


class Said(NamedTuple):
    """What a snail block says: an entry with its signers, and complaints as (election, node). Signatures are true."""

    entry: Entry | None = None
    signers: tuple[bytes, ...] = ()
    complaints: tuple[tuple[bytes, bytes], ...] = ()


class Rules:
    """The almanac's laws for one chain."""

    def __init__(self, parameters: Parameters, genesis_hash: bytes) -> None:
        """`genesis_hash` is that of the log."""
        self.length = parameters.committee_size
        self.stable = parameters.stable_depth
        self.patience = parameters.patience
        self._genesis_hash = genesis_hash
        self._first = parameters.node_ids

    def first(self, snail_genesis: bytes) -> Almanac:
        """HYB-11: day 1 belongs to the validators of genesis, a seat each."""
        return Almanac(0, Day(1, 0, snail_genesis, self._first), None, None, None, frozenset(), 0, None)

    def cut(self, day: Day) -> int:
        """HYB-15: from this snail block on, the committee before `day` signs no more, and what it signed counts only
        if it is recorded."""
        return day.elected + self.stable + self.patience

    def close(self, day: Day) -> int:
        """HYB-14: at this snail block the day before `day` is over, signed or not."""
        return self.cut(day) + self.patience

    def step(self, before: Almanac, snail_hash: bytes, said: Said, seats: Callable[[], tuple[bytes, ...]]) -> Almanac:
        """The almanac after the next block. `seats()` are those who made the last blocks, that one included. Raises
        InvalidBlock if the block records what it may not."""
        after = before._replace(number=before.number + 1)
        after = self._record(after, said)
        after = self._complain(after, said)
        after = self._settle(after)
        return self._elect(after, snail_hash, seats)

    def check_entry(self, almanac: Almanac, entry: Entry, signers: Iterable[bytes]) -> None:
        """HYB-13: may this be recorded next? Raises InvalidBlock."""
        day = almanac.before if almanac.before is not None and entry.day == almanac.before.number else almanac.day
        if entry.day != day.number:
            raise InvalidBlock("record-day", f"day {entry.day} is not open")
        if entry.election != day.snail_hash:
            raise InvalidBlock("record-election", f"day {entry.day} was elected by another block on this branch")
        if entry.ends and day is almanac.day:
            raise InvalidBlock("record-end", f"nobody is elected to follow day {entry.day}")
        signers = tuple(signers)
        strangers = [node_id for node_id in signers if node_id not in day.weights]
        if strangers:
            raise InvalidBlock("record-stranger", f"{strangers[0].hex()[:16]} has no seat on day {entry.day}")
        if day.weigh(signers) < day.threshold:
            raise InvalidBlock("record-threshold", f"{day.weigh(signers)} seats where {day.threshold} are needed")
        known = almanac.record_of(day.number)
        if known is not None and entry.number <= known.number:
            raise InvalidBlock("record-old", f"entry {entry.number} after {known.number}")

    def check_complaint(self, almanac: Almanac, election: bytes, node_id: bytes) -> None:
        """HYB-12: may this complaint be recorded next? Raises InvalidBlock."""
        day = almanac.day.number
        if election != almanac.day.snail_hash:
            raise InvalidBlock("complaint-day", f"it is not about the newest day, {day}")
        if node_id not in almanac.day.weights:
            raise InvalidBlock("complaint-stranger", f"{node_id.hex()[:16]} has no seat on day {day}")
        if node_id in almanac.complaints:
            raise InvalidBlock("complaint-twice", f"{node_id.hex()[:16]} about day {day}")

    # --- the steps of a step --------------------------------------------------------------------------------------

    def _record(self, after: Almanac, said: Said) -> Almanac:
        entry = said.entry
        if entry is None:
            return after
        self.check_entry(after, entry, said.signers)
        if entry.day == after.day.number:
            return after._replace(entry=entry)
        return after._replace(entry_before=entry)

    def _complain(self, after: Almanac, said: Said) -> Almanac:
        for election, node_id in said.complaints:
            self.check_complaint(after, election, node_id)
            after = after._replace(complaints=after.complaints | {node_id})
        return after

    def _settle(self, after: Almanac) -> Almanac:
        """HYB-14: the day before the newest one ends by its own record, or by force."""
        before, entry = after.before, after.entry_before
        if before is None:
            return after
        if entry is not None and entry.ends:
            end, since = End(before.number, entry.number, entry.block_hash, False, after.number), after.since
        elif after.number >= self.close(after.day):
            number, block_hash = self._base(after)
            end = End(before.number, number, block_hash, True, after.number)
            # The new committee cannot begin before this is stable, and its day is as long as any.
            since = after.number + self.stable
        else:
            return after
        return after._replace(before=None, entry_before=None, since=since, past=Past(before, end, after.past))

    def _base(self, after: Almanac) -> tuple[int, bytes]:
        """The last block of the log that the snail chain knows of."""
        if after.entry_before is not None:
            return after.entry_before.number, after.entry_before.block_hash
        if after.past is not None:
            return after.past.end.number, after.past.end.block_hash
        return 0, self._genesis_hash

    def _elect(self, after: Almanac, snail_hash: bytes, seats: Callable[[], tuple[bytes, ...]]) -> Almanac:
        if after.before is not None:
            return after  # HYB-16: one hand-over at a time
        deposed = after.day.weigh(after.complaints) >= after.day.threshold
        if after.number - after.since < self.length and not deposed:
            return after
        elected = seats()
        if len(elected) < min(self.length, len(after.day.seats)):
            return after  # few seats would be easy to own
        return Almanac(
            number=after.number,
            day=Day(after.day.number + 1, after.number, snail_hash, elected),
            before=after.day,
            entry=None,
            entry_before=after.entry,
            complaints=frozenset(),
            since=after.number,
            past=after.past,
        )


def in_charge(almanac: Almanac, final: tuple[int, bytes], marked: Day) -> Day | None:
    """HYB-17: the day that orders the block after `final` (number, hash), whose header hands over to `marked`; None if
    that day's log ends before our block, or on another one.

    A day that was closed by force behind our very block is over, and so is each one after it that did nothing."""
    day = marked
    while True:
        end = almanac.end_of(day.number)
        if end is None or final[0] < end.number:
            return day
        if (end.number, end.block_hash) != final:
            return None
        following = almanac.find(day.number + 1)
        if following is None:
            return None
        day = following


__all__ = ["Almanac", "Day", "End", "Entry", "Past", "Rules", "Said", "in_charge"]
