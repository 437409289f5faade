"""Random schedules with crashes, loss, partitions and f liars: agreement always, progress once the network settles.

`explore(seed)` is one schedule; a failure is replayed by its seed. Liars are twins (two instances with one key), and
each instance may besides twist what the honest engine says.
"""

from collections.abc import Callable
from dataclasses import dataclass

from pbft_world import Replica, Violation, World

from raclette.engine.contract import Engine, EngineSetup
from raclette.engine.effects import Broadcast, Effect, Persist, Send
from raclette.engine.events import Event, Received
from raclette.engine.message import Message
from raclette.primitives.randomness import Random
from raclette.protocols.pbft import PbftEngine
from raclette.protocols.pbft.messages import Commit, NewView, Prepare, PrePrepare, ViewChange, Vote

# After settling every schedule ends well within this many virtual milliseconds.
SETTLED_MS = 120_000


@dataclass
class Outcome:
    """What happened in one schedule, for the properties that must hold sometimes."""

    seed: int
    replicas: int
    height: int
    view: int
    crashes: int
    mid_event_crashes: int
    accusations: int
    equivocations: int
    recovered_ms: int
    state_transfers: int
    events: int


class Liar(PbftEngine):
    """An engine whose words are twisted at random: votes for other blocks, forgotten certificates, chosen quorums."""

    def __init__(self, setup: EngineSetup, seed: int) -> None:
        super().__init__(setup)
        self.rng = Random(seed, 99)
        self.seen: dict[int, dict[bytes, None]] = {}
        self.overheard: dict[int, dict[int, ViewChange]] = {}

    def handle(self, event: Event) -> tuple[Effect, ...]:
        if isinstance(event, Received):
            self._overhear(event.message)
        out: list[Effect] = []
        for effect in super().handle(event):
            if isinstance(effect, Broadcast) and self.rng.chance(1, 3):
                out += self._twisted(effect)
            elif not isinstance(effect, Persist) or self.rng.chance(9, 10):
                out.append(effect)
        if isinstance(event, Received) and isinstance(event.message, PrePrepare) and self.rng.chance(1, 3):
            out += self._eager(event.message)
        return tuple(out)

    def _overhear(self, message: Message) -> None:
        if isinstance(message, Vote):
            self.seen.setdefault(message.height, {})[message.block_hash] = None
        elif isinstance(message, PrePrepare):
            self.seen.setdefault(message.header.number, {})[message.header.hash] = None
        elif isinstance(message, ViewChange):
            self.overheard.setdefault(message.view, {})[message.sender] = message

    def _eager(self, message: PrePrepare) -> list[Effect]:
        """Commit to whatever is proposed, prepared or not, in whatever view."""
        me = self.core.committee.numbers[self.core.signer.public_key]
        height, block_hash = message.header.number, message.header.hash
        return [
            Broadcast(self.core.own_prepare(message.view, height, block_hash, me)),
            Broadcast(self.core.own_commit(message.view, height, block_hash, me)),
        ]

    def _twisted(self, effect: Broadcast) -> list[Effect]:
        message = effect.message
        peers = [node_id for node_id in self.core.committee.ids if node_id != self.core.signer.public_key]
        core, me = self.core, self.core.committee.numbers[self.core.signer.public_key]
        if isinstance(message, Prepare | Commit):
            hashes = list(self.seen.get(message.height, {message.block_hash: None}))
            make = core.own_prepare if isinstance(message, Prepare) else core.own_commit
            return [Send(peer, make(message.view, message.height, self.rng.choice(hashes), me)) for peer in peers]
        if isinstance(message, ViewChange):
            content = core.codec.view_change_content(message.view, None, None)
            signature = core.sign(core.committee.view_change_digest(content)).signature
            return [Broadcast(core.codec.make_view_change(message.view, None, None, me, signature))]
        if isinstance(message, NewView):
            return [Send(peer, self._other_new_view(message)) for peer in peers]
        return [Send(peer, message) for peer in peers if self.rng.chance(1, 2)]

    def _other_new_view(self, message: NewView) -> NewView:
        core = self.core
        known = {change.sender: change for change in message.view_changes}
        known.update(self.overheard.get(message.view, {}))
        chosen = self.rng.sample(list(known.values()), core.committee.quorum)
        chosen.sort(key=lambda change: change.sender)
        digest = core.committee.new_view_digest(message.view, b"".join(change.claim.signature for change in chosen))
        return core.codec.make_new_view(message.view, tuple(chosen), core.sign(digest).signature)


