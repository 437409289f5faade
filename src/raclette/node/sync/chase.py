"""Following one peer's headers towards a target, checking each before believing anything.

A chase is *held* until its headers outweigh our own branch above the fork: a long light branch costs its inventor our
header checks, never our body downloads. Engines with certificates, and blocks that the engine asked for, skip that.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

from raclette.chain.header import Header
from raclette.engine.contract import ChainView, Engine, Lookup
from raclette.node.sync.limits import SyncLimits
from raclette.node.sync.messages import Headers
from raclette.node.sync.queue import BlockQueue
from raclette.primitives.errors import InvalidHeader, NotYet


@dataclass
class Chase:
    """`target` is empty for the peer's head. `held` are checked headers that do not yet weigh enough."""

    peer: bytes
    target: bytes = b""
    request: int | None = None
    tip: Header | None = None
    held: list[tuple[Header, bytes]] = field(default_factory=list)
    gain: int = 0
    own_gain: int = 0
    released: bool = False
    paused: bool = False
    # The peer stopped being useful: an uncertified tail, or a header whose time has not come.
    ended: bool = False
    tried: dict[bytes, None] = field(default_factory=dict)
    # Headers put into the queue by the last answer, and headers taken in all.
    queued: list[Header] = field(default_factory=list)
    # Blocks that we have, with the certificates that we lacked.
    proven: list[tuple[Header, bytes]] = field(default_factory=list)
    taken: int = 0
    # Who asked for it (its share of `fetches_per_peer`).
    owner: bytes = b""


class HeaderCheck:
    """Checks headers of a chase and puts them into the queue."""

    def __init__(self, chain: ChainView, engine: Engine, queue: BlockQueue, limits: SyncLimits) -> None:
        self._chain = chain
        self._engine = engine
        self._queue = queue
        self._limits = limits
        self._bad: OrderedDict[bytes, int] = OrderedDict()

    def condemn(self, now: int, block_hash: bytes) -> None:
        """This block is invalid: refuse its header for a while."""
        self._bad[block_hash] = now + self._limits.bad_age
        if len(self._bad) > self._limits.bad_max:
            self._bad.popitem(last=False)

    def accept(self, now: int, chase: Chase, answer: Headers) -> int:
        """Take the headers of an answer. Returns how many were useful. Raises PeerFault (queue as before)."""
        chase.queued = []
        held = {header.hash: header for header, _ in chase.held}

        def lookup(block_hash: bytes) -> Header | None:
            return held.get(block_hash) or self._queue.header(block_hash) or self._chain.header(block_hash)

        useful = 0
        previous: Header | None = None
        for header, certificate in answer.items:
            parent = previous if previous is not None else lookup(header.parent_hash)
            if parent is None or header.parent_hash != parent.hash:
                raise InvalidHeader("headers-unlinked", f"block {header.number}")
            known = self._chain.header(header.hash) is not None
            if not known and header.hash not in held and header.hash not in self._queue:
                if chase.target and header.number <= self._chain.finalized.number:
                    # We wanted this branch ourselves, and it lost meanwhile: no fault of who has it.
                    chase.ended = True
                    break
                try:
                    self._check(now, header, certificate, parent, lookup)
                except NotYet:
                    chase.ended = True
                    break
                if not certificate and self._engine.needs_certificate and not chase.target:
                    chase.ended = True
                    break
                chase.held.append((header, certificate))
                held[header.hash] = header
            if known and certificate and self._is_bare(header):
                self._engine.check_certificate(header, certificate)
                chase.proven.append((header, certificate))
            if chase.tip is None:
                self._weigh_from(chase, parent)
            weight = self._engine.weight(header)
            if known and self._is_canonical(header):
                chase.own_gain -= weight
            else:
                chase.gain += weight
            previous = header
            chase.tip = header
            useful += 1
        chase.taken += useful
        self._release(chase)
        return useful

    def _is_bare(self, header: Header) -> bool:
        """Is it a block that should be final by certificate, and has none here?"""
        bare = self._engine.needs_certificate and header.number > self._chain.finalized.number
        return bare and not self._chain.certificate(header.hash)

    def _check(self, now: int, header: Header, certificate: bytes, parent: Header, lookup: Lookup) -> None:
        if now < self._bad.get(header.hash, 0):
            raise InvalidHeader("known-bad", f"block {header.number}")
        if header.number != parent.number + 1:
            raise InvalidHeader("header-number", f"{header.number} after {parent.number}")
        if header.number <= self._chain.finalized.number:
            raise InvalidHeader("conflicts-with-final", f"block {header.number}")
        self._engine.check_header(header, parent, lookup, now)
        if certificate and self._engine.needs_certificate:
            self._engine.check_certificate(header, certificate)

    def _release(self, chase: Chase) -> None:
        if not chase.released:
            weighs = self._engine.needs_certificate or bool(chase.target) or chase.gain > chase.own_gain
            chase.released = weighs or len(chase.held) >= self._limits.headers_max
        if chase.released:
            for header, certificate in chase.held:
                if header.hash not in self._queue and self._chain.header(header.hash) is None:
                    self._queue.add(header, certificate, chase.peer)
                    chase.queued.append(header)
            chase.held = []

    def _is_canonical(self, header: Header) -> bool:
        ours = self._chain.canonical(header.number)
        return ours is not None and ours.hash == header.hash

    def _weigh_from(self, chase: Chase, fork: Header) -> None:
        """Start the scales: what lies above the last block that both branches have, on theirs and on ours."""
        base: Header | None = fork
        while base is not None and not self._is_canonical(base):
            chase.gain += self._engine.weight(base)
            base = self._queue.header(base.parent_hash) or self._chain.header(base.parent_hash)
        for number in range((base.number if base is not None else 0) + 1, self._chain.head.number + 1):
            ours = self._chain.canonical(number)
            chase.own_gain += 0 if ours is None else self._engine.weight(ours)
