"""The three kinds of wrong, and nothing else.

A *peer* (or user) broke the rules: count it, score it, go on. The *caller* misused us: tell the programmer.
The *store* is damaged: stop, never guess. Safety invariants raise `InvariantBroken` explicitly, because
`python -O` removes asserts.
"""


class RacletteError(Exception):
    """Root of every error Raclette raises on purpose."""


class PeerFault(RacletteError):
    """Bytes or behaviour from outside broke a rule. Carrying on is always possible.

    `reason` is a short stable slug ("bad-signature", "frame-too-large") that metrics and scores count by;
    the message says what and where for a person.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class DecodeError(PeerFault):
    """Bytes that do not decode: truncated, too deep, too large, not canonical."""


class InvalidHeader(PeerFault):
    """A header that no honest node would have made."""


class NotYet(InvalidHeader):
    """A header whose time has not come by this node's clock. No fault of anybody: keep it, or meet it again later."""


class InvalidBlock(PeerFault):
    """A block whose content does not match its header or breaks the ledger's rules."""


class UnknownParent(InvalidBlock):
    """A block on a parent that this node does not have (yet)."""


class InvalidCertificate(PeerFault):
    """A certificate without a quorum of distinct, entitled, correctly signed votes."""


class Refused(RacletteError):
    """A transaction that was not taken. `reason` is the slug; the message carries the values."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(detail or reason)
        self.reason = reason
        self.detail = detail


class Misuse(RacletteError, ValueError):
    """The caller passed something that can never work."""


class ConfigError(Misuse):
    """A configuration value that cannot be used; the message names its path and what is accepted."""


class StoreDamaged(RacletteError):
    """What is on disk is not what was written. Names the table and key."""


class StoreRefused(RacletteError):
    """The database is whole but not ours to open: other chain, newer format, or locked."""


class InvariantBroken(RacletteError):
    """A safety property failed inside this process: a bug of ours. Never caught."""
