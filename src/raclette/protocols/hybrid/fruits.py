"""Fruits: rewards that no withheld block can take away.

Pass and Shi, FruitChains (PODC 2017; ePrint 2016/916). A miner who is paid by the block gains by withholding blocks,
because each one can orphan an honest block and its pay. So pay for something that cannot be orphaned: a *fruit*, a
proof of work that is easier to find, hangs from an old block (its pointer), and may be included by any later block. An
orphaned block loses nobody's fruits; the next honest block includes them. Two rules make it fair: a fruit hangs from a
block deep enough to stay, and is included within a window of blocks behind it, so that fruits cannot be hoarded and
poured into a stretch of the chain whose rewards they would take.

One search serves both (the paper's 2-for-1 trick): every nonce found is a fruit, and a lottery on it, which nobody can
influence or foresee, makes one in `k` a block as well. A block's own header is a fruit, too, for later blocks.

Here a fruit is a snail block's header with the claim that opens its body; the rest of the body stays out of it. The
paper's fruits carry the transactions, ours carry none: the committee orders them.

Deviations. The paper has one difficulty; a fruit here is as hard as the block it hangs from says, whatever its own
header says, so that with a moving difficulty the easiest of the last blocks may be chosen. The paper does not limit the
fruits of a block; here they are at most `FRUITS_MAX`.
"""

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from raclette.chain.header import (
    ADDRESS_BYTES,
    EMPTY_ROOT,
    EMPTY_UNCLES_HASH,
    NONCE_BYTES,
    ZERO_ADDRESS,
    ZERO_BLOOM,
    Header,
)
from raclette.engine.contract import Lookup, SealCheck
from raclette.primitives import rlp
from raclette.primitives.errors import DecodeError, InvalidBlock, Misuse
from raclette.primitives.hashing import HASH_BYTES, ZERO_HASH, keccak256, sha256
from raclette.primitives.rlp import Item, as_bytes, bytes_to_int, int_to_bytes
from raclette.primitives.signing import NODE_ID_BYTES
from raclette.protocols.nakamoto.rules import EXTRA_BYTES_MAX
from raclette.protocols.nakamoto.seal import HASH_SPACE, target_of

# Fruits of one block: 24 KiB at most.
FRUITS_MAX = 64
# Expected fruits per block, at most. A withholding attacker of share a leaves (1 - 2a) / (1 - a) of the blocks to the
# honest (0.18 at a = 0.45), who must then include everybody's: 10 / 0.18 = 55 in each, within FRUITS_MAX.
FRUITS_PER_BLOCK_MAX = 10
# The paper's R: the window is so many times the depth at which a block is taken to stay.
RECENCY = 17
# Blocks of a window, at most: an included fruit is remembered that long (64 hashes a block, 2 MiB).
FRESHNESS_MAX = 1_024
# Three strings of 32, 32 and 8 bytes with their prefixes, and the list's.
CLAIM_BYTES_MAX = 77
# Five hashes and integers of 32 bytes, four integers of 8, address, extra data, nonce, claim, prefixes: 346.
FRUIT_BYTES_MAX = 384
_FRUIT_ITEMS = 14
_LOTTERY = b"raclette/fruit/block"
_SEAT = b"raclette/fruit/seat"


def is_block(header: Header, k: int) -> bool:
    """Is this found fruit a block as well? One in `k` is. The seal itself is not looked at.

    Another hash than the seal's, over the nonce too: known only once the nonce is, and independent of its quality.
    """
    _check_k(k)
    return int.from_bytes(sha256(_LOTTERY + header.prehash + header.nonce), "big") * k < HASH_SPACE


def fruit_target(target: int, k: int) -> int:
    """The largest hash that makes a fruit where `target` is a block's: `k` times as many hashes count.

    Where all do (a difficulty below `k`) a block costs `k` hashes, more than its difficulty says. Raises Misuse unless
    k is within 1 and FRUITS_PER_BLOCK_MAX.
    """
    _check_k(k)
    return min((target + 1) * k, HASH_SPACE) - 1


