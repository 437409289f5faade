"""What all liars share: an honest node inside, whose effects are twisted on their way out."""

from raclette.chain.ledger import Transaction
from raclette.node.host import Gate, HostedNode, HostEffect, NodeEvent


class Liar:
    """Passes everything through; a subclass overrides `twist`."""

    def __init__(self, inner: HostedNode) -> None:
        self.inner = inner
        self.node_id = inner.node_id
        self.gate: Gate = inner.gate

    def handle(self, event: NodeEvent) -> tuple[HostEffect, ...]:
        """Let the honest node react, then lie about it."""
        return self.twist(event.now, self.inner.handle(event))

    def submit(self, now: int, transaction: Transaction) -> tuple[HostEffect, ...]:
        """Raises Refused."""
        return self.twist(now, self.inner.submit(now, transaction))

    def twist(self, now: int, effects: tuple[HostEffect, ...]) -> tuple[HostEffect, ...]:
        """The effects that reach the host."""
        return effects
