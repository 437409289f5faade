"""When to show a hidden block: the published strategies of those who mine in secret, and nothing else.

A pool that keeps its blocks to itself knows two branches: its own, and the best that the others have made public. A
strategy sees how long both are since they parted, and says how many of its blocks are to be public now and whether to
give its branch up. It knows no network, no clock and no chain, so the same object plays in the fast world of
`instant` and around a whole node (`sim.liars`).

Lengths are counted in blocks, as the papers do. Under a difficulty rule that moves, two branches of one length may
differ in work by a few percent, and then a race that a paper calls a draw is none; the chain decides by work, always.
"""

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple, Protocol


class Fork(NamedTuple):
    """Two branches since they parted, in blocks. The first `shown` of `ours` are public."""

    ours: int
    theirs: int
    shown: int

    @property
    def lead(self) -> int:
        """By how much our branch is longer."""
        return self.ours - self.theirs


class Move(NamedTuple):
    """Make the first `show` blocks of ours public (those that already are stay so). `adopt`: leave our branch."""

    show: int = 0
    adopt: bool = False


WAIT = Move()
ADOPT = Move(adopt=True)


class Strategy(Protocol):
    """What a pool does after a block. May keep count of its attempts."""

    name: str

    def found(self, fork: Fork) -> Move:
        """We have just found the last of `ours`."""

    def heard(self, fork: Fork) -> Move:
        """The others' branch has just grown, or another has taken its place."""


class Honest:
    """Shows every block at once: the control."""

    name = "honest"

    def found(self, fork: Fork) -> Move:
        return Move(fork.ours)

    def heard(self, fork: Fork) -> Move:
        return ADOPT if fork.lead < 0 else Move(fork.ours)


class Withhold:
    """Never shows a block; starts again from the public branch when that is longer. It wastes its own work and lowers
    the growth of the chain by as much: the baseline of sabotage."""

    name = "withhold"

    def found(self, fork: Fork) -> Move:
        return WAIT

    def heard(self, fork: Fork) -> Move:
        return ADOPT if fork.lead < 0 else WAIT


class Stubborn:
    """Selfish mining with three kinds of stubbornness, any of which may be off.

    Source: Nayak, Kumar, Miller and Shi, "Stubborn Mining: Generalizing Selfish Mining and Combining with an Eclipse
    Attack", EuroS&P 2016, section 3. With `lead`, it never overrides a public branch that has come within one block,
    but shows just enough for a draw. With `fork` (equal-fork), it hides even the block that would win a draw. With
    `trail` of j, it goes on while it is at most j blocks behind.
    """

    name = "stubborn"

    def __init__(self, *, lead: bool = True, fork: bool = False, trail: int = 0) -> None:
        self.lead = lead
        self.fork = fork
        self.trail = trail

    def found(self, fork: Fork) -> Move:
        """A lead of one over blocks of theirs came out of a draw: show it and win, unless equal-fork stubborn."""
        won = fork.lead == 1 and fork.theirs > 0
        return Move(fork.ours) if won and not self.fork else WAIT

    def heard(self, fork: Fork) -> Move:
        if fork.lead < 0:
            return ADOPT if -fork.lead > self.trail or not fork.ours else WAIT
        if fork.lead == 1 and not self.lead:
            return Move(fork.ours)
        return Move(min(fork.ours, fork.theirs))


class Selfish(Stubborn):
    """Selfish mining: hide a lead, answer each public block with just enough, take all while still one ahead.

    Source: Eyal and Sirer, "Majority is not Enough: Bitcoin Mining is Vulnerable", FC 2014, algorithm 1 (called SM1 by
    Sapirshtein et al. 2016).
    """

    name = "selfish"

    def __init__(self) -> None:
        super().__init__(lead=False, fork=False, trail=0)


class PrivateChain:
    """Double spend: pay, mine a branch without the payment in secret, and show it once the goods are here.

    The payment counts as delivered when its block has `confirmations` blocks (its own included). The branch is shown as
    soon as that is so and it is longer; the attempt is given up when it is `give_up` blocks behind. With `premined`,
    the pool pays only when it has a block in secret already: the game of Rosenfeld, "Analysis of hashrate-based double
    spending", 2014, section 3, whose success has a closed form.

    `attempts` and `successes` count; an attempt under way is in neither of successes and failures.
    """

    name = "private-chain"

    def __init__(self, confirmations: int = 6, give_up: int = 20, *, premined: bool = True) -> None:
        self.confirmations = confirmations
        self.give_up = give_up
        self.premined = premined
        self.attempts = 0
        self.successes = 0
        self.failures = 0

    @property
    def paying(self) -> bool:
        """Is an attempt under way?"""
        return self.attempts > self.successes + self.failures

    def found(self, fork: Fork) -> Move:
        if not self.paying:
            self.attempts += 1
        return self._take(fork)

    def heard(self, fork: Fork) -> Move:
        if not self.paying:
            if self.premined:
                return ADOPT
            self.attempts += 1
        return self._take(fork)

    def _take(self, fork: Fork) -> Move:
        if fork.theirs >= self.confirmations and fork.lead > 0:
            self.successes += 1
            return Move(fork.ours)
        if -fork.lead >= self.give_up:
            self.failures += 1
            return ADOPT
        return WAIT


class Action(Enum):
    """What a pool may do. Source: Sapirshtein, Sompolinsky and Zohar, "Optimal Selfish Mining Strategies in Bitcoin",
    FC 2016, section 3."""

    ADOPT = "adopt"
    OVERRIDE = "override"
    MATCH = "match"
    WAIT = "wait"


class Race(Enum):
    """The third coordinate there: is a draw possible (the last block is the others'), impossible, or on?"""

    RELEVANT = "relevant"
    IRRELEVANT = "irrelevant"
    ACTIVE = "active"


class Policy:
    """Plays any function of (ours, theirs, race), such as an optimal policy found by value iteration."""

    name = "policy"

    def __init__(self, choose: Callable[[int, int, Race], Action]) -> None:
        self._choose = choose

    def found(self, fork: Fork) -> Move:
        matched = 0 < fork.theirs <= fork.shown
        return self._move(fork, Race.ACTIVE if matched else Race.IRRELEVANT)

    def heard(self, fork: Fork) -> Move:
        return self._move(fork, Race.RELEVANT)

    def _move(self, fork: Fork, race: Race) -> Move:
        match self._choose(fork.ours, fork.theirs, race):
            case Action.ADOPT:
                return ADOPT
            case Action.OVERRIDE:
                return Move(fork.theirs + 1)
            case Action.MATCH:
                return Move(fork.theirs)
            case Action.WAIT:
                return WAIT


__all__ = [
    "Action",
    "Fork",
    "Honest",
    "Move",
    "Policy",
    "PrivateChain",
    "Race",
    "Selfish",
    "Strategy",
    "Stubborn",
    "Withhold",
]
