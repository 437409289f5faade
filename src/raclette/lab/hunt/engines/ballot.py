"""The adapter of ballot."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from raclette.chain.roll import Member
from raclette.engine.contract import Engine, EngineFactory, EngineSetup
from raclette.engine.lightchain import LightChain
from raclette.engine.message import Message
from raclette.lab.hunt.engines.ballot_checks import (
    Agreement,
    Certificates,
    Evidence,
    ForkChoice,
    Honesty,
    Rounds,
    liar_weight,
    quorum_of,
)
from raclette.lab.hunt.engines.ballot_lies import LIES, RETORTS, BallotTrickster
from raclette.lab.hunt.engines.invariants import FinalityKept, Validity
from raclette.lab.hunt.engines.world import Checker, EngineWorld, Replica
from raclette.primitives.errors import Misuse
from raclette.primitives.randomness import Random
from raclette.protocols import find_protocol
from raclette.protocols.ballot.messages import Candidate, Vote
from raclette.protocols.nakamoto.seal import IdealSeal

INITIAL_DIFFICULTY = 1 << 20
# From so many voters on, the heaviest one has a third of the weight at most, which a quorum of two thirds bears.
VOTERS_FOR_A_LIAR = 6
# Windows, and full timeouts, within which a healed world agrees and everything is in.
WINDOWS_TO_SETTLE, ROUNDS_TO_SETTLE = 40, 24
# Quorums, each with the shares of liars that voters may be told to reckon with.
QUORUMS: Mapping[str, Sequence[str]] = {
    "1/3": ("0/1",),
    "1/2": ("0/1",),
    "2/3": ("1/9", "1/3"),
    "3/4": ("1/6", "1/2"),
}


class Ballot:
    """See `adapter.Adapter`."""

    protocol = "ballot"
    kinds = ("candidate", "vote", "ballots", "elected", "question", "sync")
    phases = ("candidate", "vote")
    lies = LIES
    retorts = RETORTS
    seals = True

    def __init__(self) -> None:
        self._roll: tuple[Member, ...] = ()

    def factory(self) -> EngineFactory:
        """With the seal of this world, on a chain whose roll is that of its replicas."""
        protocol, seal, roll = find_protocol("ballot"), IdealSeal(b"world"), self._roll

        def make(setup: EngineSetup) -> Engine:
            if not isinstance(setup.chain, LightChain):
                raise Misuse("the hunt's engines run on light chains")
            setup.chain.roll = roll
            return protocol.make(setup, seal)

        return make

    def draw_parameters(self, random: Random) -> dict[str, Any]:
        quorum = random.choice(tuple(QUORUMS))
        window = random.choice((100, 300, 1_000))
        return {
            "quorum": quorum,
            "faults": random.choice(QUORUMS[quorum]),
            "initial_difficulty": INITIAL_DIFFICULTY,
            "block_interval_s": 1,
            "candidates": random.choice((4, 10, 40)),
            "window_ms": window,
            "claim_bound_ms": random.choice((20, 200)),
            "time_refresh_ms": random.choice((20, 200)),
            "round_ms": 200,
            "round_cap_ms": random.choice((200, 1_600)),
        }

    def parameters(self, drawn: Mapping[str, Any], ids: Sequence[bytes]) -> dict[str, Any]:
        stakes = [100 * (1 + place * 7 % len(ids)) for place in range(len(ids))]
        pairs = zip(ids, stakes, strict=True)
        self._roll = tuple(sorted(Member(node, node[:20], stake) for node, stake in pairs))
        return dict(drawn)

    def unit_ms(self, drawn: Mapping[str, Any]) -> int:
        return int(drawn["window_ms"]) + int(drawn["round_ms"])

    def power(self, parameters: Mapping[str, Any], nodes: int) -> Sequence[int]:
        return [max(1, parameters["initial_difficulty"] // parameters["block_interval_s"] // nodes)] * nodes

    def liars_max(self, nodes: int) -> int:
        return 1 if nodes >= VOTERS_FOR_A_LIAR else 0

    def checkers(self) -> list[Checker]:
        return [Agreement(), FinalityKept(), Validity(), Certificates(), ForkChoice(), Honesty(), Rounds(), Evidence()]

    def trickster(self, replica: Replica, random: Random) -> BallotTrickster:
        return BallotTrickster(replica, random)

    def round_of(self, message: Message) -> int | None:
        """The height."""
        if isinstance(message, Vote):
            return message.height
        return message.header.number if isinstance(message, Candidate) else None

    def greeting(self, replica: Replica) -> Message | None:
        """The head, as sync would learn of it. A liar offers nothing."""
        block = replica.chain.block(replica.chain.head.hash)
        if block is None or not block.number or not replica.honest:
            return None
        certificate = replica.chain.certificate(block.parent_hash)
        told: Candidate = replica.engine.core.codec.make_candidate(block.header, certificate)
        return told.with_block(block)

    def promises_progress(self, world: EngineWorld) -> bool:
        """spec/ballot.md, "What is known about progress"."""
        quorum, faults, lying = quorum_of(world), Fraction(world.parameters["faults"]), liar_weight(world)
        if 2 * quorum < 1:
            return lying < 1 - quorum
        return 3 * faults <= 2 * quorum - 1 and lying <= faults and lying < 1 - quorum

    def unsettled(self, world: EngineWorld) -> str:
        if not self.promises_progress(world):
            return ""
        heads = {replica.chain.head.hash for replica in world.alive}
        missing = sum(1 for tx in world.submitted if any(tx not in replica.chain.included for replica in world.alive))
        if not missing and len({replica.chain.head.number for replica in world.alive}) > 1:
            return ""  # a new block is on its way
        if len(heads) > 1:
            return f"{len(heads)} different heads"
        return f"{missing} transactions are not executed everywhere" if missing else ""

    def patience_ms(self, world: EngineWorld) -> int:
        parameters = world.parameters
        pace: int = parameters["window_ms"] + parameters["claim_bound_ms"] + 1_000
        rounds: int = ROUNDS_TO_SETTLE * parameters["round_cap_ms"]
        return WINDOWS_TO_SETTLE * pace + rounds

    def finish(self, world: EngineWorld) -> None:
        """Nothing that was not asked for before."""

    def tally(self, world: EngineWorld) -> dict[str, int]:
        status = [replica.engine.status() for replica in world.replicas]
        return {
            "blocks": max((replica.chain.head.number for replica in world.replicas), default=0),
            "final": max((replica.height for replica in world.replicas), default=0),
            "reorganisations": sum(int(one["reorganisations"]) for one in status),
            "repeated-votes": world.messages["ballots"],
            "questions": world.messages["question"],
            "evidence": sum(bool(effect.evidence) for _, effect in world.accusations),
            "accusations": len(world.accusations),
        }
