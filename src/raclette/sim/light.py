"""A light chain: what an engine may ask of a chain, without bodies, ledger or state.

All nodes of a run share one register of headers; each knows which of them it has received. Blocks are empty, and say
only how large they pretend to be. A candidate's hashes are numbers from a counter instead of keccak256 of 600 bytes:
nothing in this world can tell the difference, and a world of ten thousand miners builds ten thousand candidates for
every block that it keeps.
"""

from collections.abc import Callable
from dataclasses import replace

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.chain.ledger import StateReader
from raclette.engine.contract import Draft
from raclette.primitives.errors import Misuse, UnknownParent

# States of a block at a node.
_UNKNOWN, REQUESTED, HELD = 0, 1, 2
# Headers that each node keeps at hand: more than any rule looks back for one block.
RECENT_MAX = 24
GAS_LIMIT = 30_000_000


class Register:
    """Every block of a run, by its slot (order of creation). `state[slot][node]` says what the node has of it."""

    def __init__(self, genesis: Header, nodes: int) -> None:
        self.nodes = nodes
        self.genesis = genesis
        self.blocks: list[Block] = []
        self.slots: dict[bytes, int] = {}
        self.state: list[bytearray | bytes] = []
        self.everywhere = bytes([HELD]) * nodes
        self._candidates = 0
        self.add(Block(genesis))
        self.state[0] = self.everywhere

    def add(self, block: Block) -> int:
        """A new block that nobody has yet; its slot."""
        slot = len(self.blocks)
        self.blocks.append(block)
        self.slots[block.hash] = slot
        self.state.append(bytearray(self.nodes))
        return slot

    def candidate(self, parent: Header, draft: Draft) -> Header:
        """An empty block's header with counted instead of computed hashes."""
        self._candidates += 1
        header = Header(
            parent_hash=parent.hash,
            number=parent.number + 1,
            timestamp=draft.timestamp,
            beneficiary=draft.beneficiary,
            difficulty=draft.difficulty,
            gas_limit=GAS_LIMIT,
            extra_data=draft.extra_data,
        )
        number = self._candidates.to_bytes(31, "big")
        header.__dict__["prehash"] = b"\x01" + number
        header.__dict__["hash"] = b"\x02" + number
        return header


def sealed(header: Header, nonce: bytes) -> Header:
    """The candidate with its nonce. Its hash is computed for real; its prehash stays the counted one."""
    found = replace(header, nonce=nonce)
    found.__dict__["prehash"] = header.prehash
    return found


class _Recent(dict[bytes, Header | None]):
    """The newest headers that a node holds; older ones are looked up in the register."""

    def __init__(self, register: Register, node: int) -> None:
        super().__init__()
        self._register = register
        self._node = node

    def __missing__(self, block_hash: bytes) -> Header | None:
        register = self._register
        slot = register.slots.get(block_hash)
        if slot is None or register.state[slot][self._node] != HELD:
            return None
        return register.blocks[slot].header


class LightChain:
    """One node's view (`engine.contract.ChainView`). Nothing is ever pending; engines mine empty blocks."""

    __slots__ = ("_recent", "_register", "chain_id", "finalized", "head", "header")

    def __init__(self, register: Register, node: int, chain_id: int) -> None:
        self._register = register
        self._recent = _Recent(register, node)
        # Engines ask this a dozen times for every block, so it is the dictionary's own method.
        self.header: Callable[[bytes], Header | None] = self._recent.__getitem__
        self.chain_id = chain_id
        self.head = register.genesis
        self.finalized = register.genesis

    @property
    def genesis(self) -> Header:
        """Block 0."""
        return self._register.genesis

    def hold(self, header: Header) -> None:
        """The node has this block now."""
        recent = self._recent
        recent[header.hash] = header
        if len(recent) > RECENT_MAX:
            del recent[next(iter(recent))]

    def block(self, block_hash: bytes) -> Block | None:
        """The same, with its (empty) body."""
        header = self.header(block_hash)
        return None if header is None else self._register.blocks[self._register.slots[block_hash]]

    def canonical(self, number: int) -> Header | None:
        """The block at `number` on the head's branch."""
        header: Header | None = self.head
        while header is not None and header.number > number:
            header = self.header(header.parent_hash)
        return header if header is not None and header.number == number else None

    def certificate(self, block_hash: bytes) -> bytes:
        """There are none."""
        return b""

    def state(self, block_hash: bytes) -> StateReader:
        """Raises Misuse: there is no state here."""
        raise Misuse("a light chain has no state; this engine needs the full fidelity")

    def has_pending(self, parent: Header) -> bool:
        """Never."""
        return False

    def build(self, parent: Header, draft: Draft) -> Block:
        """An empty block on `parent`."""
        return Block(self._register.candidate(parent, draft))

    def check(self, block: Block) -> None:
        """Raises UnknownParent."""
        if self.header(block.header.parent_hash) is None:
            raise UnknownParent("unknown-parent", block.header.parent_hash.hex())
