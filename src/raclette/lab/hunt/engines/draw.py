"""Schedules for engines from seeds, two ways.

*Swarm* (Groce et al., "Swarm Testing", ISSTA 2012): first it is drawn which features a schedule may use at all, half of
them on average, then the schedule from these. A feature that is always there hides what only shows without it.

*Twins* (Bano et al., OPODIS 2021): replicas that run twice with one key, and for each of the first rounds a partition
of all instances that holds for messages of that round alone. The rounds' primaries follow the protocol's own rotation.
"""

from collections.abc import Callable, Mapping
from typing import Any

from raclette.lab.hunt.engines.adapter import Adapter
from raclette.lab.hunt.engines.schedule import EngineSchedule
from raclette.lab.hunt.engines.steps import Crash, Cut, Hush, Lie, Rough, RoundCut, Single, Skew, Step, Submit
from raclette.primitives.randomness import Random

_STREAM_SWARM, _STREAM_TWINS = 101, 102
SIZES = (4, 4, 4, 4, 4, 5, 6, 7, 7, 10)
PHASES_MAX = 5
# Different lies in one schedule.
LIES_MAX = 7
SUBMITS_MAX = 4
# Rounds for which a twins schedule draws partitions: the papers' bugs need at most five.
ROUNDS_MAX = 6
# Clock errors stay below what protocols allow a block to be ahead (15 s): beyond it a clock is simply broken.
SKEW_MS_MAX = 10_000
FEATURES = (
    "cut",
    "hush",
    "rough",
    "crash",
    "crash-within",
    "crash-all",
    "skew",
    "twins",
    "lies",
    "retorts",
    "amnesia",
    "single",
    "observers",
    "narrow-clients",
)


