"""Elections: enrolled voters, one vote each, open or secret until closed."""

from raclette.ledgers.poll.actions import POLL_ADDRESS, Commit, Enrol, Open, Reveal, Vote, encode_action, sign_action
from raclette.ledgers.poll.election import Election, commitment
from raclette.ledgers.poll.poll import Poll
from raclette.ledgers.poll.samples import sample_actions, sample_elections

__all__ = [
    "POLL_ADDRESS",
    "Commit",
    "Election",
    "Enrol",
    "Open",
    "Poll",
    "Reveal",
    "Vote",
    "commitment",
    "encode_action",
    "sample_actions",
    "sample_elections",
    "sign_action",
]
