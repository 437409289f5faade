"""Account keys: secp256k1 as Ethereum uses it.

An account is a 32-byte secret. Its address is the last 20 bytes of keccak256 over the public point, and a signature
carries one bit (`y_parity`) with which anybody recovers that point: transactions name no sender, they prove one.
Nonces follow RFC 6979, so signing needs no randomness; `s` is always in the lower half (EIP-2), so a signature has one
valid form. New secrets need randomness, which only hosts have: they pass 32 bytes in.

Source: SEC 1 v2.0, section 4.1; Ethereum Yellow Paper, appendix F; EIP-2; EIP-55. libsecp256k1 does the arithmetic and
releases the GIL meanwhile.
"""

from typing import NamedTuple

from coincurve import PrivateKey, PublicKey

from raclette.primitives.errors import DecodeError, Misuse
from raclette.primitives.hashing import keccak256

ADDRESS_BYTES = 20
SECRET_BYTES = 32
# SEC 1 forms of a point: 0x02 or 0x03 and x; or 0x04, x and y.
COMPRESSED_KEY_BYTES = 33
UNCOMPRESSED_KEY_BYTES = 65
# Number of points of secp256k1 (SEC 2 v2.0, section 2.4.1): secrets, r and s are in [1, CURVE_ORDER).
CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
# Largest s that EIP-2 accepts.
LOW_S_MAX = CURVE_ORDER // 2


class Signature(NamedTuple):
    """A recoverable ECDSA signature: 0 < r < CURVE_ORDER, 0 < s <= LOW_S_MAX, y_parity 0 or 1."""

    r: int
    s: int
    y_parity: int


class AccountKey:
    """One account's secret. `address` (20 bytes) names the account, `public_key` (33 bytes) seals memos to it."""

    __slots__ = ("_key", "address", "public_key")

    def __init__(self, secret: bytes) -> None:
        """`secret`: 32 bytes, as an integer in [1, CURVE_ORDER). Raises Misuse."""
        if len(secret) != SECRET_BYTES:
            raise Misuse(f"an account secret is {SECRET_BYTES} bytes, not {len(secret)}")
        try:
            self._key = PrivateKey(secret)
        except ValueError:
            raise Misuse("an account secret must be at least 1 and below the curve's order") from None
        self.public_key: bytes = self._key.public_key.format()
        self.address = address_of(self.public_key)

    @classmethod
    def from_entropy(cls, entropy: bytes) -> "AccountKey":
        """A new key from at least 32 unpredictable bytes, which the host draws. Raises Misuse if there are fewer."""
        if len(entropy) < SECRET_BYTES:
            raise Misuse(f"a new key needs {SECRET_BYTES} bytes of entropy, not {len(entropy)}")
        number = int.from_bytes(keccak256(b"raclette new key" + entropy)) % (CURVE_ORDER - 1) + 1
        return cls(number.to_bytes(SECRET_BYTES))

    @property
    def secret(self) -> bytes:
        """The 32 bytes. For keystores only; never log or send them."""
        secret: bytes = self._key.secret
        return secret

    def sign_recoverable(self, digest: bytes) -> Signature:
        """Sign 32 bytes; the same digest gives the same signature. Raises Misuse if `digest` is not 32 bytes."""
        raw = self.sign_compact(digest)
        return Signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:64]), raw[64])

    def sign_compact(self, digest: bytes) -> bytes:
        """As `sign_recoverable`, in 65 bytes: r (32), s (32), y_parity (1)."""
        if len(digest) != 32:
            raise Misuse(f"a digest is 32 bytes, not {len(digest)}")
        signature: bytes = self._key.sign_recoverable(digest, hasher=None)
        return signature

    def shared_secret(self, public_key: bytes) -> bytes:
        """Diffie-Hellman: SHA-256 of the compressed common point, 32 bytes. Raises DecodeError if not a point."""
        try:
            shared: bytes = self._key.ecdh(public_key)
        except ValueError:
            raise DecodeError("public-key", "not a point of secp256k1") from None
        return shared

    def __repr__(self) -> str:
        return f"AccountKey({checksum_address(self.address)})"