class _Swarm:
    """One schedule in the making."""

    def __init__(self, adapter: Adapter, seed: int) -> None:
        self.adapter = adapter
        self.random = random = Random(seed, _STREAM_SWARM)
        self.features = [name for name in FEATURES if random.chance(3 if name == "lies" else 2, 4)]
        self.nodes = random.choice(SIZES)
        self.parameters = adapter.draw_parameters(random)
        self.unit = adapter.unit_ms(self.parameters)
        lying = random.chance(3, 4) and any(name in self.features for name in ("twins", "lies", "retorts", "amnesia"))
        bound = adapter.liars_max(self.nodes)
        self.liars = sorted(random.sample(range(self.nodes), random.between(1, bound))) if lying and bound else []
        if self.liars and random.chance(1, 2):
            # Whoever leads next, when the first leader fails, is worth more to an attacker than the others.
            self.liars = sorted({1, *self.liars[1:]})
        self.twins = [liar for liar in self.liars if "twins" in self.features and random.chance(3, 4)]
        # Swarms of lies too: a few that are told again and again do more than one of each.
        sayings = [*adapter.lies, *adapter.retorts]
        self.lies = random.sample(sayings, random.between(1, LIES_MAX)) if sayings else []
        self.observers = 1 if "observers" in self.features and random.chance(1, 2) else 0
        self.steps: list[Step] = []
        self.submitted = 0
        self.now = 0

    @property
    def places(self) -> int:
        return self.nodes + len(self.twins) + self.observers

    def some(self) -> tuple[int, ...]:
        """Places, none to all."""
        return tuple(sorted(self.random.sample(range(self.places), self.random.between(0, self.places))))

    def few(self) -> tuple[int, ...]:
        """All places but at most two."""
        hearing = self.random.sample(range(self.places), self.random.below(3))
        return tuple(place for place in range(self.places) if place not in hearing)

    def groups(self) -> tuple[int, ...]:
        """Two groups (now and then three), or one place cut off."""
        random = self.random
        if random.chance(1, 3):
            alone = random.below(self.places)
            return tuple(int(place == alone) for place in range(self.places))
        count = 2 if random.chance(4, 5) else 3
        return tuple(random.below(count) for _ in range(self.places))

    def lying_places(self) -> list[int]:
        """Instances of liars."""
        return [*self.liars, *range(self.nodes, self.nodes + len(self.twins))]

    def draw(self, seed: int) -> EngineSchedule:
        random = self.random
        for _ in range(random.between(2, PHASES_MAX)):
            length = max(1, self.unit * random.choice((20, 50, 100, 100, 150, 300)) // 100)
            for feature in self.features:
                make = _MAKERS.get(feature)
                if make is not None and random.chance(2, 3):
                    self.steps += make(self, length)
            self._submit(length)
            self.now += length
        return EngineSchedule(
            protocol=self.adapter.protocol,
            seed=seed,
            nodes=self.nodes,
            duration=self.now,
            parameters=self.parameters,
            liars=tuple(self.liars),
            twins=tuple(self.twins),
            observers=self.observers,
            wire=random.chance(1, 8),
            silent_end=random.chance(1, 2),
            steps=tuple(self.steps),
        )

    def _submit(self, length: int) -> None:
        random = self.random
        for _ in range(random.between(1, SUBMITS_MAX)):
            narrow = "narrow-clients" in self.features and random.chance(1, 2)
            to = self.some() or (random.below(self.places),) if narrow else tuple(range(self.places))
            self.steps.append(Submit(self.now + random.below(length), self.submitted, to))
            self.submitted += 1

    def window(self, length: int) -> tuple[int, int]:
        """(at, lasting): mostly the whole phase, sometimes part of it, sometimes until the end."""
        random = self.random
        match random.below(6):
            case 0:
                return self.now, 0
            case 1 | 2:
                return self.now + random.below(length), 1 + random.below(length)
            case _:
                return self.now, length


def _cut(swarm: _Swarm, length: int) -> list[Step]:
    return [Cut(*swarm.window(length), swarm.groups())]


def _hush(swarm: _Swarm, length: int) -> list[Step]:
    random, kinds = swarm.random, swarm.adapter.kinds
    steps: list[Step] = []
    for _ in range(random.between(1, 2)):
        chosen = tuple(sorted(random.sample(kinds, random.between(1, min(4, len(kinds))))))
        steps.append(Hush(*swarm.window(length), chosen, swarm.few() if random.chance(2, 3) else swarm.some()))
    return steps


def _rough(swarm: _Swarm, length: int) -> list[Step]:
    random = swarm.random
    low, high = random.choice(((1, 10), (1, 80), (50, 300), (0, 1), (swarm.unit // 4, swarm.unit)))
    loss, duplicates = random.choice((0, 0, 5, 20, 40)), random.choice((0, 0, 10, 50))
    return [Rough(*swarm.window(length), loss, duplicates, low, max(low, high))]


def _crash(swarm: _Swarm, length: int) -> list[Step]:
    random = swarm.random
    steps: list[Step] = []
    for place in random.sample(range(swarm.places), random.between(1, 2)):
        at, lasting = swarm.now + random.below(length), 1 + random.below(2 * length)
        within = random.between(1, 12) if "crash-within" in swarm.features and random.chance(2, 3) else 0
        steps.append(Crash(at, lasting, place, within, random.below(3)))
    return steps


def _crash_all(swarm: _Swarm, length: int) -> list[Step]:
    random = swarm.random
    if not random.chance(1, 4):
        return []
    at = swarm.now + random.below(length)
    return [Crash(at, 1 + random.below(length), place, 0, random.below(3)) for place in range(swarm.places)]


def _skew(swarm: _Swarm, length: int) -> list[Step]:
    random = swarm.random
    ms = random.between(-SKEW_MS_MAX, SKEW_MS_MAX)
    return [Skew(*swarm.window(length), random.below(swarm.places), ms)]


def _lies(swarm: _Swarm, length: int) -> list[Step]:
    if not swarm.liars:
        return []
    random = swarm.random
    return [
        Lie(*swarm.window(length), random.choice(swarm.lying_places()), name, _fooled(swarm))
        for name in swarm.lies
        if random.chance(2, 3)
    ]


def _retorts(swarm: _Swarm, length: int) -> list[Step]:
    if not swarm.liars or not swarm.adapter.retorts:
        return []
    random = swarm.random
    place, name = random.choice(swarm.lying_places()), random.choice(swarm.adapter.retorts)
    at, lasting = swarm.window(length)
    # An answer may have to wait for what it answers: half of these liars go on until the end.
    return [Lie(at, lasting if random.chance(1, 2) else 0, place, name, _fooled(swarm))]


def _fooled(swarm: _Swarm) -> tuple[int, ...]:
    return tuple(range(swarm.places)) if swarm.random.chance(1, 2) else swarm.some() or (0,)


def _amnesia(swarm: _Swarm, length: int) -> list[Step]:
    if not swarm.liars:
        return []
    random = swarm.random
    at, lasting = swarm.now + random.below(length), 1 + random.below(length)
    return [Crash(at, lasting, random.choice(swarm.lying_places()), wipe=True)]


def _single(swarm: _Swarm, length: int) -> list[Step]:
    random = swarm.random
    steps: list[Step] = []
    for _ in range(random.between(1, 6)):
        sender, receiver = random.sample(range(swarm.places), 2)
        kind, nth = random.choice(swarm.adapter.kinds), random.below(4)
        steps.append(
            Single(sender, receiver, kind, nth, random.choice(("lost", "twice", "late")), 1 + random.below(length))
        )
    return steps


_MAKERS: Mapping[str, Callable[[_Swarm, int], list[Step]]] = {
    "cut": _cut,
    "hush": _hush,
    "rough": _rough,
    "crash": _crash,
    "crash-all": _crash_all,
    "skew": _skew,
    "lies": _lies,
    "retorts": _retorts,
    "amnesia": _amnesia,
    "single": _single,
}


def draw_swarm(adapter: Adapter, seed: int) -> EngineSchedule:
    """The swarm schedule of this seed."""
    return _Swarm(adapter, seed).draw(seed)


def draw_twins(adapter: Adapter, seed: int) -> EngineSchedule:
    """The twins scenario of this seed: everything by the book, but for the partitions of single rounds."""
    random = Random(seed, _STREAM_TWINS)
    nodes = random.choice((4, 4, 4, 5, 7))
    parameters: dict[str, Any] = adapter.draw_parameters(random)
    unit = adapter.unit_ms(parameters)
    twins = sorted(random.sample(range(nodes), random.between(1, max(1, adapter.liars_max(nodes)))))
    places = nodes + len(twins)
    rounds = random.between(2, ROUNDS_MAX)
    steps: list[Step] = []
    for number in range(rounds):
        groups = tuple(random.below(random.choice((2, 2, 3))) for _ in range(places))
        if random.chance(5, 6):
            steps.append(RoundCut(number, groups))
    duration = rounds * unit * random.choice((1, 2, 3))
    for number in range(random.between(2, 8)):
        to = range(places) if random.chance(1, 2) else random.sample(range(places), random.between(1, places))
        steps.append(Submit(random.below(duration), number, tuple(sorted(to))))
    return EngineSchedule(
        protocol=adapter.protocol,
        seed=seed,
        nodes=nodes,
        duration=duration,
        parameters=parameters,
        liars=tuple(twins),
        twins=tuple(twins),
        silent_end=random.chance(1, 2),
        steps=tuple(steps),
    )
