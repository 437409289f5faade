"""Plumtree in a mesh: everyone gets everything, the tree emerges, breaks and heals, strangers are bounded."""

from mesh import Mesh

from raclette.gossip import (
    Deliver,
    Gossip,
    GossipLimits,
    GotGraft,
    GotIHave,
    GotItems,
    GotPrune,
    Learned,
    Offer,
    PeerDown,
    PeerUp,
    Publish,
    SendControl,
    SendItems,
    SetTimer,
    TimerFired,
    Topic,
    TopicLimits,
    Verb,
)
from raclette.gossip.seen import SeenSet
from raclette.primitives.hashing import sha256
from raclette.primitives.randomness import Random
from raclette.primitives.units import MILLISECOND, SECOND

TX = Topic.TRANSACTIONS
BLOCKS = Topic.BLOCKS


def ids(start: int, count: int) -> list[bytes]:
    return [sha256(b"item%d" % number) for number in range(start, start + count)]


def traffic(mesh: Mesh, start: int, count: int, *, every: int = 20) -> list[bytes]:
    """Random nodes publish single items, `every` milliseconds."""
    items = ids(start, count)
    for index, item in enumerate(items):
        alive = list(mesh.nodes)
        name = alive[mesh.random.below(len(alive))]
        mesh.later(index * every * MILLISECOND, lambda name=name, item=item: mesh.publish(name, item))  # type: ignore[misc]
    return items


def copies_per_node(mesh: Mesh, start: int, count: int) -> float:
    before = mesh.copies
    items = traffic(mesh, start, count)
    mesh.run(10)
    assert mesh.missing(items) == 0
    return (mesh.copies - before) / (count * (len(mesh.nodes) - 1))


def test_everyone_gets_everything_and_copies_fall_towards_one() -> None:
    mesh = Mesh(50, 8, seed=4)
    first = copies_per_node(mesh, 0, 50)
    for round_number in range(1, 6):
        copies_per_node(mesh, 1_000 * round_number, 200)
    last = copies_per_node(mesh, 9_000, 200)
    assert last < 1.35
    # Plain flooding would send every item over every link but the one it came by: about 5 copies.
    assert first > 2 * last


def test_a_full_mesh_with_many_sources_settles_to_direct_sending() -> None:
    """What a shared tree cannot do: it is pruned everywhere at once, and grafted together again."""
    mesh = Mesh(4, 2, seed=4)
    for one in mesh.names:
        for other in mesh.names:
            mesh.link(one, other)
    for round_number in range(3):
        mesh.copies = 0
        items = []
        for tick in range(20):
            for place, name in enumerate(mesh.names):
                batch = ids(100_000 * round_number + (4 * tick + place) * 50, 50)
                items += batch
                delay = (20 * tick + 3 * place) * MILLISECOND
                mesh.later(delay, lambda name=name, batch=batch: mesh.publish(name, *batch))  # type: ignore[misc]
        mesh.run(10)
        assert mesh.missing(items) == 0
    assert mesh.copies == 3 * len(items)
    for name, node in mesh.nodes.items():
        assert len(node.eager(TX)) == 3
        assert all(node.eager(TX, origin) == () for origin in mesh.names if origin != name)
        assert node.stats()["transactions"]["grafts"] == 0


def test_nothing_is_delivered_twice() -> None:
    mesh = Mesh(30, 6, seed=2)
    items = traffic(mesh, 0, 100)
    mesh.run(10)
    assert all(mesh.got[name][item] == 1 for name in mesh.nodes for item in items)


def test_loss_is_repaired_by_grafts() -> None:
    mesh = Mesh(50, 8, seed=7, loss=5)
    items = traffic(mesh, 0, 400)
    mesh.run(60)
    assert mesh.missing(items) == 0
    assert sum(node.stats()["transactions"]["grafts"] for node in mesh.nodes.values()) > 0


def test_a_crash_in_the_tree_is_repaired_without_losing_an_item() -> None:
    mesh = Mesh(50, 8, seed=11)
    traffic(mesh, 0, 300)
    mesh.run(10)
    # The busiest inner nodes of the tree die while traffic goes on.
    inner = sorted(mesh.nodes, key=lambda name: mesh.nodes[name].stats()["transactions"]["lazy"])[:5]
    items: list[bytes] = []
    for index, name in enumerate(inner):
        mesh.crash(name)
        items += traffic(mesh, 10_000 * (index + 1), 50)
        mesh.run(15)
    assert mesh.missing(items) == 0


