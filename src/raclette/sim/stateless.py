"""What a chain answers that keeps headers only: no state, no roll, no accounts, and so nothing that waits."""

from collections.abc import Callable

from raclette.chain.header import Header
from raclette.chain.ledger import StateReader
from raclette.chain.roll import Member
from raclette.primitives.errors import Misuse


class Stateless:
    """The common part of light `engine.contract.ChainView`s."""

    __slots__ = ()

    head: Header
    # Of a block that is kept, by its hash.
    header: Callable[[bytes], Header | None]

    def canonical(self, number: int) -> Header | None:
        """On the head's branch, as far as it is kept."""
        header: Header | None = self.head
        while header is not None and header.number > number:
            header = self.header(header.parent_hash)
        return header if header is not None and header.number == number else None

    def certificate(self, block_hash: bytes) -> bytes:
        """There are none."""
        return b""

    def state(self, block_hash: bytes) -> StateReader:
        """Raises Misuse."""
        raise Misuse("a light chain has no state; this engine needs the full fidelity")

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
        """Never."""
        return False
