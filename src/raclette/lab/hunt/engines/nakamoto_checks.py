"""What proof-of-work nodes owe, recomputed from the headers alone by rules written down a second time.

Work and fork choice: Nakamoto 2008, sections 4 and 5, read with work for length; GHOST: Sompolinsky and Zohar, FC 2015,
section 3. Timestamps: Bitcoin's median of eleven and bound on the future. Difficulty: the schedule of aserti3-2d as the
real function that its integers approximate (2 to the power of lateness over half-life), compared within its stated
error; the rules under test compute the integers.
"""

from fractions import Fraction
from math import log2

from raclette.chain.header import Header
from raclette.engine.effects import Adopt, Effect
from raclette.engine.events import Event
from raclette.lab.hunt.engines.world import Checker, Replica, Violation
from raclette.primitives.units import SECOND

MEDIAN_OF = 11
# The cubic in aserti3-2d is within 0.013 % of the exponential; in units of its logarithm, with room for rounding.
LOG2_ERROR = 0.0005
# Below this target or difficulty integers are too coarse to compare by logarithm.
COARSE = 1 << 12


class Held:
    """The sealed blocks that one running instance has checked, with the total work of each branch."""

    def __init__(self, genesis: Header, boots: int) -> None:
        self.boots = boots
        self.work: dict[bytes, int] = {genesis.hash: 0}
        self.headers: dict[bytes, Header] = {genesis.hash: genesis}
        self.waiting: dict[bytes, Header] = {}

    def take_in(self, replica: Replica) -> list[Header]:
        """Move what the chain has by now from waiting to held; what is new. With a block come its ancestors that a
        process before this one had stored."""
        fresh: list[Header] = []
        for header in list(self.waiting.values()):
            step: Header | None = replica.chain.header(header.hash)
            while step is not None and step.hash not in self.work:
                self.waiting.setdefault(step.hash, step)
                step = replica.chain.header(step.parent_hash)
        moved = True
        while moved:
            moved = False
            for block_hash, header in list(self.waiting.items()):
                if header.parent_hash in self.work and replica.chain.header(block_hash) is not None:
                    del self.waiting[block_hash]
                    self.work[block_hash] = self.work[header.parent_hash] + header.difficulty
                    self.headers[block_hash] = header
                    fresh.append(header)
                    moved = True
        return fresh


class ForkChoice(Checker):
    """The head is a block of most work among those that a node has checked, and moves only for more (a draw keeps what
    was seen first). Under ghost the head is reached from genesis by always entering a heaviest subtree."""

    def __init__(self) -> None:
        self.held: dict[int, Held] = {}
        self.heads: dict[int, bytes] = {}
        self.forks: set[int] = set()
        self.heights: dict[int, bytes] = {}

    def after(self, replica: Replica, event: Event, effects: tuple[Effect, ...]) -> None:
        if not replica.honest:
            return
        held = self.held.get(replica.place)
        if held is None or held.boots != replica.boots:
            held = self.held[replica.place] = _restarted(replica)
            self.heads[replica.place] = replica.chain.head.hash
        block = getattr(event, "block", None) or getattr(getattr(event, "message", None), "block", None)
        header = getattr(event, "header", None) if block is None else block.header
        if header is not None:
            held.waiting.setdefault(header.hash, header)
        fresh = held.take_in(replica) if held.waiting else []
        for one in fresh:
            if self.heights.setdefault(one.number, one.hash) != one.hash:
                self.forks.add(one.number)
        if fresh or any(isinstance(effect, Adopt) for effect in effects):
            self._check(replica, held)

    def _check(self, replica: Replica, held: Held) -> None:
        head, before = replica.chain.head.hash, self.heads[replica.place]
        self.heads[replica.place] = head
        if head not in held.work:
            raise Violation("fork-choice", f"{replica.name} adopted a block that nobody gave it", replica.number)
        if replica.world.parameters["fork_choice"] == "ghost":
            self._check_ghost(replica, held)
            return
        best = max(held.work.values())
        if held.work[head] != best and not replica.world.parameters["finality_depth"]:
            detail = f"{replica.name} follows {held.work[head]:,} hashes of work, and has seen {best:,}"
            raise Violation("fork-choice", detail, replica.number)
        if head != before and held.work[head] == held.work.get(before):
            detail = f"{replica.name} left a branch for another with the same work"
            raise Violation("fork-choice", detail, replica.number)

    def _check_ghost(self, replica: Replica, held: Held) -> None:
        weights = dict.fromkeys(held.headers, 0)
        children: dict[bytes, list[bytes]] = {}
        for block_hash, header in sorted(held.headers.items(), key=lambda item: -item[1].number):
            weights[block_hash] += header.difficulty
            if header.parent_hash in weights:
                weights[header.parent_hash] += weights[block_hash]
                children.setdefault(header.parent_hash, []).append(block_hash)
        step: Header | None = replica.chain.head
        if children.get(replica.chain.head.hash):
            raise Violation("fork-choice", f"{replica.name} stops at a block that has children", replica.number)
        while step is not None and step.number:
            rivals = [weights[child] for child in children[step.parent_hash]]
            if weights[step.hash] != max(rivals):
                detail = f"{replica.name} entered a subtree of {weights[step.hash]:,} beside one of {max(rivals):,}"
                raise Violation("fork-choice", detail, replica.number)
            step = held.headers.get(step.parent_hash)


