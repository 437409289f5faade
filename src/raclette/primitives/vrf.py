"""A verifiable random function: ECVRF-EDWARDS25519-SHA512-TAI, on the keys with which nodes sign.

The holder of a key, and nobody else, can compute a number from any input; the proof shows to everybody that it is the
number of that key and that input, and there is exactly one. So a lottery drawn with it can neither be foreseen nor
tried again with a luckier ticket.

Source: RFC 9381, sections 5.1 to 5.4 and 5.5 (suite 0x03); the curve arithmetic is libsodium's. Deviations: a proof
whose `gamma` is not in the prime-order group, or not written in the one canonical way, is refused (the RFC clears the
cofactor instead; the output would be the same), and so is such a public key. Not in constant time where the RFC's
try-and-increment is not either: the input's hash, never the key, decides how often is tried.

One key for signatures and proofs: both draw their nonce from the same secret half, over different inputs. A nonce
would be shared only if a node signed, as a message, the 32 bytes of a curve point that `_encode_to_curve` gives; what
nodes sign are SHA-256 digests and TLS transcripts, so that would take a preimage.
"""

from hashlib import sha512
from typing import NamedTuple

from nacl.bindings import (
    crypto_core_ed25519_add,
    crypto_core_ed25519_is_valid_point,
    crypto_core_ed25519_sub,
    crypto_scalarmult_ed25519_base_noclamp,
    crypto_scalarmult_ed25519_noclamp,
    crypto_sign_seed_keypair,
)
from nacl.exceptions import RuntimeError as SodiumRefused

from raclette.primitives.errors import Misuse

SEED_BYTES = 32
POINT_BYTES = 32
CHALLENGE_BYTES = 16
SCALAR_BYTES = 32
# gamma, challenge, response.
PROOF_BYTES = POINT_BYTES + CHALLENGE_BYTES + SCALAR_BYTES
OUTPUT_BYTES = 64

_SUITE = b"\x03"
_ENCODE, _CHALLENGE, _OUTPUT = b"\x01", b"\x02", b"\x03"
_BACK = b"\x00"
# The field's prime and the order of the prime-order group (RFC 7748, section 4.1).
_PRIME = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_Y_MASK = 2**255 - 1
# y of the two points that have x = 0: their negatives would be a second way to write them.
_X_IS_ZERO = (1, _PRIME - 1)
_TRIES_MAX = 256


class VrfKey(NamedTuple):
    """A node's secret scalar and nonce key, with the public key (32 bytes)."""

    public_key: bytes
    scalar: int
    nonce_key: bytes


def vrf_key(seed: bytes) -> VrfKey:
    """The key of a node with this Ed25519 seed (32 bytes). RFC 8032, section 5.1.5. Raises Misuse."""
    if len(seed) != SEED_BYTES:
        raise Misuse(f"a node's secret is {SEED_BYTES} bytes, not {len(seed)}")
    public_key, _ = crypto_sign_seed_keypair(seed)
    hashed = sha512(seed).digest()
    scalar = int.from_bytes(hashed[:32], "little") & ~7 & (1 << 254) - 1 | 1 << 254
    return VrfKey(public_key, scalar, hashed[32:])


def prove(key: VrfKey, alpha: bytes) -> bytes:
    """The proof (80 bytes) of this key's output for `alpha`; the same each time. RFC 9381, section 5.1."""
    point = _encode_to_curve(key.public_key, alpha)
    gamma = _multiply(key.scalar % _ORDER, point)
    # RFC 9381, section 5.4.2.2.
    nonce = int.from_bytes(sha512(key.nonce_key + point).digest(), "little") % _ORDER
    u = crypto_scalarmult_ed25519_base_noclamp(nonce.to_bytes(SCALAR_BYTES, "little"))
    challenge = _challenge(key.public_key, point, gamma, u, _multiply(nonce, point))
    response = (nonce + int.from_bytes(challenge, "little") * key.scalar) % _ORDER
    return gamma + challenge + response.to_bytes(SCALAR_BYTES, "little")


