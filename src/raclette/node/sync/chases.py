"""The chases under way: one for the best claim, and some for single blocks that are wanted.

One *main chase* follows the headers of one peer that claims a better head than ours. *Fetches* follow those of a block
(and its ancestors) that the engine, or an orphan, wants; where a peer fails, another one is asked. Which headers are
taken is `HeaderCheck`'s business; here it is whose are followed, and how far.
"""

from collections.abc import Callable

from raclette.engine.contract import ChainView, Engine
from raclette.node.sync.chase import Chase
from raclette.node.sync.effects import Ask, Penalise
from raclette.node.sync.limits import SyncLimits
from raclette.node.sync.messages import HEADERS_PER_REQUEST_MAX, GetHeaders
from raclette.node.sync.peers import SyncPeer
from raclette.node.sync.queue import BlockQueue
from raclette.node.sync.requests import Requests
from raclette.node.sync.serve import make_locator
from raclette.primitives.randomness import Random


class Chases:
    """`bare` is the height to which a crash may have left blocks without the certificates that make them final."""

    def __init__(
        self,
        chain: ChainView,
        engine: Engine,
        random: Random,
        total_weight: Callable[[], int],
        limits: SyncLimits,
        bare: int,
        queue: BlockQueue,
        requests: Requests,
    ) -> None:
        self.main: Chase | None = None
        self.fetches: dict[bytes, Chase] = {}
        self._chain = chain
        self._engine = engine
        self._random = random
        self._total_weight = total_weight
        self._limits = limits
        self._bare = bare
        self._queue = queue
        self._requests = requests

    def fetch(self, now: int, peer: bytes, block_hash: bytes) -> None:
        """Follow the headers of this block, from `peer` first. Ignored if under way, or beyond the bounds."""
        if self._chain.header(block_hash) is not None or block_hash in self._queue or block_hash in self.fetches:
            return
        share = sum(1 for chase in self.fetches.values() if chase.owner == peer)
        if share >= self._limits.fetches_per_peer or len(self.fetches) >= self._limits.fetches_max:
            return
        chase = Chase(peer, block_hash, owner=peer)
        self.fetches[block_hash] = chase
        if peer in self._requests.peers:
            self._ask_headers(chase)
        else:
            self._try_other(now, chase)

    def go_on(self, now: int, chase: Chase, useful: int) -> None:
        """An answer brought so many useful headers."""
        if chase.target:
            self._after_fetch(now, chase, useful)
        else:
            self._after_main(now, chase, useful)

    def _after_main(self, now: int, chase: Chase, useful: int) -> None:
        known = self._requests.peers[chase.peer]
        tip = chase.tip
        if useful:
            known.delivered()
        if useful and not chase.ended and tip is not None and tip.hash != known.head_hash:
            self._continue(chase)
            return
        self.main = None
        if not chase.ended and (tip is None or not chase.released):
            # It claimed more than it showed.
            self._requests.out.append(Penalise(chase.peer, "claim-unproven"))
            known.failed(now, self._limits)
        if not useful or not chase.released:
            known.forget_claim()

    def _after_fetch(self, now: int, chase: Chase, useful: int) -> None:
        if chase.target in self._queue or self._chain.header(chase.target) is not None:
            self.fetches.pop(chase.target, None)
        elif useful and not chase.ended and chase.taken < self._limits.fetch_headers_max:
            self._continue(chase)
        else:
            self._try_other(now, chase)

    def give_up(self, now: int, chase: Chase) -> None:
        """Its peer did not answer: a fetch goes on with another."""
        if chase is self.main:
            self.main = None
        elif self.fetches.get(chase.target) is chase:
            self._try_other(now, chase)

    def abandon(self, now: int, peer: bytes) -> None:
        """The peer is out: its main chase ends, its fetches go on with others."""
        if self.main is not None and self.main.peer == peer:
            self._requests.drop(self.main)
            self.main = None
        for chase in list(self.fetches.values()):
            if chase.peer == peer:
                self._requests.drop(chase)
                self._try_other(now, chase)

    def _try_other(self, now: int, chase: Chase) -> None:
        """Ask another peer for the fetch, or give it up."""
        chase.tried[chase.peer] = None
        chase.held, chase.tip, chase.ended = [], None, False
        others = [p for p, known in self._requests.peers.items() if p not in chase.tried and known.rest_until <= now]
        if not others or len(chase.tried) >= self._limits.fetch_peers_max:
            self.fetches.pop(chase.target, None)
            return
        chase.peer = self._random.choice(others)
        self._ask_headers(chase)

    def _continue(self, chase: Chase) -> None:
        if len(self._queue) + len(chase.held) + HEADERS_PER_REQUEST_MAX > self._limits.headers_max and len(self._queue):
            chase.paused = True
        else:
            self._ask_headers(chase)

    def _ask_headers(self, chase: Chase) -> None:
        first = () if chase.tip is None else (chase.tip.hash,)
        number = self._requests.open(chase.peer, chase, ())
        chase.request = number
        chase.paused = False
        locator = make_locator(self._chain, *first)
        if self._lacks_proof and not first and not chase.target:
            locator = (self._chain.finalized.hash,)
        ask = GetHeaders(number, locator, HEADERS_PER_REQUEST_MAX, chase.target)
        self._requests.out.append(Ask(chase.peer, ask))

    @property
    def _lacks_proof(self) -> bool:
        return self._bare > self._chain.finalized.number

    def is_better(self, known: SyncPeer) -> bool:
        """Does this peer claim what we lack?"""
        if self._lacks_proof and known.final > self._chain.finalized.number:
            return True
        if not known.head_hash or self._chain.header(known.head_hash) is not None or known.head_hash in self._queue:
            return False
        if self._engine.needs_certificate:
            return known.height > self._chain.head.number
        return known.weight > self._total_weight()

    def resume(self) -> None:
        """Chases that paused because the queue was full go on when half of it is empty."""
        if len(self._queue) > self._limits.headers_max // 2:
            return
        for chase in ([self.main] if self.main is not None else []) + list(self.fetches.values()):
            if chase.paused:
                self._ask_headers(chase)

    def start(self, now: int) -> None:
        """Follow somebody who claims more, if nobody is followed and there is room."""
        if self.main is not None or len(self._queue) > self._limits.headers_max // 2:
            return
        # Any of the better ones, not the best: the highest claim is the cheapest lie.
        better = [p for p, known in self._requests.peers.items() if known.rest_until <= now and self.is_better(known)]
        if better:
            self.main = Chase(self._random.choice(better))
            self._ask_headers(self.main)
