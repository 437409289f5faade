"""A light chain: what an engine may ask of a chain, without bodies, ledger or state.

All nodes of a run share one register of headers; beside each header stands a byte for every node that says whether it
is in that node's tree. Blocks are empty, and say only how large they pretend to be. A candidate's header is filled in
from a template: a world of ten thousand miners builds ten thousand candidates for every block that it keeps, and hashes
only the one whose search succeeds.
"""

from typing import TypeVar

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.contract import Draft
from raclette.primitives.errors import Misuse, UnknownParent
from raclette.sim.stateless import Stateless

GAS_LIMIT = 30_000_000
T = TypeVar("T")


class Register:
    """Every block of a run by its slot (order of creation). `holders[slot][node]` is 1 where the node's tree has it."""

    def __init__(self, genesis: Header, nodes: int) -> None:
        self.nodes = nodes
        self.genesis = genesis
        self.blocks: list[Block] = []
        self.slots: dict[bytes, int] = {}
        self.holders: list[bytearray] = []
        self.add(Block(genesis))
        self.holders[0] = bytearray(b"\x01") * nodes

    def add(self, block: Block) -> int:
        """A new block that nobody has yet; its slot."""
        slot = len(self.blocks)
        self.blocks.append(block)
        self.slots[block.hash] = slot
        self.holders.append(bytearray(self.nodes))
        return slot


class LightChain(Stateless):
    """One node's view (`engine.contract.ChainView`). Nothing is ever pending; engines mine empty blocks."""

    __slots__ = (
        "_blocks",
        "_holders",
        "_node",
        "_register",
        "_slots",
        "chain_id",
        "contents",
        "finalized",
        "genesis",
        "head",
    )

    def __init__(self, register: Register, node: int, chain_id: int) -> None:
        self._register = register
        self._blocks, self._slots, self._holders = register.blocks, register.slots, register.holders
        self._node = node
        self.chain_id = chain_id
        self.genesis = self.head = self.finalized = register.genesis
        # Which blocks of the run are in this node's tree: one bit a slot.
        self.contents = 1

    def header(self, block_hash: bytes) -> Header | None:
        """Of a block in this node's tree."""
        slot = self._slots.get(block_hash)
        if slot is None or not self._holders[slot][self._node]:
            return None
        return self._blocks[slot].header

    def block(self, block_hash: bytes) -> Block | None:
        """The same, with its (empty) body."""
        return None if self.header(block_hash) is None else self._blocks[self._slots[block_hash]]

    def build(self, parent: Header, draft: Draft) -> Block:
        """An empty block on `parent`."""
        timestamp, beneficiary, difficulty, extra_data = draft[:4]
        header = _filled(
            Header,
            {
                "parent_hash": parent.hash,
                "number": parent.number + 1,
                "timestamp": timestamp,
                "beneficiary": beneficiary,
                "difficulty": difficulty,
                "gas_limit": GAS_LIMIT,
                "extra_data": extra_data,
            },
        )
        return _filled(Block, {"header": header})

    def check(self, block: Block) -> None:
        """The block is in this node's tree. Raises UnknownParent; Misuse for a block that is not in the register."""
        header = block.header
        if self.header(header.parent_hash) is None:
            raise UnknownParent("unknown-parent", header.parent_hash.hex())
        slot = self._slots.get(header.hash)
        if slot is None:
            raise Misuse("this block is not in the register of the run")
        self._holders[slot][self._node] = 1
        self.contents |= 1 << slot


def _filled(kind: type[T], fields: dict[str, object]) -> T:
    """`kind(**fields)` in a third of the time: a frozen dataclass sets each field by a call, and fields that are left
    out read as their defaults, which are attributes of the class."""
    made = object.__new__(kind)
    object.__setattr__(made, "__dict__", fields)
    return made
