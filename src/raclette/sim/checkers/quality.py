"""Common prefix, chain quality, chain growth, work against power: what a backbone owes to those who work on it.

Source: Garay, Kiayias and Leonardos, "The Bitcoin Backbone Protocol: Analysis and Applications", EUROCRYPT 2015. With
attackers of share a of the hash power, the honest part of any long enough stretch of the chain is at least
(1 - 2a) / (1 - a): in the worst case every block of theirs displaces one of the honest.

These are statements about chance, so each has a margin of `DEVIATIONS` standard deviations; a run breaks one by bad
luck less than once in 10**8. Blocks of the honest that stood beside other honest blocks (the network was slow) count as
work that the honest lost among themselves: no rule promises anything about them.

Common prefix, quality and growth are judged in runs without faults only (a node that is down or cut off adds nothing,
and nobody keeps count), and where the attackers have less than half. That nobody has more work on the chain than was
done is judged always.
"""

from collections import Counter
from math import isqrt

from raclette.chain.header import Header
from raclette.node.host import NewHead, Notice
from raclette.primitives.units import SECOND
from raclette.protocols.nakamoto import Parameters
from raclette.protocols.nakamoto.mining import TAG_BYTES
from raclette.protocols.parameters import parse_parameters
from raclette.sim.attacks.depth import SHARE_MAX, safe_depth
from raclette.sim.checkers.contract import Base, Subject
from raclette.sim.host import Host
from raclette.sim.world import World

# Margin of every statement, in standard deviations.
DEVIATIONS = 6
# Blocks at the end of the chain whose quality is judged, and the fewest that say anything.
STRETCH = 200
STRETCH_MIN = 20
# Reorganisations that the honest promise not to exceed by themselves, and in runs where attackers have too much.
PREFIX_MIN = 12
PREFIX_BEYOND = 24


def main_head(world: World, subject: Subject) -> Header | None:
    """The head of most living honest nodes; of two with as many, the higher hash. None if none live."""
    heads = [subject.view_of(host).head for host in world.hosts if host.honest and host.alive]
    counts = Counter(head.hash for head in heads)
    return max(heads, key=lambda head: (counts[head.hash], head.hash), default=None)


def branch(world: World, subject: Subject) -> list[Header]:
    """The main chain, newest first, without genesis."""
    head = main_head(world, subject)
    if head is None:
        return []
    host = next(h for h in world.hosts if h.honest and h.alive and subject.view_of(h).head.hash == head.hash)
    view, line, step = subject.view_of(host), list[Header](), head
    while step.number:
        line.append(step)
        parent = view.header(step.parent_hash)
        if parent is None:
            break
        step = parent
    return line


def miner_tag(header: Header) -> bytes:
    """What a miner writes of its id into its blocks."""
    return header.extra_data[:TAG_BYTES]


class _Backbone(Base):
    """What they have in common: parameters, powers, and the honest blocks as their finders adopt them."""

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject.view_of)
        self.subject = subject
        self.parameters = parse_parameters(Parameters, subject.genesis.protocol_parameters)
        # Blocks that honest nodes found: height -> hash -> difficulty.
        self.found: dict[int, dict[bytes, int]] = {}

    def observe(self, world: World, host: Host, notice: Notice) -> None:
        if isinstance(notice, NewHead) and host.honest:
            tag = host.node_id[:TAG_BYTES]
            for header in notice.added:
                if miner_tag(header) == tag:
                    self.found.setdefault(header.number, {})[header.hash] = header.difficulty

    def judged(self) -> bool:
        """Are quality and growth promised in this run?"""
        return not self.subject.config.faults and self.parameters.mine_empty

    @staticmethod
    def powers(world: World) -> tuple[int, int]:
        """Hashes a second of the honest and of the others."""
        honest = sum(host.hash_power for host in world.hosts if host.honest)
        return honest, sum(host.hash_power for host in world.hosts) - honest


