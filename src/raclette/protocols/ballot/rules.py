"""What a header must satisfy to be a candidate on its parent."""

from raclette.chain.header import EMPTY_UNCLES_HASH, Header
from raclette.engine.contract import SealCheck
from raclette.primitives.errors import InvalidHeader, NotYet
from raclette.primitives.hashing import ZERO_HASH, sha256d
from raclette.primitives.units import MILLISECOND
from raclette.protocols.ballot.parameters import Parameters

# BAL-6: bytes of the miner's node id, then the claimed time in milliseconds since 1970.
TAG_BYTES = 8
TIME_BYTES = 8
EXTRA_BYTES = TAG_BYTES + TIME_BYTES
MS_PER_S = 1_000
_HASH_SPACE = 1 << 256


def target_of(difficulty: int) -> int:
    """The largest hash that counts: `difficulty` (1 to 2**255) hashes are expected."""
    return _HASH_SPACE // difficulty - 1


class HashSeal:
    """BAL-5: real proof of work."""

    __slots__ = ()

    def holds(self, header: Header, target: int) -> bool:
        """The hash of prehash and nonce is at most the target."""
        return int.from_bytes(sha256d(header.prehash + header.nonce), "big") <= target


def claimed_ms(header: Header) -> int:
    """BAL-6: when its miner says that it was made (milliseconds since 1970). Genesis: its timestamp."""
    if header.number == 0:
        return header.timestamp * MS_PER_S
    return int.from_bytes(header.extra_data[TAG_BYTES:EXTRA_BYTES], "big")


def extra_data(node_id: bytes, claimed: int) -> bytes:
    """BAL-6: what a candidate says beside its block."""
    return node_id[:TAG_BYTES] + claimed.to_bytes(TIME_BYTES, "big")


class CandidateRules:
    """The header rules of one chain."""

    __slots__ = ("_difficulty", "_future_limit", "_seal")

    def __init__(self, parameters: Parameters, seal: SealCheck) -> None:
        self._difficulty = parameters.difficulty
        self._future_limit = parameters.future_limit_ms
        self._seal = seal

    def check(self, header: Header, parent: Header, now: int) -> None:
        """`now` in ns. Raises InvalidHeader; NotYet (after everything else holds) if only the time has not come."""
        if header.parent_hash != parent.hash or header.number != parent.number + 1:  # BAL-4
            raise InvalidHeader("not-a-child", f"block {header.number} does not follow block {parent.number}")
        if header.mix_hash != ZERO_HASH or header.uncles_hash != EMPTY_UNCLES_HASH:  # BAL-4
            raise InvalidHeader("header-fields", "mix hash and uncles are empty here")
        if len(header.extra_data) != EXTRA_BYTES:  # BAL-6
            raise InvalidHeader("extra-data", f"{len(header.extra_data)} bytes where {EXTRA_BYTES} belong")
        if header.difficulty != self._difficulty:  # BAL-4
            raise InvalidHeader("difficulty", f"says {header.difficulty}, a candidate costs {self._difficulty}")
        if not self._seal.holds(header, target_of(self._difficulty)):  # BAL-5
            raise InvalidHeader("proof-of-work", f"block {header.number} is not sealed")
        claimed = claimed_ms(header)
        if header.timestamp != claimed // MS_PER_S:  # BAL-6
            raise InvalidHeader("header-time", f"{header.timestamp} s is not {claimed} ms")
        if claimed <= claimed_ms(parent):  # BAL-7
            raise InvalidHeader("time-too-old", f"{claimed} is not after the parent's {claimed_ms(parent)}")
        if claimed > now // MILLISECOND + self._future_limit:  # BAL-8
            raise NotYet("time-too-new", f"{claimed} is over {self._future_limit} ms ahead")
