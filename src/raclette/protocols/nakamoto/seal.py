"""Proof of work: what a nonce proves, and the ideal nonce of a simulated world.

A header is sealed by a nonce with `sha256d(prehash || nonce) <= target`, the hash read as a big-endian integer. The
40 bytes fit one SHA-256 block, so a search costs two compressions per nonce. `prehash` commits to every field but
`mix_hash` and `nonce`.

In the simulator nobody hashes. The world draws *when* a search ends and hands out the one nonce that its
`IdealSeal` recognises; without the world's secret a nonce is guessed with probability 2**-64.
"""

from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

from raclette.chain.header import NONCE_BYTES, Header
from raclette.engine.contract import SealCheck
from raclette.primitives.errors import Misuse
from raclette.primitives.hashing import sha256d

HASH_SPACE = 1 << 256
# Beyond this a target would hold fewer than two hashes, and target arithmetic loses its meaning.
DIFFICULTY_MAX = 1 << 255


@lru_cache(maxsize=256)
def target_of(difficulty: int) -> int:
    """NAK-15: the largest hash that counts: `difficulty` hashes are expected. Raises Misuse out of 1..2**255."""
    if not 1 <= difficulty <= DIFFICULTY_MAX:
        raise Misuse(f"difficulty {difficulty} is not within 1 and 2**255")
    return HASH_SPACE // difficulty - 1


def difficulty_of(target: int) -> int:
    """Expected hashes for `target`, rounded down (Bitcoin Core's block proof)."""
    return HASH_SPACE // (target + 1)


@dataclass(frozen=True, slots=True)
class HashSeal:
    """Real proof of work."""

    def holds(self, header: Header, target: int) -> bool:
        """NAK-10: the hash of prehash and nonce is at most the target."""
        return int.from_bytes(sha256d(header.prehash + header.nonce), "big") <= target


@dataclass(frozen=True, slots=True)
class IdealSeal:
    """Proof of work in a world that decides itself who found what, when."""

    world_secret: bytes

    def nonce(self, header: Header) -> bytes:
        """The only nonce (8 bytes) that seals this header here."""
        return blake2b(header.prehash, key=self.world_secret[:64], digest_size=NONCE_BYTES).digest()

    def seal(self, header: Header) -> Header:
        """The sealed form of `header`; for the world, when it lets a search succeed."""
        return header.sealed_with(self.nonce(header))

    def holds(self, header: Header, target: int) -> bool:
        """True for what `seal` made; the target is what the world drew the time for."""
        return header.nonce == self.nonce(header)


__all__ = ["DIFFICULTY_MAX", "HASH_SPACE", "HashSeal", "IdealSeal", "SealCheck", "difficulty_of", "target_of"]
