"""What the parts of the engine share: the time, the answer that is being made, and the few things all of them know."""

from raclette.engine.contract import EngineSetup
from raclette.engine.effects import Accuse, Effect
from raclette.primitives.signing import Claim
from raclette.protocols.hybrid.parameters import Parameters


class Core:
    """See the module."""

    def __init__(self, setup: EngineSetup, parameters: Parameters) -> None:
        self.setup = setup
        self.parameters = parameters
        self.chain = setup.chain
        self.me = setup.signer.public_key
        self.now = 0
        self._effects: list[Effect] = []

    def emit(self, *effects: Effect) -> None:
        """Append to this event's answer."""
        self._effects += effects

    def take_effects(self) -> tuple[Effect, ...]:
        """The answer, which is then empty again."""
        effects = tuple(self._effects)
        self._effects.clear()
        return effects

    def accuse(self, peer: bytes | None, reason: str, evidence: bytes = b"") -> None:
        """A peer, if there is one to blame."""
        if peer is not None and peer != self.me:
            self.emit(Accuse(peer, reason, evidence))

    def sign(self, digest: bytes) -> Claim:
        """Our claim over `digest`."""
        return Claim(self.me, digest, self.setup.signer.sign(digest))
