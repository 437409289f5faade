"""Schedules, message by message, in which a known bug breaks agreement. Run with the honest engine they pass.

Each takes the engine's factory, so that `test_pbft_mutants` can run them with a bug planted.
"""

from collections.abc import Callable

from pbft_world import World

from raclette.engine.contract import Engine, EngineSetup
from raclette.engine.message import Message
from raclette.lab.hunt.engines.world import Replica
from raclette.protocols.pbft.messages import NewView

Factory = Callable[[EngineSetup], Engine]


def only(kinds: dict[str, tuple[int, ...]], cut: tuple[int, ...] = ()) -> Callable[[Replica, Replica, Message], bool]:
    """Drop rule: messages of a kind named reach these places only; places in `cut` neither hear nor are heard."""

    def drops(sender: Replica, receiver: Replica, message: Message) -> bool:
        if sender.place in cut or receiver.place in cut:
            return True
        return message.kind in kinds and receiver.place not in kinds[message.kind]

    return drops


def silence(world: World, place: int) -> None:
    world[place].crash()


def two_primaries(factory: Factory) -> World:
    """The primary runs twice and gives each half another block: no half is a quorum."""
    world = World(4, seed=11, twins=[0], factory=factory)
    half = (0, 1)
    world.drops = lambda sender, receiver, message: (sender.place in half) != (receiver.place in half)
    world.submit(b"left", to=[0])
    world.submit(b"right", to=[4])
    world.run_for(200)
    world.drops = lambda sender, receiver, message: (sender.place in (0, 4)) != (receiver.place in (0, 4))
    silence(world, 0)
    silence(world, 4)
    world.settle()
    world.run_for(20_000)
    return world


def repeated_votes(factory: Factory) -> World:
    """Two replicas see each other only, and every message many times: two voters stay two voters."""
    world = World(4, seed=12, factory=factory)
    world.isolate(0, 1)
    deliver = world.deliver

    def often(sender: Replica, receiver: Replica, message: Message) -> None:
        for _ in range(5):
            deliver(sender, receiver, message)

    world.deliver = often  # type: ignore[method-assign]
    world.submit(b"a", to=[0, 1])
    world.run_for(300)
    assert world[0].height == world[1].height == 0
    return world


def votes_of_two_blocks(factory: Factory) -> World:
    """Half of the replicas vote for one block and half for another: the votes do not add up."""
    world = World(4, seed=13, twins=[0], factory=factory)

    def drops(sender: Replica, receiver: Replica, message: Message) -> bool:
        if message.kind == "pre-prepare":
            return (sender.place, receiver.place) not in ((0, 1), (4, 2), (4, 3))
        return message.kind in ("status", "new-view")

    world.drops = drops
    world.submit(b"left", to=[0])
    world.submit(b"right", to=[4])
    world.run_for(300)
    return world


def committed_then_view_change(factory: Factory) -> World:
    """Block 1 is committed at replica 0 only; the others change the view without it."""
    world = World(4, seed=14, factory=factory)
    world.drops = only({"commit": (0,), "committed": (), "status": (), "checkpoint": ()})
    world.submit(b"a")
    world.run_for(100)
    assert world[0].height == 1
    world.drops = only({"commit": (), "status": ()}, cut=(0,))
    world.submit(b"b")
    world.run_until(lambda: all(world[place].view > 0 for place in (1, 2, 3)), 5_000)
    world.drops = only({}, cut=(0,))
    world.run_for(5_000)
    world.settle()
    world.run_for(10_000)
    return world


def lying_new_primary(factory: Factory) -> World:
    """As before, but the primary of view 1 shows a NEW-VIEW with nothing but its own empty VIEW-CHANGE."""
    world = World(4, seed=15, liars=[1], factory=factory)
    world.drops = only({"commit": (0,), "committed": (), "status": (), "checkpoint": (), "view-change": ()})
    world.submit(b"a")
    world.run_for(100)
    assert world[0].height == 1
    world.drops = only({"status": (), "view-change": ()}, cut=(0,))
    core, changing = world[1].engine.core, world[1].engine.view_changing
    codec, committee = core.codec, core.committee
    signature = core.sign(committee.view_change_digest(codec.view_change_content(1, None, None))).signature
    change = codec.make_view_change(1, None, None, 1, signature)
    lie: NewView = codec.make_new_view(1, (change,), core.sign(committee.new_view_digest(1, signature)).signature)
    changing._enter(lie)
    core.take_effects()
    for receiver in (2, 3):
        world.deliver(world[1], world[receiver], lie)
    world.run_for(20)
    world.submit(b"b")
    world.run_for(300)
    return world