def explore(
    seed: int,
    factory: Callable[[EngineSetup], Engine] = PbftEngine,
    *,
    sizes: tuple[int, ...] = (4, 4, 4, 4, 5, 6, 7, 10),
    phases: int = 6,
    crash_percent: int = 50,
) -> Outcome:
    """One schedule. Raises Violation (also when progress does not resume)."""
    rng = Random(seed, 1)
    size = rng.choice(sizes)
    faults = (size - 1) // 3
    liars = rng.sample(list(range(size)), rng.between(0, faults))
    twisted = rng.chance(1, 2)
    places = [*sorted(liars), *range(size, size + len(liars))]
    factories: dict[int, Callable[[EngineSetup], Engine]] = {
        place: _liar(seed * 64 + place) if twisted else PbftEngine for place in places
    }
    world = World(size, seed=seed, twins=sorted(liars), factory=factory, factories=factories)
    world.wire = seed % 8 == 0
    if rng.chance(crash_percent, 100):
        world.crash_chance = rng.choice((50, 300, 1_000))
    crashes = 0
    for phase in range(phases):
        _trouble(world, rng)
        for step in range(rng.between(2, 6)):
            world.submit(b"tx %d %d" % (phase, step), to=_some(rng, len(world.instances)))
            world.run_for(rng.between(10, 700))
            crashes += _crash_and_restart(world, rng)
    return _judge(world, rng, seed, crashes)


def _liar(seed: int) -> Callable[[EngineSetup], Engine]:
    return lambda setup: Liar(setup, seed)


def _some(rng: Random, count: int) -> list[int]:
    return rng.sample(list(range(count)), rng.between(1, count)) if rng.chance(1, 3) else list(range(count))


def _trouble(world: World, rng: Random) -> None:
    """New delays, loss and partitions. Links to twins are drawn for each instance by itself."""
    world.loss_percent = rng.choice((0, 0, 5, 20, 40))
    world.delay = rng.choice(((1, 10), (1, 80), (50, 300)))
    kind = rng.below(4)
    groups = {instance.place: rng.below(2 + kind // 3) for instance in world.instances}
    muted = {("prepare", "commit", "new-view", "view-change", "pre-prepare")[rng.below(5)]}
    chance = rng.choice((50, 90, 100))

    def drops(sender: Replica, receiver: Replica, message: Message) -> bool:
        if kind == 0:
            return False
        if kind == 1:
            return message.kind in muted and world.rng.chance(chance, 100)
        return groups[sender.place] != groups[receiver.place]

    world.drops = drops


def _crash_and_restart(world: World, rng: Random) -> int:
    crashes = 0
    for instance in world.instances:
        if not instance.up:
            if rng.chance(1, 2):
                instance.start()
        elif world.crash_chance and rng.chance(1, 12):
            instance.crash()
            crashes += 1
    if world.crash_chance and rng.chance(1, 30):
        for instance in world.instances:
            if instance.up:
                instance.crash()
                crashes += 1
        for instance in world.instances:
            instance.start()
    return crashes


def _judge(world: World, rng: Random, seed: int, crashes: int) -> Outcome:
    world.settle()
    if rng.chance(1, 2):
        for instance in world.instances:
            if instance.number in world.liars:
                instance.crash()
    world.submit(b"last")
    start = world.now
    if not world.run_until(lambda: world.everybody_has(world.submitted), SETTLED_MS):
        states = [(r.name, r.up, r.engine.status()) for r in world.instances]
        raise Violation(f"liveness: seed {seed}, n={len(world.ids)}, {states}")
    return Outcome(
        seed=seed,
        replicas=len(world.ids),
        height=max(replica.height for replica in world.replicas),
        view=max(replica.view for replica in world.replicas),
        crashes=crashes,
        mid_event_crashes=world.crashed_mid_event,
        accusations=len(world.accusations),
        equivocations=sum(effect.reason.startswith("equivocation") for _, effect in world.accusations),
        recovered_ms=(world.now - start) // 1_000_000,
        state_transfers=world.messages.get("committed", 0),
        events=world.events,
    )
