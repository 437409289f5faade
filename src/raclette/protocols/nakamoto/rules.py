"""What a header must satisfy to follow its parent. Used for blocks as they come and for headers during sync."""

from functools import lru_cache

from raclette.chain.header import EMPTY_UNCLES_HASH, Header
from raclette.engine.contract import Lookup, SealCheck
from raclette.primitives.errors import InvalidHeader, NotYet
from raclette.primitives.hashing import ZERO_HASH
from raclette.primitives.units import SECOND
from raclette.protocols.nakamoto.difficulty import DifficultyRule, make_rule
from raclette.protocols.nakamoto.parameters import Parameters
from raclette.protocols.nakamoto.seal import DIFFICULTY_MAX, target_of

# Blocks whose median a timestamp must exceed: with less than half the work nobody holds the median (Bitcoin).
MEDIAN_SPAN = 11
# Free text of the miner, as long as Ethereum allows.
EXTRA_BYTES_MAX = 32


# Medians by block hash: a block's ancestors never change, so neither does its median, whichever node asks. A header is
# asked about when it is checked, when it is mined on, and in the simulator by every node of the process.
MEDIANS_MAX = 4_096
_medians: dict[bytes, int] = {}


def median_time_past(header: Header, lookup: Lookup) -> int:
    """Median timestamp (s) of `header` and the ten before it; of fewer at the start (the later of two middles).

    Raises InvalidHeader if `lookup` does not know an ancestor.
    """
    known = _medians.get(header.hash)
    if known is not None:
        return known
    tip = header.hash
    times = [header.timestamp]
    while len(times) < MEDIAN_SPAN and header.number > 0:
        ancestor = lookup(header.parent_hash)
        if ancestor is None:
            raise InvalidHeader("ancestor-unknown", f"block {header.number - 1} is missing below {header.number}")
        header = ancestor
        times.append(header.timestamp)
    if len(_medians) >= MEDIANS_MAX:
        _medians.clear()
    median = _medians[tip] = sorted(times)[len(times) // 2]
    return median


# Headers that were found to follow their parent by all rules but the clock's. That they do is a function of the header
# alone, for its hash commits to all its ancestors: what one node of this process has found out holds for all.
CHECKED_MAX = 4_096


class HeaderRules:
    """The header rules of one chain. They know nothing of the node that asks: see `rules_of`."""

    __slots__ = ("_checked", "_future_limit", "_minimum", "_rule", "_seal")

    def __init__(self, parameters: Parameters, rule: DifficultyRule, seal: SealCheck) -> None:
        self._rule = rule
        self._seal = seal
        self._minimum = parameters.least_difficulty
        self._future_limit = parameters.future_limit_s
        self._checked: dict[bytes, None] = {}

    def check(self, header: Header, parent: Header, lookup: Lookup, now: int) -> None:
        """Raises InvalidHeader; NotYet (after everything else holds) if only the time has not come."""
        if header.hash not in self._checked:
            self._check_link(header, parent, lookup)
            if len(self._checked) >= CHECKED_MAX:
                self._checked.clear()
            self._checked[header.hash] = None
        elif header.parent_hash != parent.hash:  # NAK-7
            raise InvalidHeader("not-a-child", f"block {header.number} does not follow block {parent.number}")
        self.check_time(header, now)

    def _check_link(self, header: Header, parent: Header, lookup: Lookup) -> None:
        """Everything that no clock changes."""
        if header.parent_hash != parent.hash or header.number != parent.number + 1:  # NAK-7
            raise InvalidHeader("not-a-child", f"block {header.number} does not follow block {parent.number}")
        self._check_fields(header)
        expected = self._rule.after(parent)
        if header.difficulty != expected:  # NAK-11
            raise InvalidHeader("difficulty", f"says {header.difficulty}, the rule says {expected}")
        if not self._seal.holds(header, target_of(expected)):  # NAK-10
            raise InvalidHeader("proof-of-work", f"block {header.number} is not sealed")
        median = median_time_past(parent, lookup)
        if header.timestamp <= median:  # NAK-16
            raise InvalidHeader("time-too-old", f"{header.timestamp} is not after the median {median}")

    def check_time(self, header: Header, now: int) -> None:
        """Raises NotYet if the header is further in the future than the limit."""
        if header.timestamp > now // SECOND + self._future_limit:  # NAK-17
            raise NotYet("time-too-new", f"{header.timestamp} is over {self._future_limit} s ahead of {now // SECOND}")

    def matures_at(self, header: Header) -> int:
        """The first moment (ns) at which `check_time` passes."""
        return (header.timestamp - self._future_limit) * SECOND

    def check_orphan(self, header: Header) -> None:
        """What shows without the parent: the claimed work was done and is worth keeping. Raises InvalidHeader."""
        self._check_fields(header)
        if not self._minimum <= header.difficulty <= DIFFICULTY_MAX:  # NAK-22
            raise InvalidHeader("difficulty", f"{header.difficulty} is out of range")
        if not self._seal.holds(header, target_of(header.difficulty)):
            raise InvalidHeader("proof-of-work", f"block {header.number} is not sealed")

    def _check_fields(self, header: Header) -> None:
        if header.mix_hash != ZERO_HASH:  # NAK-8
            raise InvalidHeader("mix-hash", "the seal does not cover it, so it is zero")
        if header.uncles_hash != EMPTY_UNCLES_HASH:  # NAK-8
            raise InvalidHeader("uncles", "there are none")
        if len(header.extra_data) > EXTRA_BYTES_MAX:  # NAK-9
            raise InvalidHeader("extra-data", f"{len(header.extra_data)} bytes, at most {EXTRA_BYTES_MAX}")


@lru_cache(maxsize=16)
def rules_of(parameters: Parameters, genesis: Header, seal: SealCheck) -> HeaderRules:
    """The same object for all nodes of this process that follow the same chain and trust the same kind of seal."""
    return HeaderRules(parameters, make_rule(parameters, genesis), seal)
