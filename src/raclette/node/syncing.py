"""Sync inside the node: questions and answers as frames, blocks to the engine, punishments to the scores."""

from typing import TYPE_CHECKING

from raclette.chain.header import Header
from raclette.engine.effects import CancelTimer, SetTimer
from raclette.engine.events import BlockReceived
from raclette.node import wire
from raclette.node.host import Lane
from raclette.node.sync import (
    Ask,
    Bodies,
    GetBodies,
    GetHeaders,
    Headers,
    Import,
    Penalise,
    Sync,
    SyncEffect,
    serve_bodies,
    serve_headers,
)
from raclette.node.view import SyncProgress
from raclette.node.wire import Status
from raclette.primitives.randomness import Random
from raclette.primitives.units import MILLISECOND
from raclette.store.contract import Batch, Table

if TYPE_CHECKING:
    from raclette.node.node import Node

OWNER = "sync"
STATUS_TIMER = "status"
# Least time between two statuses to everybody; a laggard learns within this that it is one.
STATUS_INTERVAL = 250 * MILLISECOND
# Where the total weight of the head is kept: head hash, then the weight.
WEIGHT_KEY = b"node/weight"
HASH_BYTES = 32


class SyncDesk:
    """Catching up, and letting others catch up."""

    def __init__(self, node: "Node", random: Random) -> None:
        self._node = node
        self._chain = node.chain
        self._out = node.out
        heights = [node.chain.head.number, *(block.number for block in node.chain.beside())]
        bare = max(heights) if node.engine.needs_certificate else 0
        self._sync = Sync(node.chain, node.engine, random, lambda: self.weight, bare=bare)
        self.weight = self._kept_weight()
        # Blocks given to the engine whose fate is not known yet: hash -> who vouched.
        self._importing: dict[bytes, bytes] = {}
        self._status_due = False

    def progress(self) -> SyncProgress | None:
        """None when not behind."""
        return self._sync.progress()

    def stats(self) -> dict[str, int]:
        """Sizes of what sync keeps."""
        return self._sync.stats()

    # Links

    def greet(self, peer: bytes) -> None:
        """A link is up: say who we are."""
        self._carry(self._sync.up(self._out.now, peer))
        self._out.transmit((peer,), Lane.CONSENSUS, wire.encode_status(self._status()), "status")

    def gone(self, peer: bytes) -> None:
        """A link is down."""
        self._carry(self._sync.down(self._out.now, peer))

    # Frames

    def status(self, peer: bytes, said: Status) -> None:
        """A peer's claim about itself."""
        self._node.links.said(peer, said)
        self._carry(self._sync.status(self._out.now, peer, said.head_hash, said.height, said.weight, said.finalized))

    def asked(self, peer: bytes, ask: GetHeaders | GetBodies) -> None:
        """A peer catches up from us."""
        if isinstance(ask, GetHeaders):
            frame, kind = wire.encode_headers(serve_headers(self._chain, ask)), "headers"
        else:
            frame, kind = wire.encode_bodies(serve_bodies(self._chain, ask)), "bodies"
        self._out.transmit((peer,), Lane.BLOCKS, frame, kind)

    def answered(self, peer: bytes, answer: Headers | Bodies) -> None:
        """What we asked for."""
        take = self._sync.headers if isinstance(answer, Headers) else self._sync.bodies
        self._carry(take(self._out.now, peer, answer))  # type: ignore[arg-type]  # each takes its own kind

    # The engine's side

    def want(self, peer: bytes, block_hash: bytes) -> None:
        """Get a block and its missing ancestors."""
        self._carry(self._sync.fetch(self._out.now, peer, block_hash))

    def head_moved(self, removed: tuple[Header, ...], added: tuple[Header, ...]) -> None:
        """Keep the weight, tell sync, and let the neighbours know before long."""
        weigh = self._node.engine.weight
        self.weight += sum(map(weigh, added)) - sum(map(weigh, removed))
        batch = Batch()
        weight = self.weight.to_bytes((self.weight.bit_length() + 7) // 8, "big")
        batch.put(Table.META, WEIGHT_KEY, self._chain.head.hash + weight)
        self._node.store.write(batch)
        for header in added:
            self._carry(self._sync.imported(self._out.now, header.hash))
        if not self._status_due:
            self._status_due = True
            self._out.set_timer(OWNER, STATUS_TIMER, STATUS_INTERVAL)

    def judged(self) -> None:
        """The engine has looked at everything told so far: which blocks did it take?"""
        judged, self._importing = self._importing, {}
        for block_hash in judged:
            if self._chain.header(block_hash) is not None:
                self._carry(self._sync.imported(self._out.now, block_hash))
            else:
                # Nobody is to blame for a block that the engine merely does not want, or not yet.
                reason = self._chain.why_invalid(block_hash)
                self._carry(self._sync.failed(self._out.now, block_hash, reason))

    def fired(self, name: str) -> None:
        """Sync's timers, and the one for statuses."""
        if name == STATUS_TIMER:
            self._status_due = False
            status = wire.encode_status(self._status())
            self._out.transmit(self._node.links.all(), Lane.BLOCKS, status, "status")
        else:
            self._carry(self._sync.fired(self._out.now, name))

    def _status(self) -> Status:
        head = self._chain.head
        return Status(head.hash, head.number, self.weight, self._chain.finalized.number)

    def _carry(self, asked: tuple[SyncEffect, ...]) -> None:
        for effect in asked:
            if isinstance(effect, Ask):
                self._ask(effect.peer, effect.request)
            elif isinstance(effect, Import):
                self._importing[effect.block.hash] = effect.peer
                self._node.tell(BlockReceived(self._out.now, effect.peer, effect.block, effect.certificate))
                self._node.blocks.arrived(effect.block)
            elif isinstance(effect, Penalise):
                self._node.conduct.fault(effect.peer, effect.reason)
            elif isinstance(effect, SetTimer):
                self._out.set_timer(OWNER, effect.name, effect.delay)
            elif isinstance(effect, CancelTimer):
                self._out.cancel_timer(OWNER, effect.name)

    def _ask(self, peer: bytes, request: GetHeaders | GetBodies) -> None:
        if isinstance(request, GetHeaders):
            frame, kind = wire.encode_get_headers(request), "get-headers"
        else:
            frame, kind = wire.encode_get_bodies(request), "get-bodies"
        self._out.transmit((peer,), Lane.BLOCKS, frame, kind)

    def _kept_weight(self) -> int:
        """Total weight of the head: as kept, or counted anew if the process died before it was."""
        head = self._chain.head
        kept = self._node.store.get(Table.META, WEIGHT_KEY)
        if kept is not None and kept[:HASH_BYTES] == head.hash:
            return int.from_bytes(kept[HASH_BYTES:], "big")
        weigh = self._node.engine.weight
        headers = (self._chain.canonical(number) for number in range(1, head.number + 1))
        return sum(weigh(header) for header in headers if header is not None)
