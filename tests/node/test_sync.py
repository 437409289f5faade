"""Catching up among honest peers and liars."""

import pytest
from sync_world import (
    GENESIS,
    Behaviour,
    World,
    bad_seals,
    certify,
    extend,
    no_bodies,
    no_headers,
    silent,
    wrong_bodies,
)

from raclette.node.sync import (
    BODIES_PER_REQUEST_MAX,
    HEADERS_PER_REQUEST_MAX,
    Ask,
    Bodies,
    GetBodies,
    GetHeaders,
    Headers,
    Import,
    Penalise,
    Sync,
    SyncLimits,
    make_locator,
    serve_bodies,
    serve_headers,
)
from raclette.primitives.randomness import Random

HISTORY = extend(GENESIS, 1_500)


@pytest.mark.parametrize("certificates", [False, True])
def test_a_newcomer_fetches_the_whole_history_from_several_peers(certificates: bool) -> None:
    world = World(certificates=certificates)
    for name in (b"a", b"b", b"c"):
        world.serve(name, HISTORY)
    world.run()
    assert world.chain.head == HISTORY[-1].header
    assert world.imported == list(range(1, 1_501))
    assert world.penalties == []
    assert world.sync.progress() is None
    # The load was shared, and nothing was asked twice.
    asked = [server.asked for server in world.servers.values()]
    assert min(asked) > 10
    assert world.peak["requests"] > 2
    assert sum(asked) < 2 * len(HISTORY) // 8


def test_empty_blocks_are_imported_without_asking_for_bodies() -> None:
    world = World()
    server = world.serve(b"a", extend(GENESIS, 900, transactions=0))
    world.run()
    assert world.chain.head.number == 900
    assert server.asked <= 3


def test_a_mix_of_empty_and_full_blocks_comes_in_order() -> None:
    world = World(limits=SyncLimits(bodies_ahead_max=4, bytes_ahead_max=300))
    blocks = []
    parent = GENESIS
    random = Random(3)
    for _ in range(400):
        blocks += extend(parent, 1, transactions=random.below(3))
        parent = blocks[-1].header
    for name in (b"a", b"b"):
        world.serve(name, blocks)
    world.run()
    assert world.imported == list(range(1, 401))


@pytest.mark.parametrize("lie", [silent, no_bodies, wrong_bodies, no_headers, bad_seals])
@pytest.mark.parametrize("certificates", [False, True])
def test_one_honest_peer_among_liars_is_enough(lie: Behaviour, certificates: bool) -> None:
    world = World(seed=5, certificates=certificates)
    blocks = HISTORY[:600]
    for name in (b"liar1", b"liar2", b"liar3"):
        world.serve(name, blocks, lie, height=10**9, weight=10**12, head=name.ljust(32, b"!"))
    world.serve(b"honest", blocks)
    world.run(until=lambda: world.chain.head.number == 600)
    assert world.chain.head.number == 600
    assert world.now < 120 * 10**9
    blamed = {peer for peer, _ in world.penalties}
    assert blamed
    assert b"honest" not in blamed


def test_a_claim_of_a_huge_height_that_delivers_nothing_does_not_stop_us() -> None:
    world = World()
    world.serve(b"liar", [], silent, height=10**15, weight=10**30, head=b"\xff" * 32)
    world.serve(b"honest", HISTORY[:50])
    for second in range(30):
        world.run(seconds=1)
        world.tell_status(b"liar")
        assert world.peak.get("requests", 0) < 5, second
    assert world.chain.head.number == 50
    # Blocks that come by gossip are taken all the while.
    later = extend(HISTORY[49].header, 1)[0]
    world.carry(world.sync.orphan(world.now, b"honest", later))
    assert world.chain.head == later.header
    # The liar is asked less and less.
    assert world.servers[b"liar"].asked < 8


def test_claims_shown_false_cost_score_and_are_forgotten() -> None:
    world = World()
    liar = world.serve(b"liar", HISTORY[:10], height=500, weight=500, head=b"\x01" * 32)
    world.run(seconds=60)
    assert world.chain.head.number == 10
    assert liar.asked < 6
    assert world.sync.progress() is None


def test_an_endless_light_branch_costs_us_no_bodies() -> None:
    """A long side branch with less work than ours is dropped once its headers are weighed."""
    world = World()
    ours = extend(GENESIS, 20, work=100)
    for block in ours:
        world.chain.insert(block)
    light = extend(GENESIS, 700, salt=b"light")
    bodies_asked: list[GetBodies] = []

    def spy(ask: GetHeaders | GetBodies, answer: Headers | Bodies) -> Headers | Bodies:
        if isinstance(ask, GetBodies):
            bodies_asked.append(ask)
        return answer

    world.serve(b"light", light, spy, weight=10**6)
    world.run()
    assert bodies_asked == []
    assert (b"light", "claim-unproven") in world.penalties
    assert world.chain.head == ours[-1].header