class ChainQuality(_Backbone):
    """Attackers have no more of the last blocks than one for each that they can have found meanwhile.

    While the honest find n blocks, attackers of share a find a negative binomial number of mean n r and variance
    n r (1 + r), with r = a / (1 - a); to which comes a lead hidden beforehand, longer than m with probability r**m.
    """

    name = "chain-quality"

    def finish(self, world: World) -> None:
        honest, others = self.powers(world)
        line = branch(world, self.subject)[:STRETCH]
        if not self.judged() or others >= honest or len(line) < STRETCH_MIN:
            return
        tags = {host.node_id[:TAG_BYTES] for host in world.hosts if host.honest}
        theirs = sum(1 for header in line if miner_tag(header) not in tags)
        found = sum(len(self.found.get(header.number, ())) for header in line)
        most = most_of_attackers(found, others, honest)
        if theirs > most:
            self.report(
                world,
                -1,
                f"attackers with {others} of {honest + others} hashes a second have {theirs} of the last {len(line)} "
                f"blocks, at most {most} while the honest found {found}",
            )


def most_of_attackers(found: int, others: int, honest: int) -> int:
    """Blocks that attackers may have while the honest found `found`, by their powers (`others` < `honest`)."""
    mean = found * others // honest
    deviation = isqrt(found * others * (honest + others)) // honest + 1
    lead, odds = 0, 10**8
    while others and odds > 1:
        odds = odds * others // honest
        lead += 1
    return mean + DEVIATIONS * deviation + lead


class CommonPrefix(_Backbone):
    """No honest node gives up more than k blocks at once.

    k is the depth at which a double spend by the attackers' share succeeds once in 10**9 tries, their share taken of
    the power that was not lost to the honest network's own forks; at least `PREFIX_MIN`, which such forks do not reach.
    From a share of 45 % on nothing is promised; where more was asked for (`beyond`), k is `PREFIX_BEYOND`.
    """

    name = "common-prefix"

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject)
        self._deepest: tuple[int, int] = (0, -1)

    def observe(self, world: World, host: Host, notice: Notice) -> None:
        super().observe(world, host, notice)
        if isinstance(notice, NewHead) and host.honest:
            self._deepest = max(self._deepest, (len(notice.removed), host.index))

    def finish(self, world: World) -> None:
        most = self._promised(world)
        depth, node = self._deepest
        if most is not None and self.judged() and depth > most:
            self.report(world, node, f"{depth} blocks were given up at once, at most {most} are promised")

    def _promised(self, world: World) -> int | None:
        honest, others = self.powers(world)
        found = sum(map(len, self.found.values()))
        effective = honest * len(self.found) // max(1, found)
        share = -(-1000 * others // max(1, others + effective))
        if share <= SHARE_MAX:
            return max(PREFIX_MIN, safe_depth(share))
        return PREFIX_BEYOND if self.subject.config.beyond else None


class ChainGrowth(_Backbone):
    """The main chain has at least the work that the honest did, but for what they lost among themselves."""

    name = "chain-growth"

    def finish(self, world: World) -> None:
        line = branch(world, self.subject)
        if not self.judged() or not line:
            return
        honest, _ = self.powers(world)
        beside = sum(sum(found.values()) - max(found.values()) for found in self.found.values())
        squares = sum(difficulty**2 for found in self.found.values() for difficulty in found.values())
        promised = honest * world.kernel.now // SECOND - beside - DEVIATIONS * isqrt(squares)
        # The work of a block is promised once it is found; the one under way may be as long again as luck has it.
        promised -= DEVIATIONS * line[0].difficulty
        work = sum(header.difficulty for header in line)
        if work < promised:
            self.report(world, -1, f"the chain has work {work}; the honest did enough for {promised}")


class WorkDone(_Backbone):
    """No chain has more work than all hash power together can have done in the time: difficulties mean something."""

    name = "work-done"

    def finish(self, world: World) -> None:
        line = branch(world, self.subject)
        work = sum(header.difficulty for header in line)
        squares = sum(header.difficulty**2 for header in line)
        hardest = max((header.difficulty for header in line), default=0)
        possible = sum(self.powers(world)) * world.kernel.now // SECOND + DEVIATIONS * (isqrt(squares) + hardest)
        if work > possible:
            self.report(world, -1, f"the chain claims work {work}; at most {possible} was possible")