def _restarted(replica: Replica) -> Held:
    """What a new process starts from: the head's branch. Under ghost it has forgotten what hung beside it."""
    held = Held(replica.chain.genesis, replica.boots)
    held.waiting[replica.chain.head.hash] = replica.chain.head
    held.take_in(replica)
    return held


class Headers(Checker):
    """Every header on an adopted branch was worth adopting: after the median of its ancestors, not too far in the
    future, of the difficulty that the rule asks for, and sealed."""

    def __init__(self) -> None:
        self.known: set[bytes] = set()

    def after(self, replica: Replica, event: Event, effects: tuple[Effect, ...]) -> None:
        if not replica.honest or not any(isinstance(effect, Adopt) for effect in effects):
            return
        header: Header | None = replica.chain.head
        while header is not None and header.number and header.hash not in self.known:
            parent = replica.chain.header(header.parent_hash)
            if parent is None:
                raise Violation("validity", f"block {header.number} has no parent at {replica.name}", replica.number)
            self._check(replica, header, parent)
            self.known.add(header.hash)
            header = parent

    def _check(self, replica: Replica, header: Header, parent: Header) -> None:
        world = replica.world
        times: list[int] = []
        step: Header | None = parent
        while step is not None and len(times) < MEDIAN_OF:
            times.append(step.timestamp)
            step = replica.chain.header(step.parent_hash) if step.number else None
        median = sorted(times)[len(times) // 2]
        if header.timestamp <= median:
            detail = f"block {header.number} at {header.timestamp}, the median before it is {median}"
            raise Violation("timestamps", detail, replica.number)
        latest = replica.clock // SECOND + world.parameters["future_limit_s"]
        if header.timestamp > latest:
            detail = f"block {header.number} is {header.timestamp - latest} s beyond the bound on the future"
            raise Violation("timestamps", detail, replica.number)
        if not world.seal.holds(header, 0):
            raise Violation("proof-of-work", f"block {header.number} is not sealed", replica.number)
        wrong = difficulty_fault(world.parameters, world.genesis, header, parent)
        if wrong:
            raise Violation("difficulty", f"block {header.number}: {wrong}", replica.number)


def difficulty_fault(parameters: dict[str, object], genesis: Header, header: Header, parent: Header) -> str:
    """What is wrong with a header's difficulty under `fixed` or `asert`; empty if nothing is."""
    initial = int(str(parameters["initial_difficulty"]))
    if parameters["difficulty_rule"] == "fixed":
        return "" if header.difficulty == initial else f"{header.difficulty} where it is always {initial}"
    if parameters["difficulty_rule"] != "asert":
        return ""
    interval, half_life = int(str(parameters["block_interval_s"])), int(str(parameters["half_life_s"]))
    late = parent.timestamp - (genesis.timestamp - interval) - interval * (parent.number + 1)
    least = max(initial // 64, 1)
    wanted = log2(initial) - Fraction(late, half_life)
    if wanted <= log2(least):
        return "" if header.difficulty == least else f"{header.difficulty} where the least, {least}, belongs"
    if header.difficulty < COARSE or abs(log2(header.difficulty) - wanted) <= LOG2_ERROR:
        return ""
    return f"{header.difficulty} where 2**{float(wanted):.4f} belongs"
