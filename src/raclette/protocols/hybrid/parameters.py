"""What a genesis says about the hybrid (HYB-60). Times in milliseconds or seconds, depths in snail blocks."""

from typing import Any, Literal

from pydantic import Field, model_validator

from raclette.protocols.committee import VALIDATORS_MAX, ValidatorList, parse_node_id
from raclette.protocols.hybrid.fruits import FRESHNESS_MAX, FRUITS_PER_BLOCK_MAX
from raclette.protocols.parameters import ProtocolParameters


class Parameters(ProtocolParameters):
    """Every number of the protocol that is not a law of nature. All replicas of a chain share them."""

    validators: ValidatorList
    inner: Literal["pbft", "simplex"] = Field("pbft", description="What orders the blocks of a day.")
    # The paper's csize. A third of the seats may lie; how many honest miners that takes: `raclette lab run committee`.
    committee_size: int = Field(
        8, ge=1, le=VALIDATORS_MAX, description="Seats of a committee, and the length of a day in snail blocks."
    )
    # The paper's lambda: a reorganisation that is deeper elects two committees.
    stable_depth: int = Field(4, ge=2, le=10_000, description="Depth at which a snail block counts as stable.")
    # Also what tells a node that it is cut off: fewer blocks than this in three times as many intervals. With all
    # miners at work that is so for 5e-5 of the time (Poisson), and the log waits for the next block.
    patience: int = Field(
        8,
        ge=1,
        le=10_000,
        description="Snail blocks that a committee has to end its day, and then the miners to record what it ordered.",
    )
    fruits: int = Field(
        0,
        ge=0,
        le=FRUITS_PER_BLOCK_MAX,
        description="Fruits expected for each snail block, to whose finders the seats go; 0: seats go to blocks.",
    )
    # The paper's R times kappa.
    freshness: int = Field(
        68, ge=2, le=FRESHNESS_MAX, description="Snail blocks behind it within which a block takes fruits in."
    )
    timeout_ms: int = Field(
        2_000, ge=10, le=600_000, description="Patience with a leader that owes a block, in milliseconds."
    )
    complain_ms: int = Field(
        20_000,
        ge=10,
        le=3_600_000,
        description="Patience with the committee, before a member complains on the snail chain, in milliseconds.",
    )
    difficulty_rule: Literal["fixed", "asert"] = Field("asert", description="Of the snail chain.")
    initial_difficulty: int = Field(1 << 20, ge=1, le=2**200, description="Expected hashes of the first snail block.")
    block_interval_s: int = Field(10, ge=1, le=86_400, description="Between two snail blocks, in seconds.")
    half_life_s: int = Field(300, ge=1, le=2**40, description="Schedule error that doubles or halves asert's target.")
    future_limit_s: int = Field(
        15, ge=0, le=7_200, description="How far a block's time may be ahead of the local clock, in seconds."
    )
    reward: int = Field(0, ge=0, le=2**128, description="New money for the proposer of a block, in the smallest unit.")

    @model_validator(mode="after")
    def _fruits_can_be_fresh(self) -> "Parameters":
        # A fruit hangs `stable_depth` blocks down, so a shorter window would elect nobody.
        if self.fruits and self.freshness < 2 * self.stable_depth:
            raise ValueError(f"freshness {self.freshness} is less than twice stable_depth {self.stable_depth}")
        return self

    @property
    def node_ids(self) -> tuple[bytes, ...]:
        """The committee of the first day as bytes."""
        return tuple(parse_node_id(text) for text in self.validators)

    @property
    def snail(self) -> dict[str, Any]:
        """The snail chain's part, as `nakamoto` reads it."""
        shared = ("difficulty_rule", "initial_difficulty", "block_interval_s", "half_life_s", "future_limit_s")
        return {"fork_choice": "heaviest", "reward": 0} | {name: getattr(self, name) for name in shared}
