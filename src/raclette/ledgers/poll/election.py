"""What an election is: a question, choices, and when what may be done.

Heights divide its life; a ballot counts if its block is in the right part.

    height    < opens     < closes     < reveals
    open      pending  |  voting    |  closed
    secret    pending  |  voting    |  revealing  |  closed

In an open election a ballot is a choice. In a secret one it is a *commitment*, the hash of chain, election, voter,
choice and a random salt, which says nothing to others; when voting has closed, voters reveal choice and salt, and what
is not revealed in time does not count. Nobody learns how the others voted while it could still matter to them. After
that everybody does: the secrecy is the ballot box's, not the voter's.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from raclette.ledgers.poll.limits import CHOICE_BYTES_MAX, CHOICES_MAX, NEVER, QUESTION_BYTES_MAX
from raclette.primitives.errors import Refused
from raclette.primitives.hashing import keccak256

PENDING, VOTING, REVEALING, CLOSED = "pending", "voting", "revealing", "closed"
NAME_RULE = "1 to 32 of a-z, 0-9 and -, beginning with a letter or digit"
_NAME = re.compile(rb"[a-z0-9][a-z0-9-]{0,31}")


class Election(NamedTuple):
    """Heights as above; `reveals` is 0 for an open election. `organiser` (an address) may enrol voters, nobody may if
    it is empty."""

    name: bytes
    question: bytes
    choices: tuple[bytes, ...]
    opens: int
    closes: int
    reveals: int
    organiser: bytes

    @property
    def is_secret(self) -> bool:
        """By commit and reveal?"""
        return self.reveals > 0

    def phase(self, height: int) -> str:
        """What a block at `height` may do."""
        if height < self.opens:
            return PENDING
        if height < self.closes:
            return VOTING
        return REVEALING if height < self.reveals else CLOSED


def check_election(election: Election) -> Election:
    """The same. Raises Refused if it makes no sense."""
    if not _NAME.fullmatch(election.name):
        raise Refused("bad-election", f"an election's name is {NAME_RULE}, not {election.name[:40]!r}")
    _check_text(election.question, QUESTION_BYTES_MAX, "a question")
    if not 2 <= len(election.choices) <= CHOICES_MAX:
        raise Refused("bad-election", f"{len(election.choices)} choices; accepted are 2 to {CHOICES_MAX}")
    for choice in election.choices:
        _check_text(choice, CHOICE_BYTES_MAX, "a choice")
    if len(set(election.choices)) < len(election.choices):
        raise Refused("bad-election", "a choice stands twice")
    if not 0 <= election.opens < election.closes <= NEVER:
        raise Refused("bad-election", f"it opens at height {election.opens} and closes at {election.closes}")
    if election.reveals and not election.closes < election.reveals <= NEVER:
        raise Refused("bad-election", f"it closes at height {election.closes} and reveals end at {election.reveals}")
    return election


def _check_text(text: bytes, most: int, what: str) -> None:
    try:
        readable = text.decode().isprintable()
    except UnicodeDecodeError:
        readable = False
    if not readable or not 0 < len(text) <= most:
        raise Refused("bad-election", f"{what} is 1 to {most} bytes of printable text")


def commitment(chain_id: int, election: bytes, voter: bytes, choice: int, salt: bytes) -> bytes:
    """What a voter commits to: 32 bytes. All parts but the name have a fixed width, and the name is hashed alone."""
    return keccak256(b"raclette/poll" + chain_id.to_bytes(8) + keccak256(election) + voter + choice.to_bytes(4) + salt)


def winners(choices: Sequence[bytes], counts: Sequence[int]) -> list[str]:
    """The choices with the most votes, several in a draw; none if nobody voted."""
    best = max(counts)
    return [choice.decode() for choice, count in zip(choices, counts, strict=True) if count == best and best]