def recover_compact(digest: bytes, signature: bytes) -> bytes:
    """The address that signed `digest` (32 bytes) with `signature` (r, s, y_parity in 65 bytes).

    The hot path of every node: about 43 us, nearly all of it inside libsecp256k1. Raises DecodeError ("bad-signature")
    if no key could have made it. Does not refuse a high s: the transaction decoder does.
    """
    try:
        point = PublicKey.from_signature_and_message(signature, digest, hasher=None).format(False)
    except ValueError as wrong:
        raise DecodeError("bad-signature", str(wrong)) from None
    return keccak256(point[1:])[12:]


def recover_address(digest: bytes, r: int, s: int, y_parity: int) -> bytes:
    """As `recover_compact`, from integers. Raises DecodeError."""
    return recover_compact(digest, _compact(r, s, y_parity))


def recover_public_key(digest: bytes, r: int, s: int, y_parity: int) -> bytes:
    """The 33-byte public key of the signer. Raises DecodeError."""
    try:
        key: bytes = PublicKey.from_signature_and_message(_compact(r, s, y_parity), digest, hasher=None).format()
    except ValueError as wrong:
        raise DecodeError("bad-signature", str(wrong)) from None
    return key


def _compact(r: int, s: int, y_parity: int) -> bytes:
    if not (0 < r < CURVE_ORDER and 0 < s < CURVE_ORDER and 0 <= y_parity <= 1):
        raise DecodeError("bad-signature", "r, s or y_parity out of range")
    return r.to_bytes(32) + s.to_bytes(32) + bytes((y_parity,))


def compress_public_key(public_key: bytes) -> bytes:
    """33 bytes from the 33- or 65-byte form. Raises DecodeError."""
    return _point(public_key, compressed=True)


def address_of(public_key: bytes) -> bytes:
    """The 20-byte address of a 33- or 65-byte public key. Raises DecodeError."""
    return keccak256(_point(public_key, compressed=False)[1:])[12:]


def _point(public_key: bytes, *, compressed: bool) -> bytes:
    if len(public_key) not in (COMPRESSED_KEY_BYTES, UNCOMPRESSED_KEY_BYTES):
        raise DecodeError("public-key", f"{len(public_key)} bytes; 33 (compressed) or 65 belong")
    # libsecp256k1 would also take the hybrid forms 0x06 and 0x07: a second way to write a key.
    if public_key[0] not in ((2, 3) if len(public_key) == COMPRESSED_KEY_BYTES else (4,)):
        raise DecodeError("public-key", f"first byte {public_key[0]:#04x}")
    try:
        point: bytes = PublicKey(public_key).format(compressed)
    except ValueError:
        raise DecodeError("public-key", "not a point of secp256k1") from None
    return point


def checksum_address(address: bytes) -> str:
    """EIP-55 text: hex whose capitals are a checksum."""
    text = address.hex()
    digest = keccak256(text.encode()).hex()
    return "0x" + "".join(c.upper() if d > "7" else c for c, d in zip(text, digest, strict=False))


def parse_address(text: str) -> bytes:
    """20 bytes from 40 hex digits, with or without 0x. Raises DecodeError; also if mixed capitals fail EIP-55."""
    digits = text.removeprefix("0x")
    try:
        address = bytes.fromhex(digits)
    except ValueError:
        raise DecodeError("address", f"{text[:64]!r} is not hexadecimal") from None
    if len(digits) != 2 * ADDRESS_BYTES or len(address) != ADDRESS_BYTES:
        raise DecodeError("address", f"{text[:64]!r} has {len(digits)} digits; {2 * ADDRESS_BYTES} belong")
    mixed = digits != digits.lower() and digits != digits.upper()
    if mixed and checksum_address(address) != "0x" + digits:
        raise DecodeError("address", f"{text!r} fails its EIP-55 checksum; {checksum_address(address)} would pass")
    return address
