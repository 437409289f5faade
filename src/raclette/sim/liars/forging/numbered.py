"""What the adapters of protocols with numbered replicas do alike: what is signed is its author's own, and the block in
a proposal can be exchanged for another."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from raclette.chain.block import Block
from raclette.engine.message import Message
from raclette.node.host import Transmit
from raclette.node.node import Node
from raclette.primitives.randomness import Random
from raclette.sim.liars.forging.craft import send_directly, spoilt


class NumberedForger(ABC):
    """`me` is the number of the replica inside; None if it has no vote: then there is nothing to sign, and few lies."""

    def __init__(self, node: Node, me: int | None) -> None:
        self.node = node
        self.me = me
        self.hashes: dict[bytes, None] = {}

    def wrap(self, peers: Sequence[bytes], message: Message) -> Transmit:
        """As the node inside would send it."""
        return send_directly(self.node, peers, message)

    def is_ours(self, message: Message) -> bool:
        """Not merely passed on, as a NEW-VIEW or a notarization is to one who missed it."""
        return getattr(message, "sender", self.me) == self.me

    @abstractmethod
    def signed(self, message: Message) -> Message | None:
        """`message` with our signature over what it now says; None if it is not ours to sign."""

    def with_block(self, proposal: Any, block: Block) -> Message | None:
        """The same proposal with another block, signed."""
        return self.signed(replace(proposal, header=block.header, block=block))

    def with_spoilt_block(self, proposal: Any, random: Random) -> Message | None:
        """The same proposal with a field of its block's header changed, signed."""
        if proposal.block is None:
            return None
        hashes = tuple(self.hashes)
        known = {"timestamp": (), "number": (), "gas_used": (), "parent_hash": hashes, "state_root": ()}
        return self.with_block(proposal, spoilt(proposal.block, known, random))
