"""Proof-of-work candidates, stake-weighted vote: miners propose, those who own something choose.

Source: the course project "hybrid consensus", as our own description puts it; there is no paper. In each height miners
seal candidates at low difficulty; after a window every voter on the roll signs one vote; the candidate with most weight
is elected, and its votes are its certificate. The rules are numbered in `spec/ballot.md`; code cites them as BAL-1,
BAL-2...

Files: `weights` (who votes, and how much that weighs), `rules` (what a candidate must satisfy), `mining`, `book` (votes
held), `election` (what votes decide), `certificate` (votes as a proof), `tree` (fork choice by accumulated weight),
`evidence` (of two votes in one place), `messages`, `codec`, `records` (what survives a crash), `engine` (the machine
that joins them).

Deviations from the first design: the claimed time has milliseconds and counts only as far as the receiver's own clock
bears it out; from a quorum of one half on, the elected candidate itself must have more than the quorum of the weight,
because no rule about turnout alone makes certificates unique; and a vote that splits there is repeated in rounds, which
open by proof.
"""

from raclette.protocols.ballot.engine import Ballot, make_engine
from raclette.protocols.ballot.parameters import Parameters

__all__ = ["Ballot", "Parameters", "make_engine"]
