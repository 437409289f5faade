"""Long range: a second history from the first block on, offered to whoever catches up.

The pool mines a branch of its own from genesis, whatever the public chain does, and never gives it up. To a peer that
lags behind, each member claims to have far more work than anybody, and answers its questions for headers and bodies
from that branch; whom it reaches first, downloads it. With `forged`, it goes on after the last block with so many
headers for which no work was done, since a longer story impresses more.

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
# A peer so many blocks below the tip of the other history is a newcomer.
LAG = 3
# Behind by so many blocks the pool would start from the public chain again: never, in any run we make.
NEVER = 1 << 40


class LongRange(Pooled):
    """Tells the other history to those who know little. `forged` headers go on top of it."""

    def __init__(self, member: Pooled, forged: int) -> None:
        super().__init__(member.node, member.pool)
        self._forged = forged
        # Peers that lag behind; to everybody else, who could tell, this is an honest node.
        self._dupes: set[bytes] = set()

    def handle(self, event: NodeEvent) -> tuple[HostEffect, ...]:
        told: Transmit | None = None
        if isinstance(event, Delivered):
            match event.parcel.content:
                case Status(height=height):
                    return (*super().handle(event), *self._size_up(event.peer, height))
                case GetHeaders() as asked if event.peer in self._dupes:
                    told = self._headers(event.peer, self.pool.hidden, asked)
                case GetBodies() as asked if event.peer in self._dupes:
                    told = self._bodies(event.peer, self.pool.hidden, asked)
        return super().handle(event) if told is None else (told,)

    def _size_up(self, peer: bytes, height: int) -> list[HostEffect]:
        """Boast to a peer that lags behind our history."""
        line = self.pool.hidden
        if not line or height + LAG > line[-1].number:
            self._dupes.discard(peer)
            return []
        self._dupes.add(peer)
        tip = line[-1].header
        claim = Status(tip.hash, tip.number + self._forged, BOAST * self.node.sync.weight, 0)
        return [Transmit((peer,), Lane.CONSENSUS, encode_status(claim), "status")]

    def _headers(self, peer: bytes, line: list[Block], asked: GetHeaders) -> Transmit | None:
        """From the first block after what the asker has of ours, in order. None: it has nothing that ours stands on."""
        history = [block.header for block in line]
        if not line or not {line[0].parent_hash, *(header.hash for header in history)} & set(asked.locator):
            return None
        while len(history) < len(line) + self._forged:
            history.append(_without_work(history[-1]))
        places = {header.hash: place for place, header in enumerate(history)}
        after = max((places[known] + 1 for known in asked.locator if known in places), default=0)
        items = tuple((header, b"") for header in history[after : after + asked.count])
        return Transmit((peer,), Lane.BLOCKS, encode_headers(Headers(asked.request, items)), "headers")

    def _bodies(self, peer: bytes, line: list[Block], asked: GetBodies) -> Transmit | None:
        """Of those that are ours. None: it asks for others."""
        ours = {block.hash: block.transactions for block in line}
        items = tuple((block_hash, ours[block_hash]) for block_hash in asked.hashes if block_hash in ours)
        if not items:
            return None
        return Transmit((peer,), Lane.BLOCKS, encode_bodies(Bodies(asked.request, items)), "bodies")


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