def proof_to_hash(proof: bytes) -> bytes | None:
    """The output (64 bytes) that a proof is for; None if it is no proof. It says nothing about whose proof it is: see
    `verify`. RFC 9381, section 5.2."""
    parts = _split(proof)
    if parts is None:
        return None
    return sha512(_SUITE + _OUTPUT + _times_eight(parts[0]) + _BACK).digest()


def verify(public_key: bytes, alpha: bytes, proof: bytes) -> bytes | None:
    """The output (64 bytes) of `public_key` for `alpha`, or None if the proof does not show it. RFC 9381, 5.3."""
    parts = _split(proof)
    if parts is None or not is_valid_key(public_key):
        return None
    gamma, challenge, response = parts
    point = _encode_to_curve(public_key, alpha)
    c = challenge + bytes(SCALAR_BYTES - CHALLENGE_BYTES)
    try:
        u = crypto_core_ed25519_sub(
            crypto_scalarmult_ed25519_base_noclamp(response), crypto_scalarmult_ed25519_noclamp(c, public_key)
        )
        v = crypto_core_ed25519_sub(
            crypto_scalarmult_ed25519_noclamp(response, point), crypto_scalarmult_ed25519_noclamp(c, gamma)
        )
    except SodiumRefused:
        # Zero times anything: no honest prover ever says so.
        return None
    if _challenge(public_key, point, gamma, u, v) != challenge:
        return None
    return proof_to_hash(proof)


def is_valid_key(public_key: bytes) -> bool:
    """Is it a point of the prime-order group, in canonical form? With any other a prover could have several outputs
    for one input. RFC 9381, section 5.4.5."""
    return _is_point(public_key)


def _split(proof: bytes) -> tuple[bytes, bytes, bytes] | None:
    """RFC 9381, section 5.4.4."""
    if len(proof) != PROOF_BYTES:
        return None
    gamma, rest = proof[:POINT_BYTES], proof[POINT_BYTES:]
    response = rest[CHALLENGE_BYTES:]
    if int.from_bytes(response, "little") >= _ORDER or not _is_point(gamma):
        return None
    return gamma, rest[:CHALLENGE_BYTES], response


def _is_point(data: bytes) -> bool:
    """In the prime-order group, not the identity, canonical."""
    return len(data) == POINT_BYTES and _is_canonical(data) and bool(crypto_core_ed25519_is_valid_point(data))


def _is_canonical(data: bytes) -> bool:
    y = int.from_bytes(data, "little")
    return y & _Y_MASK < _PRIME and not (y >> 255 and y & _Y_MASK in _X_IS_ZERO)


def _encode_to_curve(salt: bytes, alpha: bytes) -> bytes:
    """Try and increment: hash until the hash is a point, then clear the cofactor. RFC 9381, section 5.4.1.1."""
    for counter in range(_TRIES_MAX):
        candidate = sha512(_SUITE + _ENCODE + salt + alpha + bytes((counter,)) + _BACK).digest()[:POINT_BYTES]
        if not _is_canonical(candidate):
            continue
        try:
            point = _times_eight(candidate)
        except SodiumRefused:
            continue
        if _is_point(point):
            return point
    raise Misuse("no point of the curve in 256 tries: once in 2**256 inputs")


def _times_eight(point: bytes) -> bytes:
    """Any point of the curve, three times doubled. Raises SodiumRefused if it is none."""
    for _ in range(3):
        point = crypto_core_ed25519_add(point, point)
    return point


def _multiply(scalar: int, point: bytes) -> bytes:
    product: bytes = crypto_scalarmult_ed25519_noclamp(scalar.to_bytes(SCALAR_BYTES, "little"), point)
    return product


def _challenge(*points: bytes) -> bytes:
    """RFC 9381, section 5.4.3."""
    return sha512(_SUITE + _CHALLENGE + b"".join(points) + _BACK).digest()[:CHALLENGE_BYTES]
