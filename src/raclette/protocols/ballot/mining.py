"""Mining: one candidate a head, sealed at low difficulty.

A candidate is renewed every `time_refresh_ms`, so that its claimed time is about that of its discovery and its
transactions are fresh. Once one is sealed the miner rests until there is another head: the earliest candidate wins, and
a second one of the same miner is never the earlier.
"""

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.contract import Draft, EngineSetup
from raclette.engine.effects import CancelTimer, Effect, Seal, SetTimer, StopSealing
from raclette.primitives.hashing import sha256
from raclette.primitives.units import MILLISECOND
from raclette.protocols.ballot.parameters import Parameters
from raclette.protocols.ballot.rules import MS_PER_S, claimed_ms, extra_data, target_of

MINE = "ballot/mine"
# Wait before building on a new head: lets the chain adopt it, and a burst of blocks from sync pass.
SETTLE_NS = 2 * MILLISECOND
# A nonce may arrive for a candidate that was renewed while it travelled.
DRAFTS_MAX = 4


class Mining:
    """One node's candidates."""

    def __init__(self, setup: EngineSetup, parameters: Parameters) -> None:
        self._chain = setup.chain
        self._beneficiary = setup.beneficiary
        self._node_id = setup.signer.public_key
        self._parameters = parameters
        self._drafts: list[Block] = []
        self._head: bytes | None = None
        self._done = False

    def on_head(self) -> tuple[Effect, ...]:
        """Another head: what was searched for is worth nothing."""
        self._drafts.clear()
        self._head, self._done = None, False
        return (StopSealing(), SetTimer(MINE, SETTLE_NS))

    def start(self, now: int, head: Header) -> list[Effect]:
        """BAL-10: a (new) candidate on `head`, unless one is sealed, or it would be empty and may not."""
        if head.hash != self._head:
            self._drafts.clear()
            self._head, self._done = head.hash, False
        parameters = self._parameters
        if self._done:
            return []
        if not parameters.mine_empty and not self._chain.has_pending(head):
            self._drafts.clear()
            return [StopSealing(), CancelTimer(MINE)]
        claimed = max(now // MILLISECOND, claimed_ms(head) + 1)
        early = claimed - parameters.future_limit_ms - now // MILLISECOND
        if early > 0:
            return [StopSealing(), SetTimer(MINE, early * MILLISECOND)]
        block = self._chain.build(
            head,
            Draft(
                claimed // MS_PER_S,
                self._beneficiary,
                parameters.difficulty,
                extra_data(self._node_id, claimed),
                transactions_max=parameters.transactions_max,
                sample=parameters.sample,
                sample_seed=self._seed(head),
            ),
        )
        self._drafts.append(block)
        del self._drafts[:-DRAFTS_MAX]
        refresh = SetTimer(MINE, parameters.time_refresh_ms * MILLISECOND)
        return [Seal(block.header, target_of(parameters.difficulty)), refresh]

    def on_pending(self, now: int, head: Header) -> list[Effect]:
        """Transactions wait: a miner that had nothing to seal begins."""
        return [] if self._drafts or self._done else self.start(now, head)

    def found(self, sealed: Header) -> Block | None:
        """The candidate that `sealed` completes; None if it is not ours or no longer wanted."""
        for draft in self._drafts:
            if draft.header.prehash == sealed.prehash:
                self._drafts.clear()
                self._done = True
                return Block(sealed, draft.transactions)
        return None

    def _seed(self, head: Header) -> int:
        """BAL-11: of the lottery: each miner draws others, and the same ones on the same head."""
        return int.from_bytes(sha256(head.hash + self._node_id)[:8], "big")