def test_a_heavier_branch_from_far_back_reorganises() -> None:
    world = World()
    for block in HISTORY[:200]:
        world.chain.insert(block)
    heavier = HISTORY[:20] + extend(HISTORY[19].header, 150, salt=b"heavy", work=2)
    world.serve(b"a", heavier)
    world.run()
    assert world.chain.head == heavier[-1].header
    assert world.penalties == []


def test_peers_that_vanish_are_replaced_and_a_restart_resumes() -> None:
    world = World(seed=3)
    for name in (b"a", b"b", b"c"):
        world.serve(name, HISTORY)
    world.run(until=lambda: world.chain.head.number > 100)
    world.vanish(b"a")
    world.run(until=lambda: world.chain.head.number > 500)
    height = world.chain.head.number
    world.restart()
    world.vanish(b"b")
    world.run()
    assert world.chain.head.number == 1_500
    assert sorted(set(world.imported)) == world.imported, "no block was imported twice"
    assert height > 500


def test_with_no_peer_left_nothing_is_kept_and_nothing_breaks() -> None:
    world = World(seed=3)
    world.serve(b"a", HISTORY)
    world.run(until=lambda: world.chain.head.number > 100)
    world.vanish(b"a")
    world.run()
    assert world.sync.stats()["requests"] == 0
    world.serve(b"b", HISTORY)
    world.run()
    assert world.chain.head.number == 1_500


def test_an_invalid_block_costs_its_voucher_and_everything_built_on_it() -> None:
    world = World(seed=2)
    fork = HISTORY[:30]
    poisoned = fork + extend(fork[-1].header, 100, salt=b"poison")
    world.invalid.add(poisoned[40].hash)
    world.serve(b"liar", poisoned)
    world.run(seconds=30)
    assert (b"liar", "invalid-block") in world.penalties
    assert world.chain.head == poisoned[39].header
    assert world.sync.stats()["wanted"] == 0
    honest = fork + extend(fork[-1].header, 60, salt=b"honest")
    world.serve(b"honest", honest)
    world.run()
    assert world.chain.head == honest[-1].header


def test_a_block_that_the_engine_does_not_take_yet_is_asked_for_twice_a_second_and_blames_nobody() -> None:
    world = World()
    server = world.serve(b"a", HISTORY[:40])
    world.unwanted.add(HISTORY[29].hash)
    world.run(seconds=10)
    assert world.chain.head == HISTORY[28].header
    assert world.penalties == []
    assert 20 <= server.asked <= 60
    world.unwanted.clear()
    world.run(seconds=2)
    assert world.chain.head == HISTORY[39].header


def test_memory_stays_bounded_while_a_long_history_comes() -> None:
    limits = SyncLimits(headers_max=1_100, bodies_ahead_max=16)
    world = World(limits=limits)
    for name in (b"a", b"b"):
        world.serve(name, HISTORY)
    world.run()
    assert world.chain.head.number == 1_500
    assert world.peak["wanted"] <= 1_100 + HEADERS_PER_REQUEST_MAX


def test_an_orphan_brings_its_ancestors() -> None:
    world = World()
    world.serve(b"a", HISTORY[:80], height=0, weight=0, head=b"")
    orphan = HISTORY[80]
    world.carry(world.sync.orphan(world.now, b"a", orphan))
    world.run()
    assert world.chain.head == orphan.header
    assert world.penalties == []


def test_orphans_are_bounded_by_count_and_by_peer() -> None:
    limits = SyncLimits(orphans_max=40, orphans_per_peer=25)
    world = World(limits=limits)
    for number in range(200):
        stray = extend(HISTORY[number].header, 1, salt=b"%d" % number)[0]
        peer = b"p%d" % (number % 3)
        world.carry(world.sync.orphan(world.now, peer, stray))
    stats = world.sync.stats()
    assert stats["orphans"] <= 40
    assert stats["fetches"] <= SyncLimits().fetches_max


def test_a_wanted_block_on_a_side_branch_is_fetched_from_another_peer_if_need_be() -> None:
    world = World()
    side = HISTORY[:10] + extend(HISTORY[9].header, 5, salt=b"side")
    for block in HISTORY[:40]:
        world.chain.insert(block)
    both = world.serve(b"knows", HISTORY[:40] + side[10:], height=0, head=b"")
    assert both.chain.head == HISTORY[39].header
    world.serve(b"silent", [], silent, height=0, head=b"")
    world.carry(world.sync.fetch(world.now, b"silent", side[-1].hash))
    world.run()
    assert side[-1].hash in world.chain.blocks
    assert world.chain.head == HISTORY[39].header


