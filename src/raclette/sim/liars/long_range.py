"""Long range: a second history from the first block on, offered to whoever catches up.

The pool mines a branch of its own from genesis, whatever the public chain does, and never gives it up. Each member
claims in its status to have far more work than anybody, and answers questions for headers and bodies from that branch:
a newcomer whom it reaches first downloads it. With `forged`, it goes on after the last block with so many headers for
which no work was done, since a longer story impresses more.

What must hold: work counts, claims do not. A newcomer ends on the heaviest chain that anybody showed it, a branch with
less work is never its head once it has heard of more, and headers without work cost their sender the link. If the pool
has more than half of the power, its branch does become the heaviest, and then this is how it takes over: it is shown to
everybody once it is longer.
"""

from dataclasses import replace

from raclette.chain.block import Block
from raclette.chain.header import ZERO_NONCE, Header
from raclette.node.host import Delivered, HostedNode, HostEffect, Lane, NodeEvent, Transmit
from raclette.node.sync import Bodies, GetBodies, GetHeaders, Headers
from raclette.node.wire import Status, encode_bodies, encode_headers, encode_status
from raclette.sim.attacks.strategies import PrivateChain
from raclette.sim.liars.contract import LiarKind, Parameter, Scene
from raclette.sim.liars.pooled import PROOF_OF_WORK, Pooled, join_pool

# The work that is claimed: as many times the true work of the public chain.
BOAST = 4
# Behind by so many blocks the pool would start from the public chain again: never, in any run we make.
NEVER = 1 << 40


class LongRange(Pooled):
    """Tells the other history. `forged` headers go on top of it."""

    def __init__(self, member: Pooled, forged: int) -> None:
        super().__init__(member.node, member.pool)
        self._forged = forged

    def handle(self, event: NodeEvent) -> tuple[HostEffect, ...]:
        asked = event.parcel.content if isinstance(event, Delivered) else None
        if isinstance(event, Delivered) and isinstance(asked, (GetHeaders, GetBodies)):
            line = self.pool.hidden
            told = (
                self._headers(event, line, asked) if isinstance(asked, GetHeaders) else self._bodies(event, line, asked)
            )
            if told is not None:
                return (told,)
        return super().handle(event)

    def twist(self, now: int, effects: tuple[HostEffect, ...]) -> tuple[HostEffect, ...]:
        """Boast in every status."""
        if not any(isinstance(effect, Transmit) and effect.kind == "status" for effect in effects):
            return effects
        line = self.pool.hidden
        if not line:
            return effects
        tip = line[-1].header
        claim = Status(tip.hash, tip.number + self._forged, BOAST * self.node.sync.weight, 0)
        frame = encode_status(claim)
        return tuple(
            effect._replace(frame=frame) if isinstance(effect, Transmit) and effect.kind == "status" else effect
            for effect in effects
        )

    def _headers(self, event: Delivered, line: list[Block], asked: GetHeaders) -> Transmit | None:
        """From the first block after what the asker has of ours, in order. None: it has nothing that ours stands on."""
        history = [block.header for block in line]
        if not line or not {line[0].parent_hash, *(header.hash for header in history)} & set(asked.locator):
            return None
        while len(history) < len(line) + self._forged:
            history.append(_without_work(history[-1]))
        places = {header.hash: place for place, header in enumerate(history)}
        after = max((places[known] + 1 for known in asked.locator if known in places), default=0)
        items = tuple((header, b"") for header in history[after : after + asked.count])
        return Transmit((event.peer,), Lane.BLOCKS, encode_headers(Headers(asked.request, items)), "headers")

    def _bodies(self, event: Delivered, line: list[Block], asked: GetBodies) -> Transmit | None:
        """Of those that are ours. None: it asks for others."""
        ours = {block.hash: block.transactions for block in line}
        items = tuple((block_hash, ours[block_hash]) for block_hash in asked.hashes if block_hash in ours)
        if not items:
            return None
        return Transmit((event.peer,), Lane.BLOCKS, encode_bodies(Bodies(asked.request, items)), "bodies")


def _without_work(parent: Header) -> Header:
    """What the next header might look like."""
    return replace(
        parent, parent_hash=parent.hash, number=parent.number + 1, timestamp=parent.timestamp + 1, nonce=ZERO_NONCE
    )


def _make(scene: Scene) -> HostedNode:
    depth, forged = scene.parameters["depth"], scene.parameters["forged"]
    return LongRange(join_pool(scene, lambda: PrivateChain(depth, NEVER, premined=False)), forged)


KIND = LiarKind(
    "long-range",
    "offers those who catch up another history, from genesis on",
    _make,
    protocols=PROOF_OF_WORK,
    parameters={
        "depth": Parameter(30, 1, 100_000, "length of the public branch before the other is shown, if it is longer"),
        "forged": Parameter(0, 0, 1_000, "headers without work on top of it"),
    },
)
"""All nodes with this lie are one pool."""
