"""What a genesis may say about the senate: every number of the protocol, with its unit, default, range and reason."""

from pydantic import Field, model_validator

from raclette.protocols.parameters import ProtocolParameters

# A justification names a quorum of seats and a frame must hold it; votes grow with the square of the owners.
SEATS_MAX = 1_024
# States that far below the head are at hand everywhere (`ChainLimits.history_depth`).
STAKE_AGE_MAX = 32


class Parameters(ProtocolParameters):
    """SENATE-60: `config.protocol` of a senate chain. Times in milliseconds."""

    # So many that a sixth of the stake draws more than a third of the seats once in 50,000 heights; spec/senate.md has
    # the odds. Messages grow with the owners of seats, not with the seats.
    seats: int = Field(100, ge=1, le=SEATS_MAX, description="Seats in the senate of each height (N).")
    malicious: int = Field(
        -1,
        ge=-1,
        le=SEATS_MAX,
        description="Seats that may be malicious (T), at most floor((N-1)/3); -1 stands for exactly that.",
    )
    # As in the first design.
    round_timeout_ms: int = Field(
        10_000, ge=20, le=600_000, description="Patience with a leader, in milliseconds; doubles with each round."
    )
    # So that a network that was down for a day is not waited for another day.
    round_timeout_cap_ms: int = Field(
        60_000, ge=20, le=3_600_000, description="Where the doubled timeout stops growing, in milliseconds."
    )
    # A few times what an entry takes to everybody; part of every block's time.
    entry_window_ms: int = Field(
        400, ge=1, le=300_000, description="How long entries to the lottery are gathered, in milliseconds."
    )
    # Else a director, who knows the next seed before anybody, could move his money under its points. Now he must write
    # so many blocks in a row; the chain keeps states for longer than that.
    stake_age: int = Field(
        8, ge=0, le=STAKE_AGE_MAX, description="How many blocks before the parent stakes are read; 0: after the parent."
    )
    idle_interval_ms: int = Field(
        0,
        ge=0,
        le=3_600_000,
        description="A block is made after so many milliseconds even if no transaction waits; 0: never.",
    )
    clock_drift_s: int = Field(
        15, ge=0, le=3_600, description="How many seconds ahead of the local clock a block's time may be."
    )

    @model_validator(mode="after")
    def _consistent(self) -> "Parameters":
        # SENATE-10
        bound = (self.seats - 1) // 3
        if self.malicious > bound:
            raise ValueError(f"malicious {self.malicious} is more than floor((seats - 1) / 3), which is {bound}")
        if self.round_timeout_ms < 2 * self.entry_window_ms:
            raise ValueError(
                f"round_timeout_ms {self.round_timeout_ms} is less than twice entry_window_ms {self.entry_window_ms}"
            )
        if self.round_timeout_cap_ms < self.round_timeout_ms:
            raise ValueError(f"round_timeout_cap_ms {self.round_timeout_cap_ms} is less than round_timeout_ms")
        return self

    @property
    def faults(self) -> int:
        """T."""
        return (self.seats - 1) // 3 if self.malicious < 0 else self.malicious

    @property
    def quorum(self) -> int:
        """Seats that decide: any two quorums share more than floor((N-1)/3) of them."""
        return self.seats - (self.seats - 1) // 3
