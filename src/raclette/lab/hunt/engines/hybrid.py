"""The adapter of the hybrid.

A world of it mines and votes. Snail blocks come about once a second, committees have three to six seats, so that a
schedule sees several days. What the protocol assumes of its snail chain is drawn to hold mostly and checked in every
run (`hybrid_claim`): steps that part miners are cut short (`fit`), and `stable_depth` and `patience` are drawn above
the blocks that such a step lasts. Liars own a small part of the hash power, so that they seldom win a third of a
committee.

In some runs a whole committee vanishes (its members' words reach nobody, while miners go on), long enough for the day
to be closed by force; with little patience on the members' side they complain.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from raclette.engine.contract import Engine, EngineFactory, EngineSetup
from raclette.engine.message import Message
from raclette.lab.hunt.engines.hybrid_checks import (
    ClaimedAgreement,
    ClaimedFinality,
    Days,
    Evidence,
    Honesty,
    Memory,
    Records,
    check_almanacs,
)
from raclette.lab.hunt.engines.hybrid_claim import Claim, snail_of
from raclette.lab.hunt.engines.hybrid_lies import LIES, RETORTS, HybridTrickster
from raclette.lab.hunt.engines.invariants import Validity
from raclette.lab.hunt.engines.pbft import Pbft
from raclette.lab.hunt.engines.schedule import EngineSchedule
from raclette.lab.hunt.engines.simplex import Simplex
from raclette.lab.hunt.engines.steps import Crash, Cut, Hush, Rough, Step
from raclette.lab.hunt.engines.world import Checker, EngineWorld, Replica, Violation
from raclette.primitives.randomness import Random
from raclette.protocols import find_protocol
from raclette.protocols.hybrid.messages import Daily, DailyBlock, Signed
from raclette.protocols.nakamoto.seal import IdealSeal

_STREAM_FIT = 106
INTERVAL_S = 1
INITIAL_DIFFICULTY = 1 << 20
# What a step that keeps snail blocks from somebody may last, in milliseconds (and snail blocks).
PARTED_MS_MAX = (500, 1_500, 3_000)
# Percent of the hash power that liars own together: at the larger one they own a seat of six now and then.
LIARS_PERCENT = (1, 8)
# Days that a healed world goes on for.
CALM_DAYS = 2
# Snail intervals beyond what the rules ask for: blocks come by luck.
LUCK = 20
_SNAIL = ("snail-block", "snail-question", "snail-blocks", "fruit", "complaint")
_LOG = ("entry", "logged", "unproven")
_NEWS = frozenset(("snail-block", "snail-blocks", "snail-question", "logged", "unproven", "sync"))
_INSIDE = tuple(dict.fromkeys((*Pbft.kinds, *Simplex.kinds)))


class Hybrid:
    """See `adapter.Adapter`."""

    protocol = "hybrid"
    kinds = (*_INSIDE, *_LOG, *_SNAIL)
    phases = (*Pbft.phases, *(kind for kind in Simplex.phases if kind not in Pbft.phases), "entry")
    lies = LIES
    retorts = RETORTS
    # The log's final blocks survive a crash, as in a BFT protocol; the snail chain is among the engine's records.
    seals = False

    def __init__(self) -> None:
        self._shares: Sequence[int] = ()
        self._claim = Claim()

    def factory(self) -> EngineFactory:
        """With the seal of this world, which knows the nonces it gave out."""
        protocol, seal = find_protocol("hybrid"), IdealSeal(b"world")

        def make(setup: EngineSetup) -> Engine:
            return protocol.make(setup, seal)

        return make

    def draw_parameters(self, random: Random) -> dict[str, Any]:
        return {
            "inner": random.choice(("pbft", "simplex")),
            "committee_size": random.between(3, 6),
            "fruits": random.choice((0, 0, 2)),
            "timeout_ms": random.choice((100, 200, 400)),
            "complain_ms": random.choice((1_000, 4_000, 60_000)),
            "difficulty_rule": random.choice(("fixed", "asert")),
            "future_limit_s": random.choice((2, 15)),
            "parted_ms": random.choice(PARTED_MS_MAX),
            "liars_percent": random.choice(LIARS_PERCENT),
        }

    def fit(self, schedule: EngineSchedule) -> EngineSchedule:
        """Shorten what parts miners, and draw how deep is stable and how long is patient above that. One schedule in
        six gets a committee that vanishes, some others lose a phase of the inner protocol for a while."""
        random = Random(schedule.seed, _STREAM_FIT)
        given = dict(schedule.parameters)
        parted = int(given.pop("parted_ms"))
        steps = [_shortened(step, parted) for step in schedule.steps]
        blocks = -(-parted // (1_000 * INTERVAL_S))
        stable, patience = random.between(blocks + 2, blocks + 5), random.between(blocks + 3, blocks + 9)
        given |= {"stable_depth": stable, "patience": patience, "freshness": 2 * stable + random.choice((1, 20))}
        given["shares"] = _shares(schedule, int(given.pop("liars_percent")))
        duration = schedule.duration
        if random.chance(1, 6):
            lasting = (given["committee_size"] + stable + 2 * patience + random.between(0, 10)) * 1_000 * INTERVAL_S
            at = random.below(duration)
            steps.append(Hush(at, lasting, (*_INSIDE, "entry"), tuple(range(schedule.places))))
            duration = max(duration, at + lasting)
        elif random.chance(1, 2):
            # What the inner engine is sure of by one kind of message, it is sure of late: also at the end of a day.
            phases = (*(Pbft if given["inner"] == "pbft" else Simplex).phases, "entry")
            deaf = random.sample(range(schedule.places), random.between(schedule.places - 1, schedule.places))
            lasting = random.between(1, given["committee_size"] + stable) * 1_000 * INTERVAL_S
            steps.append(Hush(random.below(duration), lasting, (random.choice(phases),), tuple(sorted(deaf))))
        return replace(schedule, parameters=given, steps=tuple(steps), duration=duration)

    def parameters(self, drawn: Mapping[str, Any], ids: Sequence[bytes]) -> dict[str, Any]:
        given = {key: value for key, value in drawn.items() if key not in ("shares", "parted_ms", "liars_percent")}
        self._shares = drawn.get("shares", [1] * len(ids))
        given |= {"initial_difficulty": INITIAL_DIFFICULTY, "block_interval_s": INTERVAL_S, "half_life_s": 300}
        return {**given, "validators": ["0x" + node_id.hex() for node_id in ids]}

    def unit_ms(self, drawn: Mapping[str, Any]) -> int:
        return 2_000 * INTERVAL_S

    def power(self, parameters: Mapping[str, Any], nodes: int) -> Sequence[int]:
        shares = self._shares[:nodes]
        return [max(1, INITIAL_DIFFICULTY // INTERVAL_S * share // sum(shares)) for share in shares]

    def liars_max(self, nodes: int) -> int:
        """Of the first committee, which has a seat for each."""
        return (nodes - 1) // 3

    def checkers(self) -> list[Checker]:
        claim = self._claim = Claim()
        checks = [ClaimedAgreement(claim), ClaimedFinality(claim), Days(claim), Honesty(claim), Evidence(claim)]
        return [claim, *checks, Records(), Validity(), Memory()]

    def trickster(self, replica: Replica, random: Random) -> HybridTrickster:
        return HybridTrickster(replica, random)

    def round_of(self, message: Message) -> int | None:
        """Of the inner engine; an entry's is its day. Snail blocks pass everywhere."""
        if isinstance(message, Signed):
            return message.entry.day
        inner = message.inner if isinstance(message, Daily | DailyBlock) else None
        if inner is None:
            return None
        number = Pbft().round_of(inner)
        return number if number is not None else Simplex().round_of(inner)

    def greeting(self, replica: Replica) -> Message | None:
        return None

    def unsettled(self, world: EngineWorld) -> str:
        if not self._claim.holds:
            return ""
        miners = [replica for replica in world.alive if replica.number < len(world.ids)]
        missing = sum(1 for tx in world.submitted if any(tx not in replica.chain.included for replica in miners))
        behind = len({replica.height for replica in miners}) > 1
        if not missing and not behind:
            return ""
        states = [self._state(replica) for replica in miners]
        return f"{missing} transactions are not executed everywhere; {', '.join(states)}"

    @staticmethod
    def _state(replica: Replica) -> str:
        status = replica.engine.status()
        return (
            f"{replica.name} day {status['day']}/{status['newest_day']} final {status['final']} tip {status['tip']}"
            f" snail {status['snail']['number']}"
        )

    def patience_ms(self, world: EngineWorld) -> int:
        """A committee may be lost with its liars gone: then its day is closed by force, and the next one begins."""
        given = world.parameters
        days: int = given["committee_size"] + 2 * (given["stable_depth"] + given["patience"])
        return 1_000 * INTERVAL_S * ((1 + CALM_DAYS) * days + 2 * LUCK) + 60 * int(given["timeout_ms"])

    def finish(self, world: EngineWorld) -> None:
        """Calm: the committee changes, and the log goes on."""
        before = max(replica.engine.status()["day"] for replica in world.alive)
        world.submit(b"calm")

        def done() -> bool:
            if not self._claim.holds:
                return True
            changed = all(replica.engine.status()["day"] >= before + CALM_DAYS for replica in world.alive)
            return changed and not self.unsettled(world)

        if not world.run_until(done, self.patience_ms(world)):
            states = ", ".join(self._state(replica) for replica in world.alive)
            raise Violation("liveness", f"in a calm world nobody takes over from day {before}: {states}")
        if self._claim.holds:
            check_almanacs(world)

    def tally(self, world: EngineWorld) -> dict[str, int]:
        claim = self._claim
        status = [replica.engine.status() for replica in world.replicas if replica.engine is not None]
        return {
            "blocks": max((replica.height for replica in world.replicas), default=0),
            "snail-blocks": max((snail_of(replica).head.number for replica in world.replicas), default=0),
            "snail-reorganisations": max((int(one["snail_reorganised"]) for one in status), default=0),
            "rotations": claim.rotations,
            "forced-closings": int(claim.forced > 0),
            "complaints": world.messages["complaint"],
            "abandoned": sum(int(one["abandoned"]) for one in status),
            "evidence": sum(bool(effect.evidence) for _, effect in world.accusations),
            "accusations": len(world.accusations),
            "out-of-claim": int(not claim.holds),
        }


def _shortened(step: Step, parted: int) -> Step:
    """No longer than `parted` ms if it keeps the snail chain's blocks, or the news of the log, from somebody."""
    if not isinstance(step, Cut | Rough | Crash | Hush) or 0 < step.lasting <= parted:
        return step
    if isinstance(step, Hush) and _NEWS.isdisjoint(step.kinds):
        return step
    return replace(step, lasting=parted)


def _shares(schedule: EngineSchedule, percent: int) -> list[int]:
    """Parts of the hash power by number: liars have `percent` of it together, twins twice what they should."""
    liars = set(schedule.liars)
    honest = schedule.nodes - len(liars)
    running = sum(2 if liar in schedule.twins else 1 for liar in schedule.liars)
    return [
        max(1, percent * 100 * honest // ((100 - percent) * running)) if node in liars else 100
        for node in range(schedule.nodes)
    ]


__all__ = ["Hybrid"]
