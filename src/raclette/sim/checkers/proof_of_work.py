"""What a proof-of-work chain owes to its rules, looked at by somebody who does not use the engine's own code.

*Fork choice*: whatever a node knows, its head is the branch that the chain's rule prefers. *Timestamps*: no adopted
block is dated before the median of its ancestors or beyond the node's clock. *Difficulty*: the chain does not run far
ahead of its schedule, so a second of block time is a second. Always.
"""

from collections.abc import Iterator
from math import isqrt

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.node.host import NewHead, Notice
from raclette.node.node import Node
from raclette.primitives.units import SECOND
from raclette.protocols.nakamoto import Parameters
from raclette.protocols.parameters import parse_parameters
from raclette.sim.checkers.contract import Base, Subject
from raclette.sim.host import Host
from raclette.sim.world import World

# Blocks whose median time a child must exceed (Bitcoin's median time past).
MEDIAN_SPAN = 11
# How often nodes' trees are compared with their heads: walking them costs time, and a wrong choice stays.
LOOKS_PER_CHECK = 20
# A block may have been judged by a clock that has jumped back since: the limit counts so many times.
CLOCK_SLACK = 2
# A chain may be this much faster than planned (in halves), and beyond that by this many standard deviations of luck.
PACE_HALVES = 3
LUCK_DEVIATIONS = 6


def parameters_of(subject: Subject) -> Parameters:
    """Of the chain that is watched."""
    return parse_parameters(Parameters, subject.genesis.protocol_parameters)


class ForkChoice(Base):
    """No node knows a better branch than its head's: more work (`heaviest`), or a heavier subtree at some fork
    (`ghost`). Under `heaviest`, whoever leaves a branch gains work by it: a draw stays with what was seen first."""

    name = "fork-choice"

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject.view_of)
        self._ghost = parameters_of(subject).fork_choice == "ghost"
        self._looks = 0

    def observe(self, world: World, host: Host, notice: Notice) -> None:
        if self._ghost or not isinstance(notice, NewHead) or not host.honest or not notice.removed:
            return
        left = sum(header.difficulty for header in notice.removed)
        joined = sum(header.difficulty for header in notice.added)
        if joined <= left and not self.violations:
            self.report(world, host.index, f"left a branch of work {left} for one of work {joined}")

    def look(self, world: World) -> None:
        self._looks += 1
        if self._looks % LOOKS_PER_CHECK == 0:
            self.finish(world)

    def finish(self, world: World) -> None:
        for host in world.hosts:
            if host.honest and host.alive and not self.violations:
                self._check(world, host)

    def _check(self, world: World, host: Host) -> None:
        if not isinstance(host.node, Node):
            return
        sides = [block for block in host.node.chain.beside() if block.number > self.view_of(host).finalized.number]
        if sides:
            worse = self._subtrees(host, sides) if self._ghost else self._branches(host, sides)
            for detail in worse:
                self.report(world, host.index, detail)

    def _branches(self, host: Host, sides: list[Block]) -> Iterator[str]:
        """Work above the point where each branch leaves the head's."""
        view = self.view_of(host)
        ours = {number: header.difficulty for number, header in self._line(host, sides[0].number)}
        totals: dict[bytes, tuple[int, int]] = {}
        for block in sides:
            fork, above = totals.get(block.parent_hash, (block.number - 1, 0))
            totals[block.hash] = (fork, above + block.header.difficulty)
            work = sum(difficulty for number, difficulty in ours.items() if number > fork)
            if totals[block.hash][1] > work:
                yield f"head {view.head.number} has work {work} above {fork}, a known branch {totals[block.hash][1]}"

    def _subtrees(self, host: Host, sides: list[Block]) -> Iterator[str]:
        """At each height of the head's branch: does a sibling carry more?"""
        line = dict(self._line(host, sides[0].number))
        parents = {block.hash: block.parent_hash for block in sides}
        weights = {block.hash: block.header.difficulty for block in sides}
        for block in reversed(sides):
            if block.parent_hash in weights:
                weights[block.parent_hash] += weights[block.hash]
        hanging: dict[bytes, list[int]] = {}
        for own, parent in parents.items():
            if parent not in weights:
                hanging.setdefault(parent, []).append(weights[own])
        below = 0
        for number in sorted(line, reverse=True):
            below += line[number].difficulty + sum(hanging.get(line[number].hash, ()))
            rival = max(hanging.get(line[number].parent_hash, (0,)))
            if rival > below:
                yield f"the subtree at {number} on the head's branch weighs {below}, a sibling's {rival}"

    def _line(self, host: Host, lowest: int) -> Iterator[tuple[int, Header]]:
        """The head's branch, from `lowest` up."""
        view = self.view_of(host)
        for number in range(lowest, view.head.number + 1):
            header = view.canonical(number)
            if header is not None:
                yield number, header


class Timestamps(Base):
    """Every adopted block is later than the median of the eleven before it, and not beyond the clock's limit."""

    name = "timestamps"

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject.view_of)
        self._limit = parameters_of(subject).future_limit_s
        self._clocks: dict[int, int] = {}

    def look(self, world: World) -> None:
        for host in world.hosts:
            self._clocks[host.index] = max(host.now, self._clocks.get(host.index, 0))

    def observe(self, world: World, host: Host, notice: Notice) -> None:
        if not isinstance(notice, NewHead) or not host.honest or self.violations:
            return
        clock = self._clocks[host.index] = max(host.now, self._clocks.get(host.index, 0))
        for header in notice.added:
            latest = clock // SECOND + CLOCK_SLACK * self._limit
            median = self._median(host, header)
            if header.timestamp > latest:
                self.report(
                    world, host.index, f"height {header.number} is of {header.timestamp}, the clock allows {latest}"
                )
            if header.timestamp <= median:
                self.report(
                    world, host.index, f"height {header.number} is of {header.timestamp}, the median is {median}"
                )

    def _median(self, host: Host, header: Header) -> int:
        view = self.view_of(host)
        times: list[int] = []
        step = view.header(header.parent_hash)
        while step is not None and len(times) < MEDIAN_SPAN:
            times.append(step.timestamp)
            step = view.header(step.parent_hash) if step.number else None
        return sorted(times)[len(times) // 2] if times else -1


class Difficulty(Base):
    """The chain is not far ahead of one block each `block_interval_s`: the hash power of these worlds is what the first
    difficulty stands for. Being behind is no fault: miners may be down."""

    name = "difficulty"

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject.view_of)
        self._parameters = parameters_of(subject)

    def finish(self, world: World) -> None:
        parameters = self._parameters
        if parameters.difficulty_rule != "asert":
            return
        planned = world.kernel.now // SECOND // parameters.block_interval_s
        ahead = parameters.future_limit_s // parameters.block_interval_s
        most = planned * PACE_HALVES // 2 + ahead + LUCK_DEVIATIONS * isqrt(max(1, planned))
        for host in world.hosts:
            height = self.view_of(host).head.number if host.honest and host.alive else 0
            if height > most:
                self.report(world, host.index, f"{height} blocks where {planned} were planned, at most {most}")
                return