def test_a_newcomer_is_told_what_waits_and_takes_part() -> None:
    mesh = Mesh(10, 4, seed=3)
    old = traffic(mesh, 0, 20)
    mesh.run(10)
    name = b"newcomer"
    mesh.nodes[name], mesh.links[name], mesh.got[name] = Gossip(name), {}, {}
    mesh.link(name, mesh.names[0])
    mesh.feed(mesh.names[0], Offer(mesh.now, name, TX, tuple(old)))
    new = traffic(mesh, 500, 20)
    mesh.run(10)
    assert mesh.missing(old + new) == 0


def linked(limits: GossipLimits | None = None, peers: int = 3) -> Gossip:
    node = Gossip(b"self", limits)
    for index in range(peers):
        node.handle(PeerUp(0, b"peer%d" % index))
    return node


STRICT = GossipLimits({TX: TopicLimits(batch_delay=5 * MILLISECOND), BLOCKS: TopicLimits(batch_items=1)})


def test_a_sender_of_duplicates_is_pruned_and_learns_by_which_way_they_came() -> None:
    """Leitão et al. 2007, algorithm 1."""
    node, (block,) = linked(STRICT), ids(0, 1)
    assert node.handle(GotItems(0, b"peer0", BLOCKS, (block,))) == (Deliver(b"peer0", BLOCKS, (block,)),)
    prune = SendControl((b"peer1",), Verb.PRUNE, BLOCKS, (block,))
    assert node.handle(GotItems(0, b"peer1", BLOCKS, (block,))) == (prune,)
    # Now we are told the same about what came from peer 0: the rest of our links stays as it was.
    node.handle(GotPrune(0, b"peer2", BLOCKS, (block,)))
    assert node.eager(BLOCKS, b"peer0") == (b"peer1",)
    assert node.lazy(BLOCKS, b"peer0") == (b"peer2",)
    assert node.eager(BLOCKS) == (b"peer0", b"peer1", b"peer2")


def test_batches_are_deduplicated_by_item_not_by_frame() -> None:
    node, (a, b, c) = linked(), ids(0, 3)
    node.handle(GotItems(0, b"peer0", TX, (a, b)))
    assert node.handle(GotItems(0, b"peer1", TX, (b, c, c))) == (Deliver(b"peer1", TX, (c,)),)
    assert node.handle(GotItems(0, b"peer1", TX, (b, c))) == ()


def test_the_first_item_leaves_at_once_and_the_next_ones_together_without_going_back() -> None:
    node, (a, b, c, d) = linked(), ids(0, 4)
    first = node.handle(Publish(0, TX, (a,)))
    assert SendItems((b"peer0", b"peer1", b"peer2"), TX, (a,)) in first
    (timer,) = node.handle(Publish(1, TX, (b,)))
    assert isinstance(timer, SetTimer)
    assert node.handle(Publish(2, TX, (c,), b"peer0")) == ()
    assert node.handle(Publish(2, TX, (d,))) == ()
    sent = node.handle(TimerFired(5 * MILLISECOND, timer.name))
    assert sent == (SendItems((b"peer0",), TX, (b, d)), SendItems((b"peer1", b"peer2"), TX, (b, d, c)))


def test_an_announced_item_that_does_not_come_is_grafted_from_one_announcer_after_the_other() -> None:
    node, (item,) = linked(), ids(0, 1)
    (timer,) = node.handle(GotIHave(0, b"peer0", BLOCKS, (item,)))
    assert isinstance(timer, SetTimer)
    node.handle(GotIHave(0, b"peer1", BLOCKS, (item,)))
    effects = node.handle(TimerFired(timer.delay, timer.name))
    assert effects[0] == SendControl((b"peer0",), Verb.GRAFT, BLOCKS, (item,))
    effects = node.handle(TimerFired(timer.delay + SECOND, timer.name))
    assert effects[0] == SendControl((b"peer1",), Verb.GRAFT, BLOCKS, (item,))
    assert node.handle(TimerFired(timer.delay + 3 * SECOND, timer.name)) == ()
    assert node.stats()["blocks"]["missing"] == 0


def test_what_came_by_another_way_is_neither_asked_for_nor_delivered() -> None:
    node, (a, b) = linked(), ids(0, 2)
    (timer,) = node.handle(GotIHave(0, b"peer0", TX, (a,)))
    assert isinstance(timer, SetTimer)
    node.handle(Learned(1, TX, (a, b)))
    assert node.handle(TimerFired(timer.delay, timer.name)) == ()
    assert node.handle(GotItems(2, b"peer0", TX, (a, b))) == ()


