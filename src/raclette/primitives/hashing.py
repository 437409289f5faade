"""The hash functions, each by its field name. All take bytes and return 32 bytes."""

from hashlib import sha256 as _sha256

from sha3 import keccak_256 as _keccak_256

HASH_BYTES = 32
ZERO_HASH = bytes(HASH_BYTES)


def keccak256(data: bytes) -> bytes:
    """Keccak-256 with the original padding, as Ethereum uses it (not NIST SHA3-256)."""
    digest: bytes = _keccak_256(data).digest()
    return digest


def sha256(data: bytes) -> bytes:
    """SHA-256 (FIPS 180-4)."""
    return _sha256(data).digest()


def sha256d(data: bytes) -> bytes:
    """SHA-256 applied twice, as Bitcoin's proof of work."""
    return _sha256(_sha256(data).digest()).digest()
