"""What executing one transaction left behind: Ethereum's receipt (EIP-658), typed as its transaction (EIP-2718)."""

from dataclasses import dataclass

from raclette.chain.header import ZERO_BLOOM
from raclette.primitives import rlp
from raclette.primitives.errors import DecodeError
from raclette.primitives.rlp import as_bytes, bytes_to_int, int_to_bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    """`succeeded`, the gas used by the block up to and including this transaction, and the transaction's type byte
    (0 for legacy). Ledgers without logs leave the bloom zero and the logs empty."""

    succeeded: bool
    cumulative_gas: int
    type: int = 0

    def encode(self) -> bytes:
        """Consensus encoding: what the receipts root commits to."""
        body = rlp.encode([b"\x01" if self.succeeded else b"", int_to_bytes(self.cumulative_gas), ZERO_BLOOM, []])
        return bytes((self.type,)) + body if self.type else body

    @classmethod
    def decode(cls, data: bytes) -> "Receipt":
        """From the consensus encoding. Raises DecodeError."""
        kind = data[0] if data and data[0] < 0x80 else 0
        items = rlp.decode_list(data[1:] if kind else data, 4)
        status = as_bytes(items[0])
        if status not in (b"", b"\x01"):
            raise DecodeError("receipt-status", status.hex())
        return cls(succeeded=status == b"\x01", cumulative_gas=bytes_to_int(items[1], size_max=8), type=kind)
