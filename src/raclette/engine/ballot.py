"""Votes that count only together: what lets a host count them for an engine.

In a committee of n every vote reaches everybody, so a decision costs n * (n - 1) deliveries in each phase, of which
the engine needs to act on one: that which completes a quorum. A host may therefore count equal votes itself and wake
the engine with `Gathered` (see `events`) when there are enough. What it hands over are the signed votes themselves, so
the engine files and judges each by the same rules as a vote that comes alone, and has them at hand for certificates.

An engine that wants this offers `ballot(message)` (`CountsVotes`). It depends on the message and on genesis alone, so
that a host may ask once for a message and not at every node. A host that counts promises:

- of each author at each place, only the first statement is counted; every other is handed over alone at once, behind
  the first, so that contradictions are seen;
- a node's own votes count from the moment it sends them;
- when the count of equal statements reaches a number in `acts_at`, the engine is woken at once with all that wait;
- votes that wait are handed over before the next `TimerFired`, whatever their number: patience never runs out on
  something that is there;
- the only votes never handed over are those that can no longer change anything (`useless_from`, `spent_from`).

A host may also ignore all this and deliver every vote as it comes. The engine must be right either way.
"""

from collections.abc import Hashable
from typing import NamedTuple, Protocol, runtime_checkable

from raclette.engine.message import Message


class Ballot(NamedTuple):
    """What a message is as a vote.

    `place` is where an author may say one thing (phase, view, height); `statement` is what it says there: votes add up
    if both are equal. `author` (node id) must be among the message's claims. `acts_at` are the numbers of distinct
    authors, ascending, the node itself included, at which the engine may do something that it does not do for fewer.

    Once a block of number `useless_from` is final at a node, no vote at this place can change anything there; once one
    of number `spent_from` is, and the last number in `acts_at` was reached, more votes cannot. Both are the same for
    all votes of a place. `alone` is True for a message that says more than the vote in it and must be delivered as
    soon as it comes.
    """

    place: Hashable
    statement: bytes
    author: bytes
    acts_at: tuple[int, ...]
    useless_from: int
    spent_from: int
    alone: bool = False


@runtime_checkable
class CountsVotes(Protocol):
    """An engine that lets its host count."""

    def ballot(self, message: Message) -> Ballot | None:
        """What `message` is as a vote; None if it is none. The same at every node, whatever its state."""


__all__ = ["Ballot", "CountsVotes"]
