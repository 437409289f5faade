"""The section `[attacker]`: a pool of miners against the rest, at instant fidelity.

What a strategy decides by is in `sim.attacks.strategies`; here is what a file says about it, and its limits.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, PlainSerializer

from raclette.lab.scenario.section import Section
from raclette.lab.scenario.values import MILLION, parse_share, show_share
from raclette.sim.attacks import Honest, PrivateChain, Selfish, Strategy, Stubborn, Withhold
from raclette.sim.liars import LiarSpec

# Blocks of one run: whole engines find about ten thousand a second, so this is a minute or two.
BLOCKS_MAX = 1_000_000
# A merchant who waits longer waits for days; a pool that far behind never comes back.
DEPTH_MAX = 1_000


def _read_power(value: Any) -> int:
    """Raises ValueError."""
    return _share_up_to(value, MILLION - 1, 'a share of at least 0 and less than 1, as 0.35 or "35%"')


def _read_gamma(value: Any) -> int:
    """Raises ValueError."""
    return _share_up_to(value, MILLION, 'a share from 0 to 1, as 0.5 or "50%"')


def _share_up_to(value: Any, most: int, accepted: str) -> int:
    try:
        share = parse_share(value)
    except ValueError:
        share = -1
    if not 0 <= share <= most:
        raise ValueError(f"{value!r}; accepted is {accepted}")
    return share


Power = Annotated[int, BeforeValidator(_read_power), PlainSerializer(show_share)]
"""Parts per million of the hash power, less than all."""
Gamma = Annotated[int, BeforeValidator(_read_gamma), PlainSerializer(show_share)]
"""Parts per million of the honest hash power."""

_COMMON = frozenset({"share", "gamma", "blocks"})


class Attacker(Section):
    """Instant fidelity: a pool of miners, and when it shows what it has found."""

    choice: ClassVar[str] = "strategy"
    belong: ClassVar[Mapping[str, frozenset[str]]] = {
        "honest": _COMMON,
        "selfish": _COMMON,
        "stubborn": _COMMON | {"lead", "equal_fork", "trail"},
        "private-chain": _COMMON | {"confirmations", "give_up", "premined"},
        "withhold": _COMMON,
    }
    strategy: Literal["honest", "selfish", "stubborn", "private-chain", "withhold"] = Field(
        default="selfish",
        description="`honest` shows every block at once (the control). `selfish`: Eyal and Sirer 2014. `stubborn`: "
        "Nayak et al. 2016. `private-chain`: double spends (Rosenfeld 2014). `withhold` shows nothing.",
    )
    share: Power = Field(default=350_000, description="Its part of all hash power.")
    gamma: Gamma = Field(
        default=0,
        description="Part of the honest hash power that hears the attacker first when it answers an honest block.",
    )
    blocks: int = Field(default=2_000, ge=1, le=BLOCKS_MAX, description="Blocks that are found by everybody, in all.")
    confirmations: int = Field(
        default=6, ge=1, le=DEPTH_MAX, description="private-chain: blocks that the merchant waits for."
    )
    give_up: int = Field(
        default=20, ge=1, le=DEPTH_MAX, description="private-chain: an attempt ends when it is so many blocks behind."
    )
    premined: bool = Field(
        default=True, description="private-chain: it pays only once it has a block in secret (as Rosenfeld has it)."
    )
    lead: bool = Field(default=True, description="stubborn: shows a draw where it could override.")
    equal_fork: bool = Field(default=False, description="stubborn: hides the block that would win a draw.")
    trail: int = Field(
        default=0, ge=0, le=DEPTH_MAX, description="stubborn: goes on while it is at most so many blocks behind."
    )

    def make(self) -> Strategy:
        """A new one: strategies keep count."""
        return _MAKERS[self.strategy](self)

    @property
    def powers(self) -> tuple[int, int, int]:
        """Hash power of the pool, of the honest who hear it first, and of the others, exactly: in parts of 10**12."""
        honest = MILLION - self.share
        first = honest * self.gamma
        return self.share * MILLION, first, honest * MILLION - first

    @property
    def lie(self) -> LiarSpec:
        """As reports name those who lie: the strategy and what belongs to it alone."""
        own = sorted(self.belong[self.strategy] - _COMMON)
        name = "honest pool" if self.strategy == "honest" else self.strategy
        return LiarSpec.of(name, **{key: int(getattr(self, key)) for key in own})


_MAKERS: Mapping[str, Callable[[Attacker], Strategy]] = {
    "honest": lambda _: Honest(),
    "selfish": lambda _: Selfish(),
    "stubborn": lambda a: Stubborn(lead=a.lead, fork=a.equal_fork, trail=a.trail),
    "private-chain": lambda a: PrivateChain(a.confirmations, a.give_up, premined=a.premined),
    "withhold": lambda _: Withhold(),
}