def _check_k(k: int) -> None:
    if not 1 <= k <= FRUITS_PER_BLOCK_MAX:
        raise Misuse(f"{k} fruits per block; accepted are 1 to {FRUITS_PER_BLOCK_MAX}")


@dataclass(frozen=True, slots=True)
class FruitSeal:
    """The seal of a block where blocks are fruits that won the lottery. For the engine in place of `inner`."""

    inner: SealCheck
    k: int

    def holds(self, header: Header, target: int) -> bool:
        """`target` is the block's; a fruit's is `k` times as large."""
        return is_block(header, self.k) and self.inner.holds(header, fruit_target(target, self.k))


class Claim(NamedTuple):
    """Opens the body of a snail block: who mined it (node id), where the fruit hangs (a block's hash), and a counter
    that gives miners with the same body different searches."""

    node_id: bytes
    pointer: bytes
    counter: int

    def encode(self) -> bytes:
        """RLP. Raises OverflowError for a negative counter."""
        return rlp.encode([self.node_id, self.pointer, int_to_bytes(self.counter)])

    @classmethod
    def decode(cls, data: bytes) -> "Claim":
        """Raises DecodeError."""
        if len(data) > CLAIM_BYTES_MAX:
            raise DecodeError("claim-size", f"{len(data)} bytes, at most {CLAIM_BYTES_MAX}")
        node_id, pointer, counter = rlp.decode_list(data, 3)
        return cls(as_bytes(node_id, NODE_ID_BYTES), as_bytes(pointer, HASH_BYTES), bytes_to_int(counter, size_max=8))


def body_root(records: Sequence[bytes]) -> bytes:
    """What a snail header's `transactions_root` is: `records[0]` is the claim, and is shown without the others.

    Raises Misuse if there is no record.
    """
    if not records:
        raise Misuse("the body of a snail block begins with a claim")
    return _root(records[0], rest_digest(records))


def rest_digest(records: Sequence[bytes]) -> bytes:
    """32 bytes that stand for all records but the claim."""
    return keccak256(rlp.encode(list(records[1:])))


def _root(claim: bytes, rest: bytes) -> bytes:
    return keccak256(keccak256(claim) + rest)


