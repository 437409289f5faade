"""The adapter of proof of work."""

from collections.abc import Mapping, Sequence
from typing import Any

from raclette.engine.contract import Engine, EngineFactory, EngineSetup
from raclette.engine.message import Message
from raclette.lab.hunt.engines.invariants import FinalityKept
from raclette.lab.hunt.engines.nakamoto_checks import ForkChoice, Headers
from raclette.lab.hunt.engines.nakamoto_lies import LIES, RETORTS, NakamotoTrickster
from raclette.lab.hunt.engines.world import Checker, EngineWorld, Replica, Violation
from raclette.primitives.randomness import Random
from raclette.protocols import find_protocol
from raclette.protocols.nakamoto.message import BlockAnnouncement
from raclette.protocols.nakamoto.seal import IdealSeal

INITIAL_DIFFICULTY = 1 << 20
# Blocks that a phase of the schedule lasts on average.
BLOCKS_PER_UNIT = 3
# Expected blocks within which a healed world agrees: two branches of equal work part at the next block that is not
# matched at once, so the chance of a draw that lasts falls by more than half with each block.
BLOCKS_TO_SETTLE = 60
# What the checkers ask for, where a schedule says nothing.
DEFAULTS: Mapping[str, Any] = {
    "initial_difficulty": INITIAL_DIFFICULTY,
    "block_interval_s": 1,
    "half_life_s": 300,
    "difficulty_rule": "asert",
    "fork_choice": "heaviest",
    "finality_depth": 0,
    "future_limit_s": 15,
}


class Nakamoto:
    """See `adapter.Adapter`."""

    protocol = "nakamoto"
    kinds = ("block", "sync")
    phases = ("block",)
    lies = LIES
    retorts = RETORTS
    seals = True

    def factory(self) -> EngineFactory:
        """With the seal of this world, which knows the nonces it gave out."""
        protocol, seal = find_protocol("nakamoto"), IdealSeal(b"world")

        def make(setup: EngineSetup) -> Engine:
            return protocol.make(setup, seal)

        return make

    def draw_parameters(self, random: Random) -> dict[str, Any]:
        return {
            "initial_difficulty": INITIAL_DIFFICULTY,
            "fork_choice": random.choice(("heaviest", "heaviest", "ghost")),
            "difficulty_rule": random.choice(("fixed", "asert", "asert")),
            "block_interval_s": random.choice((1, 2, 5)),
            "half_life_s": random.choice((5, 20, 300)),
            "future_limit_s": random.choice((2, 15)),
            "mine_empty": random.chance(3, 4),
            "refresh_ms": random.choice((50, 1_000)),
            "time_refresh_ms": random.choice((500, 5_000)),
        }

    def parameters(self, drawn: Mapping[str, Any], ids: Sequence[bytes]) -> dict[str, Any]:
        return {**DEFAULTS, **drawn}

    def unit_ms(self, drawn: Mapping[str, Any]) -> int:
        return int(drawn["block_interval_s"]) * 1_000 * BLOCKS_PER_UNIT

    def power(self, parameters: Mapping[str, Any], nodes: int) -> Sequence[int]:
        return [max(1, parameters["initial_difficulty"] // parameters["block_interval_s"] // nodes)] * nodes

    def liars_max(self, nodes: int) -> int:
        """With equal power, fewer than a third."""
        return (nodes - 1) // 3

    def checkers(self) -> list[Checker]:
        return [FinalityKept(), Headers(), ForkChoice()]

    def trickster(self, replica: Replica, random: Random) -> NakamotoTrickster:
        return NakamotoTrickster(replica, random)

    def round_of(self, message: Message) -> int | None:
        """The height."""
        return message.header.number if isinstance(message, BlockAnnouncement) else None

    def greeting(self, replica: Replica) -> Message | None:
        """The head, as sync would learn of it. A liar offers nothing."""
        block = replica.chain.block(replica.chain.head.hash)
        if block is None or not block.number or not replica.honest:
            return None
        return BlockAnnouncement(block.header, block)

    def unsettled(self, world: EngineWorld) -> str:
        heads = {replica.chain.head.hash for replica in world.alive}
        if len(heads) > 1:
            self._nudge(world)
            return f"{len(heads)} different heads"
        if world.everybody_has(world.submitted):
            return ""
        missing = [tx for tx in world.submitted if any(tx not in r.chain.included for r in world.alive)]
        return f"{len(missing)} transactions are not executed everywhere"

    def _nudge(self, world: EngineWorld) -> None:
        """Who mines no empty blocks stays with two equal heads until there is something to mine: clients go on."""
        parameters = world.parameters
        if not parameters.get("mine_empty", True) and world.everybody_has(world.submitted):
            world.submit(b"nudge %d" % world.elapsed_ms)

    def patience_ms(self, world: EngineWorld) -> int:
        return BLOCKS_TO_SETTLE * 1_000 * int(world.parameters["block_interval_s"])

    def finish(self, world: EngineWorld) -> None:
        """A transaction is on the agreed branch once."""
        for replica in world.alive[:1]:
            seen: set[bytes] = set()
            header = replica.chain.head
            while header.number:
                block, parent = replica.chain.block(header.hash), replica.chain.header(header.parent_hash)
                if block is None or parent is None:
                    raise Violation("validity", f"block {header.number} is incomplete", replica.number)
                for transaction in block.transactions:
                    if transaction in seen:
                        raise Violation("exactly-once", f"{transaction!r} is in two blocks", replica.number)
                    if transaction not in world.submitted:
                        raise Violation("validity", f"{transaction!r} was never submitted", replica.number)
                    seen.add(transaction)
                header = parent

    def tally(self, world: EngineWorld) -> dict[str, int]:
        chosen = next(checker for checker in world.checkers if isinstance(checker, ForkChoice))
        status = [replica.engine.status() for replica in world.replicas]
        return {
            "blocks": max((replica.chain.head.number for replica in world.replicas), default=0),
            "forks": len(chosen.forks),
            "reorganisations": sum(int(one["reorganisations"]) for one in status),
            "deepest-reorganisation": max((int(one["deepest_reorganisation"]) for one in status), default=0),
            "accusations": len(world.accusations),
        }
