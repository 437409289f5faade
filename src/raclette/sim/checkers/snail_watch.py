"""Did what the hybrid assumes of its snail chain come true? Watched over the shoulders of all honest nodes.

spec/hybrid.md argues from three assumptions. That few seats lie is what accountability is about; the other two are:

1. no two honest nodes ever disagree about a snail block that is `stable_depth` - 1 deep. Where they do, two committees
   may own one day, or one committee begin a day on two blocks and sign honestly for both: nobody's signatures prove
   anything then;
2. what an honest node publishes is on every honest branch within `patience` snail blocks. Where it is not, a day may be
   closed by force below a block that somebody holds final. The code has its part in this: it takes no block of a day
   that is cut, unless the snail chain has it (HYB-15). Whoever did is named in `late`.

Nobody sees a state between two looks at a node, so what may have been right in between counts as right.
"""

from typing import NamedTuple

from raclette.chain.header import Header
from raclette.protocols.hybrid.almanac import Almanac, Day
from raclette.protocols.hybrid.day import LAG, day_of
from raclette.protocols.hybrid.engine import HybridEngine
from raclette.protocols.hybrid.parameters import Parameters


class Look(NamedTuple):
    """At one node: its snail chain's head, the almanacs after it and after what was stable, how deep that was, and the
    number of the last final block of the log."""

    head: bytes
    almanac: Almanac
    stable: Almanac
    deep: int
    final: int


class SnailWatch:
    """`broken` says how assumption 1 failed, or is empty. `days` are all that were stable at somebody honest, by the
    snail block of their election. `late` says by block hash which final blocks nobody should have taken."""

    def __init__(self, parameters: Parameters) -> None:
        self.broken = ""
        self.days: dict[bytes, Day] = {}
        self.late: dict[bytes, str] = {}
        self._depth = parameters.stable_depth - LAG
        # From its election to the cut of the day before (HYB-15).
        self._grace = parameters.stable_depth + parameters.patience
        # number -> hash of what the first honest node took for stable there, and who that was.
        self._stable: dict[int, tuple[bytes, int]] = {}
        self._looks: dict[int, Look] = {}

    def look(self, index: int, engine: HybridEngine) -> None:
        """At honest node `index`. Costs next to nothing if neither its snail chain nor its log has moved."""
        chain, final = engine.snail.chain, engine.log.final
        last = self._looks.get(index)
        if last is None or last.head != chain.head.hash:
            stable = chain.almanac(self._depth)
            self._meet(stable)
            deep = self._check_stable(index, engine, last.deep if last is not None else 0)
            now = Look(chain.head.hash, chain.almanac(), stable, deep, final.number)
        elif last.final != final.number:
            now = last._replace(final=final.number)
        else:
            return
        self._looks[index] = now
        for number in range((last or now).final + 1, final.number + 1):
            header = engine.core.chain.canonical(number)
            if header is not None and not any(_counts(each, header, self._grace) for each in (last or now, now)):
                self.late[header.hash] = f"n{index:02d} took it though day {day_of(header)} was cut"

    def _meet(self, almanac: Almanac) -> None:
        """Remember days that are new."""
        for day in almanac.days():
            if day.snail_hash in self.days:
                return
            self.days[day.snail_hash] = day

    def _check_stable(self, index: int, engine: HybridEngine, deep: int) -> int:
        """Compare what is stable at this node, from number `deep` on, with all that was so before, here and elsewhere.
        Returns the number up to which it has been compared."""
        chain = engine.snail.chain
        upto = max(deep, chain.head.number - self._depth)
        for number in range(deep, upto + 1):
            found = chain.canonical(number)
            if found is None:
                return deep  # a node that came back and is not there again yet
            first, where = self._stable.setdefault(number, (found.hash, index))
            if first != found.hash and not self.broken:
                self.broken = f"n{index:02d} and n{where:02d} disagree about stable snail block {number}"
        return upto


def _counts(look: Look, header: Header, grace: int) -> bool:
    """HYB-15, HYB-25: at that moment, could a proved block of the log be taken as far as its day is concerned?"""
    day = day_of(header)
    end = look.stable.end_of(day)
    if end is not None:
        return header.number < end.number or (header.number, header.hash) == (end.number, end.block_hash)
    newest = look.almanac.day
    if newest.number != day + 1 or look.almanac.number < newest.elected + grace:
        return True
    record = look.almanac.record_of(day)
    return record is not None and record.number >= header.number


__all__ = ["SnailWatch"]
