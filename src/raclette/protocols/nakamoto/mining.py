"""Mining: what to search a nonce for, and when to search for something else.

A candidate is a block on the head without its nonce. A new head replaces it at once; new transactions replace it at
most every `refresh_ms`; and every `time_refresh_ms` it gets a new timestamp. A search has no memory, so replacing a
candidate costs nothing but the building.
"""

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.contract import Draft, EngineSetup
from raclette.engine.effects import CancelTimer, Effect, Seal, SetTimer, StopSealing
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.protocols.nakamoto.difficulty import DifficultyRule
from raclette.protocols.nakamoto.parameters import Parameters
from raclette.protocols.nakamoto.rules import median_time_past
from raclette.protocols.nakamoto.seal import target_of

MINE = "nakamoto/mine"
REFRESH = "nakamoto/refresh"
# A nonce may arrive for a candidate that was replaced while it travelled; older ones are not worth remembering.
CANDIDATES_MAX = 4
# No search and no renewal. Effects are values: the same ones serve every time.
STOP: tuple[Effect, ...] = (StopSealing(), CancelTimer(REFRESH))
# Bytes of the node's id in the extra data: miners that share a beneficiary still search different headers.
TAG_BYTES = 8


class Mining:
    """One node's candidates."""

    def __init__(self, setup: EngineSetup, parameters: Parameters, rule: DifficultyRule) -> None:
        self._chain = setup.chain
        self._beneficiary = setup.beneficiary
        self._tag = setup.signer.public_key[:TAG_BYTES]
        self._parameters = parameters
        self._rule = rule
        self._refresh = parameters.refresh_ms * MILLISECOND
        self._time_refresh = parameters.time_refresh_ms * MILLISECOND
        self._candidates: list[Block] = []
        self._renew = SetTimer(REFRESH, self._time_refresh)
        self._head: bytes | None = None
        self._built_at = 0
        self._refresh_at: int | None = None
        # Does the next candidate wait for its time to come (NAK-24)?
        self.waits = False

    @property
    def active(self) -> bool:
        """Is a search on?"""
        return bool(self._candidates)

    def start(self, now: int, head: Header) -> list[Effect]:
        """A (new) candidate on `head`, or none while its time has not come or it would be empty and may not."""
        if head.hash != self._head:
            self._candidates.clear()
            self._head = head.hash
        self.waits = False
        if not self._parameters.mine_empty and not self._chain.has_pending(head):  # NAK-26
            self._candidates.clear()
            self._refresh_at = None
            return list(STOP)
        timestamp = max(now // SECOND, median_time_past(head, self._chain.header) + 1)  # NAK-24
        opens_at = (timestamp - self._parameters.future_limit_s) * SECOND
        if opens_at > now:
            self.waits = True
            return [StopSealing(), SetTimer(MINE, opens_at - now)]
        difficulty = self._rule.after(head)
        block = self._chain.build(head, Draft(timestamp, self._beneficiary, difficulty, self._tag))
        self._candidates.append(block)
        if len(self._candidates) > CANDIDATES_MAX:
            del self._candidates[0]
        self._built_at, self._refresh_at = now, now + self._time_refresh
        return [Seal(block.header, target_of(difficulty)), self._renew]

    def on_pending(self, now: int) -> list[Effect]:
        """Transactions wait: renew the candidate as soon as the last one is `refresh_ms` old (NAK-26)."""
        if self._head is None:
            return []
        due = max(self._built_at + self._refresh, now) if self._candidates else now
        if self._refresh_at is not None and self._refresh_at <= due:
            return []
        self._refresh_at = due
        return [SetTimer(REFRESH, due - now)]

    def stop(self) -> tuple[Effect, ...]:
        """The head moved: no more work on the old one (NAK-25)."""
        self._candidates.clear()
        self._head = self._refresh_at = None
        self.waits = False
        return STOP

    def found(self, sealed: Header) -> Block | None:
        """The candidate that `sealed` completes, or None if it is not ours or no longer wanted."""
        for candidate in self._candidates:
            if candidate.header.prehash == sealed.prehash:
                return Block(sealed, candidate.transactions)
        return None