@dataclass(frozen=True)
class Fruit:
    """A header, the claim in its body, and the digest of the body's other records."""

    header: Header
    claim: Claim
    rest: bytes

    @property
    def hash(self) -> bytes:
        """Its name: the header's hash. One proof of work has one name, for what the seal leaves open is fixed."""
        return self.header.hash

    @property
    def pointer(self) -> bytes:
        """Hash of the block that it hangs from."""
        return self.claim.pointer

    @classmethod
    def of(cls, header: Header, records: Sequence[bytes]) -> "Fruit":
        """Of a found header and the records of its body. Raises Misuse if they do not belong together or the header
        has what a snail header never has, DecodeError if the first record is no claim."""
        if body_root(records) != header.transactions_root:
            raise Misuse("these records are not of this header")
        if not _is_plain(header):
            raise Misuse("a snail header has no uncles, logs or mix hash, and little extra data")
        return cls(header, Claim.decode(records[0]), rest_digest(records))

    def encode(self) -> bytes:
        """Canonical RLP, about 200 bytes: what is fixed or follows from the claim is left out, and a root or address
        is empty where it has its usual value."""
        header = self.header
        return rlp.encode(
            [
                header.parent_hash,
                _shortened(header.beneficiary, ZERO_ADDRESS),
                _shortened(header.state_root, EMPTY_ROOT),
                _shortened(header.receipts_root, EMPTY_ROOT),
                int_to_bytes(header.difficulty),
                int_to_bytes(header.number),
                int_to_bytes(header.gas_limit),
                int_to_bytes(header.gas_used),
                int_to_bytes(header.timestamp),
                header.extra_data,
                header.nonce,
                int_to_bytes(header.base_fee),
                self.claim.encode(),
                self.rest,
            ]
        )

    @classmethod
    def decode(cls, data: bytes) -> "Fruit":
        """The only fruit with this encoding; its proof of work is not checked yet. Raises DecodeError."""
        if len(data) > FRUIT_BYTES_MAX:
            raise DecodeError("fruit-size", f"{len(data)} bytes, at most {FRUIT_BYTES_MAX}")
        items = rlp.decode_list(data, _FRUIT_ITEMS)
        claim, rest = as_bytes(items[12]), as_bytes(items[13], HASH_BYTES)
        extra_data = as_bytes(items[9])
        if len(extra_data) > EXTRA_BYTES_MAX:
            raise DecodeError("fruit-extra", f"{len(extra_data)} bytes, at most {EXTRA_BYTES_MAX}")
        header = Header(
            parent_hash=as_bytes(items[0], HASH_BYTES),
            beneficiary=_restored(items[1], ZERO_ADDRESS, ADDRESS_BYTES),
            state_root=_restored(items[2], EMPTY_ROOT, HASH_BYTES),
            transactions_root=_root(claim, rest),
            receipts_root=_restored(items[3], EMPTY_ROOT, HASH_BYTES),
            difficulty=bytes_to_int(items[4]),
            number=bytes_to_int(items[5], size_max=8),
            gas_limit=bytes_to_int(items[6], size_max=8),
            gas_used=bytes_to_int(items[7], size_max=8),
            timestamp=bytes_to_int(items[8], size_max=8),
            extra_data=extra_data,
            nonce=as_bytes(items[10], NONCE_BYTES),
            base_fee=bytes_to_int(items[11]),
        )
        return cls(header, Claim.decode(claim), rest)

    def has_work(self, k: int, difficulty: int, seal: SealCheck) -> bool:
        """Was the work for it done? `difficulty` is that of the block it hangs from, `seal` the inner one: the lottery
        is for blocks. Raises Misuse for a difficulty or `k` out of bounds."""
        return seal.holds(self.header, fruit_target(target_of(difficulty), k))


def _is_plain(header: Header) -> bool:
    """Are the fields that a fruit leaves out what they must be? NAK-8, NAK-9."""
    return (
        header.mix_hash == ZERO_HASH
        and header.uncles_hash == EMPTY_UNCLES_HASH
        and header.logs_bloom == ZERO_BLOOM
        and len(header.extra_data) <= EXTRA_BYTES_MAX
    )


def _shortened(value: bytes, usual: bytes) -> bytes:
    return b"" if value == usual else value


def _restored(item: Item, usual: bytes, size: int) -> bytes:
    value = as_bytes(item)
    if value == usual:
        raise DecodeError("fruit-canonical", "the usual value is written as nothing")
    return as_bytes(item, size) if value else usual


def encode_fruits(fruits: Sequence[Fruit]) -> bytes:
    """A list of them, in order."""
    return rlp.wrap_list([rlp.encode_bytes(fruit.encode()) for fruit in fruits])


def decode_fruits(data: bytes) -> tuple[Fruit, ...]:
    """At most FRUITS_MAX. Raises DecodeError."""
    if len(data) > FRUITS_MAX * (FRUIT_BYTES_MAX + 3) + 4:
        raise DecodeError("fruits-size", f"{len(data)} bytes")
    items = rlp.decode_list(data)
    if len(items) > FRUITS_MAX:
        raise DecodeError("fruits-count", f"{len(items)} fruits, at most {FRUITS_MAX}")
    return tuple(Fruit.decode(as_bytes(item)) for item in items)


def is_fresh(distance: int, freshness: int) -> bool:
    """May a block include a fruit that hangs `distance` blocks before it? 1 is its parent."""
    return 1 <= distance <= freshness


def ancestors(parent: Header, freshness: int, lookup: Lookup) -> dict[bytes, Header]:
    """The last `freshness` blocks that a child of `parent` has behind it (fewer at the start), newest first."""
    found: dict[bytes, Header] = {}
    cursor: Header | None = parent
    while cursor is not None and len(found) < freshness:
        found[cursor.hash] = cursor
        cursor = lookup(cursor.parent_hash) if cursor.number else None
    return found


