"""What a genesis may say about PBFT: every number of the protocol, with its unit, default, range and reason.

Unknown keys and values out of range are refused with their path, so that two replicas never differ by a typing error.
"""

from pydantic import Field, model_validator

from raclette.protocols.committee import CommitteeParameters


class Parameters(CommitteeParameters):
    """PBFT-60: `config.protocol` of a PBFT chain. Times in milliseconds, intervals and windows in blocks."""

    # Long against a commit (milliseconds to half a second across the world), short against a person's patience.
    view_timeout_ms: int = Field(
        2_000, ge=10, le=600_000, description="Patience with a primary that owes a block, in milliseconds."
    )
    # So that a network that was down for a day is not waited for another day.
    view_timeout_cap_ms: int = Field(
        30_000, ge=10, le=3_600_000, description="Where the doubled timeout stops growing, in milliseconds."
    )
    # Each costs n small messages; the log is at most `window` blocks.
    checkpoint_interval: int = Field(16, ge=1, le=4_096, description="Blocks between checkpoints.")
    window: int = Field(64, ge=2, le=65_535, description="Heights above the stable checkpoint that may be voted on.")
    # More hide the latency of far replicas, fewer make larger blocks.
    pipeline: int = Field(4, ge=1, le=1_024, description="Blocks in flight.")
    # Idle systems never wait.
    batch_delay_ms: int = Field(
        100,
        ge=0,
        le=60_000,
        description="How long the primary gathers transactions while another block is in flight, in milliseconds.",
    )
    clock_drift_s: int = Field(
        15, ge=0, le=3_600, description="How many seconds ahead of the local clock a block's time may be."
    )

    @model_validator(mode="after")
    def _consistent(self) -> "Parameters":
        # PBFT-61: else the primary stands still until the slowest of a quorum has announced its checkpoint.
        if self.window < 2 * self.checkpoint_interval:
            raise ValueError(f"window {self.window} is less than twice checkpoint_interval {self.checkpoint_interval}")
        if self.view_timeout_cap_ms < self.view_timeout_ms:
            raise ValueError(f"view_timeout_cap_ms {self.view_timeout_cap_ms} is less than view_timeout_ms")
        return self
