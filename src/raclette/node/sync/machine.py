"""Headers-first sync as a pure machine: learn who claims more, check headers, fetch bodies, import in order.

Idea: one *main chase* follows the headers of one peer that claims a better head (`chases`); checked headers go into a
queue whose bodies are fetched from every peer that may have them; blocks leave the queue in order. *Fetches* do the
same for single blocks (and their ancestors) that the engine wants. A restart resumes from the chain's head; nothing
else is kept.

Nobody is trusted: a claim only says whom to ask, a silent or empty peer rests (longer each time) while another is
asked, a lie costs score and the chase. Only one chase at a time waits for a liar; blocks that arrive by gossip are
imported all the while, so a claim of a huge height stops nothing.

Every method takes `now` (ns) and returns effects in order.
"""

from collections.abc import Callable, Sequence

from raclette.chain.block import Block
from raclette.chain.roots import ordered_root
from raclette.engine.contract import ChainView, Engine
from raclette.engine.effects import SetTimer
from raclette.node.sync.chase import HeaderCheck
from raclette.node.sync.chases import Chases
from raclette.node.sync.effects import Ask, Import, Penalise
from raclette.node.sync.limits import SyncLimits
from raclette.node.sync.messages import (
    BODIES_PER_REQUEST_MAX,
    HEADERS_PER_REQUEST_MAX,
    Bodies,
    GetBodies,
    Headers,
)
from raclette.node.sync.orphans import OrphanPool
from raclette.node.sync.peers import SyncPeer
from raclette.node.sync.queue import BlockQueue, State, Wanted, as_block
from raclette.node.sync.requests import Effects, Requests
from raclette.node.view import SyncProgress
from raclette.primitives.errors import InvalidHeader, NotYet, PeerFault
from raclette.primitives.randomness import Random

RETRY = "retry"


