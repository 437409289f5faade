"""An account in the state: Ethereum's record, RLP of [nonce, balance, storage root, code hash].

The last two are constants here (no storage, no code). They are kept so that state roots and `eth_getProof` are
Ethereum's. Source: Ethereum Yellow Paper, section 4.1.
"""

from raclette.chain.header import EMPTY_ROOT
from raclette.primitives.errors import StoreDamaged

# keccak256(b""): the code of an account without code.
EMPTY_CODE_HASH = bytes.fromhex("c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470")
# The encoded last two fields, the same in every record.
_TAIL = b"\xa0" + EMPTY_ROOT + b"\xa0" + EMPTY_CODE_HASH


def encode_account(nonce: int, balance: int) -> bytes:
    """The record. Nonce below 2**64 and balance below 2**256 keep its payload under 256 bytes: a two-byte prefix."""
    payload = _encode_integer(nonce) + _encode_integer(balance) + _TAIL
    return b"\xf8" + len(payload).to_bytes(1) + payload


def decode_account(record: bytes | None) -> tuple[int, int]:
    """(nonce, balance); (0, 0) if there is no record. Raises StoreDamaged: records are ours, never a stranger's."""
    if record is None:
        return 0, 0
    end = len(record) - len(_TAIL)
    prefix = record[2] if end > 3 else 0xFF
    if prefix < 0x80:
        nonce, at = prefix, 3
    else:
        at = prefix - 0x80 + 3
        nonce = int.from_bytes(record[3:at])
    prefix = record[at] if at < end else 0xFF
    if prefix < 0x80:
        balance, stop = prefix, at + 1
    else:
        stop = at + 1 + prefix - 0x80
        balance = int.from_bytes(record[at + 1 : stop])
    if stop != end or record[0] != 0xF8 or not record.endswith(_TAIL):
        raise StoreDamaged(f"not an account record: {record[:120].hex()}")
    return nonce, balance


def _encode_integer(value: int) -> bytes:
    if value < 0x80:
        return value.to_bytes(1) if value else b"\x80"
    size = (value.bit_length() + 7) >> 3
    return (0x80 + size).to_bytes(1) + value.to_bytes(size)
