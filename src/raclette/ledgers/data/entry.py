"""An entry: data that an account has signed, on the wire and in the state.

On the wire: RLP [data, signature (65: r, s, y parity)]. The author is recovered from the signature, which binds the
data to the chain; an entry has no nonce. Who wants to add the same thing twice says so in the data (a counter, a
time).
"""

from typing import NamedTuple

from raclette.primitives import rlp
from raclette.primitives.errors import DecodeError
from raclette.primitives.hashing import keccak256
from raclette.primitives.keys import ADDRESS_BYTES, LOW_S_MAX, AccountKey, recover_compact
from raclette.primitives.rlp import as_bytes
from raclette.primitives.signing import digest_of

_DOMAIN = "raclette/data"
_SIGNATURE_BYTES = 65
# Each entry stands in a block and in the state of every peer: room for a page of text, not for films.
DATA_BYTES_MAX = 16 * 1024


class Entry(NamedTuple):
    """Who (20 bytes) signed what."""

    author: bytes
    data: bytes

    @property
    def id(self) -> bytes:
        """32 bytes: the same author with the same data is the same entry."""
        return keccak256(self.author + self.data)

    def encode(self) -> bytes:
        """As the state keeps it."""
        return rlp.encode([self.author, self.data])

    @classmethod
    def decode(cls, record: bytes) -> "Entry":
        """From the state. Raises DecodeError."""
        author, data = rlp.decode_list(record, 2)
        return cls(as_bytes(author, ADDRESS_BYTES), as_bytes(data))


def sign_entry(key: AccountKey, *, chain_id: int, data: bytes) -> bytes:
    """The raw transaction that adds `data` in the name of `key`'s account. The same data gives the same bytes."""
    return rlp.encode([data, key.sign_compact(_digest(chain_id, data))])


def decode_entry(raw: bytes, chain_id: int) -> Entry:
    """The entry and its proven author. Raises DecodeError."""
    if len(raw) > DATA_BYTES_MAX + 2 * _SIGNATURE_BYTES:
        raise DecodeError("oversized", f"{len(raw)} bytes; data has at most {DATA_BYTES_MAX}")
    first, second = rlp.decode_list(raw, 2)
    data, signature = as_bytes(first), as_bytes(second, _SIGNATURE_BYTES)
    if len(data) > DATA_BYTES_MAX:
        raise DecodeError("oversized", f"{len(data)} bytes of data, at most {DATA_BYTES_MAX}")
    # One form for each signature, as EIP-2 has it: else a stranger could give an entry a second hash.
    if int.from_bytes(signature[32:64]) > LOW_S_MAX or signature[64] > 1:
        raise DecodeError("bad-signature", "s is not in the lower half, or the parity is no bit")
    return Entry(recover_compact(_digest(chain_id, data), signature), data)


def _digest(chain_id: int, data: bytes) -> bytes:
    return digest_of(_DOMAIN, chain_id, data)
