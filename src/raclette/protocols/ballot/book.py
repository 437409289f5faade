"""Votes held: one for each voter at each (height, round), the first that was heard.

A second, different vote never counts, and is a proof of guilt together with the first.
"""

from raclette.protocols.ballot.election import Votes
from raclette.protocols.ballot.messages import Vote

# Heights below the head whose votes still count: late ones make a certificate heavier, and so may move the head.
HEIGHTS_KEPT = 8
# Rounds above the highest that anybody reached honestly can be: each costs a timeout of the whole electorate.
ROUNDS_MAX = 64


class Book:
    """See the module."""

    def __init__(self) -> None:
        self._slots: dict[tuple[int, int], dict[bytes, Vote]] = {}

    def votes(self, height: int, round_number: int) -> Votes:
        """Those held, by voter, in the order in which they came."""
        return self._slots.get((height, round_number), {})

    def get(self, height: int, round_number: int, voter: bytes) -> Vote | None:
        """The one that counts."""
        return self._slots.get((height, round_number), {}).get(voter)

    def add(self, vote: Vote) -> None:
        """The voter's first at this place."""
        self._slots.setdefault((vote.height, vote.round), {})[vote.voter] = vote

    def rounds(self, height: int) -> list[int]:
        """Rounds of a height with votes, ascending."""
        return sorted(number for known, number in self._slots if known == height)

    def forget(self, below: int) -> None:
        """Votes for lower heights can change nothing any more."""
        for place in [place for place in self._slots if place[0] < below]:
            del self._slots[place]

    def __len__(self) -> int:
        return sum(map(len, self._slots.values()))
