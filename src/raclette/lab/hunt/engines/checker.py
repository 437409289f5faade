"""What watches a world of engines, and what it raises."""

from typing import TYPE_CHECKING

from raclette.chain.block import Block
from raclette.engine.effects import Effect
from raclette.engine.events import Event
from raclette.engine.message import Message

if TYPE_CHECKING:
    from raclette.lab.hunt.engines.replica import Replica


class Violation(AssertionError):
    """`checker`'s property does not hold. `node` is the replica's number, -1 for the world."""

    def __init__(self, checker: str, detail: str, node: int = -1) -> None:
        super().__init__(f"{checker}: {detail}")
        self.checker = checker
        self.detail = detail
        self.node = node


class Checker:
    """Watches a world of engines; raises Violation. `after` sees each event of every instance, liars' too."""

    def after(self, replica: "Replica", event: Event, effects: tuple[Effect, ...]) -> None:
        """An event was handled and its effects carried out."""

    def said(self, replica: "Replica", message: Message) -> None:
        """An honest instance said something (before anything is lost)."""

    def finalized(self, replica: "Replica", block: Block, certificate: bytes) -> None:
        """An honest instance finalised a block."""
