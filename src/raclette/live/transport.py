"""The transport of live nodes: TLS 1.3 links, one per pair of peers.

When two nodes dial each other at the same moment there are two connections; both keep the one dialled by the smaller
node id (of several from the same dialler, the newest, since a dialler that has a link does not dial). The losing link
is *retired*: its queue moves to the winner and it is read to its end. A peer that restarts says a new `instance` in
its hello, so its connection always replaces the one its former life left behind.

Deviation from RFC 8446's spirit, on purpose: certificates carry keys, not trust; see `tls.py`.
"""

import asyncio
import os
from dataclasses import replace

import structlog

from raclette.live.contract import (
    ChainIdentity,
    LinkStatus,
    PeerAddress,
    PeerHello,
    Role,
    Service,
    TransportHandler,
)
from raclette.live.controls import INSTANCE_BYTES
from raclette.live.counters import TrafficCounters
from raclette.live.dialer import Dialer
from raclette.live.frames import TAGS, frame_head, tag_of
from raclette.live.limits import TransportLimits
from raclette.live.link import Link, State
from raclette.live.listener import Listener
from raclette.live.tls import context_for
from raclette.node.host import Lane
from raclette.primitives.errors import PeerFault
from raclette.primitives.signing import Ed25519Signer
from raclette.primitives.units import SECOND

_log = structlog.get_logger(room="transport")

# How often silence and liveness are looked at, as a part of the ping interval, and at most.
_WATCHES_PER_PING = 4
_WATCH_SECONDS_MAX = 1.0
# How often a stopping transport looks whether its queues are empty.
_DRAIN_SECONDS = 0.01


