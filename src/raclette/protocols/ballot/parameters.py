"""What a ballot chain fixes in its genesis file, under `config.protocol`."""

import re
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from raclette.protocols.ballot.fractions import Fraction
from raclette.protocols.parameters import ProtocolParameters

Positive = Annotated[int, Field(ge=1, le=2**63 - 1)]
Milliseconds = Annotated[int, Field(ge=1, le=3_600_000)]
_FRACTION = re.compile(r"(0|[1-9]\d{0,8})/([1-9]\d{0,8})")


def parse_fraction(text: str) -> Fraction:
    """An exact fraction from 0 to below 1, written as "1/3". Raises ValueError."""
    found = _FRACTION.fullmatch(text)
    if found is None or int(found[1]) >= int(found[2]):
        raise ValueError(f"{text!r} is not a fraction from 0 to below 1 as in '1/3'")
    return Fraction(int(found[1]), int(found[2]))


class Parameters(ProtocolParameters):
    """Every number of the protocol that is not a law of nature. All replicas of a chain share them.

    Attributes:
        initial_difficulty: hashes that all miners together are expected to make in `block_interval_s`.
        block_interval_s: see there (seconds).
        candidates: how many candidates that work gives: one costs initial_difficulty / candidates hashes.
        window_ms: time for candidates to be found and to spread before voters vote.
        claim_bound_ms: a candidate's claimed time counts at most this long before its arrival.
        future_limit_ms: how far a claimed time may be ahead of the local clock.
        time_refresh_ms: time after which a miner's candidate gets a new claimed time and transactions.
        quorum: part of the registered voters who must have voted; from 1/2 on also part of the weight that the elected
            candidate must have; from 2/3 on what is elected is final.
        faults: part of the weight that may lie in a vote that is repeated; empty: (2 quorum - 1) / 3.
        round_ms: patience before votes are repeated and a next round may open; doubles with each.
        round_cap_ms: where it stops doubling.
        transactions_max: most transactions of a block.
        sample: how many waiting transactions a miner draws to keep the best of; 0: no lottery, the best of all.
        reward: paid to the beneficiary of an elected block, in the ledger's smallest unit.
        mine_empty: seal candidates without transactions too.
    """

    initial_difficulty: Annotated[int, Field(ge=1, le=2**200)] = 1 << 20
    block_interval_s: Positive = 5
    candidates: Annotated[int, Field(ge=1, le=1_000)] = 4
    window_ms: Milliseconds = 5_000
    claim_bound_ms: Milliseconds = 2_000
    future_limit_ms: Milliseconds = 15_000
    time_refresh_ms: Milliseconds = 1_000
    quorum: str = "1/3"
    faults: str = ""
    round_ms: Milliseconds = 2_000
    round_cap_ms: Milliseconds = 30_000
    transactions_max: Annotated[int, Field(ge=1, le=20_000)] = 10
    sample: Annotated[int, Field(ge=0, le=20_000)] = 15
    reward: Annotated[int, Field(ge=0, le=2**128)] = 0
    mine_empty: bool = True

    @field_validator("quorum", "faults", mode="before")
    @classmethod
    def _is_fraction(cls, value: Any) -> Any:
        # A number is no fraction: 0.6667 is not two thirds, and replicas must agree to the last vote.
        if value != "":
            parse_fraction(str(value))
        return value

    @model_validator(mode="after")
    def _fit_together(self) -> "Parameters":
        if not self.quorum:
            raise ValueError("quorum is empty")
        if self.sample and self.sample < self.transactions_max:
            raise ValueError("sample is below transactions_max: a lottery keeps no more than it draws")
        if self.round_cap_ms < self.round_ms:
            raise ValueError("round_cap_ms is below round_ms")
        part, whole = self.needed
        if self.faults and not Fraction(max(0, 2 * part - whole), whole).is_at_least(*self.liars):
            bearable = f"{max(0, 2 * part - whole)}/{whole}"
            raise ValueError(f"faults is {self.faults}; with a quorum of {self.quorum} at most {bearable} is borne")
        return self

    @property
    def difficulty(self) -> int:
        """Expected hashes of one candidate."""
        return max(1, self.initial_difficulty // self.candidates)

    @property
    def needed(self) -> Fraction:
        """`quorum`, exactly."""
        return parse_fraction(self.quorum)

    @property
    def liars(self) -> Fraction:
        """`faults`, exactly, with its default filled in."""
        if self.faults:
            return parse_fraction(self.faults)
        part, whole = self.needed
        return Fraction(max(0, 2 * part - whole), 3 * whole)
