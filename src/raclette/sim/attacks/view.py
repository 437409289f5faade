"""A light chain for one group of miners: headers, and which is the head. Blocks are empty and nothing is executed."""

from collections.abc import Callable

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.contract import Draft
from raclette.primitives.errors import UnknownParent
from raclette.sim.stateless import Stateless

# Headers kept, twice this at most: more than the fork choice's window, and deeper than any race here goes.
KEPT = 4_096


class View(Stateless):
    """Implements `engine.ChainView`."""

    def __init__(self, genesis: Header, chain_id: int) -> None:
        self.chain_id = chain_id
        self.genesis = self.head = self.finalized = genesis
        self._headers: dict[bytes, Header] = {genesis.hash: genesis}
        self.header: Callable[[bytes], Header | None] = self._headers.get

    def block(self, block_hash: bytes) -> Block | None:
        """With its empty body."""
        header = self.header(block_hash)
        return None if header is None else Block(header)

    def build(self, parent: Header, draft: Draft) -> Block:
        """An empty block on `parent`."""
        header = Header(
            parent_hash=parent.hash,
            number=parent.number + 1,
            timestamp=draft.timestamp,
            beneficiary=draft.beneficiary,
            difficulty=draft.difficulty,
            extra_data=draft.extra_data,
        )
        return Block(header)

    def check(self, block: Block) -> None:
        """Keep it. Raises UnknownParent."""
        headers = self._headers
        if block.parent_hash not in headers:
            raise UnknownParent("unknown-parent", block.parent_hash.hex())
        headers.setdefault(block.hash, block.header)
        if len(headers) > 2 * KEPT:
            for old in list(headers)[:KEPT]:
                del headers[old]

    def adopt(self, block_hash: bytes) -> int:
        """Make it the head; how many blocks of the old branch that leaves."""
        new, old = self._headers[block_hash], self.head
        self.head = new
        depth = 0
        while old.hash != new.hash:
            if new.number > old.number:
                new = self._headers[new.parent_hash]
                continue
            if old.number == new.number:
                new = self._headers[new.parent_hash]
            old = self._headers[old.parent_hash]
            depth += 1
        return depth
