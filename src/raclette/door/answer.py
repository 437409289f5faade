"""What a chain says to something that it is given."""

from dataclasses import dataclass, field
from enum import StrEnum

from raclette.primitives.errors import NotYet, PeerFault, Refused, UnknownParent


class Status(StrEnum):
    """ACCEPTED: taken (or known already). RETRY: not now, and for no fault of what was given. INVALID: never."""

    ACCEPTED = "accepted"
    RETRY = "retry"
    INVALID = "invalid"


# Refusals that may pass: a pool that is full, a node that is just stopping.
_PASSING = frozenset({"pool-full", "account-limit", "node-stopping", "node-failed"})


@dataclass(frozen=True, slots=True)
class Answer:
    """True if accepted. `reason` says why not; `hash` (32 bytes) names what was given: a transaction or a block."""

    status: Status
    reason: str = ""
    hash: bytes = field(default=b"", repr=False)

    def __bool__(self) -> bool:
        return self.status is Status.ACCEPTED

    @classmethod
    def refused(cls, refusal: Refused, transaction_hash: bytes = b"") -> "Answer":
        """To a transaction that was not taken. What waits already is accepted."""
        if refusal.reason == "already-known":
            return cls(Status.ACCEPTED, refusal.reason, transaction_hash)
        status = Status.RETRY if refusal.reason in _PASSING else Status.INVALID
        return cls(status, f"{refusal.reason}: {refusal}", transaction_hash)

    @classmethod
    def fault(cls, fault: PeerFault, block_hash: bytes = b"") -> "Answer":
        """To a block that broke a rule, or whose time or parent has not come."""
        passing = isinstance(fault, NotYet | UnknownParent)
        return cls(Status.RETRY if passing else Status.INVALID, str(fault), block_hash)
