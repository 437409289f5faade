"""The hunt's world of engines for the two BFT engines that other engines may run: a committee with seats, a first block
above zero, an engine around. Whatever a story does, the hunt's checkers of agreement look on."""

from collections.abc import Sequence
from typing import Any

from worlds import StoryWorld

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.contract import EngineSetup
from raclette.engine.nesting import ALONE, Frame, Mark
from raclette.lab.hunt.engines.adapter import find_adapter
from raclette.lab.hunt.engines.play import replica_id
from raclette.lab.hunt.engines.world import EPOCH_S
from raclette.primitives.errors import InvalidHeader, NotYet
from raclette.protocols import find_protocol

PROTOCOLS = ("pbft", "simplex")


class World(StoryWorld):
    """`frame` is shared by all replicas. `first` is the number of the block that the engines start from; its extra data
    looks as if the day before had been Simplex too."""

    def __init__(
        self, protocol: str, replicas: int = 4, *, first: int = 0, frame: Frame = ALONE, **options: Any
    ) -> None:
        make = find_protocol(protocol).make
        # The other checkers count heads, not seats.
        checkers = find_adapter(protocol).checkers()[:3] if options.get("weights") else None
        super().__init__(
            protocol,
            replicas,
            factory=lambda setup: make(setup._replace(frame=frame)),
            checkers=checkers,
            genesis=self._above(first) if first else None,
            **options,
        )

    @staticmethod
    def _above(first: int) -> Header:
        extra = replica_id(1) + (77).to_bytes(8, "big")
        return Header(
            parent_hash=b"\x05" * 32, number=first, timestamp=EPOCH_S, mix_hash=b"\x06" * 32, extra_data=extra
        )

    def setup(self, place: int) -> EngineSetup:
        """What a replica's engine would be made from now."""
        replica = self[place]
        return EngineSetup(
            parameters=self.parameters,
            chain=replica.chain,
            signer=self.signatures.signer(replica.node_id),
            beneficiary=replica.node_id[:20],
            records=dict(replica.disk.records),
        )

    def finals(self, place: int) -> Sequence[Block]:
        """The final blocks above the first, oldest first."""
        chain = self[place].chain
        headers = [chain.canonical(number) for number in range(chain.genesis.number + 1, chain.finalized.number + 1)]
        blocks = [chain.block(header.hash) for header in headers if header is not None]
        return [block for block in blocks if block is not None]


class Marking:
    """An engine around: each block carries its parent's number as nonce and `digest`; a node that has not yet `heard`
    of the digest cannot judge it; `ends` is the number of a block that is wanted whether or not transactions wait."""

    def __init__(self, digest: bytes = b"\xd1" * 32, *, heard: bool = True, ends: int = 0) -> None:
        self.digest = digest
        self.heard = heard
        self.ends = ends
        self.asked = 0

    def mark(self, parent: Header, now: int) -> Mark:
        """See the class."""
        return Mark(self.digest, parent.number.to_bytes(8, "big"))

    def check(self, header: Header, parent: Header, now: int) -> None:
        """See the class."""
        self.asked += 1
        if not self.heard:
            raise NotYet("header-seal", "not heard of")
        if (header.mix_hash, header.nonce) != self.mark(parent, now):
            raise InvalidHeader("header-seal", "another mark")

    def worth(self, block: Block) -> bool:
        """The last one need not have transactions."""
        return bool(block.transactions) or block.number == self.ends

    def wanted(self, parent: Header) -> bool:
        """The last one."""
        return parent.number + 1 == self.ends
