"""What a genesis may say about Simplex: every number of the protocol, with its unit, default, range and reason."""

from pydantic import Field, model_validator

from raclette.protocols.committee import CommitteeParameters


class Parameters(CommitteeParameters):
    """SIM-60: `config.protocol` of a Simplex chain. Times in milliseconds, windows in iterations."""

    # Long against a hop with a full block in it, short against a person's patience: a dead leader costs three.
    delta_ms: int = Field(
        500,
        ge=5,
        le=200_000,
        description="Delta, the longest a message should take, in milliseconds; an iteration is given three.",
    )
    # So that a network that was down for a day is not waited for another day.
    delta_cap_ms: int = Field(
        8_000, ge=5, le=1_000_000, description="Where the doubled Delta stops growing, in milliseconds."
    )
    window: int = Field(
        64,
        ge=4,
        le=1_024,
        description="Iterations before and after our own of which votes are kept.",
    )
    clock_drift_s: int = Field(
        15, ge=0, le=3_600, description="How many seconds ahead of the local clock a block's time may be."
    )

    @model_validator(mode="after")
    def _consistent(self) -> "Parameters":
        # SIM-61: a cap below the base would be the base.
        if self.delta_cap_ms < self.delta_ms:
            raise ValueError(f"delta_cap_ms {self.delta_cap_ms} is less than delta_ms {self.delta_ms}")
        return self
