"""Helping who is behind: a replica says where it stands, and whoever sees what it lacks sends exactly that.

Retransmission by status, as in the BFT library of Castro's thesis (2001, section 5.2).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from raclette.chain.header import Header
from raclette.engine.effects import Send
from raclette.engine.message import Message
from raclette.primitives.errors import InvalidCertificate
from raclette.primitives.signing import Claim
from raclette.protocols.core import CommitteeCore
from raclette.protocols.decided import Decided

StatusT = TypeVar("StatusT")
DecidedT = TypeVar("DecidedT", bound=Decided)


class Helping(ABC, Generic[StatusT]):
    """Answers to statuses, at most one for each replica in half a `period` (ns)."""

    def __init__(self, core: CommitteeCore, period: int) -> None:
        self.period = period
        self._core = core
        # replica -> when we last answered its status.
        self._helped: dict[int, int] = {}

    @abstractmethod
    def answers(self, status: StatusT, me: int) -> Sequence[Message]:
        """What the replica lacks and we have; `me` is our number."""

    def on_status(self, peer: bytes, status: StatusT) -> None:
        """Send what this replica lacks and we have."""
        core = self._core
        sender = core.committee.numbers.get(peer)
        if core.me is None or sender is None or sender == core.me:
            return
        if core.now - self._helped.get(sender, -self.period) < self.period // 2:
            return
        self._helped[sender] = core.now
        for message in self.answers(status, core.me):
            core.emit(Send(peer, message))

    def decided(
        self, make: type[DecidedT], finality_claims: Callable[[Header, bytes], tuple[Claim, ...]]
    ) -> DecidedT | None:
        """Our last final block with its proof, if both are at hand."""
        core = self._core
        if core.final.number == core.start:
            return None
        certificate = core.chain.certificate(core.final.hash)
        block = core.chain.block(core.final.hash)
        if not certificate or block is None:
            return None
        try:
            return make(core.final, certificate, finality_claims(core.final, certificate), block)
        except InvalidCertificate:
            return None
