"""What goes wrong in a world of engines, on a timeline. Times are virtual milliseconds; places are instances.

`lasting` 0 means until the world is healed. Each step is begun and ended by `Stage`, which keeps what is in force and
answers the world's question whether a message passes.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from raclette.engine.message import Message
from raclette.lab.hunt.engines.adapter import Adapter, Trickster
from raclette.lab.hunt.engines.world import EngineWorld, Replica
from raclette.primitives.randomness import Random
from raclette.primitives.units import MILLISECOND

_STREAM_TRICKS = 1 << 50
# Messages that one lie answers: liars may answer each other's answers, and that must end.
RETORTS_MAX = 20


@dataclass(frozen=True, slots=True)
class Submit:
    """Clients hand transaction `number` to the places in `to`."""

    at: int
    number: int
    to: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Cut:
    """Places of different groups do not hear each other; `groups[place]` is a place's group."""

    at: int
    lasting: int
    groups: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Hush:
    """Messages of these kinds do not reach the places in `deaf`."""

    at: int
    lasting: int
    kinds: tuple[str, ...]
    deaf: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Rough:
    """Links lose and repeat some of all messages (percent), and take from `low` to `high` ms."""

    at: int
    lasting: int
    loss: int
    duplicates: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Crash:
    """A place stops after `within` more of its effects and starts again `lasting` ms later. Of its unsynced writes it
    keeps the first `kept`. With `wipe` (for liars: that is amnesia) it keeps nothing at all."""

    at: int
    lasting: int
    place: int
    within: int = 0
    kept: int = 0
    wipe: bool = False


@dataclass(frozen=True, slots=True)
class Skew:
    """The clock of a place is `ms` ahead (or behind, if negative)."""

    at: int
    lasting: int
    place: int
    ms: int


@dataclass(frozen=True, slots=True)
class Lie:
    """The liar at `place` says something else to the places in `fooled`, or (a retort) says something unasked."""

    at: int
    lasting: int
    place: int
    lie: str
    fooled: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Single:
    """One message: the `nth` of its kind from one place to another is lost, comes twice, or `ms` late."""

    sender: int
    receiver: int
    message: str
    nth: int
    fate: str
    ms: int = 0
    at: int = 0


@dataclass(frozen=True, slots=True)
class RoundCut:
    """In one round, messages of that round pass only within these groups (Bano et al., "Twins", OPODIS 2021)."""

    round: int
    groups: tuple[int, ...]
    at: int = 0


@dataclass(frozen=True, slots=True)
class PhaseCut:
    """In one round, messages of these kinds do not reach the places in `deaf`; those of a height only if it is higher
    than `above` (Winter et al., "Randomized Testing of Byzantine Fault Tolerant Algorithms", OOPSLA 2023)."""

    round: int
    kinds: tuple[str, ...]
    deaf: tuple[int, ...]
    above: int = 0
    at: int = 0

    def hits(self, receiver: int, message: Message) -> bool:
        """Is this message of the round lost on its way to `receiver`?"""
        if receiver not in self.deaf or message.kind not in self.kinds:
            return False
        height = height_of(message)
        return height is None or height > self.above


Step: TypeAlias = Submit | Cut | Hush | Rough | Crash | Skew | Lie | Single | RoundCut | PhaseCut
STEPS: Mapping[str, type[Step]] = {
    "submit": Submit,
    "cut": Cut,
    "hush": Hush,
    "rough": Rough,
    "crash": Crash,
    "skew": Skew,
    "lie": Lie,
    "single": Single,
    "round-cut": RoundCut,
    "phase-cut": PhaseCut,
}
Lasting = TypeVar("Lasting", Cut, Hush, Rough, Lie)
KIND_OF: Mapping[type[Step], str] = {cls: name for name, cls in STEPS.items()}


def transaction_of(number: int) -> bytes:
    """The bytes of a client's transaction."""
    return b"tx %d" % number


def height_of(message: Message) -> int | None:
    """Of the block that a message is about; None if it says no height."""
    header = getattr(message, "header", None)
    height: int | None = header.number if header is not None else getattr(message, "height", None)
    return height


