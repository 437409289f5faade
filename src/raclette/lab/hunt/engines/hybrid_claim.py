"""Does the hybrid promise anything in this run? What it assumes of the snail chain, checked as the run goes.

spec/hybrid.md argues from three assumptions, and a drawn run may break each by bad luck:

- no two honest nodes disagree about a snail block that is `stable_depth` - 1 deep (a long partition breaks that);
- less than a third of every committee's seats lie (seats are drawn by luck: liars sometimes win too many);
- what an honest node publishes is on every honest branch within `patience` snail blocks. It matters only where a day is
  closed by force, so only there it is asked: was somebody that far behind before?

A run in which one of them fails is out of claim from then on: nothing that it does afterwards is a finding. The hunt
counts such runs, and draws parameters so that they are few.
"""

from raclette.chain.block import Block
from raclette.engine.effects import Effect
from raclette.engine.events import Event
from raclette.engine.message import Message
from raclette.lab.hunt.engines.world import Checker, Replica
from raclette.protocols.hybrid.almanac import Almanac
from raclette.protocols.hybrid.day import LAG
from raclette.protocols.hybrid.snail_chain import SnailChain


def snail_of(replica: Replica) -> SnailChain:
    """The replica's own."""
    snail: SnailChain = replica.engine.snail.chain
    return snail


class Claim(Checker):
    """Must come first among the checkers. `broken` says which assumption failed; empty while all hold."""

    def __init__(self) -> None:
        self.broken = ""
        self.forced = 0
        self.elections = 0
        self.rotations = 0
        # place -> the head that was looked at last.
        self._heads: dict[int, bytes] = {}
        # place -> (number, hash) of a block that the replica took for stable.
        self._stable: dict[int, tuple[int, bytes]] = {}
        # Final blocks that not all honest replicas have: number -> height of the snail chain when the first one had it.
        self._news: dict[int, int] = {}
        self._finals: dict[int, int] = {}
        self._late = ""

    @property
    def holds(self) -> bool:
        """Is everything as the argument assumes?"""
        return not self.broken

    def after(self, replica: Replica, event: Event, effects: tuple[Effect, ...]) -> None:
        self._look(replica)

    def said(self, replica: Replica, message: Message) -> None:
        self._look(replica)

    def finalized(self, replica: Replica, block: Block, certificate: bytes) -> None:
        self._look(replica)

    def _look(self, replica: Replica) -> None:
        """Before anybody judges what the replica has just done."""
        if not replica.honest or self.broken or not replica.up:
            return
        snail = snail_of(replica)
        self._note_news(replica, snail)
        if self._heads.get(replica.place) == snail.head.hash:
            return
        self._heads[replica.place] = snail.head.hash
        self._check_stable(replica, snail)
        self._check_pace(replica, snail)
        self._check_almanac(replica, snail.almanac(self._depth(replica)))

    def _depth(self, replica: Replica) -> int:
        depth: int = replica.world.parameters["stable_depth"]
        return depth - LAG

    def _check_stable(self, replica: Replica, snail: SnailChain) -> None:
        """Is what was stable still there, and the same for everybody who has it that deep?"""
        number, block_hash = self._stable.get(replica.place, (0, b""))
        found = snail.canonical(number) if number else None
        if found is not None and found.hash != block_hash:
            self.broken = f"{replica.name} left a stable snail block {number}"
        deep = snail.canonical(max(0, snail.head.number - self._depth(replica)))
        if deep is None or not deep.number:
            return
        self._stable[replica.place] = (deep.number, deep.hash)
        for other in replica.world.alive:
            theirs = snail_of(other)
            if theirs.head.number - deep.number >= self._depth(replica):
                rival = theirs.canonical(deep.number)
                if rival is not None and rival.hash != deep.hash:
                    self.broken = f"{replica.name} and {other.name} disagree about the stable snail block {deep.number}"

    def _note_news(self, replica: Replica, snail: SnailChain) -> None:
        final = replica.engine.log.final.number
        if final > self._finals.get(replica.place, 0):
            self._finals[replica.place] = final
            self._news.setdefault(final, snail.head.number)

    def _check_pace(self, replica: Replica, snail: SnailChain) -> None:
        """Has what others made final reached this replica in time, and is it near the newest snail block?"""
        if self._late:
            return
        patience: int = replica.world.parameters["patience"]
        honest = replica.world.replicas
        mine = replica.engine.log.final.number
        for number, since in list(self._news.items()):
            if all(self._finals.get(other.place, 0) >= number for other in honest):
                del self._news[number]
            elif number > mine and snail.head.number >= since + patience:
                self._late = f"{replica.name} has not heard of block {number}"
        for other in replica.world.alive:
            if snail.head.number - snail_of(other).head.number > patience:
                self._late = f"{other.name} has not heard of the last {patience} snail blocks"

    def _check_almanac(self, replica: Replica, almanac: Almanac) -> None:
        liars = {replica.world.ids[number] for number in replica.world.liars}
        for day in (almanac.before, almanac.day):
            if day is not None and day.weigh(sorted(liars & set(day.weights))) > (len(day.seats) - 1) // 3:
                self.broken = f"too many seats of day {day.number} lie"
        self.elections = max(self.elections, almanac.day.number - 1)
        past = almanac.past
        self.rotations = max(self.rotations, past.end.day if past is not None else 0)
        if past is not None and past.end.forced:
            self.forced = max(self.forced, past.end.day)
        if self.forced and self._late:
            self.broken = f"a day was closed by force while {self._late}"
