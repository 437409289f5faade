"""What a proof-of-work chain fixes in its genesis file, under `config.protocol`."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from raclette.primitives.units import ETHER
from raclette.protocols.parameters import ProtocolParameters

Positive = Annotated[int, Field(ge=1, le=2**63 - 1)]
Difficulty = Annotated[int, Field(ge=1, le=2**200)]


class Parameters(ProtocolParameters):
    """Every number of the protocol that is not a law of nature. All replicas of a chain share them.

    Attributes:
        fork_choice: `heaviest` (most cumulative work) or `ghost` (heaviest subtree).
        difficulty_rule: `fixed`, `asert` or `rising`.
        initial_difficulty: expected hashes of the first block.
        minimum_difficulty: below this no rule goes; also what an orphan must have cost to be kept. 0: a 64th of the
            initial difficulty.
        block_interval_s: the interval that asert steers to.
        half_life_s: schedule error that doubles or halves asert's target.
        rise_start_digits: leading zero hex digits that `rising` starts from.
        rise_bits_per_step: zero bits added each time the height passes a cube (4: a whole hex digit).
        future_limit_s: how far a timestamp may be ahead of the local clock.
        reward: paid to the beneficiary of a block of the first era, in the ledger's smallest unit.
        halving_interval: blocks after which the reward halves.
        finality_depth: depth below the head at which a block counts as final; 0: never.
        mine_empty: mine blocks without transactions too.
        refresh_ms: least time between two candidates on one head because of new transactions.
        time_refresh_ms: time after which a candidate gets a new timestamp.
    """

    fork_choice: Literal["heaviest", "ghost"] = "heaviest"
    difficulty_rule: Literal["fixed", "asert", "rising"] = "asert"
    initial_difficulty: Difficulty = 1 << 20
    minimum_difficulty: Annotated[int, Field(ge=0, le=2**200)] = 0
    block_interval_s: Positive = 5
    half_life_s: Positive = 300
    rise_start_digits: Annotated[int, Field(ge=0, le=60)] = 3
    rise_bits_per_step: Annotated[int, Field(ge=1, le=4)] = 1
    future_limit_s: Annotated[int, Field(ge=0, le=7200)] = 15
    reward: Annotated[int, Field(ge=0, le=2**128)] = 50 * ETHER
    halving_interval: Positive = 2_100
    finality_depth: Annotated[int, Field(ge=0, le=100_000)] = 0
    mine_empty: bool = True
    refresh_ms: Annotated[int, Field(ge=10, le=3_600_000)] = 1_000
    time_refresh_ms: Annotated[int, Field(ge=100, le=3_600_000)] = 5_000

    @model_validator(mode="after")
    def _minimum_is_lower(self) -> "Parameters":
        if self.minimum_difficulty > self.initial_difficulty:
            raise ValueError("minimum_difficulty is above initial_difficulty")
        return self

    @property
    def least_difficulty(self) -> int:
        """`minimum_difficulty` with its default filled in."""
        return self.minimum_difficulty or max(self.initial_difficulty // 64, 1)