def test_a_graft_is_answered_only_with_what_was_seen() -> None:
    node, (known, unknown) = linked(), ids(0, 2)
    node.handle(GotItems(0, b"peer1", BLOCKS, (known,)))
    node.handle(GotPrune(0, b"peer0", BLOCKS, (known,)))
    assert node.lazy(BLOCKS, b"peer1") == (b"peer0",)
    effects = node.handle(GotGraft(0, b"peer0", BLOCKS, (unknown, known)))
    assert effects == (SendItems((b"peer0",), BLOCKS, (known,)),)
    assert b"peer0" in node.eager(BLOCKS, b"peer1")


def test_our_own_item_can_be_published_again() -> None:
    node, (item,) = linked(), ids(0, 1)
    assert node.handle(Publish(0, TX, (item,)))
    again = node.handle(Publish(SECOND, TX, (item,)))
    assert SendItems((b"peer0", b"peer1", b"peer2"), TX, (item,)) in again


def test_a_flood_of_inventions_by_one_stranger_stays_bounded_and_crowds_nobody_out() -> None:
    topic = TopicLimits(seen_max=2_000)
    limits = GossipLimits({TX: topic}, control_ids_max=500, missing_max=1_000, missing_peer_max=300)
    node = linked(limits)
    for start in range(0, 5_000, 1_000):
        node.handle(GotIHave(0, b"peer0", TX, tuple(ids(start, 1_000))))
        node.handle(GotItems(0, b"peer0", TX, tuple(ids(100_000 + start, 1_000))))
        node.handle(GotGraft(0, b"peer0", TX, tuple(ids(start, 1_000))))
    stats = node.stats()["transactions"]
    assert stats["missing"] == 300
    assert stats["refused"] == 5 * 500 - 300
    assert stats["seen"] <= 2_000
    node.handle(GotIHave(0, b"peer1", TX, tuple(ids(900_000, 10))))
    assert node.stats()["transactions"]["missing"] == 310


def test_strangers_without_a_link_change_nothing() -> None:
    node, (item,) = linked(), ids(0, 1)
    for event in (GotIHave(0, b"who", TX, (item,)), GotGraft(0, b"who", TX, (item,)), GotPrune(0, b"who", TX, (item,))):
        assert node.handle(event) == ()
    node.handle(PeerDown(0, b"who"))
    assert len(node.eager(TX)) == 3
    assert b"who" not in node.lazy(TX)


def test_the_seen_set_forgets_by_count_and_by_age_and_never_too_early() -> None:
    seen = SeenSet(count_max=100, age_max=1_000)
    for item in ids(0, 1_000):
        assert seen.fresh(0, [item], None) == [item]
        assert len(seen) <= 100
    recent = ids(950, 50)
    assert seen.fresh(0, recent, None) == []
    assert seen.fresh(499, recent, None) == []
    assert seen.fresh(5_000, recent, None) == recent


def test_random_events_never_raise_and_keep_every_bound() -> None:
    for seed in range(30):
        random = Random(seed)
        limits = GossipLimits(
            {
                TX: TopicLimits(seen_max=50, prune_ids=10),
                BLOCKS: TopicLimits(batch_delay=MILLISECOND, seen_max=20, prune_ids=10),
            },
            control_ids_max=10,
            missing_max=20,
            missing_peer_max=8,
        )
        node = Gossip(b"self", limits)
        pool = ids(0, 60)
        timers = ["flush:0", "ihave:0", "missing:0", "flush:1", "ihave:1", "missing:1"]
        now = 0
        for _ in range(400):
            now += random.below(200) * MILLISECOND
            peer = b"peer%d" % random.below(5)
            topic = random.choice((TX, BLOCKS))
            some = tuple(random.sample(pool, random.below(20)))
            event = (
                PeerUp(now, peer),
                PeerDown(now, peer),
                GotItems(now, peer, topic, some),
                GotIHave(now, peer, topic, some),
                GotGraft(now, peer, topic, some),
                GotPrune(now, peer, topic, some),
                Publish(now, topic, some, random.choice((None, peer))),
                Learned(now, topic, some),
                Offer(now, peer, topic, some),
                TimerFired(now, random.choice(timers)),
            )[random.below(10)]
            for effect in node.handle(event):
                if isinstance(effect, SetTimer):
                    assert effect.delay >= 0
                if isinstance(effect, SendControl):
                    assert len(effect.ids) <= 10
            for numbers, most in zip(node.stats().values(), (50, 20), strict=True):
                assert numbers["missing"] <= 20
                assert numbers["seen"] <= most
            for row in (None, b"peer0", b"peer1"):
                assert not set(node.eager(TX, row)) & set(node.lazy(TX, row))