def test_a_branch_that_lost_while_it_was_fetched_is_no_fault_of_who_has_it() -> None:
    world = World()
    side = HISTORY[:10] + extend(HISTORY[9].header, 5, salt=b"side")
    for block in HISTORY[:40]:
        world.chain.insert(block)
    world.serve(b"honest", HISTORY[:40] + side[10:], height=0, head=b"")
    world.chain.finalized = HISTORY[30].header
    world.carry(world.sync.fetch(world.now, b"honest", side[-1].hash))
    world.run()
    assert world.penalties == []
    assert side[-1].hash not in world.chain.blocks
    assert world.sync.stats()["fetches"] == 0


def test_blocks_that_a_crash_left_without_certificates_get_them_from_a_peer() -> None:
    world = World(certificates=True)
    for block in HISTORY[:40]:
        world.chain.insert(block)
    world.chain.finalized = HISTORY[29].header
    world.chain.certificate = lambda block_hash: b""  # type: ignore[method-assign]
    given: list[int] = []
    sync = Sync(world.chain, world.engine, Random(1, 1), lambda: 40, bare=40)
    sync.up(0, b"a")
    assert sync.status(0, b"a", HISTORY[39].hash, 40, 40, 30) == ()
    (ask,) = [e for e in sync.status(0, b"a", HISTORY[39].hash, 40, 40, 40) if isinstance(e, Ask)]
    assert isinstance(ask.request, GetHeaders)
    assert ask.request.locator == (HISTORY[29].hash,)
    items = tuple((block.header, certify(block.hash)) for block in HISTORY[30:40])
    for effect in sync.headers(0, b"a", Headers(ask.request.request, items)):
        if isinstance(effect, Import):
            assert effect.certificate == certify(effect.block.hash)
            given.append(effect.block.number)
            world.chain.finalized = effect.block.header
    assert given == list(range(31, 41))
    assert sync.status(0, b"a", HISTORY[39].hash, 40, 40, 40) == ()


def test_late_answers_are_forgiven_unasked_ones_are_not_and_neither_changes_anything() -> None:
    world = World()
    world.serve(b"a", HISTORY[:10], silent)
    items = tuple((block.header, b"") for block in HISTORY[:5])
    late = world.sync.stats()["requests"]
    assert late == 1
    assert world.sync.headers(world.now, b"a", Headers(10**6, items)) == ()
    for number in range(5):
        for effects in (
            world.sync.headers(world.now, b"other", Headers(number, items)),
            world.sync.bodies(world.now, b"a", Bodies(10**6 + number, ())),
        ):
            (penalty,) = effects
            assert isinstance(penalty, Penalise)
            assert penalty.reason == "unasked-answer"
    assert world.chain.head == GENESIS


def test_the_server_stays_within_bounds_whatever_is_asked() -> None:
    world = World()
    server = world.serve(b"a", HISTORY)
    chain = server.chain
    everything = GetHeaders(1, make_locator(world.chain), 10**9)
    assert len(serve_headers(chain, everything).items) == HEADERS_PER_REQUEST_MAX
    assert serve_headers(chain, GetHeaders(1, (), 10)).items == ()
    assert serve_headers(chain, GetHeaders(1, (b"?" * 32,) * 10_000, 10)).items == ()
    assert serve_headers(chain, GetHeaders(1, (GENESIS.hash,), 10, b"?" * 32)).items == ()
    assert serve_headers(chain, GetHeaders(1, (GENESIS.hash,), 0)).items == ()
    up_to_date = GetHeaders(1, make_locator(chain), 10)
    assert serve_headers(chain, up_to_date).items == ()
    hashes = tuple(block.hash for block in HISTORY)
    assert len(serve_bodies(chain, GetBodies(1, hashes)).items) == BODIES_PER_REQUEST_MAX
    big = extend(GENESIS, 4, transactions=0)
    assert serve_bodies(chain, GetBodies(1, (big[0].hash,))).items == ()


def test_a_locator_is_short_and_ends_at_genesis() -> None:
    chain = World().chain
    for block in HISTORY:
        chain.insert(block)
    locator = make_locator(chain)
    assert locator[0] == chain.head.hash
    assert locator[-1] == GENESIS.hash
    assert len(locator) < 25


def test_random_networks_of_liars_never_keep_an_honest_chain_away() -> None:
    lies = [silent, no_bodies, wrong_bodies, no_headers, bad_seals]
    for seed in range(12):
        random = Random(seed, 77)
        world = World(seed=seed, certificates=bool(seed % 2))
        blocks = HISTORY[: random.between(100, 700)]
        for index in range(random.between(1, 6)):
            name = b"liar%d" % index
            known = blocks[: random.below(len(blocks))]
            claim = random.below(2_000)
            world.serve(name, known, random.choice(lies), height=claim, weight=claim, head=name.ljust(32, b"!"))
        world.serve(b"honest", blocks)
        for _ in range(20):
            world.run(seconds=10)
            for name in list(world.servers):
                world.tell_status(name)
        assert world.chain.head == blocks[-1].header, f"seed {seed}"
        assert b"honest" not in {peer for peer, _ in world.penalties}, f"seed {seed}"
