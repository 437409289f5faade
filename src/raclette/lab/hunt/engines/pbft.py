"""The adapter of PBFT."""

from collections.abc import Mapping, Sequence
from typing import Any

from raclette.engine.contract import EngineFactory
from raclette.engine.message import Message
from raclette.lab.hunt.engines.invariants import Agreement, FinalityKept, Validity
from raclette.lab.hunt.engines.pbft_checks import Certificates, Company, Evidence, Honesty, Memory, NewViews
from raclette.lab.hunt.engines.pbft_lies import LIES, RETORTS, PbftTrickster
from raclette.lab.hunt.engines.world import Checker, EngineWorld, Replica, Violation
from raclette.primitives.randomness import Random
from raclette.protocols import find_protocol
from raclette.protocols.pbft.messages import NewView, PrePrepare, ViewChange, Vote

# A healed world is settled within this many full timeouts: one for each bad primary in a row, one under way when it
# healed, one for the view timers that run apart, and one to fetch and order what was left.
ROUNDS_TO_SETTLE = 4
# Blocks in calm after which the view timeout must be back at its base: each final block halves it (PBFT-56).
CALM_BLOCKS = 10
CALM_STEP_MS = 120


class Pbft:
    """See `adapter.Adapter`."""

    protocol = "pbft"
    kinds = ("pre-prepare", "prepare", "commit", "checkpoint", "view-change", "new-view", "committed", "status", "sync")
    phases = ("pre-prepare", "prepare", "commit")
    lies = LIES
    retorts = RETORTS
    seals = False

    def factory(self) -> EngineFactory:
        return find_protocol("pbft").make

    def draw_parameters(self, random: Random) -> dict[str, Any]:
        interval = random.choice((1, 2, 4, 4, 16))
        timeout = random.choice((100, 400, 400, 1_000))
        return {
            "view_timeout_ms": timeout,
            "view_timeout_cap_ms": timeout * random.choice((4, 16)),
            "checkpoint_interval": interval,
            "window": max(2, interval * random.choice((2, 3, 8))),
            "pipeline": random.choice((1, 3, 3, 8)),
            "batch_delay_ms": random.choice((0, 5, 5, 50)),
        }

    def parameters(self, drawn: Mapping[str, Any], ids: Sequence[bytes]) -> dict[str, Any]:
        return {**drawn, "validators": ["0x" + node_id.hex() for node_id in ids]}

    def unit_ms(self, drawn: Mapping[str, Any]) -> int:
        return int(drawn["view_timeout_ms"])

    def power(self, parameters: Mapping[str, Any], nodes: int) -> Sequence[int]:
        return ()

    def liars_max(self, nodes: int) -> int:
        return (nodes - 1) // 3

    def checkers(self) -> list[Checker]:
        return [
            Agreement(),
            FinalityKept(),
            Validity(),
            Certificates(),
            Honesty(),
            Evidence(),
            NewViews(),
            Company(),
            Memory(),
        ]

    def trickster(self, replica: Replica, random: Random) -> PbftTrickster:
        return PbftTrickster(replica, random)

    def round_of(self, message: Message) -> int | None:
        """The view; what belongs to no view (checkpoints, certificates, status) passes everywhere."""
        return message.view if isinstance(message, Vote | PrePrepare | ViewChange | NewView) else None

    def greeting(self, replica: Replica) -> Message | None:
        return None

    def unsettled(self, world: EngineWorld) -> str:
        """Of those with a vote: an observer that misses an announcement (PBFT-48) needs the sync that is not here."""
        voters = [replica for replica in world.alive if replica.number < len(world.ids)]
        missing = sum(1 for tx in world.submitted if any(tx not in replica.chain.included for replica in voters))
        if not missing:
            return ""
        states = [f"{replica.name} view {replica.view} final {replica.height}" for replica in voters]
        return f"{missing} transactions are not executed everywhere: {', '.join(states)}"

    def patience_ms(self, world: EngineWorld) -> int:
        """Section 4.5.2: bounded by the capped timeout and the liars' number."""
        cap: int = world.parameters["view_timeout_cap_ms"]
        return (self.liars_max(len(world.ids)) + ROUNDS_TO_SETTLE) * cap + 2_000

    def finish(self, world: EngineWorld) -> None:
        """Calm: view timeouts come back to their base, and the log moves on."""
        if world.liars:
            return
        for step in range(CALM_BLOCKS):
            world.submit(b"calm %d" % step)
            world.run_for(CALM_STEP_MS)
        if not world.run_until(lambda: not self.unsettled(world), self.patience_ms(world)):
            raise Violation("liveness", f"in a calm world: {self.unsettled(world)}")
        base: int = world.parameters["view_timeout_ms"]
        for replica in world.alive:
            status = replica.engine.status()
            if replica.engine.timers.doublings and status["view_timeout_ms"] != base and status["final"] > CALM_BLOCKS:
                detail = f"{replica.name} still waits {status['view_timeout_ms']} ms for a primary, base {base} ms"
                raise Violation("bounded-views", detail, replica.number)

    def tally(self, world: EngineWorld) -> dict[str, int]:
        reasons = [effect.reason for _, effect in world.accusations]
        return {
            "view-changes": max((replica.view for replica in world.replicas), default=0),
            "new-views": world.messages["new-view"],
            "evidence": sum(reason.startswith("equivocation") for reason in reasons),
            "accusations": len(reasons),
            "state-transfers": world.messages["committed"],
            "checkpoints": max((replica.engine.core.low for replica in world.replicas), default=0),
            "blocks": max((replica.height for replica in world.replicas), default=0),
        }
