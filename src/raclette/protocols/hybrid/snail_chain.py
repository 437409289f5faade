"""The snail chain's blocks, as the proof-of-work engine sees a chain: a tree in memory, which orders no transactions.

A snail block is a header of the usual form whose body holds records (`records`) and whose transactions root commits to
them (`fruits.body_root`). All other fields that would speak of a state are as in an empty block. With every block the
tree keeps the almanac after it, so a block is valid only if what it records may follow what its ancestors recorded.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

from raclette.chain.block import Block
from raclette.chain.header import ZERO_ADDRESS, Header
from raclette.chain.ledger import StateReader
from raclette.chain.roll import Member
from raclette.engine.contract import Draft
from raclette.engine.lightchain import NoState
from raclette.primitives.errors import DecodeError, InvalidBlock, Misuse, UnknownParent
from raclette.primitives.hashing import ZERO_HASH
from raclette.primitives.signing import Claim
from raclette.protocols.hybrid.almanac import Almanac, Day, Rules
from raclette.protocols.hybrid.fruits import body_root, elect
from raclette.protocols.hybrid.orchard import Orchard
from raclette.protocols.hybrid.records import Body, decode_records

# Seats are drawn from the fruits of so many windows of freshness: who hoards fruits for a whole window and pours them
# out before an election gains at most a tenth of a (1 - a) (see `fruits.elect`).
SEGMENT_WINDOWS = 10
# What a block on this parent shall record: (almanac after the parent, parent) -> records.
Fill = Callable[[Almanac, Header], tuple[bytes, ...]]


class Leaf(NamedTuple):
    """A snail block with what follows from it."""

    block: Block
    body: Body | None
    almanac: Almanac
    # Of the block and all its ancestors, in expected hashes.
    work: int


def snail_genesis(log_genesis: Header, difficulty: int) -> Header:
    """HYB-2: bound to the log's genesis."""
    return Header(
        parent_hash=ZERO_HASH,
        number=0,
        timestamp=log_genesis.timestamp,
        transactions_root=log_genesis.hash,
        difficulty=difficulty,
        extra_data=b"snail",
    )


