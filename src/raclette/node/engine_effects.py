"""What the engine asks for, carried out: records on disk, messages as frames, heads moved, blocks made final."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from raclette.engine import effects
from raclette.engine.effects import Effect
from raclette.engine.message import Message
from raclette.node.host import Lane, NewFinal, NewHead
from raclette.store.contract import Batch, Table

if TYPE_CHECKING:
    from raclette.node.node import Node

OWNER = "engine"


class EngineDesk:
    """Carries out effects strictly in order."""

    def __init__(self, node: "Node") -> None:
        self._node = node
        self._out = node.out
        self._carriers: dict[type, Callable[[Any], None]] = {
            effects.Persist: self._persist,
            effects.Broadcast: self._broadcast,
            effects.Send: self._send,
            effects.Publish: self._publish,
            effects.SetTimer: self._set_timer,
            effects.CancelTimer: self._cancel_timer,
            effects.Seal: self._out.emit,
            effects.StopSealing: self._out.emit,
            effects.Adopt: self._adopt,
            effects.Finalize: self._finalize,
            effects.Certify: self._certify,
            effects.Fetch: self._fetch,
            effects.Accuse: self._accuse,
        }

    def carry(self, asked: tuple[Effect, ...]) -> None:
        """Carry out what the engine asked for."""
        for effect in asked:
            self._carriers[type(effect)](effect)

    def _persist(self, effect: effects.Persist) -> None:
        batch = Batch()
        if effect.value is None:
            batch.delete(Table.CONSENSUS, effect.key)
        else:
            batch.put(Table.CONSENSUS, effect.key, effect.value)
        self._node.store.write(batch)
        self._out.promise()

    def _broadcast(self, effect: effects.Broadcast) -> None:
        self._transmit(self._node.links.among(self._node.engine.validators()), effect.message)

    def _send(self, effect: effects.Send) -> None:
        if effect.peer in self._node.links:
            self._transmit((effect.peer,), effect.message)

    def _transmit(self, peers: tuple[bytes, ...], message: Message) -> None:
        if peers:
            # A proposal is a consensus message: votes wait for it.
            self._out.transmit(peers, Lane.CONSENSUS, self._node.blocks.frame(message, public=False), message.kind)

    def _publish(self, effect: effects.Publish) -> None:
        self._node.blocks.publish(effect.message)

    def _set_timer(self, effect: effects.SetTimer) -> None:
        self._out.set_timer(OWNER, effect.name, effect.delay)

    def _cancel_timer(self, effect: effects.CancelTimer) -> None:
        self._out.cancel_timer(OWNER, effect.name)

    def _adopt(self, effect: effects.Adopt) -> None:
        node = self._node
        moved = node.chain.adopt(effect.block_hash)
        if not moved.added and not moved.removed:
            return
        # Oldest first: what spends another's money waits behind it.
        returned = [transaction for block in reversed(moved.removed) for transaction in block.transactions]
        included = [transaction for block in moved.added for transaction in block.transactions]
        node.transactions.head_moved(returned, included)
        node.head_moved()
        removed = tuple(block.header for block in moved.removed)
        added = tuple(block.header for block in moved.added)
        node.sync.head_moved(removed, added)
        self._out.emit(NewHead(removed, added))

    def _finalize(self, effect: effects.Finalize) -> None:
        node = self._node
        if node.chain.finalize(effect.block_hash, effect.certificate):
            self._out.emit(NewFinal(node.chain.finalized))

    def _certify(self, effect: effects.Certify) -> None:
        self._node.chain.keep_certificate(effect.block_hash, effect.certificate)

    def _fetch(self, effect: effects.Fetch) -> None:
        self._node.sync.want(effect.peer, effect.block_hash)

    def _accuse(self, effect: effects.Accuse) -> None:
        self._node.conduct.accused(effect.peer, effect.reason, effect.evidence)