def refusal(
    fruit: Fruit,
    number: int,
    freshness: int,
    ancestor: Callable[[bytes], Header | None],
    included: Container[bytes],
) -> str:
    """Why block `number` may not include the fruit (a slug), or empty if it may. The work is another matter.

    `ancestor` finds a block on the branch below (`ancestors(...).get`; beyond the window it may know more or less), and
    `included` has the hashes of the fruits in that branch's last `freshness - 1` blocks: an older block had no right to
    a fruit that is fresh now.
    """
    block = ancestor(fruit.pointer)
    if block is None:
        return "fruit-pointer"
    if not is_fresh(number - block.number, freshness):
        return "fruit-stale"
    return "fruit-twice" if fruit.hash in included else ""


def check_fruits(
    fruits: Sequence[Fruit],
    number: int,
    freshness: int,
    ancestor: Callable[[bytes], Header | None],
    included: Container[bytes],
    has_work: Callable[[Fruit, Header], bool],
) -> None:
    """May block `number` include these? `has_work(fruit, pointer)` judges the work. Raises InvalidBlock."""
    if len(fruits) > FRUITS_MAX:
        raise InvalidBlock("fruits-count", f"{len(fruits)} fruits, at most {FRUITS_MAX}")
    seen: set[bytes] = set()
    for fruit in fruits:
        reason = refusal(fruit, number, freshness, ancestor, included)
        if not reason and fruit.hash in seen:
            reason = "fruit-twice"
        if reason:
            raise InvalidBlock(reason, f"fruit {fruit.hash.hex()[:16]} in block {number}")
        pointer = ancestor(fruit.pointer)
        if pointer is None or not has_work(fruit, pointer):
            raise InvalidBlock("fruit-work", f"fruit {fruit.hash.hex()[:16]} in block {number}")
        seen.add(fruit.hash)


def choose(
    waiting: Iterable[Fruit],
    number: int,
    freshness: int,
    ancestor: Callable[[bytes], Header | None],
    included: Container[bytes],
) -> tuple[Fruit, ...]:
    """What an honest block includes: all it may, those that expire first first, at most FRUITS_MAX.

    The order of the result depends on the fruits alone, not on the order in which they came.
    """
    ripe: dict[bytes, tuple[int, Fruit]] = {}
    for fruit in waiting:
        block = ancestor(fruit.pointer)
        if block is not None and not refusal(fruit, number, freshness, ancestor, included):
            ripe[fruit.hash] = (block.number, fruit)
    order = sorted(ripe, key=lambda name: (ripe[name][0], name))
    return tuple(ripe[name][1] for name in order[:FRUITS_MAX])


def elect(fruits: Iterable[Fruit], seats: int, number: int) -> tuple[Fruit, ...]:
    """The fruits of a segment to whose miners the seats of block `number`'s election go: those with the smallest lots,
    smallest first; all of them if they are fewer.

    Not the last ones: their places are chosen by those who publish and include them, and who hoards as many fruits as
    there are seats has them all. A lot is a hash of the fruit and of the election's height: found by work, chosen by
    nobody, and not the same at every election. So seats follow the segment's fruits, and those are fair if the segment
    is long: fruits hoarded for h blocks raise a share a in a segment of L blocks by a (1 - a) h / L, and h is at most
    the window.
    """
    seed = _SEAT + number.to_bytes(8, "big")
    return tuple(sorted(fruits, key=lambda fruit: sha256(seed + fruit.hash))[:seats])


__all__ = [
    "CLAIM_BYTES_MAX",
    "FRESHNESS_MAX",
    "FRUITS_MAX",
    "FRUITS_PER_BLOCK_MAX",
    "FRUIT_BYTES_MAX",
    "RECENCY",
    "Claim",
    "Fruit",
    "FruitSeal",
    "ancestors",
    "body_root",
    "check_fruits",
    "choose",
    "decode_fruits",
    "elect",
    "encode_fruits",
    "fruit_target",
    "is_block",
    "is_fresh",
    "refusal",
    "rest_digest",
]