class SnailChain:
    """See the module. Everything stays in memory (about a kilobyte a block) and in the engine's records."""

    def __init__(self, chain_id: int, genesis: Header, rules: Rules, orchard: Orchard, fill: Fill) -> None:
        self.chain_id = chain_id
        self.genesis = genesis
        self.head = genesis
        self.finalized = genesis
        self._rules = rules
        self._orchard = orchard
        self._fill = fill
        self._leaves: dict[bytes, Leaf] = {
            genesis.hash: Leaf(Block(genesis), None, rules.first(genesis.hash), 0),
        }
        # The head's branch.
        self._canonical: list[bytes] = [genesis.hash]
        # Blocks that entered the tree since `take_news`.
        self._news: list[Block] = []

    def __len__(self) -> int:
        return len(self._leaves)

    # --- what the proof-of-work engine asks -----------------------------------------------------------------------

    def header(self, block_hash: bytes) -> Header | None:
        leaf = self._leaves.get(block_hash)
        return leaf.block.header if leaf is not None else None

    def block(self, block_hash: bytes) -> Block | None:
        leaf = self._leaves.get(block_hash)
        return leaf.block if leaf is not None else None

    def canonical(self, number: int) -> Header | None:
        if not 0 <= number < len(self._canonical):
            return None
        return self._leaves[self._canonical[number]].block.header

    def certificate(self, block_hash: bytes) -> bytes:
        return b""

    def state(self, block_hash: bytes) -> StateReader:
        return NoState()

    def members(self, block_hash: bytes) -> tuple[Member, ...]:
        return ()

    def has_pending(self, parent: Header) -> bool:
        return True

    def pending_from(self, account: bytes) -> bool:
        return False

    def sends(self, block_hash: bytes, account: bytes) -> bool:
        return False

    def build(self, parent: Header, draft: Draft) -> Block:
        """An unsealed block. It joins the tree when it comes back sealed."""
        leaf = self._leaves.get(parent.hash)
        if leaf is None:
            raise Misuse(f"building on unknown snail block {parent.number}")
        records = self._fill(leaf.almanac, parent)
        header = Header(
            parent_hash=parent.hash,
            number=parent.number + 1,
            timestamp=draft.timestamp,
            transactions_root=body_root(records),
            difficulty=draft.difficulty,
            extra_data=draft.extra_data,
        )
        return Block(header, records)

    def check(self, block: Block) -> None:
        """HYB-3, HYB-4. Raises UnknownParent, InvalidBlock."""
        if block.hash in self._leaves:
            return
        parent = self._leaves.get(block.parent_hash)
        if parent is None:
            raise UnknownParent("unknown-parent", block.parent_hash.hex())
        check_shape(block)
        try:
            body = decode_records(self.chain_id, block.transactions)
        except DecodeError as error:
            raise InvalidBlock(error.reason, error.detail) from error
        self._orchard.check(body.fruits, parent.block.header, self.header, self.fruits_of)
        almanac = self._rules.step(parent.almanac, block.hash, body.said, lambda: self._seats(block, body))
        self._leaves[block.hash] = Leaf(block, body, almanac, parent.work + block.header.difficulty)
        self._news.append(block)

    # --- what the hybrid asks -------------------------------------------------------------------------------------

    def adopt(self, block_hash: bytes) -> int:
        """Make a known block the head. Returns how many blocks of the former branch were left."""
        branch: list[bytes] = []
        leaf = self._leaves[block_hash]
        self.head = leaf.block.header
        while self._at(leaf.block.number) != leaf.block.hash:
            branch.append(leaf.block.hash)
            leaf = self._leaves[leaf.block.parent_hash]
        left = len(self._canonical) - 1 - leaf.block.number
        del self._canonical[leaf.block.number + 1 :]
        self._canonical += reversed(branch)
        return left

    def take_news(self) -> list[Block]:
        """Blocks that entered the tree since the last call."""
        news, self._news = self._news, []
        return news

    def almanac(self, depth: int = 0) -> Almanac:
        """After the block `depth` below the head (genesis if the branch is shorter)."""
        return self._leaves[self._canonical[max(0, len(self._canonical) - 1 - depth)]].almanac

    def signatures_in(self, block_hash: bytes) -> tuple[Claim, ...]:
        """What must be true of the records of a known block, for its message."""
        body = self._leaves[block_hash].body
        return body.signatures if body is not None else ()

    def elected_at(self, block_hash: bytes) -> Day | None:
        """The day that this block elected; None if we do not know the block, or it elected none."""
        leaf = self._leaves.get(block_hash)
        day = leaf.almanac.day if leaf is not None else None
        return day if day is not None and day.snail_hash == block_hash else None

    def depth_of(self, block_hash: bytes) -> int | None:
        """How deep the block lies below the head; None if it is not on its branch."""
        leaf = self._leaves.get(block_hash)
        if leaf is None or self._at(leaf.block.number) != block_hash:
            return None
        return self.head.number - leaf.block.number

    def work(self, block_hash: bytes) -> int:
        """Of a known block and all its ancestors, in expected hashes."""
        return self._leaves[block_hash].work

    def on_branch(self, block_hash: bytes) -> Header | None:
        """The block, if it is on the head's branch."""
        return self.header(block_hash) if self.depth_of(block_hash) is not None else None

    def locator(self) -> tuple[bytes, ...]:
        """Hashes of the head's branch, newest first: the last few, then ever sparser, and genesis."""
        numbers: list[int] = []
        number, stride = self.head.number, 1
        while number > 0:
            numbers.append(number)
            if len(numbers) >= 8:
                stride *= 2
            number -= stride
        return tuple(self._canonical[number] for number in (*numbers, 0))

    def after(self, locator: tuple[bytes, ...], target: bytes) -> Iterator[Block]:
        """Blocks above the first hash of `locator` that lies on the branch of `target` (the head's if we do not have
        it), oldest first."""
        tip = self._leaves.get(target) or self._leaves[self.head.hash]
        if self._at(tip.block.number) == tip.block.hash:
            yield from self._after_on_branch(locator, tip.block.number)
            return
        side: list[Block] = []
        known = set(locator)
        while self._at(tip.block.number) != tip.block.hash and tip.block.hash not in known:
            side.append(tip.block)
            tip = self._leaves[tip.block.parent_hash]
        if tip.block.hash not in known:
            yield from self._after_on_branch(locator, tip.block.number)
        yield from reversed(side)

    def _after_on_branch(self, locator: tuple[bytes, ...], end: int) -> Iterator[Block]:
        start = 0
        for block_hash in locator:
            leaf = self._leaves.get(block_hash)
            if leaf is not None and leaf.block.number <= end and self._at(leaf.block.number) == block_hash:
                start = leaf.block.number
                break
        for number in range(start + 1, end + 1):
            yield self._leaves[self._canonical[number]].block

    # --- inside ---------------------------------------------------------------------------------------------------

    def _at(self, number: int) -> bytes:
        return self._canonical[number] if number < len(self._canonical) else b""

    def fruits_of(self, block_hash: bytes) -> tuple[bytes, ...]:
        """Names of the fruits in a block of the tree."""
        body = self._leaves[block_hash].body
        return tuple(fruit.hash for fruit in body.fruits) if body is not None else ()

    def _seats(self, block: Block, body: Body) -> tuple[bytes, ...]:
        """HYB-10: who made the last blocks up to this one, oldest first; with fruits, who found those that a lottery
        picks of a long segment's."""
        wanted = self._rules.length
        if not self._orchard.expected:
            last = islice(self._bodies(block, body), wanted)
            return tuple(reversed([step.claim.node_id for step in last]))
        segment = islice(self._bodies(block, body), SEGMENT_WINDOWS * self._orchard.freshness)
        found = [fruit for step in segment for fruit in step.fruits]
        return tuple(fruit.claim.node_id for fruit in elect(found, wanted, block.number))

    def _bodies(self, block: Block, body: Body) -> Iterator[Body]:
        """Of a new block and its ancestors, newest first."""
        step: Body | None = body
        while step is not None:
            yield step
            leaf = self._leaves[block.parent_hash]
            block, step = leaf.block, leaf.body


def check_shape(block: Block) -> None:
    """HYB-3: a snail block speaks of no state, and its root commits to its records. Raises InvalidBlock."""
    header = block.header
    bare = Header(
        parent_hash=header.parent_hash,
        number=header.number,
        timestamp=header.timestamp,
        beneficiary=ZERO_ADDRESS,
        transactions_root=body_root(block.transactions),
        difficulty=header.difficulty,
        extra_data=header.extra_data,
        nonce=header.nonce,
    )
    if bare != header:
        raise InvalidBlock("snail-header", "its root does not match its records, or it speaks of a state")
