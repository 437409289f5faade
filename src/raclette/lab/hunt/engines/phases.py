"""Schedules that lose single phases of single rounds: the network faults of ByzzFuzz (Winter et al., "Randomized
Testing of Byzantine Fault Tolerant Algorithms", OOPSLA 2023).

What such protocols get wrong, they get wrong between two rounds: one replica holds a certificate that nobody else has,
is away while the next round decides without it, and comes back. Faults on a clock hit that by luck. So time is counted
in rounds here, and in phases of a round: for each of the first rounds it is drawn who is absent, which phase is
withheld, from whom, and above which height. Scopes are small, as in the paper: few rounds, four replicas mostly, and
one small cast of replicas to whom all of it happens, so that whoever was alone in one round is often missing in the
next.

A liar here may be nothing worse than a deserter: it keeps to the protocol, and is gone when everything heals, so that
the others must do without it. One that speaks has what it says from the same few rounds: it leads one of those that
come after the trouble, and says a few things all the time.
"""

from dataclasses import replace

from raclette.lab.hunt.engines.adapter import Adapter
from raclette.lab.hunt.engines.schedule import EngineSchedule
from raclette.lab.hunt.engines.steps import Crash, Lie, PhaseCut, RoundCut, Step, Submit
from raclette.primitives.randomness import Random

_STREAM, _STREAM_LIES = 104, 105
SIZES = (4, 4, 4, 4, 4, 5, 7)
# Rounds for which trouble is drawn, and heights that may pass untroubled before it.
ROUNDS = (2, 2, 3, 4)
UNTROUBLED_MAX = 2
# Rounds for which the last trouble may go on.
LINGERING = 4
# Replicas to whom things happen.
CAST = 2
# Things that one liar says who does not say all it could.
SAYINGS_MAX = 3
SUBMITS_MIN, SUBMITS_MAX = 3, 8


class _Play:
    """One schedule in the making."""

    def __init__(self, adapter: Adapter, seed: int) -> None:
        self.adapter = adapter
        self.random = random = Random(seed, _STREAM)
        self.nodes = random.choice(SIZES)
        self.parameters = adapter.draw_parameters(random)
        self.unit = adapter.unit_ms(self.parameters)
        self.rounds = random.choice(ROUNDS)
        # Timeouts that double make this many units of so many rounds in a row; the world heals before the end or after.
        self.duration = self.unit * ((1 << self.rounds) - 1) * random.choice((50, 75, 100, 150)) // 100
        self.cast = random.sample(range(self.nodes), CAST)
        # Whoever alone heard what was withheld in the last round.
        self.ahead: int | None = None
        self.untroubled = random.between(0, UNTROUBLED_MAX)
        bound = adapter.liars_max(self.nodes)
        lying = bound > 0 and random.chance(3, 4)
        # Half of them are of those to whom nothing else happens.
        others = [place for place in range(self.nodes) if place not in self.cast or random.chance(1, 2)]
        self.liars = sorted(random.sample(others, random.between(1, bound))) if lying else []
        self.tongues = Random(seed, _STREAM_LIES)
        self.speaks = lying and self.tongues.chance(1, 2)
        if self.speaks:
            # Protocols whose rounds have leaders take turns in the order of their numbers. The sooner the better.
            leader = (1 + min(self.tongues.below(self.rounds), self.tongues.below(self.rounds))) % self.nodes
            self.liars = sorted({leader, *self.liars[1:]})

    def draw(self, seed: int) -> EngineSchedule:
        random = self.random
        steps: list[Step] = []
        for number in range(self.rounds):
            steps += self._round(number)
        if isinstance(last := steps[-1], PhaseCut) and random.chance(1, 2):
            # What was begun in the last round is not finished by the next one either: the world heals in the middle.
            steps += [replace(last, round=number) for number in range(last.round + 1, self.rounds + LINGERING)]
        steps += self._lies()
        steps += self._submits()
        return EngineSchedule(
            protocol=self.adapter.protocol,
            seed=seed,
            nodes=self.nodes,
            duration=self.duration,
            parameters=self.parameters,
            liars=tuple(self.liars),
            silent_end=random.chance(7, 8),
            steps=tuple(steps),
        )

    def _round(self, number: int) -> list[Step]:
        """Who is away, and what is withheld."""
        random, phases = self.random, self.adapter.phases
        steps: list[Step] = []
        absent = self._absent(number)
        if absent is not None:
            steps.append(RoundCut(number, tuple(int(place == absent) for place in range(self.nodes))))
        self.ahead = None
        if not number or random.chance(3, 4):
            kinds = tuple(sorted(random.sample(phases, min(len(phases), random.choice((1, 1, 1, 2))))))
            above = self.untroubled + random.choice((0, 0, 0, 1))
            steps.append(PhaseCut(number, kinds, self._deaf(), above))
        return steps

    def _absent(self, number: int) -> int | None:
        """Whoever alone got past a phase of the round before, more often than others; but where the next leader lies,
        it is the leader who decides what the others learn of that."""
        random = self.random
        if self.ahead is not None and random.chance(3, 4):
            return None if self.speaks and random.chance(3, 4) else self.ahead
        return random.choice(self.cast) if random.chance(2 if number else 1, 4) else None

    def _deaf(self) -> tuple[int, ...]:
        """Everybody, everybody but one, or one."""
        one = self.random.choice(self.cast)
        match self.random.below(8):
            case 0 | 1 | 2:
                return tuple(range(self.nodes))
            case 3:
                return (one,)
            case _:
                self.ahead = one
                return tuple(place for place in range(self.nodes) if place != one)

    def _lies(self) -> list[Step]:
        """Half of the casts of liars speak, each with a few sayings; a few liars stop before everything heals."""
        random = self.random
        steps: list[Step] = []
        for liar in self.liars:
            if self.speaks:
                steps += [Lie(0, 0, liar, name, self._deaf()) for name in self._sayings()]
            if random.chance(1, 4):
                steps.append(Crash(random.below(self.duration), 0, liar))
        return steps

    def _sayings(self) -> list[str]:
        """Some lies; or one, and all that it could say unasked, where a leader's own offers are."""
        random, lies, retorts = self.tongues, list(self.adapter.lies), list(self.adapter.retorts)
        if retorts and random.chance(1, 2):
            return [*random.sample(lies, 1), *retorts]
        return random.sample([*lies, *retorts], random.between(1, SAYINGS_MAX))

    def _submits(self) -> list[Step]:
        """To everybody; half of them early, so that several blocks are under way at once."""
        random = self.random
        times = [
            random.below(max(1, self.unit // 4) if random.chance(1, 2) else self.duration)
            for _ in range(random.between(SUBMITS_MIN, SUBMITS_MAX))
        ]
        return [Submit(at, number, tuple(range(self.nodes))) for number, at in enumerate(times)]


def draw_phases(adapter: Adapter, seed: int) -> EngineSchedule:
    """The schedule of this seed."""
    return _Play(adapter, seed).draw(seed)
