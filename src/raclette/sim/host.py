"""One node and what surrounds it in the world: clock, timers, disk, miner, inbox.

Effects are carried out strictly in order. A `Flush` holds back everything after it until the modelled fsync is
over; flushes that were asked for while one was running share the next one (group commit). A crash forgets all that
was held: it had not left the process.
"""

from collections import deque
from typing import TYPE_CHECKING, Any, TypeAlias

from raclette.chain.ledger import Transaction
from raclette.engine.effects import CancelTimer, Seal, SetTimer, StopSealing
from raclette.node.host import (
    Accepted,
    Delivered,
    Drop,
    Fired,
    Flush,
    HostedNode,
    HostEffect,
    Misbehaved,
    NewFinal,
    NewHead,
    NonceFound,
    Noted,
    Transmit,
)
from raclette.primitives.errors import PeerFault, Refused, StoreRefused
from raclette.primitives.randomness import draw64
from raclette.sim import fixed
from raclette.sim.kernel import Kind, Ticket, place
from raclette.sim.network import Frame, content_of
from raclette.store.memory import MemoryStore

if TYPE_CHECKING:
    from raclette.sim.world import World

_STREAM_SEALING = 1 << 32
MILLION = 1_000_000

# (event class without `now`, its other fields), or (None, transaction) for a local client's submission.
Happening: TypeAlias = tuple[Any, tuple[Any, ...]]


