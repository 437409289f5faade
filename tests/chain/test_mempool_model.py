"""The pool against a model that recomputes everything from scratch after each random step."""

from pool_ledger import State, TinyLedger, make

from raclette.chain.ledger import Transaction
from raclette.chain.mempool import Mempool, MempoolLimits
from raclette.primitives.errors import Refused
from raclette.primitives.randomness import Random

SENDERS = [b"a", b"b", b"c", b"d", b"e"]
RICH = 1_000_000


def expected_order(held: dict[bytes, Transaction], arrivals: dict[bytes, int], state: State) -> list[bytes]:
    """Repeatedly the best executable head."""
    lanes: dict[bytes, dict[int, Transaction]] = {}
    for item in held.values():
        lanes.setdefault(item.sender, {})[item.nonce or 0] = item
    reached = {sender: state.entries[sender][0] for sender in lanes}
    out: list[bytes] = []
    while True:
        heads = [lanes[s][reached[s]] for s in sorted(lanes) if reached[s] in lanes[s]]
        if not heads:
            return out
        best = min(heads, key=lambda item: (-item.fee, arrivals[item.hash]))
        out.append(best.hash)
        reached[best.sender] += 1


def check(pool: Mempool, state: State, arrivals: dict[bytes, int]) -> None:
    held = {item.hash: item for sender in SENDERS for item in pool.of_sender(sender)}
    assert len(held) == len(pool)
    stats = pool.stats()
    order = [item.hash for item in pool.candidates()]
    assert order == expected_order(held, arrivals, state)
    assert stats["pending"] == len(order)
    assert stats["bytes"] == sum(item.size for item in held.values())
    assert all(pool.get(name) is item and pool.by_short_id(name[:8]) is item for name, item in held.items())
    for sender in SENDERS:
        assert all((item.nonce or 0) >= state.entries[sender][0] for item in pool.of_sender(sender))


def step(pool: Mempool, state: State, random: Random, mined: list[list[Transaction]], clock: int) -> State:
    """One random thing happens; returns the state after it."""
    kind = random.below(12)
    if kind < 8:
        sender = random.choice(SENDERS)
        nonce = state.entries[sender][0] + random.between(-1, 6)
        item = make(sender, max(0, nonce), random.below(8), size=60 + random.below(60), salt=clock)
        try:
            pool.add(item, state, now=clock)
        except Refused:
            return state
    elif kind < 10:
        block = list(pool.candidates())[: random.between(1, 4)]
        entries = dict(state.entries)
        for item in block:
            entries[item.sender] = ((item.nonce or 0) + 1, RICH)
        state = State(entries)
        pool.included(block, state)
        mined.append(block)
    elif kind == 10 and mined:
        block = mined.pop()
        entries = dict(state.entries)
        for item in reversed(block):
            entries[item.sender] = (item.nonce or 0, RICH)
        state = State(entries)
        pool.returned(block, state, now=clock)
        # Senders without a transaction to return did not move; the others' lanes follow the state again.
    else:
        pool.expire(clock)
        held = [item for sender in SENDERS for item in pool.of_sender(sender)]
        if held:
            pool.discard(random.choice(held).hash)
    return state


def test_the_pool_equals_its_model_through_random_histories() -> None:
    most, evicted, replaced, expired = 0, 0, 0, 0
    for seed in range(40):
        random = Random(seed)
        limits = MempoolLimits(count_max=12, bytes_max=1_200, gap_max=4, sender_count_max=6, age_max=150)
        pool = Mempool(TinyLedger(), limits)
        state = State(dict.fromkeys(SENDERS, (0, RICH)))
        arrivals: dict[bytes, int] = {}
        mined: list[list[Transaction]] = []
        for clock in range(300):
            before = {item.hash for sender in SENDERS for item in pool.of_sender(sender)}
            state = step(pool, state, random, mined, clock)
            for sender in SENDERS:
                for item in pool.of_sender(sender):
                    if item.hash not in before:
                        arrivals[item.hash] = clock * 100 + next(
                            (place for place, other in enumerate(_newest(pool, before)) if other == item.hash), 0
                        )
            check(pool, state, arrivals)
            assert len(pool) <= 12
            assert pool.stats()["bytes"] <= 1_200
            most = max(most, len(pool))
        stats = pool.stats()
        evicted, replaced, expired = (
            evicted + stats["evicted"],
            replaced + stats["replaced"],
            expired + stats["expired"],
        )
    # The interesting things did happen.
    assert most == 12
    assert min(evicted, replaced, expired) > 0


def _newest(pool: Mempool, before: set[bytes]) -> list[bytes]:
    """Hashes that came in this step, in order of arrival."""
    return [name for name in pool.hashes() if name not in before]
