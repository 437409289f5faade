"""Sync against answers nobody would give: no exception, every bound kept, and an honest peer still gets us there."""

from sync_world import GENESIS, TinyChain, World, extend

from raclette.chain.block import Block
from raclette.node.sync import Ask, Bodies, GetHeaders, Headers, SyncEffect, SyncLimits, serve_bodies, serve_headers
from raclette.primitives.randomness import Random
from raclette.primitives.units import MILLISECOND

MAIN = extend(GENESIS, 120)
SIDE = extend(MAIN[40].header, 60, salt=b"side")
BAD = extend(MAIN[60].header, 30, salt=b"bad")
ALL = MAIN + SIDE + BAD
LIMITS = SyncLimits(
    headers_max=64, bodies_ahead_max=8, fetches_max=6, fetches_per_peer=3, orphans_max=10, orphans_per_peer=4, bad_max=4
)


def random_headers(random: Random, request: int) -> Headers:
    """A run of real headers, sometimes torn."""
    start, count = random.below(len(ALL)), random.below(20)
    blocks = ALL[start : start + count]
    if random.chance(1, 3):
        random.shuffle(blocks)
    return Headers(request, tuple((block.header, random.bytes(random.below(3))) for block in blocks))


def random_bodies(random: Random, request: int) -> Bodies:
    """Real bodies, some of them of other blocks."""
    blocks = random.sample(ALL, random.below(10))
    other: Block = random.choice(ALL)
    return Bodies(
        request, tuple((b.hash, b.transactions if random.chance(2, 3) else other.transactions) for b in blocks)
    )


SERVER = TinyChain(ALL)


def honest(world: World, ask: Ask) -> tuple[SyncEffect, ...]:
    """The answer as it should be."""
    if isinstance(ask.request, GetHeaders):
        return world.sync.headers(world.now, ask.peer, serve_headers(SERVER, ask.request))
    return world.sync.bodies(world.now, ask.peer, serve_bodies(SERVER, ask.request))


def step(world: World, random: Random, requests: list[Ask]) -> None:
    """One random thing happens."""
    sync, now = world.sync, world.now
    peer = b"peer%d" % random.below(5)
    block = random.choice(ALL)
    kind = random.below(24)
    if kind < 17:
        # Mostly something that was asked for; half of it answered as it should be.
        ask = requests.pop(random.below(len(requests))) if requests and random.chance(9, 10) else None
        if ask is not None and random.chance(1, 2):
            effects = honest(world, ask)
        elif random.chance(1, 2):
            effects = sync.headers(now, peer, random_headers(random, ask.request.request if ask else 1))
        else:
            effects = sync.bodies(now, peer, random_bodies(random, ask.request.request if ask else 1))
    elif kind == 17:
        effects = sync.up(now, peer)
    elif kind == 18:
        effects = sync.down(now, peer)
    elif kind == 19:
        effects = sync.status(now, peer, block.hash, random.below(10**6), random.below(10**6))
    elif kind == 20:
        effects = sync.fetch(now, peer, random.choice((block.hash, random.bytes(32))))
    elif kind == 21:
        effects = sync.orphan(now, peer, block, random.bytes(random.below(5)))
    elif kind == 22:
        effects = sync.failed(now, block.hash, random.choice(("invalid-block", None)))
    else:
        effects = sync.imported(now, block.hash) if block.hash in world.chain.blocks else ()
    requests.extend(effect for effect in effects if isinstance(effect, Ask))
    world.carry(effects)


def test_nonsense_never_raises_and_keeps_every_bound() -> None:
    imported = 0
    for seed in range(15):
        random = Random(seed)
        world = World(seed, certificates=bool(seed % 2), limits=LIMITS)
        requests: list[Ask] = []
        for _ in range(400):
            step(world, random, requests)
            if random.chance(1, 4):
                world.now += random.below(3_000) * MILLISECOND
            stats = world.sync.stats()
            assert stats["wanted"] <= LIMITS.headers_max + 512
            assert stats["held"] <= LIMITS.headers_max + 512
            assert stats["orphans"] <= LIMITS.orphans_max
            assert stats["fetches"] <= LIMITS.fetches_max
            assert stats["requests"] <= 5 * LIMITS.requests_per_peer + LIMITS.fetches_max + 1
        imported += len(world.imported)
        # After all that, one honest peer is enough.
        for peer in (b"peer%d" % index for index in range(5)):
            world.carry(world.sync.down(world.now, peer))
        longest = MAIN + extend(MAIN[-1].header, 100, salt=b"end")
        world.serve(b"honest", longest)
        for _ in range(6):
            world.run(seconds=100)
            world.tell_status(b"honest")
        assert world.chain.head == longest[-1].header, f"seed {seed}"
    assert imported > 100