class Host:
    """Node number `index`. `honest` is False for a liar.

    `skew` is how far its clock is ahead; `drifts` are (since when, by how many millionths it runs fast). `stops` counts
    who keeps it down: it runs again when the last of them lets go. `disk_full` counts who has filled its disk, and
    `failed` says that it stopped because of that. `slow_disks` are the fsync times that somebody has imposed.
    """

    __slots__ = (
        "_clock",
        "_count",
        "_emitted",
        "_held",
        "_inbox",
        "_seal_ticket",
        "_synced_through",
        "_syncing",
        "_timers",
        "_wake",
        "_world",
        "alive",
        "crashes",
        "disk_full",
        "drifts",
        "failed",
        "fsync",
        "hash_power",
        "honest",
        "index",
        "misbehaved",
        "node",
        "node_id",
        "ready_at",
        "refused",
        "seals",
        "skew",
        "slow_disks",
        "stops",
        "store",
    )

    def __init__(self, world: "World", index: int, node: HostedNode, store: MemoryStore) -> None:
        self._world = world
        self.index = index
        self.node = node
        self.node_id = node.node_id
        self.store = store
        self.alive = True
        self.honest = True
        self.skew = 0
        self.drifts: list[tuple[int, int]] = []
        self.stops = 0
        self.disk_full = 0
        self.failed = False
        self.fsync = 0
        self.slow_disks: list[int] = []
        self.hash_power = 0
        self.crashes = 0
        self.seals = 0
        self.refused: dict[str, int] = {}
        self.misbehaved: dict[str, int] = {}
        self._count = 0
        self._forget()

    def _forget(self) -> None:
        """What a process loses when it dies."""
        self.ready_at = 0
        self._timers: dict[str, Ticket] = {}
        self._inbox: deque[Happening] = deque()
        self._held: deque[tuple[int, int, tuple[HostEffect, ...]]] = deque()
        self._emitted = 0
        self._synced_through = 0
        self._clock = 0
        self._syncing: Ticket | None = None
        self._wake: Ticket | None = None
        self._seal_ticket: Ticket | None = None

    @property
    def now(self) -> int:
        """What this node's clock shows: ns since 1970."""
        now = self._world.kernel.now
        drifted = sum((now - since) * ppm // MILLION for since, ppm in self.drifts)
        return self._world.epoch + now + self.skew + drifted

    # Events in

    def receive(self, frame: Frame) -> None:
        """A frame has arrived: through the gate, then to the node."""
        world = self._world
        peer = world.hosts[frame.sender].node_id
        parcel = world.open_frame(self.node, frame.payload)
        if isinstance(parcel, PeerFault):
            self.misbehaved[parcel.reason] = self.misbehaved.get(parcel.reason, 0) + 1
            self.happen((Misbehaved, (peer, parcel.reason)))
        else:
            self.happen((Delivered, (peer, parcel)))

    def happen(self, happening: Happening) -> None:
        """Handle now, or as soon as the node is awake and its processor free."""
        if self._inbox or self.ready_at > self._world.kernel.now:
            self._inbox.append(happening)
            self._schedule_wake()
        else:
            self._handle(happening)

    def _handle(self, happening: Happening) -> None:
        world = self._world
        event, fields = happening
        # A clock never runs backwards for its process, even when somebody sets it back.
        now = self._clock = max(self._clock, self.now)
        if world.cpu_per_event:
            self.ready_at = world.kernel.now + world.cpu_per_event
        if event is None:
            self._submit(now, fields[0])
            return
        if world.listeners and event is Delivered:
            for listener in world.listeners:
                listener.heard(world, self, *fields)
        try:
            effects = self.node.handle(event(now, *fields))
        except StoreRefused as refusal:
            world.fail(self, str(refusal))
            return
        if effects:
            self.carry_out(effects)

    def _submit(self, now: int, transaction: Transaction) -> None:
        try:
            effects = self.node.submit(now, transaction)
        except Refused as refusal:
            self.refused[refusal.reason] = self.refused.get(refusal.reason, 0) + 1
            self._world.note(self.index, "refused", {"reason": refusal.reason, "transaction": transaction.hash.hex()})
            return
        except StoreRefused as refusal:
            self._world.fail(self, str(refusal))
            return
        self.carry_out(effects)

    def _schedule_wake(self) -> None:
        if self._wake is None:
            self._wake = self._plan(self.ready_at, Kind.WAKE, 0, self._wake_up, None)

    def _wake_up(self, _: None) -> None:
        self._wake = None
        while self._inbox and self.ready_at <= self._world.kernel.now:
            self._handle(self._inbox.popleft())
        if self._inbox:
            self._schedule_wake()

    def pause(self, until: int) -> None:
        """Handle nothing before virtual time `until`; everything waits in the inbox."""
        self.ready_at = max(self.ready_at, until)

    # Effects out

    def carry_out(self, effects: tuple[HostEffect, ...]) -> None:
        """In order, behind what an unfinished flush holds back."""
        self._emitted += 1
        if self._held or self._syncing is not None:
            self._held.append((self._emitted, self._world.kernel.now, effects))
        else:
            self._run(self._emitted, self._world.kernel.now, effects)

    def _run(self, number: int, when: int, effects: tuple[HostEffect, ...]) -> None:
        """Carry out the effects of emission `number`, emitted at virtual time `when`, up to a flush that must wait."""
        world = self._world
        for i, effect in enumerate(effects):
            kind = type(effect)
            if kind is Transmit:
                world.transmit(self, effect)  # type: ignore[arg-type]
            elif kind is Flush:
                if number > self._synced_through and self._begin_sync():
                    self._held.appendleft((number, when, effects[i + 1 :]))
                    return
            elif kind is SetTimer:
                self._set_timer(effect.name, when + self._delay(effect.delay))  # type: ignore[union-attr]
            elif kind is CancelTimer:
                self._cancel_timer(effect.name)  # type: ignore[union-attr]
            else:
                self._run_rare(effect)

    def _run_rare(self, effect: HostEffect) -> None:
        world = self._world
        match effect:
            case Seal():
                self._seal(effect)
            case StopSealing():
                self._stop_sealing()
            case Drop():
                world.drop(self, effect)
            case NewHead() | NewFinal() | Accepted() | Noted():
                world.notice(self, effect)

    # Disk

    def _begin_sync(self) -> bool:
        """Start an fsync for everything emitted so far. False if it took no time."""
        fsync = max((self.fsync, *self.slow_disks)) if self.slow_disks else self.fsync
        if not fsync:
            self.store.sync()
            return False
        covers = self._emitted
        time = self._world.kernel.now + fsync
        self._syncing = self._plan(time, Kind.SYNCED, covers, self._finish_sync, covers)
        return True

    def _finish_sync(self, covers: int) -> None:
        self._syncing = None
        self.store.sync()
        self._synced_through = covers
        while self._held and self._syncing is None:
            self._run(*self._held.popleft())

    def slow_disk(self, fsync: int, *, over: bool = False) -> None:
        """Somebody makes an fsync take `fsync` ns, or no longer does."""
        if over:
            self.slow_disks.remove(fsync)
        else:
            self.slow_disks.append(fsync)

    # Timers

    def _delay(self, delay: int) -> int:
        """How long a delay of its own clock is in truth, rounded up: a timer that fires before its time is set again
        for what is left, and if that were no time at all, for ever."""
        if not self.drifts:
            return delay
        return -(-delay * MILLION // max(1, MILLION + sum(ppm for _, ppm in self.drifts)))

    def _set_timer(self, name: str, time: int) -> None:
        self._cancel_timer(name)
        content = content_of(name.encode())
        self._timers[name] = self._plan(time, Kind.TIMER, content, self._fire, name)

    def _cancel_timer(self, name: str) -> None:
        ticket = self._timers.pop(name, None)
        if ticket is not None:
            self._world.kernel.cancel(ticket)

    def _fire(self, name: str) -> None:
        del self._timers[name]
        self.happen((Fired, (name,)))

    # Proof of work

    def _seal(self, effect: Seal) -> None:
        """Draw how long the search takes: exponential, at `hash_power` hashes a second against `target`."""
        self._stop_sealing()
        if self.hash_power <= 0:
            return
        self.seals += 1
        world = self._world
        draw = draw64(world.seed, _STREAM_SEALING + self.index, self.seals)
        mean = ((1 << 256) // (effect.target + 1)) * 1_000_000_000 // self.hash_power
        time = world.kernel.now + 1 + fixed.exponential(mean, draw)
        content = int.from_bytes(effect.header.prehash[:8], "little")
        self._seal_ticket = self._plan(time, Kind.SEALED, content, self._find_nonce, effect)

    def _find_nonce(self, effect: Seal) -> None:
        self._seal_ticket = None
        self.happen((NonceFound, (self._world.ideal_seal.seal(effect.header),)))

    def _stop_sealing(self) -> None:
        if self._seal_ticket is not None:
            self._world.kernel.cancel(self._seal_ticket)
            self._seal_ticket = None

    # Life and death

    def die(self) -> None:
        """Stop at once: timers, searches, inbox and held effects are gone."""
        self.alive = False
        self.crashes += 1
        for ticket in (*self._timers.values(), self._syncing, self._wake, self._seal_ticket):
            if ticket is not None:
                self._world.kernel.cancel(ticket)
        self._forget()

    def revive(self, node: HostedNode, store: MemoryStore) -> None:
        """A new process on the same disk."""
        self.node = node
        self.store = store
        self.alive = True
        self.failed = False

    def _plan(self, time: int, kind: Kind, content: int, action: Any, argument: Any) -> Ticket:
        self._count += 1
        return self._world.kernel.schedule(time, place(kind, self.index), self._count, content, action, argument)
