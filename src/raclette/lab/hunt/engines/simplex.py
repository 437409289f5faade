"""The adapter of Simplex."""

from collections.abc import Mapping, Sequence
from typing import Any

from raclette.engine.contract import EngineFactory
from raclette.engine.message import Message
from raclette.lab.hunt.engines.invariants import Agreement, FinalityKept, Validity
from raclette.lab.hunt.engines.simplex_checks import Certificates, Evidence, Honesty, Memory
from raclette.lab.hunt.engines.simplex_lies import LIES, RETORTS, SimplexTrickster
from raclette.lab.hunt.engines.world import Checker, EngineWorld, Replica, Violation
from raclette.primitives.randomness import Random
from raclette.protocols import find_protocol
from raclette.protocols.simplex.messages import Proposal, Vote
from raclette.protocols.simplex.timers import PATIENCE

# A healed world is settled within this many full iterations: one for each bad leader in a row, one under way when it
# healed, one for timers that run apart, and one to fetch and order what was left.
ROUNDS_TO_SETTLE = 4
# Blocks in calm after which Delta must be back at its base: each final block halves it (SIM-56).
CALM_BLOCKS = 10
CALM_STEP_MS = 120


class Simplex:
    """See `adapter.Adapter`."""

    protocol = "simplex"
    kinds = ("proposal", "vote", "dummy", "finalize", "notarization", "finalized", "status", "sync")
    phases = ("proposal", "vote", "dummy", "finalize")
    lies = LIES
    retorts = RETORTS
    seals = False

    def factory(self) -> EngineFactory:
        return find_protocol("simplex").make

    def draw_parameters(self, random: Random) -> dict[str, Any]:
        delta = random.choice((40, 100, 100, 300))
        return {
            "delta_ms": delta,
            "delta_cap_ms": delta * random.choice((4, 16)),
            "window": random.choice((4, 16, 64)),
        }

    def parameters(self, drawn: Mapping[str, Any], ids: Sequence[bytes]) -> dict[str, Any]:
        return {**drawn, "validators": ["0x" + node_id.hex() for node_id in ids]}

    def unit_ms(self, drawn: Mapping[str, Any]) -> int:
        return PATIENCE * int(drawn["delta_ms"])

    def power(self, parameters: Mapping[str, Any], nodes: int) -> Sequence[int]:
        return ()

    def liars_max(self, nodes: int) -> int:
        return (nodes - 1) // 3

    def checkers(self) -> list[Checker]:
        return [Agreement(), FinalityKept(), Validity(), Certificates(), Honesty(), Evidence(), Memory()]

    def trickster(self, replica: Replica, random: Random) -> SimplexTrickster:
        return SimplexTrickster(replica, random)

    def round_of(self, message: Message) -> int | None:
        """The iteration of what is said in one; certificates and status pass everywhere."""
        return message.iteration if isinstance(message, Vote | Proposal) else None

    def greeting(self, replica: Replica) -> Message | None:
        return None

    def unsettled(self, world: EngineWorld) -> str:
        """Of everybody; beside liars, of those with a vote: the leader who announces a block (SIM-48) may lie, and an
        observer that misses the announcement needs the sync that is not here."""
        voters = [replica for replica in world.alive if replica.number < len(world.ids)]
        followers = voters if world.liars else world.alive
        missing = sum(1 for tx in world.submitted if any(tx not in replica.chain.included for replica in followers))
        if not missing:
            return ""
        states = [
            f"{replica.name} iteration {replica.engine.core.iteration} final {replica.height}" for replica in followers
        ]
        return f"{missing} transactions are not executed everywhere: {', '.join(states)}"

    def patience_ms(self, world: EngineWorld) -> int:
        """Bounded by the capped Delta and the liars' number."""
        cap: int = world.parameters["delta_cap_ms"]
        return (self.liars_max(len(world.ids)) + ROUNDS_TO_SETTLE) * (PATIENCE + 1) * cap + 2_000

    def finish(self, world: EngineWorld) -> None:
        """Calm: Delta comes back to its base, and the log moves on."""
        if world.liars:
            return
        for step in range(CALM_BLOCKS):
            world.submit(b"calm %d" % step)
            world.run_for(CALM_STEP_MS)
        if not world.run_until(lambda: not self.unsettled(world), self.patience_ms(world)):
            raise Violation("liveness", f"in a calm world: {self.unsettled(world)}")
        base: int = world.parameters["delta_ms"]
        for replica in world.alive:
            status = replica.engine.status()
            if status["delta_ms"] != base and status["final"] > CALM_BLOCKS:
                detail = f"{replica.name} still takes {status['delta_ms']} ms for Delta, base {base} ms"
                raise Violation("bounded-views", detail, replica.number)

    def tally(self, world: EngineWorld) -> dict[str, int]:
        reasons = [effect.reason for _, effect in world.accusations]
        return {
            "iterations": max((replica.engine.core.iteration for replica in world.replicas), default=0),
            "dummy-votes": world.messages["dummy"],
            "evidence": sum(reason.startswith(("equivocation", "dummy-and")) for reason in reasons),
            "accusations": len(reasons),
            "state-transfers": world.messages["finalized"],
            "blocks": max((replica.height for replica in world.replicas), default=0),
        }