def higher_block_of_a_lower_view(factory: Factory) -> World:
    """View 0 leaves a prepared block 2 at one replica; view 1 commits another block 1; view 2 must follow view 1."""
    world = World(4, seed=16, factory=factory)
    world.drops = only({"prepare": (3,), "commit": (), "status": ()})
    world.submit(b"a")
    world.run_for(30)
    world.submit(b"b")
    world.run_for(100)
    assert world[3].engine.core.prepared.rank == (0, 2)
    world.drops = only({"commit": (0,), "committed": (), "status": (), "checkpoint": ()}, cut=(3,))
    world.run_for(1_000)
    assert world[0].height == 1
    assert world[2].engine.core.prepared.rank == (1, 1)
    world.drops = only({"committed": (), "status": (), "commit": ()}, cut=(0,))
    world.submit(b"c")
    world.run_until(lambda: all(world[place].view > 1 for place in (1, 2, 3)), 5_000)
    world.drops = only({}, cut=(0,))
    world.run_for(6_000)
    world.settle()
    world.run_for(10_000)
    return world


def lower_block_of_a_higher_view(factory: Factory) -> World:
    """Block 2 is committed in view 0; in view 1 nothing but block 1 could be certified, if it were voted on again."""
    world = World(4, seed=17, factory=factory)
    world.drops = only({"commit": (), "committed": (), "status": (), "checkpoint": ()})
    world.submit(b"a")
    world.run_for(30)
    world.submit(b"b")
    world.run_for(30)
    world.drops = only({"commit": (0,), "committed": (), "checkpoint": ()})
    world.run_for(200)
    assert world[0].height == 2
    low_only = only({"commit": (), "committed": (), "status": (), "checkpoint": ()}, cut=(0,))

    def drops(sender: Replica, receiver: Replica, message: Message) -> bool:
        return low_only(sender, receiver, message) or (message.kind == "prepare" and getattr(message, "height", 0) > 1)

    world.drops = drops
    world.run_until(lambda: all(world[place].view == 1 for place in (1, 2, 3)), 5_000)
    world.run_until(lambda: all(world[place].view == 2 for place in (1, 2, 3)), 5_000)
    world.drops = only({}, cut=(0,))
    world.submit(b"c")
    world.run_for(6_000)
    world.settle()
    world.run_for(10_000)
    return world


def second_proposal(factory: Factory) -> World:
    """The primary proposes a second block for a height on which a replica has already finalised the first."""
    world = World(4, seed=18, twins=[0], factory=factory)
    world.drops = only({"commit": (1,), "committed": (), "status": (), "checkpoint": ()}, cut=(4,))
    world.submit(b"left", to=[0])
    world.run_for(100)
    assert world[1].height == 1
    world.drops = only({"committed": (), "status": (), "checkpoint": ()}, cut=(0, 1))
    world.submit(b"right", to=[4])
    world.run_for(200)
    return world


def vote_before_a_crash(factory: Factory) -> World:
    """A replica votes, crashes, and is asked to vote for another block in the same place."""
    world = World(4, seed=19, twins=[0], factory=factory)
    world.drops = only({"commit": (1,), "committed": (), "status": (), "checkpoint": ()}, cut=(3, 4))
    world.submit(b"left", to=[0])
    world.run_for(100)
    assert world[1].height == 1
    world.crash(2)
    world.drops = only({"committed": (), "status": (), "checkpoint": ()}, cut=(0, 1))
    world.restart(2)
    world.submit(b"right", to=[4])
    world.run_for(300)
    return world


SCHEDULES: dict[str, Callable[[Factory], World]] = {
    schedule.__name__: schedule
    for schedule in (
        two_primaries,
        repeated_votes,
        votes_of_two_blocks,
        committed_then_view_change,
        lying_new_primary,
        higher_block_of_a_lower_view,
        lower_block_of_a_higher_view,
        second_proposal,
        vote_before_a_crash,
    )
}
