"""Who signed what: claims, signers, verifiers.

Messages *declare* the signatures they carry as claims; the host checks the claims at its gate, in threads or
with ideal signatures, before a machine sees the message. The machine checks meaning, the gate checks authorship.
Nodes sign with Ed25519; a node's 32-byte public key is its id. With the same key a node proves the one output that a
verifiable random function (`vrf`) has for it and an input; that is a claim too.
"""

from hashlib import blake2b
from typing import NamedTuple, Protocol

from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import BadSignatureError

from raclette.primitives import vrf
from raclette.primitives.hashing import sha256

NODE_ID_BYTES = 32
SIGNATURE_BYTES = 64
# A proof of the random function, and the output it is for.
LOT_BYTES = vrf.PROOF_BYTES + vrf.OUTPUT_BYTES


class Claim(NamedTuple):
    """`author` (32-byte node id) is said to have signed `digest` (32 bytes)."""

    author: bytes
    digest: bytes
    signature: bytes


class Lot(Claim):
    """`signature` (144 bytes) is said to be the proof of `author`'s random function for the input `digest`, and the
    output. The output is unique: the author could not have had another one.

    Which check a claim needs shows in the length of its signature, so that no class can change what is true of it.
    """

    __slots__ = ()

    @property
    def proof(self) -> bytes:
        """80 bytes."""
        return self.signature[: vrf.PROOF_BYTES]

    @property
    def output(self) -> bytes:
        """64 bytes, uniform to everybody who lacks the key."""
        return self.signature[vrf.PROOF_BYTES :]


class Signer(Protocol):
    """Holds one private key and never shows it."""

    @property
    def public_key(self) -> bytes:
        """The 32-byte node id."""

    def sign(self, digest: bytes) -> bytes:
        """64 bytes, the same for the same digest."""

    def draw(self, alpha: bytes) -> bytes:
        """The proof and the output (144 bytes together) of this key's random function for `alpha` (32 bytes)."""


class Verifier(Protocol):
    """Tells whether claims are true. Pure and thread-safe."""

    def holds(self, claim: Claim) -> bool:
        """True if the author signed the digest; for a `Lot`, if the output is the author's for it."""


# What stands before an integer in a digest: its length.
_INTEGER_PREFIX = (8).to_bytes(4, "big")


def digest_of(domain: str, *fields: bytes | int) -> bytes:
    """The 32 bytes to sign: SHA-256 over the domain and length-prefixed fields.

    Integers are unsigned 64-bit. Domain and lengths keep one kind of statement from ever being read as another.
    """
    parts = [len(domain).to_bytes(2, "big"), domain.encode()]
    for field in fields:
        if isinstance(field, int):
            parts.append(_INTEGER_PREFIX)
            parts.append(field.to_bytes(8, "big"))
        else:
            parts.append(len(field).to_bytes(4, "big"))
            parts.append(field)
    return sha256(b"".join(parts))


class Ed25519Signer:
    """A real key (RFC 8032, RFC 9381)."""

    __slots__ = ("_secret", "_vrf_key", "public_key")

    def __init__(self, seed: bytes) -> None:
        """`seed`: the 32 secret bytes."""
        self.public_key, self._secret = crypto_sign_seed_keypair(seed)
        self._vrf_key = vrf.vrf_key(seed)

    def sign(self, digest: bytes) -> bytes:
        return crypto_sign(digest, self._secret)[:SIGNATURE_BYTES]

    def draw(self, alpha: bytes) -> bytes:
        proof = vrf.prove(self._vrf_key, alpha)
        return proof + (vrf.proof_to_hash(proof) or b"")


class Ed25519Verifier:
    """Real verification. Releases the GIL while it works."""

    __slots__ = ()

    def holds(self, claim: Claim) -> bool:
        if len(claim.author) != NODE_ID_BYTES:
            return False
        if len(claim.signature) == LOT_BYTES:
            proof, output = claim.signature[: vrf.PROOF_BYTES], claim.signature[vrf.PROOF_BYTES :]
            return vrf.verify(claim.author, claim.digest, proof) == output
        if len(claim.signature) != SIGNATURE_BYTES:
            return False
        try:
            crypto_sign_open(claim.signature + claim.digest, claim.author)
        except BadSignatureError:
            return False
        return True


class IdealSignatures:
    """Signatures nobody can forge, at the price of a hash: for the simulator, where one world holds the secret.

    A machine never sees the world secret; a liar can only sign through the signers it was given.
    """

    __slots__ = ("_secret",)

    def __init__(self, world_secret: bytes) -> None:
        self._secret = world_secret[:64]

    def signer(self, public_key: bytes) -> "IdealSigner":
        """The signer of one node."""
        return IdealSigner(self, public_key)

    def tag(self, author: bytes, digest: bytes) -> bytes:
        """The one valid signature of `author` over `digest`."""
        return blake2b(author + digest, key=self._secret, digest_size=SIGNATURE_BYTES).digest()

    def lot(self, author: bytes, alpha: bytes) -> bytes:
        """The one proof and output of `author`'s random function for `alpha`."""
        tags = [blake2b(author + alpha, key=self._secret, person=b"lot %d" % part).digest() for part in range(3)]
        return b"".join(tags)[:LOT_BYTES]

    def holds(self, claim: Claim) -> bool:
        if len(claim.signature) == LOT_BYTES:
            return claim.signature == self.lot(claim.author, claim.digest)
        return claim.signature == self.tag(claim.author, claim.digest)


class IdealSigner:
    """One node's right to sign in an ideal world."""

    __slots__ = ("_world", "public_key")

    def __init__(self, world: IdealSignatures, public_key: bytes) -> None:
        self._world = world
        self.public_key = public_key

    def sign(self, digest: bytes) -> bytes:
        return self._world.tag(self.public_key, digest)

    def draw(self, alpha: bytes) -> bytes:
        return self._world.lot(self.public_key, alpha)
