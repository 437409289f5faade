"""What the parts of a ballot engine share: the chain, the register at a block, effects, refusals.

The parts (`polls`, `voter`, `mining`) know one `Core` and otherwise only what they are given.
"""

from raclette.chain.header import Header
from raclette.engine.contract import EngineSetup
from raclette.engine.effects import Accuse
from raclette.primitives.errors import Misuse
from raclette.primitives.units import MILLISECOND
from raclette.protocols.ballot.codec import Codec
from raclette.protocols.ballot.messages import Vote
from raclette.protocols.ballot.parameters import Parameters
from raclette.protocols.ballot.weights import Register, register_of
from raclette.protocols.core import EngineCore

# Registers at hand: one for each block that is voted on now, forks among them.
REGISTERS_MAX = 32


class Core(EngineCore):
    """See the module. `now` is the time of the event at hand (ns)."""

    def __init__(self, setup: EngineSetup, parameters: Parameters) -> None:
        super().__init__(setup)
        self.parameters = parameters
        self.active = setup.active
        self.codec = Codec(setup.chain.chain_id)
        self.needed = parameters.needed
        self.liars = parameters.liars
        self.final = setup.chain.finalized.number
        # Messages refused since the start, by reason.
        self.refused: dict[str, int] = {}
        self._registers: dict[bytes, Register] = {}

    @property
    def now_ms(self) -> int:
        """The time of the event at hand, in milliseconds."""
        return self.now // MILLISECOND

    def refuse(self, peer: bytes | None, reason: str, *, blame: bool = True) -> None:
        """Count a refusal; `blame` the peer for it, if it is a peer's."""
        self.refused[reason] = self.refused.get(reason, 0) + 1
        if blame and peer is not None:
            self.emit(Accuse(peer, reason))

    def own_vote(self, height: int, round_number: int, block_hash: bytes) -> Vote:
        """Signed by us: the same bytes each time it is made, for signatures are deterministic."""
        unsigned = self.codec.make_vote(height, round_number, block_hash, self.node_id, b"")
        signature = self.signer.sign(unsigned.claim.digest)
        return self.codec.make_vote(height, round_number, block_hash, self.node_id, signature)

    def register(self, header: Header) -> Register | None:
        """BAL-1: who votes on the children of `header`; None if its state is no longer kept."""
        known = self._registers.get(header.hash)
        if known is None:
            try:
                known = register_of(self.chain.members(header.hash))
            except Misuse:
                return None
            if len(self._registers) >= REGISTERS_MAX:
                del self._registers[next(iter(self._registers))]
            self._registers[header.hash] = known
        return known
