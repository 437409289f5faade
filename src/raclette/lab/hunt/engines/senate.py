"""The adapter of the senate."""

from collections.abc import Mapping, Sequence
from typing import Any

from raclette.chain.roll import Member
from raclette.engine.contract import Engine, EngineFactory, EngineSetup
from raclette.engine.lightchain import LightChain
from raclette.engine.message import Message
from raclette.lab.hunt.engines.invariants import Agreement, FinalityKept, Validity
from raclette.lab.hunt.engines.senate_checks import Certificates, Evidence, Honesty, Memory, Rounds
from raclette.lab.hunt.engines.senate_lies import LIES, RETORTS, SenateTrickster
from raclette.lab.hunt.engines.world import Checker, EngineWorld, Replica, Violation
from raclette.primitives.errors import Misuse
from raclette.primitives.randomness import Random
from raclette.protocols import find_protocol
from raclette.protocols.senate.messages import Proposal, Timeout, Vote

# Of the stake, in twentieths, by place: nobody has more than a quarter, and heads are not seats. A liar with a quarter
# owns more than a third of 1,024 seats once in 3 * 10**9 heights, so that what is found is a bug and no bad luck.
SEATS = 1_024
_SHARES: Mapping[int, tuple[int, ...]] = {
    4: (5, 5, 5, 5),
    5: (5, 5, 4, 3, 3),
    6: (5, 4, 4, 3, 2, 2),
    7: (5, 4, 3, 3, 2, 2, 1),
}
# Full timeouts within which a healed world is settled: the leader of a round lies one time in four.
ROUNDS_TO_SETTLE = 16
CALM_BLOCKS = 3


def shares(nodes: int) -> tuple[int, ...]:
    """Stakes by place."""
    few = _SHARES.get(nodes)
    return few if few is not None else tuple(5 if place < 2 else 1 + place % 3 for place in range(nodes))


class Senate:
    """See `adapter.Adapter`."""

    protocol = "senate"
    kinds = (
        "entry",
        "candidate",
        "proposal",
        "prepare",
        "commit",
        "timeout",
        "round-change",
        "committed",
        "inquiry",
        "sync",
    )
    phases = ("proposal", "prepare", "commit", "timeout")
    lies = LIES
    retorts = RETORTS
    seals = False

    def __init__(self) -> None:
        self._roll: tuple[Member, ...] = ()

    def factory(self) -> EngineFactory:
        """On a chain whose roll is that of the world's replicas."""
        protocol, roll = find_protocol("senate"), self._roll

        def make(setup: EngineSetup) -> Engine:
            if not isinstance(setup.chain, LightChain):
                raise Misuse("the hunt's engines run on light chains")
            setup.chain.roll = roll
            return protocol.make(setup)

        return make

    def draw_parameters(self, random: Random) -> dict[str, Any]:
        timeout = random.choice((200, 400, 1_000))
        return {
            "seats": SEATS,
            "malicious": random.choice((-1, -1, 330)),
            "round_timeout_ms": timeout,
            "round_timeout_cap_ms": timeout * random.choice((1, 4)),
            "entry_window_ms": random.choice((1, 20, timeout // 8, timeout // 2)),
            "idle_interval_ms": random.choice((0, 0, 0, 500)),
        }

    def parameters(self, drawn: Mapping[str, Any], ids: Sequence[bytes]) -> dict[str, Any]:
        pairs = zip(ids, shares(len(ids)), strict=True)
        self._roll = tuple(sorted(Member(node, node[:20], share * 10**18) for node, share in pairs))
        return dict(drawn)

    def unit_ms(self, drawn: Mapping[str, Any]) -> int:
        return int(drawn["round_timeout_ms"])

    def power(self, parameters: Mapping[str, Any], nodes: int) -> Sequence[int]:
        return ()

    def liars_max(self, nodes: int) -> int:
        """One: a quarter of the stake at most."""
        return 1 if nodes >= min(_SHARES) else 0

    def checkers(self) -> list[Checker]:
        return [Agreement(), FinalityKept(), Validity(), Certificates(), Honesty(), Rounds(), Evidence(), Memory()]

    def trickster(self, replica: Replica, random: Random) -> SenateTrickster:
        return SenateTrickster(replica, random)

    def round_of(self, message: Message) -> int | None:
        """The round; entries, candidates and certificates belong to none and pass everywhere."""
        return message.round if isinstance(message, Vote | Proposal | Timeout) else None

    def greeting(self, replica: Replica) -> Message | None:
        return None

    def unsettled(self, world: EngineWorld) -> str:
        """Of everybody; beside liars, of the holders: the leader and the director who announce a block (SENATE-42) may
        lie, and an observer that misses the announcement needs the sync that is not here."""
        voters = [replica for replica in world.alive if replica.number < len(world.ids)]
        followers = voters if world.liars else world.alive
        missing = sum(1 for tx in world.submitted if any(tx not in replica.chain.included for replica in followers))
        if not missing:
            return ""
        rounds = [f"{replica.name} {replica.engine.status()['round']}/{replica.height}" for replica in followers]
        return f"{missing} transactions are not executed everywhere; round/final: {', '.join(rounds)}"

    def patience_ms(self, world: EngineWorld) -> int:
        cap: int = world.parameters["round_timeout_cap_ms"]
        return ROUNDS_TO_SETTLE * cap + 2_000

    def finish(self, world: EngineWorld) -> None:
        """Calm: everything goes on at its usual pace."""
        for step in range(CALM_BLOCKS):
            world.submit(b"calm %d" % step)
            if not world.run_until(lambda: not self.unsettled(world), self.patience_ms(world)):
                raise Violation("liveness", f"in a calm world: {self.unsettled(world)}")

    def tally(self, world: EngineWorld) -> dict[str, int]:
        return {
            "blocks": max((replica.height for replica in world.replicas), default=0),
            "timeouts": world.messages["timeout"],
            "round-changes": world.messages["round-change"],
            "evidence": sum(bool(effect.evidence) for _, effect in world.accusations),
            "accusations": len(world.accusations),
        }