class TlsTransport:
    """See the module's docstring and `contract.Transport`."""

    def __init__(
        self,
        seed: bytes,
        chain: ChainIdentity,
        *,
        listen: tuple[str, int] | None = None,
        advertise: tuple[str, int] | None = None,
        name: str = "",
        role: Role = Role.NODE,
        limits: TransportLimits | None = None,
    ) -> None:
        """`seed`: the node's 32 secret bytes. `listen`: where (port 0: any free one), None: nowhere. `advertise`:
        where others may dial us; by default where we listen."""
        self.node_id = Ed25519Signer(seed).public_key
        self.chain = chain
        self.limits = limits or TransportLimits()
        self.counters = TrafficCounters()
        self.port = 0
        self._listen = listen
        self._advertise = advertise
        host, port = advertise or ("", 0)
        self.hello = PeerHello(self.node_id, host, port, name, role, os.urandom(INSTANCE_BYTES))
        self._handler: TransportHandler | None = None
        self._links: dict[bytes, Link] = {}
        self._others: set[Link] = set()
        self._bans: dict[bytes, float] = {}
        self._said_of: dict[bytes, str] = {}  # last reason logged for a peer that does not answer
        self._stopping = False
        self._watcher: asyncio.Task[None] | None = None
        self._listener = Listener(
            self.limits, context_for(seed, server=True), lambda: self._new_link(None), self._count_refusal
        )
        self._dialer = Dialer(
            self.limits, context_for(seed, server=False), self._new_link, self.live_link, self._banned_for
        )

    # -- contract

    async def start(self, handler: TransportHandler) -> None:
        """See the contract."""
        self._handler = handler
        if self._listen is not None:
            self.port = self._listener.open(*self._listen)
            if self._advertise is None and self._listen[0] not in ("0.0.0.0", "::"):
                self.hello = replace(self.hello, host=self._listen[0], port=self.port)
        self._watcher = asyncio.get_running_loop().create_task(self._watch())

    async def stop(self) -> None:
        """See the contract."""
        if self._stopping:
            return
        self._stopping = True
        loop = asyncio.get_running_loop()
        self._dialer.close()
        deadline = loop.time() + self.limits.farewell_timeout / SECOND
        while any(len(link.lanes) for link in self._links.values()) and loop.time() < deadline:
            await asyncio.sleep(_DRAIN_SECONDS)
        closing = [*self._links.values(), *self._others]
        for link in closing:
            link.close("shutdown")
        self._listener.close()
        if self._watcher is not None:
            self._watcher.cancel()
        # One more turn, so that goodbyes written just now reach the sockets before the loop may end.
        await asyncio.sleep(_DRAIN_SECONDS)

    def send(
        self, peers: tuple[bytes, ...], lane: Lane, frame: bytes, kind: str, service: Service = Service.NODE
    ) -> None:
        """See the contract."""
        head = frame_head(tag_of(service, lane), len(frame))
        sent = 0
        for peer in peers:
            link = self._links.get(peer)
            if link is None:
                continue
            if link.push(lane, head, frame):
                sent += 1
            else:
                self.counters.frames_dropped[lane.name.lower(), kind] += 1
        if sent:
            self.counters.frames_sent[kind] += sent
            self.counters.bytes_sent[kind] += sent * len(frame)

    def want(self, address: PeerAddress) -> None:
        """See the contract."""
        if address.node_id != self.node_id and not self._stopping:
            self._dialer.want(address)

    def unwant(self, peer: bytes) -> None:
        """See the contract."""
        self._dialer.unwant(peer)
        self._said_of.pop(peer, None)

    def drop(self, peer: bytes, reason: str, ban: int) -> None:
        """See the contract."""
        if ban > 0:
            if len(self._bans) >= self.limits.bans_max:
                self._bans.pop(min(self._bans, key=lambda banned: self._bans[banned]))
            self._bans[peer] = asyncio.get_running_loop().time() + ban / SECOND
        link = self._links.get(peer)
        if link is not None:
            link.close("dropped", reason)

    def pause(self, peer: bytes) -> None:
        """See the contract."""
        if (link := self._links.get(peer)) is not None:
            link.pause()

    def resume(self, peer: bytes) -> None:
        """See the contract."""
        if (link := self._links.get(peer)) is not None:
            link.resume()

    def links(self) -> tuple[LinkStatus, ...]:
        """See the contract."""
        return tuple(
            LinkStatus(
                link.hello,
                link.address,
                link.dialled is not None,
                link.round_trip_ns,
                tuple(link.lanes.queued_bytes),
                sum(link.lanes.dropped),
            )
            for link in self._links.values()
            if link.hello is not None
        )

    # -- more than the contract

    @property
    def handshakes(self) -> int:
        """Inbound connections that have not said hello yet."""
        return self._listener.handshakes

    @property
    def wanted(self) -> tuple[PeerAddress, ...]:
        """Whom we dial."""
        return tuple(self._dialer.wanted.values())

    def live_link(self, peer: bytes) -> Link | None:
        """The link to `peer`, if it is up."""
        link = self._links.get(peer)
        return link if link is not None and link.state is State.UP else None

    # -- LinkOwner

    def admit(self, link: Link) -> bool:
        """Decide on a link that has said a proper hello: True if the peer was not linked before. Raises PeerFault with
        the reason for refusing it."""
        peer = link.node_id
        if self._stopping:
            raise PeerFault("shutdown")
        if peer == self.node_id:
            raise PeerFault("self", "this is your own key")
        if self._banned_for(peer) > 0:
            raise PeerFault("banned")
        older = self._links.get(peer)
        if older is None and link.dialled is None and peer not in self._dialer.wanted:
            inbound = sum(1 for other in self._links.values() if other.dialled is None)
            if inbound >= self.limits.inbound_max:
                raise PeerFault("full", f"{inbound} inbound links")
        if older is not None and older.hello is not None and older.hello.instance != link.hello_instance:
            older.close("restarted")
            if self._links.get(peer) is older:
                self._lose(peer, older)
            older = None
        if older is not None and older.state is State.UP and not self._outranks(link, older):
            raise PeerFault("duplicate")
        self._others.discard(link)
        self._links[peer] = link
        if older is None:
            return True
        link.take_over(older)
        if older.state is State.UP:
            self._others.add(older)
            older.retire()
        return False

    def on_link_up(self, link: Link) -> None:
        """Tell the handler of a peer that was not linked before."""
        self.counters.links_made += 1
        self._said_of.pop(link.node_id, None)
        _log.info("link-up", peer=link.node_id.hex()[:16], address=link.address, dialled=link.dialled is not None)
        if link.hello is not None and self._handler is not None:
            self._handler.on_up(link.hello)

    def on_link_frame(self, link: Link, tag: int, payload: bytes) -> None:
        """Hand a frame up. Raises PeerFault for a tag that does not exist."""
        meaning = TAGS.get(tag)
        if meaning is None:
            raise PeerFault("bad-tag", f"0x{tag:02x}")
        if self._handler is not None:
            self._handler.on_frame(link.node_id, meaning[0], meaning[1], payload)

    def on_link_fault(self, link: Link, fault: PeerFault) -> None:
        """Count and report."""
        self.counters.faults[fault.reason] += 1
        if self._handler is not None:
            self._handler.on_fault(link.node_id, fault.reason)

    def on_link_closed(self, link: Link) -> None:
        """Forget the link; the peer is down unless another connection to it is about to take over."""
        self._others.discard(link)
        peer = link.node_id
        if self._links.get(peer) is not link:
            self._note_refusal(link)
        elif link.reason == "duplicate" and self._opening(peer):
            asyncio.get_running_loop().call_later(self.limits.handshake_timeout / SECOND, self._settle, peer, link)
        else:
            self._lose(peer, link)

    # -- inside

    def _new_link(self, dialled: PeerAddress | None) -> Link:
        link = Link(self, dialled)
        self._others.add(link)
        return link

    def _outranks(self, link: Link, older: Link) -> bool:
        """Two connections of the same two processes: which one both sides keep."""
        if (link.dialled is None) == (older.dialled is None):
            return True
        return (link.dialled is not None) == (self.node_id < link.node_id)

    def _opening(self, peer: bytes) -> bool:
        return any(other.node_id == peer and other.state is State.OPENING for other in self._others)

    def _settle(self, peer: bytes, link: Link) -> None:
        """The connection that was to replace `link` had its time."""
        if self._links.get(peer) is link:
            self._lose(peer, link)

    def _lose(self, peer: bytes, link: Link) -> None:
        del self._links[peer]
        slug = link.reason.partition(":")[0]
        self.counters.links_lost[slug] += 1
        _log.info("link-down", peer=peer.hex()[:16], reason=link.reason)
        if self._handler is not None:
            self._handler.on_down(peer, slug)

    def _note_refusal(self, link: Link) -> None:
        """Count a connection that never became a link; retired duplicates are no refusal."""
        slug = link.reason.partition(":")[0]
        if slug in ("duplicate", "refused-duplicate", "shutdown"):
            return
        self._count_refusal(slug)
        whom = str(link.dialled or link.address)
        if link.dialled is not None:
            # A peer that is down is dialled for hours: one line until something changes.
            if self._said_of.get(link.dialled.node_id) == link.reason:
                return
            self._said_of[link.dialled.node_id] = link.reason
        _log.info("link-refused", peer=whom, reason=link.reason)

    def _count_refusal(self, reason: str) -> None:
        self.counters.refusals[reason] += 1

    def _banned_for(self, peer: bytes) -> float:
        """Seconds for which the peer is still refused."""
        until = self._bans.get(peer)
        if until is None:
            return 0.0
        left = until - asyncio.get_running_loop().time()
        if left <= 0:
            del self._bans[peer]
        return left

    async def _watch(self) -> None:
        """Pings, and an end to links that have gone silent."""
        loop = asyncio.get_running_loop()
        pause = min(_WATCH_SECONDS_MAX, self.limits.ping_interval / SECOND / _WATCHES_PER_PING)
        while True:
            asked = loop.time()
            await asyncio.sleep(pause)
            now = loop.time()
            # If it was we who stood still, what the peers said meanwhile is still unread: judge nobody this time.
            if now - asked > pause + self.limits.ping_interval / SECOND:
                for link in self._links.values():
                    link.heard = now
                continue
            for link in tuple(self._links.values()):
                link.watch(now)