class Stage:
    """Plays steps in a world, and counts what came of them."""

    def __init__(self, world: EngineWorld, adapter: Adapter, steps: Sequence[Step]) -> None:
        self.world = world
        self.adapter = adapter
        self.tally: Counter[str] = Counter()
        self._cuts: list[Cut] = []
        self._hushes: list[Hush] = []
        self._roughs: list[Rough] = []
        self._lies: list[Lie] = []
        self._rounds: dict[int, tuple[int, ...]] = {}
        self._phases: dict[int, list[PhaseCut]] = {}
        self._singles: dict[tuple[int, int, str, int], Single] = {}
        self._counts: Counter[tuple[int, int, str]] = Counter()
        self._tricksters: dict[int, Trickster] = {}
        self._retorts: Counter[Lie] = Counter()
        self.healed = False
        for step in steps:
            self._plan(step)
        if any(isinstance(step, Lie) for step in steps):
            world.twist, world.overhear = self._twist, self._overhear
        if self._rounds or self._phases or self._singles:
            world.drops = self._drops

    def _plan(self, step: Step) -> None:
        match step:
            case RoundCut(round=number, groups=groups):
                self._rounds[number] = groups
            case PhaseCut(round=number):
                self._phases.setdefault(number, []).append(step)
            case Single(sender, receiver, kind, nth):
                self._singles[sender, receiver, kind, nth] = step
            case _:
                self.world.at(step.at * MILLISECOND, lambda: self._begin(step))

    def _begin(self, step: Step) -> None:
        if self.healed:
            return
        match step:
            case Submit(_, number, to):
                self.world.submit(transaction_of(number), to=[p for p in to if p < len(self.world.instances)])
            case Cut():
                self.tally["partitions"] += 1
                for instance in self.world.instances:
                    friends = [p for p, group in enumerate(step.groups) if group == step.groups[instance.place]]
                    self.world.note(instance, "partition", {"with": friends})
                self._enforce(self._cuts, step, self._heal_notes)
            case Hush():
                self.tally["withheld-kinds"] += 1
                self._enforce(self._hushes, step)
            case Rough():
                self.tally["rough-links"] += 1
                self._enforce(self._roughs, step, self._set_links)
                self._set_links()
            case Lie():
                self._enforce(self._lies, step)
            case Crash():
                self._crash(step)
            case Skew(_, lasting, place, ms):
                self.tally["clock-skews"] += 1
                self.world[place].skew += ms * MILLISECOND
                self._later(lasting, lambda: self._unskew(place, ms))

    def _enforce(self, active: list[Lasting], step: Lasting, ended: Callable[[], None] | None = None) -> None:
        """Keep `step` in force for as long as it lasts."""
        active.append(step)
        self.world.drops = self._drops

        def end() -> None:
            if step in active:
                active.remove(step)
                if ended is not None:
                    ended()

        self._later(step.lasting, end)

    def _later(self, lasting: int, action: Callable[[], None]) -> None:
        if lasting:
            self.world.at(lasting * MILLISECOND, action)

    def _heal_notes(self) -> None:
        for instance in self.world.instances:
            self.world.note(instance, "heal", {})

    def _unskew(self, place: int, ms: int) -> None:
        if not self.healed:
            self.world[place].skew -= ms * MILLISECOND

    def _set_links(self) -> None:
        last = self._roughs[-1] if self._roughs else None
        world = self.world
        world.loss_percent, world.duplicate_percent = (last.loss, last.duplicates) if last else (0, 0)
        world.delay = (last.low, last.high) if last else (1, 10)

    # Crashes

    def _crash(self, step: Crash) -> None:
        replica = self.world[step.place]
        if not replica.up:
            return

        def die(replica: Replica) -> None:
            self.tally["crashes"] += 1
            replica.crash(step.kept, wipe=step.wipe)
            self._later(step.lasting, lambda: None if replica.up else replica.start())

        if step.within:
            replica.on_death, replica.dies_after = die, step.within
        else:
            die(replica)

    # Messages

    def _drops(self, sender: Replica, receiver: Replica, message: Message) -> bool:
        a, b = sender.place, receiver.place
        for cut in self._cuts:
            if cut.groups[a] != cut.groups[b]:
                return True
        for hush in self._hushes:
            if b in hush.deaf and message.kind in hush.kinds:
                return True
        if (self._rounds or self._phases) and self._is_cut_in_its_round(a, b, message):
            return True
        return bool(self._singles) and self._is_lost(sender, receiver, message)

    def _is_cut_in_its_round(self, sender: int, receiver: int, message: Message) -> bool:
        number = self.adapter.round_of(message)
        if number is None:
            return False
        groups = self._rounds.get(number)
        if groups is not None and groups[sender] != groups[receiver]:
            return True
        for cut in self._phases.get(number, ()):
            if cut.hits(receiver, message):
                self.tally["withheld-phases"] += 1
                return True
        return False

    def _is_lost(self, sender: Replica, receiver: Replica, message: Message) -> bool:
        key = (sender.place, receiver.place, message.kind)
        number = self._counts[key]
        self._counts[key] = number + 1
        single = self._singles.get((*key, number))
        if single is None:
            return False
        self.tally[f"single-{single.fate}"] += 1
        if single.fate != "lost":
            self.world.at(single.ms * MILLISECOND, self.world.arrival(sender, receiver, message))
        return single.fate != "twice"

    # Lies

    def _mind(self, replica: Replica) -> Trickster:
        mind = self._tricksters.get(replica.place)
        if mind is None:
            random = Random(self.world.seed, _STREAM_TRICKS + replica.place)
            mind = self._tricksters[replica.place] = self.adapter.trickster(replica, random)
        return mind

    def _twist(self, sender: Replica, message: Message) -> Mapping[int, list[Message]] | None:
        out: dict[int, list[Message]] = {}
        for lie in self._lies:
            if lie.place == sender.place and message.kind in self.adapter.lies.get(lie.lie, ()):
                said = list(self._mind(sender).lies(lie.lie, message))
                self.tally[f"lie:{lie.lie}"] += 1
                for place in lie.fooled:
                    out.setdefault(place, said)
        return out or None

    def _overhear(self, replica: Replica, message: Message) -> None:
        self._mind(replica).overhear(message)
        for lie in self._lies:
            if lie.place == replica.place and lie.lie in self.adapter.retorts and self._retorts[lie] < RETORTS_MAX:
                answers = self._mind(replica).retorts(lie.lie, message)
                self._retorts[lie] += bool(answers)
                for answer in answers:
                    self.tally[f"lie:{lie.lie}"] += 1
                    for place in lie.fooled:
                        if place < len(self.world.instances) and place != replica.place:
                            self.world.tell(replica, self.world[place], answer)

    # The end

    def heal(self, *, silence_liars: bool) -> None:
        """Nothing goes wrong any more; with `silence_liars` they are gone, else they go on with what they do."""
        self.healed = True
        world = self.world
        for active in (self._cuts, self._hushes, self._roughs):
            active.clear()
        self._rounds.clear()
        self._phases.clear()
        self._singles.clear()
        for instance in world.instances:
            instance.skew = 0
        self._heal_notes()
        world.settle()
        if silence_liars:
            self._lies.clear()
            for instance in world.instances:
                if not instance.honest:
                    instance.crash(0)
