"""What the parts of the engine share: the time, the answer that is being made, and the few things all of them know."""

from raclette.engine.contract import EngineSetup
from raclette.engine.effects import Accuse
from raclette.primitives.units import SECOND
from raclette.protocols.core import EngineCore
from raclette.protocols.hybrid.parameters import Parameters

# Answers to one peer within a second: pages of 64 KiB, or blocks.
ANSWERS_MAX = 32
# Peers whose answers are counted.
PEERS_MAX = 1_024


class Core(EngineCore):
    """See the module."""

    def __init__(self, setup: EngineSetup, parameters: Parameters) -> None:
        super().__init__(setup)
        self.setup = setup
        self.parameters = parameters
        self.me = self.node_id
        # peer -> (second, answers given in it).
        self._answers: dict[bytes, tuple[int, int]] = {}

    def accuse(self, peer: bytes | None, reason: str, evidence: bytes = b"") -> None:
        """A peer, if there is one to blame."""
        if peer is not None and peer != self.me:
            self.emit(Accuse(peer, reason, evidence))

    def may_answer(self, peer: bytes) -> bool:
        """HYB-50: may a question of this peer cost us one more answer now?"""
        second = self.now // SECOND
        before, given = self._answers.pop(peer, (second, 0))
        given = given + 1 if before == second else 1
        self._answers[peer] = (second, given)
        if len(self._answers) > PEERS_MAX:
            del self._answers[next(iter(self._answers))]
        return given <= ANSWERS_MAX
