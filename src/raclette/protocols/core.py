"""What the cores of engines have in common. A core is the state that the parts of an engine share, and the few things
that each of them does with it: sign, persist, speak, ask for a block.

`EngineCore` serves every engine; `FinalisingCore` those that make one block final after the other, and keep the bodies
of those that are not yet; `CommitteeCore` those of them whose replicas stand in genesis.
"""

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.contract import EngineSetup
from raclette.engine.effects import Accuse, Broadcast, Effect, Fetch, Persist
from raclette.engine.message import Message
from raclette.primitives.signing import Claim
from raclette.protocols.committee import Committee
from raclette.protocols.records import BODY

# Blocks that an engine asks for and waits for at once: the one that it builds on and the one that was decided, and room
# for one more of each.
WANTED_MAX = 4


class EngineCore:
    """`now` is the time of the event at hand, in nanoseconds; effects gather until `take_effects`."""

    def __init__(self, setup: EngineSetup) -> None:
        self.chain = setup.chain
        self.signer = setup.signer
        self.now = 0
        self._effects: list[Effect] = []

    @property
    def node_id(self) -> bytes:
        """Our own."""
        return self.signer.public_key

    def emit(self, *effects: Effect) -> None:
        """Append to this event's answer."""
        self._effects += effects

    def take_effects(self) -> tuple[Effect, ...]:
        """The answer, which is then empty again."""
        effects = tuple(self._effects)
        self._effects.clear()
        return effects

    def sign(self, digest: bytes) -> Claim:
        """Our claim over `digest`."""
        return Claim(self.node_id, digest, self.signer.sign(digest))


class FinalisingCore(EngineCore):
    """`final` is the last final block."""

    def __init__(self, setup: EngineSetup) -> None:
        super().__init__(setup)
        self.beneficiary = setup.beneficiary
        self.final = setup.chain.finalized
        # hash -> peer we asked last.
        self.wanted: dict[bytes, bytes] = {}
        # hash -> place (in the engine's order of things) of the unfinal blocks whose bodies are among our records.
        self.bodies: dict[bytes, int] = {}
        self._forgotten: list[bytes] = []

    def broadcast(self, message: Message) -> None:
        """To all who take part."""
        self.emit(Broadcast(message))

    def persist(self, key: bytes, value: bytes) -> None:
        """Before the message that depends on it. Forgetting old records rides along with the next one."""
        for old in self._forgotten:
            self.emit(Persist(old, None))
        self._forgotten.clear()
        self.emit(Persist(key, value))

    def forget(self, key: bytes) -> None:
        """A record that nothing depends on any more."""
        self._forgotten.append(key)

    def persist_body(self, block: Block, place: int) -> None:
        """Once per block."""
        if block.hash not in self.bodies:
            self.bodies[block.hash] = place
            self.persist(BODY + block.hash, block.encoded)

    def forget_body(self, block_hash: bytes) -> None:
        """The chain keeps it now, or nobody can need it from us."""
        if self.bodies.pop(block_hash, None) is not None:
            self.forget(BODY + block_hash)

    def forget_bodies(self, last: int) -> None:
        """All up to this place."""
        for block_hash in [known for known, place in self.bodies.items() if place <= last]:
            self.forget_body(block_hash)

    def want(self, block_hash: bytes, peer: bytes) -> None:
        """Ask `peer` for a block, once; others are asked when time passes."""
        if block_hash in self.wanted or peer == self.node_id:
            return
        while len(self.wanted) >= WANTED_MAX:
            self.wanted.pop(next(iter(self.wanted)))
        self.wanted[block_hash] = peer
        self.emit(Fetch(peer, block_hash))


class CommitteeCore(FinalisingCore):
    """`me` is our number among the replicas: None without a vote (no validator, or told to watch), for then a node only
    follows certificates. `start` is the number of the block that we start from; nothing at or below it is ours to vote
    on. `frame` is the engine around this one."""

    def __init__(self, setup: EngineSetup, committee: Committee) -> None:
        super().__init__(setup)
        self.committee = committee
        number = committee.numbers.get(self.node_id)
        self.me: int | None = number if setup.active else None
        self.start = setup.chain.genesis.number
        self.frame = setup.frame
        self._asked = 0

    def accuse(self, sender: int, reason: str, evidence: bytes = b"") -> None:
        """A replica, by number."""
        self.emit(Accuse(self.committee.ids[sender], reason, evidence))

    def ask_again(self) -> None:
        """For all that we wait for: one replica after the other, whoever was asked first."""
        ids = self.committee.ids
        for block_hash in list(self.wanted):
            self._asked += 1
            if ids[self._asked % len(ids)] == self.node_id:
                self._asked += 1
            peer = self.wanted[block_hash] = ids[self._asked % len(ids)]
            self.emit(Fetch(peer, block_hash))

    def path_from_final(self, header: Header) -> list[Header] | None:
        """Headers after `final` up to `header`, oldest first; None if `header` does not descend from it (or an
        ancestor is not at hand)."""
        path: list[Header] = []
        step: Header | None = header
        while step is not None and step.number > self.final.number:
            path.append(step)
            step = self.chain.header(step.parent_hash)
        if step is None or step.hash != self.final.hash:
            return None
        path.reverse()
        return path
