"""Headers-first sync as a pure machine: learn who claims more, check headers, fetch bodies, import in order.

Idea: one *main chase* follows the headers of one peer that claims a better head; checked headers go into a queue whose
bodies are fetched from every peer that may have them; blocks leave the queue in order. *Fetches* do the same for single
blocks (and their ancestors) that the engine wants. A restart resumes from the chain's head; nothing else is kept.

Nobody is trusted: a claim only says whom to ask, a silent or empty peer rests (longer each time) while another is
asked, a lie costs score and the chase. Only one chase at a time waits for a liar; blocks that arrive by gossip are
imported all the while, so a claim of a huge height stops nothing.

Every method takes `now` (ns) and returns effects in order.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from raclette.chain.block import Block
from raclette.chain.roots import ordered_root
from raclette.engine.contract import ChainView, Engine
from raclette.engine.effects import CancelTimer, SetTimer
from raclette.node.sync.chase import Chase, HeaderCheck
from raclette.node.sync.effects import Ask, Import, Penalise, SyncEffect
from raclette.node.sync.limits import SyncLimits
from raclette.node.sync.messages import (
    BODIES_PER_REQUEST_MAX,
    HEADERS_PER_REQUEST_MAX,
    Bodies,
    GetBodies,
    GetHeaders,
    Headers,
)
from raclette.node.sync.orphans import OrphanPool
from raclette.node.sync.peers import SyncPeer
from raclette.node.sync.queue import BlockQueue, State, Wanted, as_block
from raclette.node.sync.serve import make_locator
from raclette.node.view import SyncProgress
from raclette.primitives.errors import InvalidHeader, NotYet, PeerFault
from raclette.primitives.randomness import Random

Effects: TypeAlias = tuple[SyncEffect, ...]

RETRY = "retry"


class _Request(NamedTuple):
    """Under way: to whom, for which chase (headers) or hashes (bodies)."""

    peer: bytes
    chase: Chase | None
    hashes: tuple[bytes, ...]


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
        self._random = random
        self._total_weight = total_weight
        self._root = root
        self._peers: dict[bytes, SyncPeer] = {}
        self._queue = BlockQueue(self.limits)
        self._check = HeaderCheck(chain, engine, self._queue, self.limits)
        self._orphans = OrphanPool(self.limits)
        self._bare = bare
        self._main: Chase | None = None
        self._fetches: dict[bytes, Chase] = {}
        self._requests: dict[int, _Request] = {}
        self._next_request = 1
        self._retry_at: int | None = None
        self._starting: int | None = None
        self._out: list[SyncEffect] = []

    # Questions

    def progress(self) -> SyncProgress | None:
        """None when not behind, as far as checked headers or a peer in good standing say."""
        current = self._chain.head.number
        if self._main is None and not len(self._queue):
            return None
        claimed = self._peers[self._main.peer].height if self._main is not None else 0
        highest = max(self._queue.highest(), claimed, current)
        starting = current if self._starting is None else self._starting
        return None if highest <= current else SyncProgress(starting, current, highest)

    def stats(self) -> dict[str, int]:
        """Sizes of everything kept, for metrics and tests."""
        return {
            "peers": len(self._peers),
            "wanted": len(self._queue),
            "held": len(self._main.held) if self._main else 0,
            "fetches": len(self._fetches),
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
        if self._peers.pop(peer, None) is None:
            return ()
        for number, request in list(self._requests.items()):
            if request.peer == peer:
                self._close(number)
                self._queue.put_back(request.hashes)
        self._abandon_chases(now, peer)
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
        self._fetch(now, peer, self._orphans.root_of(block_hash))
        return self._turn(now)

    def _fetch(self, now: int, peer: bytes, block_hash: bytes) -> None:
        if self._chain.header(block_hash) is not None or block_hash in self._queue or block_hash in self._fetches:
            return
        share = sum(1 for chase in self._fetches.values() if chase.owner == peer)
        if share >= self.limits.fetches_per_peer or len(self._fetches) >= self.limits.fetches_max:
            return
        chase = Chase(peer, block_hash, owner=peer)
        self._fetches[block_hash] = chase
        if peer in self._peers:
            self._ask_headers(chase)
        else:
            self._try_other(now, chase)

    def orphan(self, now: int, peer: bytes, block: Block, certificate: bytes = b"") -> Effects:
        """A block on an unknown parent: keep it and get its ancestors."""
        if self._chain.header(block.parent_hash) is not None:
            self._import_orphan(now, peer, block, certificate)
        elif block.hash not in self._queue and self._orphans.add(now, peer, block, certificate):
            self._fetch(now, peer, self._orphans.root_of(block.hash))
        return self._turn(now)

    # Answers

    def headers(self, now: int, peer: bytes, answer: Headers) -> Effects:
        """Headers came."""
        if not self._is_owed(peer):
            return self._turn(now)
        request = self._requests.get(answer.request)
        if request is None or request.peer != peer or request.chase is None:
            return ()  # too late: it was asked elsewhere
        self._close(answer.request)
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
        if chase.target:
            self._after_fetch(now, chase, useful)
        else:
            self._after_main(now, chase, useful)
        return self._turn(now)

    def _after_main(self, now: int, chase: Chase, useful: int) -> None:
        known = self._peers[chase.peer]
        tip = chase.tip
        if useful:
            known.delivered()
        if useful and not chase.ended and tip is not None and tip.hash != known.head_hash:
            self._continue(chase)
            return
        self._main = None
        if not chase.ended and (tip is None or not chase.released):
            # It claimed more than it showed.
            self._out.append(Penalise(chase.peer, "claim-unproven"))
            known.failed(now, self.limits)
        if not useful or not chase.released:
            known.forget_claim()

    def _after_fetch(self, now: int, chase: Chase, useful: int) -> None:
        if chase.target in self._queue or self._chain.header(chase.target) is not None:
            self._fetches.pop(chase.target, None)
        elif useful and not chase.ended and chase.taken < self.limits.fetch_headers_max:
            self._continue(chase)
        else:
            self._try_other(now, chase)

    def bodies(self, now: int, peer: bytes, answer: Bodies) -> Effects:
        """Bodies came."""
        if not self._is_owed(peer):
            return self._turn(now)
        request = self._requests.get(answer.request)
        if request is None or request.peer != peer or request.chase is not None:
            return ()
        self._close(answer.request)
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
        self._fetches.pop(block_hash, None)
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
        number = int(name.partition(":")[2])
        request = self._requests.pop(number, None)
        if request is None:
            return ()
        known = self._peers[request.peer]
        known.requests -= 1
        self._out.append(Penalise(request.peer, "stalled"))
        known.failed(now, self.limits)
        self._queue.put_back(request.hashes, request.peer)
        if request.chase is not None:
            request.chase.request = None
            self._give_up(now, request.chase)
        return self._turn(now)

    # Chases

    def _give_up(self, now: int, chase: Chase) -> None:
        if chase is self._main:
            self._main = None
        elif self._fetches.get(chase.target) is chase:
            self._try_other(now, chase)

    def _abandon_chases(self, now: int, peer: bytes) -> None:
        """The peer is out: its main chase ends, its fetches go on with others."""
        if self._main is not None and self._main.peer == peer:
            self._drop_request(self._main)
            self._main = None
        for chase in list(self._fetches.values()):
            if chase.peer == peer:
                self._drop_request(chase)
                self._try_other(now, chase)

    def _drop_request(self, chase: Chase) -> None:
        if chase.request in self._requests:
            self._close(chase.request)
        chase.request = None

    def _try_other(self, now: int, chase: Chase) -> None:
        """Ask another peer for the fetch, or give it up."""
        chase.tried[chase.peer] = None
        chase.held, chase.tip, chase.ended = [], None, False
        others = [p for p, known in self._peers.items() if p not in chase.tried and known.rest_until <= now]
        if not others or len(chase.tried) >= self.limits.fetch_peers_max:
            self._fetches.pop(chase.target, None)
            return
        chase.peer = self._random.choice(others)
        self._ask_headers(chase)

    def _continue(self, chase: Chase) -> None:
        if len(self._queue) + len(chase.held) + HEADERS_PER_REQUEST_MAX > self.limits.headers_max and len(self._queue):
            chase.paused = True
        else:
            self._ask_headers(chase)

    def _ask_headers(self, chase: Chase) -> None:
        first = () if chase.tip is None else (chase.tip.hash,)
        number = self._open(chase.peer, chase, ())
        chase.request = number
        chase.paused = False
        locator = make_locator(self._chain, *first)
        if self._lacks_proof and not first and not chase.target:
            locator = (self._chain.finalized.hash,)
        ask = GetHeaders(number, locator, HEADERS_PER_REQUEST_MAX, chase.target)
        self._out.append(Ask(chase.peer, ask))

    @property
    def _lacks_proof(self) -> bool:
        return self._bare > self._chain.finalized.number

    def _is_better(self, known: SyncPeer) -> bool:
        if self._lacks_proof and known.final > self._chain.finalized.number:
            return True
        if not known.head_hash or self._chain.header(known.head_hash) is not None or known.head_hash in self._queue:
            return False
        if self._engine.needs_certificate:
            return known.height > self._chain.head.number
        return known.weight > self._total_weight()

    # The turn's end: use what is free

    def _turn(self, now: int) -> Effects:
        self._resume()
        self._start_main(now)
        self._ask_bodies(now)
        self._wake(now)
        if self._main is None and not len(self._queue):
            self._starting = None
        out, self._out = tuple(self._out), []
        return out

    def _resume(self) -> None:
        """Chases that paused because the queue was full go on when half of it is empty."""
        if len(self._queue) > self.limits.headers_max // 2:
            return
        for chase in ([self._main] if self._main is not None else []) + list(self._fetches.values()):
            if chase.paused:
                self._ask_headers(chase)

    def _start_main(self, now: int) -> None:
        if self._main is not None or len(self._queue) > self.limits.headers_max // 2:
            return
        # Any of the better ones, not the best: the highest claim is the cheapest lie.
        better = [p for p, known in self._peers.items() if known.rest_until <= now and self._is_better(known)]
        if better:
            self._main = Chase(self._random.choice(better))
            if self._starting is None:
                self._starting = self._chain.head.number
            self._ask_headers(self._main)

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
            number = self._open(peer, None, hashes)
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
        idle = self._queue.is_open() or (self._main is None and any(map(self._is_better, self._peers.values())))
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

    # Requests

    def _open(self, peer: bytes, chase: Chase | None, hashes: tuple[bytes, ...]) -> int:
        number = self._next_request
        self._next_request += 1
        self._requests[number] = _Request(peer, chase, hashes)
        self._peers[peer].requests += 1
        self._peers[peer].owed += 1
        self._out.append(SetTimer(f"request:{number}", self.limits.deadline))
        return number

    def _is_owed(self, peer: bytes) -> bool:
        """Opening an answer costs far more than sending it: what nobody asked for costs its sender."""
        known = self._peers.get(peer)
        if known is not None and known.answers():
            return True
        self._out.append(Penalise(peer, "unasked-answer"))
        return False

    def _close(self, number: int) -> None:
        request = self._requests.pop(number)
        known = self._peers.get(request.peer)
        if known is not None:
            known.requests -= 1
        self._out.append(CancelTimer(f"request:{number}"))

    def _punish(self, now: int, peer: bytes, reason: str) -> None:
        """A provable lie: score, rest, and no more of its chases."""
        known = self._peers.get(peer)
        self._out.append(Penalise(peer, reason))
        if known is not None:
            known.failed(now, self.limits)
            known.forget_claim()
            self._abandon_chases(now, peer)
