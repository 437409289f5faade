"""Scenarios at instant fidelity: mining attacks as the papers pose them, without a network.

Three of the protocol's own engines stand for the attacker's pool, the honest who hear it first (the share gamma of the
honest power) and the other honest; see `sim.attacks.instant`. Thousands of blocks take tenths of a second, so that a
sweep over share and gamma under many seeds has narrow intervals. Report and record have the form of the other
fidelities; the report's `attack` has beside it what theory says (`published`), where there is a closed form.

Deviations: no latency, no gossip, no transactions, and no stale blocks among the honest but those that the attack
makes. Two checkers judge the backbone as they do whole nodes (`sim.checkers.quality`); two more, which watch only if
they are named, ask whether the attack paid: `fair-share` and `double-spend`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isqrt
from typing import Any, TypeAlias

from raclette.lab.scenario.attacker import Attacker
from raclette.lab.scenario.model import Scenario
from raclette.lab.scenario.race import ATTACKER, RaceRecorder
from raclette.lab.scenario.resolve import Resolved
from raclette.lab.scenario.section import ScenarioError
from raclette.lab.scenario.values import MILLION, show_share
from raclette.primitives.errors import ConfigError
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.protocols.nakamoto import Parameters
from raclette.protocols.parameters import parse_parameters
from raclette.sim.attacks import InstantWorld, PrivateChain, safe_depth
from raclette.sim.attacks.depth import SHARE_MAX
from raclette.sim.attacks.instant import EPOCH
from raclette.sim.checkers.quality import (
    DEVIATIONS,
    PREFIX_BEYOND,
    PREFIX_MIN,
    STRETCH,
    STRETCH_MIN,
    most_of_attackers,
)
from raclette.sim.record import RunRecord
from raclette.sim.revenue import DIGITS
from raclette.sim.simulate import SimReport

PROTOCOL = "nakamoto"
# Keys of a file that mean something here.
ACCEPTED = ("title", "about", "fidelity", "seeds", "checkers", "metrics", "beyond", "expect", "variables", "protocol")
# Blocks that an attacker is expected to find before it must have risked one.
AT_STAKE_MIN = 50
# Parameters of the protocol that mean something without transactions, money and latency.
PARAMETERS = (
    "fork_choice",
    "difficulty_rule",
    "initial_difficulty",
    "minimum_difficulty",
    "block_interval_s",
    "half_life_s",
    "rise_start_digits",
    "rise_bits_per_step",
    "future_limit_s",
)


def check_instant(scenario: Scenario) -> None:
    """Can it be run at this fidelity? Raises ScenarioError."""
    if scenario.protocol.name != PROTOCOL:
        raise ScenarioError(
            "protocol.name", f"{scenario.protocol.name!r} has no miners; accepted at instant fidelity is {PROTOCOL!r}"
        )
    for name, field in Scenario.model_fields.items():
        if name in scenario.model_fields_set and name not in (*ACCEPTED, "attacker"):
            key = field.alias or name
            hint = "; the number of blocks is attacker.blocks" if key == "stop" else ""
            raise ScenarioError(
                key,
                "means nothing at instant fidelity, where miners race without a network; accepted are "
                f"{', '.join(ACCEPTED)} and attacker{hint}",
            )
    for key in scenario.protocol.parameters:
        if key not in PARAMETERS:
            said = "means nothing at instant fidelity" if key in Parameters.model_fields else "unknown key"
            raise ScenarioError(f"protocol.{key}", f"{said}; accepted are name, {', '.join(PARAMETERS)}")
    try:
        parse_parameters(Parameters, scenario.protocol.parameters)
        _world(scenario, scenario.seeds[0])
    except ConfigError as error:
        path, _, said = str(error).removeprefix("config.").partition(": ")
        raise ScenarioError(path, said) from None
    for place, name in enumerate(scenario.checkers):
        if name not in CHECKERS:
            raise ScenarioError(
                f"checkers[{place}]", f"{name!r} does not apply at instant fidelity; accepted: {', '.join(CHECKERS)}"
            )
        if name == DOUBLE_SPEND and scenario.attacker.strategy != "private-chain":
            raise ScenarioError(
                f"checkers[{place}]",
                f'{name!r} needs payments; accepted with it is attacker.strategy = "private-chain"',
            )


def _world(scenario: Scenario, seed: int, watcher: RaceRecorder | None = None) -> InstantWorld:
    attacker = scenario.attacker
    return InstantWorld(
        attacker.make(),
        attacker.share / MILLION,
        attacker.gamma / MILLION,
        seed,
        parameters=scenario.protocol.parameters,
        watcher=watcher,
    )


def run_instant(resolved: Resolved) -> tuple[SimReport, RunRecord]:
    """The run. Raises ConfigError."""
    scenario, seed = resolved.scenario, resolved.seed
    attacker = scenario.attacker
    recorder = RaceRecorder(seed, attacker.powers)
    world = _world(scenario, seed, recorder)
    world.run(attacker.blocks)
    record = recorder.finish(world, world.now - EPOCH)
    record.liars = {str(ATTACKER): str(attacker.lie)}
    race = Race(attacker, world, record, bool(resolved.beyond))
    wanted = scenario.checkers or DEFAULT_CHECKERS
    judged = {name: CHECKERS[name](race) for name in wanted}
    found = [
        {"checker": name, "time_ms": record.end // MILLISECOND, "node": -1, "detail": detail}
        for name, detail in judged.items()
        if detail
    ]
    report = SimReport(
        protocol=PROTOCOL,
        ledger="none",
        nodes=record.nodes,
        seed=seed,
        network="none",
        fidelity="instant",
        agreed=not found,
        height=race.height,
        head="0x" + world.head.hash.hex(),
        state_root="",
        digest=recorder.digest,
        violations=found,
        sometimes={ATTACKED: not judged[ATTACKED]} if ATTACKED in judged else {},
        transactions=0,
        submitted=0,
        events=attacker.blocks,
        virtual_ms=record.end // MILLISECOND,
        events_per_virtual_s=attacker.blocks * SECOND // max(1, record.end),
        p50_ms=0.0,
        p99_ms=0.0,
        messages={},
        bytes={},
        lost={},
        liars={"n00": str(attacker.lie)},
        beyond=bool(resolved.beyond),
        attack=race.attack(),
    )
    return report, record


# What came of it


@dataclass(frozen=True)
class Race:
    """A finished run, as its checkers see it."""

    attacker: Attacker
    world: InstantWorld
    record: RunRecord
    beyond: bool

    @property
    def height(self) -> int:
        """Blocks of the main chain."""
        return self.world.head.number

    @property
    def won(self) -> int:
        """Of which the attacker found."""
        return sum(1 for block in self.record.blocks if block.canonical and block.miner == ATTACKER)

    @property
    def spends(self) -> PrivateChain | None:
        """Where double spends are counted."""
        strategy = self.world.pool.strategy
        return strategy if isinstance(strategy, PrivateChain) else None

    def attack(self) -> dict[str, Any]:
        """As `sim.revenue` has it for whole nodes, with `gamma` and `published` beside it."""
        blocks = self.record.blocks
        honest = [node for node in range(self.record.nodes) if node != ATTACKER]
        mine = self._group([ATTACKER])
        if self.spends is not None:
            mine |= {key: getattr(self.spends, key) for key in ("attempts", "successes", "failures")}
        depths = sorted(self.world.reorganisations.items())
        return {
            "height": self.height,
            "stale": sum(1 for block in blocks if not block.canonical),
            "reorganisations": {str(depth): count for depth, count in depths},
            "gamma": self.attacker.gamma / MILLION,
            "groups": {"honest": self._group(honest), "attacker": {"lie": str(self.attacker.lie)} | mine},
            "published": published(self.attacker),
        }

    def _group(self, nodes: list[int]) -> dict[str, Any]:
        power = self.record.power
        theirs = [block for block in self.record.blocks if block.miner in nodes]
        main = sum(1 for block in theirs if block.canonical)
        return {
            "nodes": nodes,
            "hash_share": round(sum(power[node] for node in nodes) / sum(power), DIGITS),
            "found": len(theirs),
            "main": main,
            "stale": len(theirs) - main,
            "revenue": round(main / max(1, self.height), DIGITS),
        }


def published(attacker: Attacker) -> dict[str, float]:
    """What closed forms say of a metric, by its name: the revenue of selfish mining (Eyal and Sirer 2014, equation 8)
    and the success of double spends by an attacker who never gives up (Rosenfeld 2014, equation 1)."""
    from raclette.lab.experiments.double_spend import rosenfeld
    from raclette.lab.experiments.selfish import revenue

    share, gamma = attacker.share / MILLION, attacker.gamma / MILLION
    if attacker.strategy == "honest":
        return {"revenue": share}
    if attacker.strategy == "selfish" and 2 * attacker.share < MILLION:
        return {"revenue": round(revenue(share, gamma), DIGITS)}
    if attacker.strategy == "private-chain" and attacker.premined:
        return {"success-rate": round(rosenfeld(share, attacker.confirmations), DIGITS)}
    return {}


# Checkers: what is wrong, or nothing

Judge: TypeAlias = Callable[[Race], str]


def _common_prefix(race: Race) -> str:
    """As `CommonPrefix` of `sim.checkers.quality`."""
    share = -(-race.attacker.share * 1_000 // MILLION)
    most = max(PREFIX_MIN, safe_depth(share)) if share <= SHARE_MAX else PREFIX_BEYOND if race.beyond else None
    depth = max(race.world.reorganisations, default=0)
    if most is None or depth <= most:
        return ""
    return f"{depth} blocks were given up at once, at most {most} are promised"


def _chain_quality(race: Race) -> str:
    """As `ChainQuality` of `sim.checkers.quality`."""
    others, honest = race.attacker.share, MILLION - race.attacker.share
    lowest = race.height - STRETCH
    if others >= honest or race.height < STRETCH_MIN:
        return ""
    last = [block for block in race.record.blocks[1:] if block.height > lowest and block.height <= race.height]
    theirs = sum(1 for block in last if block.canonical and block.miner == ATTACKER)
    found = sum(1 for block in last if block.miner != ATTACKER)
    most = most_of_attackers(found, others, honest)
    if theirs <= most:
        return ""
    stretch = min(STRETCH, race.height)
    return f"the attacker has {theirs} of the last {stretch} blocks, at most {most} while the honest found {found}"


def _fair_share(race: Race) -> str:
    """The attacker's part of the chain is at most its part of the hash power. Who shows every block at once has a
    binomial number of `height` blocks, so the margin is `DEVIATIONS` standard deviations of that."""
    share, height = race.attacker.share, race.height
    deviation = isqrt(height * share * (MILLION - share))
    if (race.won * MILLION - height * share) <= DEVIATIONS * deviation:
        return ""
    part = show_share(race.won * MILLION // height)
    return f"the attacker has {part} of the chain for {show_share(share)} of the hash power"


def _double_spend(race: Race) -> str:
    spends = race.spends
    if spends is None or not spends.successes:
        return ""
    ended = spends.successes + spends.failures
    return f"{spends.successes} of {ended} payments were taken back after {spends.confirmations} confirmations"


def _attacked(race: Race) -> str:
    """Sometimes: a run in which nothing was at stake says nothing."""
    attacker = race.attacker
    if attacker.strategy == "honest" or attacker.share * attacker.blocks < AT_STAKE_MIN * MILLION:
        return ""
    return "" if race.record.stale() else "the attacker neither lost a block nor displaced one"


FAIR_SHARE, DOUBLE_SPEND, ATTACKED = "fair-share", "double-spend", "attack-happened"
CHECKERS: Mapping[str, Judge] = {
    "common-prefix": _common_prefix,
    "chain-quality": _chain_quality,
    ATTACKED: _attacked,
    FAIR_SHARE: _fair_share,
    DOUBLE_SPEND: _double_spend,
}
# The others ask whether the attack paid, which no protocol promises against.
DEFAULT_CHECKERS = ("common-prefix", "chain-quality", ATTACKED)
