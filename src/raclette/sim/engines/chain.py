"""A chain with work to do and nothing to execute: what engines order in the world of engine fidelity.

Work is numbered. Item i waits at every node from a stated moment on, and a block takes the next items after those that
its branch has taken already: so each item is executed once on a branch by construction, and the chain needs no
mempool. A block's body is one line that names its items; how large they would be is a number (`Work.bytes_of`) that
counts on the wires.

All nodes of a run share one register of blocks. Each node knows only those that it built, checked or fetched.
"""

from dataclasses import dataclass

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.chain.ledger import StateReader
from raclette.chain.roll import Member
from raclette.engine.contract import Draft
from raclette.engine.lightchain import NoState, light_root
from raclette.primitives.errors import InvalidBlock, Misuse, UnknownParent

# Bytes of an item's number in a body.
_NUMBER_BYTES = 8


@dataclass(frozen=True, slots=True)
class Work:
    """`blocks` full blocks of `items` transactions of `item_bytes` each; one block's worth arrives every `pace` ns from
    `start` on (all of it at `start`, if `pace` is 0)."""

    blocks: int
    items: int = 1
    item_bytes: int = 250
    pace: int = 0
    start: int = 0

    @property
    def total(self) -> int:
        """Items of the whole run."""
        return self.blocks * self.items

    def arrived(self, now: int) -> int:
        """Items that have come by virtual time `now`."""
        if now < self.start:
            return 0
        if not self.pace:
            return self.total
        return min(self.blocks, (now - self.start) // self.pace + 1) * self.items

    def bytes_of(self, block: Block) -> int:
        """What the body would take on the wire."""
        return piece_of(block)[1] * self.item_bytes


def body_of(first: int, count: int) -> tuple[bytes, ...]:
    """The body that takes `count` items from `first` on; no transaction at all for none."""
    if not count:
        return ()
    return (first.to_bytes(_NUMBER_BYTES, "big") + count.to_bytes(_NUMBER_BYTES, "big"),)


def piece_of(block: Block) -> tuple[int, int]:
    """(first, count) of the items in a block. Raises InvalidBlock for another chain's body."""
    if not block.transactions:
        return 0, 0
    if len(block.transactions) != 1 or len(block.transactions[0]) != 2 * _NUMBER_BYTES:
        raise InvalidBlock("block-transaction", "not a piece of the work")
    (line,) = block.transactions
    return int.from_bytes(line[:_NUMBER_BYTES], "big"), int.from_bytes(line[_NUMBER_BYTES:], "big")


class Register:
    """Every valid block of a run, with how many items its branch has taken, and when it was made."""

    def __init__(self, genesis: Header, work: Work) -> None:
        self.genesis = genesis
        self.work = work
        self.now = 0
        self.blocks: dict[bytes, Block] = {genesis.hash: Block(genesis)}
        self.taken: dict[bytes, int] = {genesis.hash: 0}
        self.made: dict[bytes, int] = {genesis.hash: 0}

    def add(self, block: Block) -> None:
        """Judge a block on a known parent, once. Raises InvalidBlock."""
        if block.hash in self.blocks:
            if self.blocks[block.hash].transactions != block.transactions:
                raise InvalidBlock("block-root", "the header does not match the body")
            return
        parent = self.blocks[block.parent_hash].header
        if block.number != parent.number + 1:
            raise InvalidBlock("block-number", f"{block.number} after {parent.number}")
        if block.header.transactions_root != light_root(block.transactions):
            raise InvalidBlock("block-root", "the header does not match the body")
        first, count = piece_of(block)
        before = self.taken[parent.hash]
        if count and (first != before or not 0 < count <= self.work.items or before + count > self.work.total):
            raise InvalidBlock("block-transaction", f"{count} items from {first} on, after {before}")
        self.blocks[block.hash] = block
        self.taken[block.hash] = before + count
        self.made[block.hash] = self.now


class WorkChain:
    """One node's view (`engine.contract.ChainView`); the host calls `adopt`, `finalize` and `durable_copy`."""

    def __init__(self, register: Register, chain_id: int) -> None:
        self.register = register
        self.chain_id = chain_id
        self.genesis = register.genesis
        self.head = register.genesis
        self.finalized = register.genesis
        self._held: dict[bytes, Header] = {register.genesis.hash: register.genesis}
        self._canonical: list[Header] = [register.genesis]
        self._certificates: dict[bytes, bytes] = {}

    # --- ChainView ------------------------------------------------------------------------------------------------

    def header(self, block_hash: bytes) -> Header | None:
        return self._held.get(block_hash)

    def block(self, block_hash: bytes) -> Block | None:
        return self.register.blocks[block_hash] if block_hash in self._held else None

    def canonical(self, number: int) -> Header | None:
        return self._canonical[number] if 0 <= number < len(self._canonical) else None

    def certificate(self, block_hash: bytes) -> bytes:
        return self._certificates.get(block_hash, b"")

    def state(self, block_hash: bytes) -> StateReader:
        return NoState()

    def members(self, block_hash: bytes) -> tuple[Member, ...]:
        """There is no roll here."""
        return ()

    def pending_from(self, account: bytes) -> bool:
        """There are no accounts here."""
        return False

    def sends(self, block_hash: bytes, account: bytes) -> bool:
        """There are no accounts here."""
        return False

    def has_pending(self, parent: Header) -> bool:
        return self.register.taken[parent.hash] < self.register.work.arrived(self.register.now)

    def build(self, parent: Header, draft: Draft) -> Block:
        register = self.register
        if parent.hash not in self._held:
            raise Misuse(f"building on unknown block {parent.number}")
        first = register.taken[parent.hash]
        body = body_of(first, min(register.work.items, register.work.arrived(register.now) - first))
        header = Header(
            parent_hash=parent.hash,
            number=parent.number + 1,
            timestamp=draft.timestamp,
            beneficiary=draft.beneficiary,
            transactions_root=light_root(body),
            difficulty=draft.difficulty,
            extra_data=draft.extra_data,
        )
        block = Block(header, body)
        register.add(block)
        self._held[block.hash] = header
        return block

    def check(self, block: Block) -> None:
        if block.hash in self._held:
            return
        if block.parent_hash not in self._held:
            raise UnknownParent("unknown-parent", block.parent_hash.hex())
        self.register.add(block)
        self._held[block.hash] = self.register.blocks[block.hash].header

    # --- the host's side ------------------------------------------------------------------------------------------

    @property
    def has_work(self) -> bool:
        """Does anything wait after the head?"""
        return self.has_pending(self.head)

    def adopt(self, block_hash: bytes) -> None:
        """Make a known block the head. Raises Misuse for one that this node does not have."""
        header = self._held.get(block_hash)
        if header is None:
            raise Misuse(f"Adopt names block {block_hash.hex()[:12]}, which this node does not have")
        self.head = header
        canonical = self._canonical
        branch: list[Header] = []
        while header.number >= len(canonical) or canonical[header.number].hash != header.hash:
            branch.append(header)
            header = self._held[header.parent_hash]
        del canonical[header.number + 1 :]
        canonical.extend(reversed(branch))

    def finalize(self, block_hash: bytes, certificate: bytes) -> None:
        """Never revert this adopted block. Raises Misuse if it is not on the head's branch."""
        header = self._held.get(block_hash)
        if header is None or self.canonical(header.number) is not header:
            raise Misuse(f"Finalize names block {block_hash.hex()[:12]}, which is not on the head's branch")
        self._certificates[block_hash] = certificate
        if header.number > self.finalized.number:
            self.finalized = header

    def durable_copy(self) -> "WorkChain":
        """What a crash leaves: the final branch and its certificates."""
        copy = WorkChain(self.register, self.chain_id)
        copy._canonical = self._canonical[: self.finalized.number + 1]
        copy._held = {header.hash: header for header in copy._canonical}
        copy._certificates = {header.hash: self.certificate(header.hash) for header in copy._canonical[1:]}
        copy.head = copy.finalized = self.finalized
        return copy