class Sync:
    """One node's sync. The node carries the effects out and calls `imported` for *every* block that enters its tree."""

    def __init__(
        self,
        chain: ChainView,
        engine: Engine,
        random: Random,
        total_weight: Callable[[], int],
        limits: SyncLimits | None = None,
        root: Callable[[Sequence[bytes]], bytes] = ordered_root,
        bare: int = 0,
    ) -> None:
        """`total_weight()` is the fork-choice weight of our head, to compare with what peers claim of theirs; `bare`
        the height to which a crash may have left us blocks without the certificates that make them final."""
        self.limits = limits or SyncLimits()
        self._chain = chain
        self._engine = engine
        self._root = root
        self._queue = BlockQueue(self.limits)
        self._requests = Requests(self.limits)
        self._peers, self._out = self._requests.peers, self._requests.out
        self._check = HeaderCheck(chain, engine, self._queue, self.limits)
        self._chases = Chases(
            chain, engine, random, total_weight, self.limits, bare, queue=self._queue, requests=self._requests
        )
        self._orphans = OrphanPool(self.limits)
        self._retry_at: int | None = None
        self._starting: int | None = None

    # Questions

    def progress(self) -> SyncProgress | None:
        """None when not behind, as far as checked headers or a peer in good standing say."""
        current, main = self._chain.head.number, self._chases.main
        if main is None and not len(self._queue):
            return None
        claimed = self._peers[main.peer].height if main is not None else 0
        highest = max(self._queue.highest(), claimed, current)
        starting = current if self._starting is None else self._starting
        return None if highest <= current else SyncProgress(starting, current, highest)

    def stats(self) -> dict[str, int]:
        """Sizes of everything kept, for metrics and tests."""
        return {
            "peers": len(self._peers),
            "wanted": len(self._queue),
            "held": len(self._chases.main.held) if self._chases.main else 0,
            "fetches": len(self._chases.fetches),
            "requests": len(self._requests),
            "orphans": len(self._orphans),
        }

    # Peers

    def up(self, now: int, peer: bytes) -> Effects:
        """A link is up."""
        self._peers.setdefault(peer, SyncPeer())
        return self._turn(now)

    def down(self, now: int, peer: bytes) -> Effects:
        """A link is gone: what it was asked goes to others."""
        lost = self._requests.unlink(peer)
        if lost is None:
            return ()
        for request in lost:
            self._queue.put_back(request.hashes)
        self._chases.abandon(now, peer)
        return self._turn(now)

    def status(self, now: int, peer: bytes, head_hash: bytes, height: int, weight: int, final: int = 0) -> Effects:
        """A peer's claim: its head, and the height that is final there. Never trusted."""
        known = self._peers.get(peer)
        if known is None:
            return ()
        known.head_hash, known.height, known.weight, known.final = head_hash, height, weight, final
        return self._turn(now)

    # What is wanted

    def fetch(self, now: int, peer: bytes, block_hash: bytes) -> Effects:
        """Get this block and its missing ancestors, from `peer` first. Ignored if under way, or beyond the bounds."""
        self._chases.fetch(now, peer, self._orphans.root_of(block_hash))
        return self._turn(now)

    def orphan(self, now: int, peer: bytes, block: Block, certificate: bytes = b"") -> Effects:
        """A block on an unknown parent: keep it and get its ancestors."""
        if self._chain.header(block.parent_hash) is not None:
            self._import_orphan(now, peer, block, certificate)
        elif block.hash not in self._queue and self._orphans.add(now, peer, block, certificate):
            self._chases.fetch(now, peer, self._orphans.root_of(block.hash))
        return self._turn(now)

    # Answers

    def headers(self, now: int, peer: bytes, answer: Headers) -> Effects:
        """Headers came."""
        if not self._requests.is_owed(peer):
            return self._turn(now)
        request = self._requests.find(answer.request, peer)
        if request is None or request.chase is None:
            return ()  # too late: it was asked elsewhere
        self._requests.close(answer.request)
        chase = request.chase
        chase.request = None
        if len(answer.items) > HEADERS_PER_REQUEST_MAX:
            self._punish(now, peer, "too-many-headers")
            return self._turn(now)
        try:
            useful = self._check.accept(now, chase, answer)
        except PeerFault as fault:
            self._punish(now, peer, fault.reason)
            return self._turn(now)
        for header, certificate in chase.proven:
            block = self._chain.block(header.hash)
            if block is not None:
                self._out.append(Import(block, certificate, peer))
        chase.proven = []
        for header in chase.queued:
            wanted = self._queue.get(header.hash)
            if wanted is not None and wanted.state is State.HERE:
                self._import_ready(header.parent_hash)
        self._chases.go_on(now, chase, useful)
        return self._turn(now)

    def bodies(self, now: int, peer: bytes, answer: Bodies) -> Effects:
        """Bodies came."""
        if not self._requests.is_owed(peer):
            return self._turn(now)
        request = self._requests.find(answer.request, peer)
        if request is None or request.chase is not None:
            return ()
        self._requests.close(answer.request)
        asked = dict.fromkeys(request.hashes)
        known = self._peers[peer]
        good = 0
        for block_hash, body in answer.items:
            wanted = self._queue.get(block_hash)
            if block_hash not in asked:
                self._punish(now, peer, "unasked-body")
                break
            del asked[block_hash]
            if wanted is None or wanted.state is not State.ASKED:
                continue  # it came by gossip meanwhile
            if self._root(body) != wanted.header.transactions_root:
                self._queue.put_back((block_hash,), peer)
                self._punish(now, peer, "wrong-body")
                break
            self._queue.fill(block_hash, body)
            good += 1
            self._import_ready(wanted.header.parent_hash)
        # What is left did not fit; or, if nothing came, the peer does not have it and need not be asked for a while.
        self._queue.put_back(tuple(asked), None if good else peer)
        if good:
            known.delivered()
            known.batch = min(2 * known.batch, BODIES_PER_REQUEST_MAX) if not asked else max(1, good)
        elif asked:
            self._out.append(Penalise(peer, "no-bodies"))
            known.failed(now, self.limits)
        return self._turn(now)

    # Results of imports

    def imported(self, now: int, block_hash: bytes) -> Effects:
        """This block is in the tree, whoever brought it."""
        self._queue.remove(block_hash)
        self._chases.fetches.pop(block_hash, None)
        for orphan in self._orphans.take_children(block_hash):
            self._import_orphan(now, orphan.peer, orphan.block, orphan.certificate)
        self._import_ready(block_hash)
        return self._turn(now)

    def failed(self, now: int, block_hash: bytes, reason: str | None) -> Effects:
        """The node did not take this block; what was built on it goes too. With a `reason` it is invalid, and who
        vouched for it is punished; without one (too early, not wanted any more) nobody is to blame."""
        wanted = self._queue.get(block_hash)
        if wanted is None:
            return ()
        self._queue.remove_branch(block_hash)
        if reason is not None:
            self._check.condemn(now, block_hash)
            self._punish(now, wanted.source, reason)
        elif wanted.source in self._peers:
            known = self._peers[wanted.source]
            known.rest_until = max(known.rest_until, now + self.limits.untaken_rest)
        return self._turn(now)

    def fired(self, now: int, name: str) -> Effects:
        """One of our timers."""
        if name == RETRY:
            self._retry_at = None
            return self._turn(now)
        request = self._requests.expire(now, int(name.partition(":")[2]))
        if request is None:
            return ()
        self._queue.put_back(request.hashes, request.peer)
        if request.chase is not None:
            request.chase.request = None
            self._chases.give_up(now, request.chase)
        return self._turn(now)

    # The turn's end: use what is free

    def _turn(self, now: int) -> Effects:
        self._chases.resume()
        self._chases.start(now)
        self._ask_bodies(now)
        self._wake(now)
        if self._chases.main is not None and self._starting is None:
            self._starting = self._chain.head.number
        elif self._chases.main is None and not len(self._queue):
            self._starting = None
        return self._requests.take_effects()

    def _ask_bodies(self, now: int) -> None:
        while self._queue.is_open():
            wanted = self._queue.first_waiting()
            if wanted is None:
                return
            peer = self._body_peer(now, wanted)
            if peer is None:
                if not self._next_round(wanted):
                    return
                continue
            hashes = self._queue.ask(peer, self._peers[peer].batch)
            number = self._requests.open(peer, None, hashes)
            self._out.append(Ask(peer, GetBodies(number, hashes)))

    def _body_peer(self, now: int, wanted: Wanted) -> bytes | None:
        """Who is asked next: the least busy one of those that may have it."""
        best: bytes | None = None
        load = self.limits.requests_per_peer
        for peer, known in self._peers.items():
            may_have = peer == wanted.source or known.height >= wanted.header.number
            if may_have and known.requests < load and known.rest_until <= now and peer not in wanted.refused:
                best, load = peer, known.requests
        return best

    def _next_round(self, wanted: Wanted) -> bool:
        """Nobody can be asked now. False: wait. True: look again (a new round, or the block was given up)."""
        others = [p for p, known in self._peers.items() if p == wanted.source or known.height >= wanted.header.number]
        if any(p not in wanted.refused for p in others):
            return False  # some are only busy or resting
        wanted.refused.clear()
        wanted.rounds += 1
        if others and wanted.rounds < self.limits.rounds_max:
            return True
        self._queue.remove_branch(wanted.header.hash)
        if wanted.source in self._peers:
            self._out.append(Penalise(wanted.source, "headers-without-bodies"))
            self._peers[wanted.source].forget_claim()
        return True

    def _wake(self, now: int) -> None:
        """If all who could help are resting, come back when the first one is rested."""
        chases = self._chases
        idle = self._queue.is_open() or (chases.main is None and any(map(chases.is_better, self._peers.values())))
        rests = [known.rest_until for known in self._peers.values() if known.rest_until > now]
        if not idle or not rests:
            return
        at = min(rests)
        if self._retry_at is None or at < self._retry_at:
            self._retry_at = at
            self._out.append(SetTimer(RETRY, at - now))

    # Imports

    def _import_ready(self, parent_hash: bytes) -> None:
        """Hand over what is here above this parent, if the parent is in the chain or was handed over before."""
        parent = self._queue.get(parent_hash)
        if parent is None and self._chain.header(parent_hash) is None:
            return
        if parent is not None and parent.state is not State.IMPORTING:
            return
        for wanted in self._queue.take_ready(parent_hash):
            self._out.append(Import(as_block(wanted), wanted.certificate, wanted.source))

    def _import_orphan(self, now: int, peer: bytes, block: Block, certificate: bytes) -> None:
        parent = self._chain.header(block.parent_hash)
        if parent is None or self._chain.header(block.hash) is not None or block.hash in self._queue:
            return
        try:
            if block.number != parent.number + 1:
                raise InvalidHeader("header-number", f"{block.number} after {parent.number}")
            self._engine.check_header(block.header, parent, self._chain.header, now)
            if certificate and self._engine.needs_certificate:
                self._engine.check_certificate(block.header, certificate)
        except NotYet:
            return
        except PeerFault as fault:
            self._punish(now, peer, fault.reason)
            return
        self._queue.add_whole(block, certificate, peer)
        self._out.append(Import(block, certificate, peer))

    def _punish(self, now: int, peer: bytes, reason: str) -> None:
        """A provable lie: score, rest, and no more of its chases."""
        known = self._peers.get(peer)
        self._out.append(Penalise(peer, reason))
        if known is not None:
            known.failed(now, self.limits)
            known.forget_claim()
            self._chases.abandon(now, peer)
