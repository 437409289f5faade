"""One node's count of votes: the reference for policy QUORUM. The rules are those of `engine.ballot`.

A place knows what each author said there first. A box is one statement at a place: how many said it, and which of
their letters still wait to be handed over.
"""

from collections.abc import Hashable, Sequence
from typing import NamedTuple

from raclette.engine.ballot import Ballot
from raclette.sim.engines.letter import Letter


class Waiting(NamedTuple):
    """A vote that has come and is not handed over. The fields before the last order it among others of its node."""

    time: int
    sender: int
    number: int
    letter: Letter


class Verdict(NamedTuple):
    """What the engine gets now: `gathered` at once, if there is any, then each of `alone` by itself."""

    gathered: list[Waiting]
    alone: list[Letter]


class _Box:
    __slots__ = ("count", "waiting")

    def __init__(self) -> None:
        self.count = 0
        self.waiting: dict[bytes, Waiting] = {}


class _Place:
    """`closes_at`: the final height from which on nothing said here changes anything."""

    __slots__ = ("boxes", "closes_at", "said", "useless_from")

    def __init__(self, useless_from: int) -> None:
        self.useless_from = self.closes_at = useless_from
        self.said: dict[bytes, bytes] = {}
        self.boxes: dict[bytes, _Box] = {}


class Tally:
    """See the module. `final` is the number of the node's last final block."""

    def __init__(self) -> None:
        self._places: dict[Hashable, _Place] = {}

    def resume(self, ballot: Ballot, authors: Sequence[bytes], waiting: Sequence[Waiting], *, spent: bool) -> None:
        """Take over a count that was kept elsewhere: who said this first, and which of it waits."""
        place = self._place(ballot)
        box = place.boxes.setdefault(ballot.statement, _Box())
        for author in authors:
            place.said[author] = ballot.statement
        box.count += len(authors)
        for entry in waiting:
            box.waiting[entry.letter.pair[0]] = entry
        if spent:
            place.closes_at = min(place.closes_at, ballot.spent_from)

    def own(self, ballot: Ballot, final: int) -> list[Waiting]:
        """The node itself says this. Returns what is to be handed over because of it."""
        place = self._place(ballot)
        if place.closes_at <= final or ballot.author in place.said:
            return []
        return self._count(place, ballot)

    def arrive(self, time: int, number: int, letter: Letter, ballot: Ballot, final: int) -> Verdict:
        """`letter` comes from its author."""
        place = self._place(ballot)
        if place.closes_at <= final:
            return Verdict([], [letter] if ballot.alone else [])
        said = place.said.get(ballot.author)
        if said is None:
            if not ballot.alone:
                box = place.boxes.setdefault(ballot.statement, _Box())
                box.waiting[ballot.author] = Waiting(time, letter.sender, number, letter)
            return Verdict(self._count(place, ballot), [letter] if ballot.alone else [])
        earlier = place.boxes[said].waiting
        if said != ballot.statement:
            first = earlier.pop(ballot.author, None)
            return Verdict([], [first.letter, letter] if first is not None else [letter])
        # Said before: of no news while that waits; else it is repeated because something was lost.
        return Verdict([], [] if ballot.author in earlier and not ballot.alone else [letter])

    def flush(self, final: int) -> list[Waiting]:
        """All that waits and is still of use, in order of arrival."""
        for known in [known for known, place in self._places.items() if place.useless_from <= final]:
            del self._places[known]
        waiting: list[Waiting] = []
        for place in self._places.values():
            for box in place.boxes.values() if place.closes_at > final else ():
                waiting += box.waiting.values()
                box.waiting.clear()
        waiting.sort(key=lambda entry: entry[:3])
        return waiting

    def _place(self, ballot: Ballot) -> _Place:
        place = self._places.get(ballot.place)
        if place is None:
            place = self._places[ballot.place] = _Place(ballot.useless_from)
        return place

    def _count(self, place: _Place, ballot: Ballot) -> list[Waiting]:
        place.said[ballot.author] = ballot.statement
        box = place.boxes.setdefault(ballot.statement, _Box())
        box.count += 1
        if box.count not in ballot.acts_at:
            return []
        if box.count == ballot.acts_at[-1]:
            place.closes_at = min(place.closes_at, ballot.spent_from)
        gathered = list(box.waiting.values())
        box.waiting.clear()
        return gathered
