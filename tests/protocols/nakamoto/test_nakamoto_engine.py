"""The engine as a machine: blocks in, heads and searches out."""

from dataclasses import replace
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pow_world import EPOCH, EPOCH_S, GENESIS, SEAL, FakeChain, Forge, Node

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.effects import (
    Accuse,
    Adopt,
    CancelTimer,
    Effect,
    Fetch,
    Finalize,
    Publish,
    Seal,
    SetTimer,
    StopSealing,
)
from raclette.engine.events import Pending, Received, Sealed, Started, TimerFired
from raclette.engine.exam import check_engine
from raclette.primitives.errors import (
    ConfigError,
    DecodeError,
    InvalidCertificate,
    InvalidHeader,
    Misuse,
    NotYet,
)
from raclette.primitives.hashing import sha256d
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.protocols import PROTOCOLS, find_protocol
from raclette.protocols import make_engine as make_by_name
from raclette.protocols.nakamoto import BlockAnnouncement, HashSeal, IdealSeal, Nakamoto, make_engine, target_of
from raclette.protocols.nakamoto.mining import MINE, REFRESH
from raclette.protocols.nakamoto.waiting import EARLY_MAX, ORPHANS_MAX, WaitingRoom

PEER = b"p" * 32
EASY: dict[str, Any] = {"difficulty_rule": "fixed", "initial_difficulty": 1_000}


def follower(**parameters: Any) -> tuple[Node, Forge]:
    node = Node(parameters={**EASY, **parameters}, active=False)
    node.handle(Started(EPOCH))
    return node, Forge(node)


def miner(**parameters: Any) -> Node:
    node = Node(parameters={**EASY, **parameters})
    node.handle(Started(EPOCH))
    return node


def of(kind: type, effects: tuple[Effect, ...]) -> list[Any]:
    return [effect for effect in effects if isinstance(effect, kind)]


def reason_of(node: Node, block: Block, parent: Header = GENESIS, *, now: int | None = None) -> str:
    at = block.header.timestamp * SECOND if now is None else now
    with pytest.raises(InvalidHeader) as caught:
        node.engine.check_header(block.header, parent, node.chain.header, at)
    return caught.value.reason


# Headers.


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"difficulty": 999}, "difficulty"),
        ({"difficulty": 1}, "difficulty"),
        ({"difficulty": 2**256}, "difficulty"),
        ({"number": 2}, "not-a-child"),
        ({"parent_hash": b"\x01" * 32}, "not-a-child"),
        ({"mix_hash": b"\x01" * 32}, "mix-hash"),
        ({"uncles_hash": b"\x01" * 32}, "uncles"),
        ({"extra_data": bytes(33)}, "extra-data"),
        ({"timestamp": EPOCH_S}, "time-too-old"),
    ],
)
def test_a_header_that_breaks_one_rule_is_refused_by_that_rule(changes: dict[str, Any], reason: str) -> None:
    node, forge = follower()
    assert reason_of(node, forge.block(GENESIS, **changes)) == reason
    block = forge.block(GENESIS, **changes)
    effects = node.give(block)
    if reason == "not-a-child" and "parent_hash" in changes:
        assert of(Fetch, effects), "an unknown parent is not a fault"
    else:
        assert effects == (Accuse(PEER, reason),)
    assert node.chain.head == GENESIS


def test_a_cheaper_claim_with_its_own_work_done_does_not_buy_an_easier_block() -> None:
    """The difficulty is read from the rule, never from the sender: real hashes, a difficulty of one."""
    node = Node(parameters={"difficulty_rule": "fixed", "initial_difficulty": 1 << 30}, active=False, seal=HashSeal())
    cheap = Block(Header(GENESIS.hash, 1, EPOCH_S + 5, difficulty=1))
    assert HashSeal().holds(cheap.header, target_of(1))
    assert reason_of(node, cheap) == "difficulty"
    assert reason_of(node, Block(replace(cheap.header, difficulty=1 << 30))) == "proof-of-work"


def test_real_work_counts_and_its_seal_covers_everything_but_the_nonce() -> None:
    node = Node(parameters={"difficulty_rule": "fixed", "initial_difficulty": 64}, active=False, seal=HashSeal())
    header = Header(GENESIS.hash, 1, EPOCH_S + 5, difficulty=64)
    nonces = (header.sealed_with(number.to_bytes(8, "big")) for number in range(10_000))
    sealed = next(each for each in nonces if HashSeal().holds(each, target_of(64)))
    assert int.from_bytes(sha256d(sealed.prehash + sealed.nonce), "big") <= target_of(64)
    node.engine.check_header(sealed, GENESIS, node.chain.header, (EPOCH_S + 5) * SECOND)
    assert reason_of(node, Block(replace(sealed, mix_hash=b"\x01" * 32))) == "mix-hash"
    others = [replace(sealed, beneficiary=bytes([each]) * 20) for each in range(1, 200)]
    assert sum(HashSeal().holds(each, target_of(64)) for each in others) < 20


def test_an_ideal_nonce_is_worth_nothing_elsewhere() -> None:
    header = Header(GENESIS.hash, 1, EPOCH_S + 5)
    assert SEAL.holds(SEAL.seal(header), 0)
    assert not SEAL.holds(replace(SEAL.seal(header), timestamp=1), 0)
    assert not IdealSeal(b"other world").holds(SEAL.seal(header), 0)
    assert not SEAL.holds(header, 2**256 - 1)


def test_time_moves_forward_by_the_median_of_eleven() -> None:
    """Mutant N3 (no median time past) would take the second block."""
    node, forge = follower()
    chain = forge.branch(GENESIS, 11, after_s=10)
    for block in chain:
        node.give(block)
    median = chain[5].header.timestamp
    accepted = forge.block(chain[-1], timestamp=median + 1)
    refused = forge.block(chain[-1], timestamp=median)
    node.engine.check_header(accepted.header, chain[-1].header, node.chain.header, EPOCH + 1_000 * SECOND)
    assert reason_of(node, refused, chain[-1].header) == "time-too-old"


def test_sync_checks_headers_through_its_own_lookup() -> None:
    node, forge = follower()
    chain = forge.branch(GENESIS, 20)
    parent = GENESIS
    for block in chain:
        node.engine.check_header(block.header, parent, forge.headers.get, block.header.timestamp * SECOND)
        parent = block.header
    assert reason_of(node, forge.block(chain[-1]), chain[-1].header) == "ancestor-unknown"


# Early blocks.


def test_a_block_from_the_future_waits_and_is_judged_again_when_its_time_has_come() -> None:
    node, forge = follower()
    block = forge.block(GENESIS, after_s=100)
    assert issubclass(NotYet, InvalidHeader)
    assert reason_of(node, block, now=EPOCH) == "time-too-new"
    effects = node.give(block, now=EPOCH)
    assert of(Accuse, effects) == []
    assert effects == (SetTimer("nakamoto/recheck", 85 * SECOND),)
    node.run_timers(EPOCH + 85 * SECOND - 1)
    assert node.chain.head == GENESIS
    node.run_timers(EPOCH + 85 * SECOND)
    assert node.chain.head == block.header


def test_the_room_for_early_blocks_is_small_and_far_futures_do_not_enter() -> None:
    node, forge = follower()
    node.give(forge.block(GENESIS, after_s=10_000), now=EPOCH)
    assert node.engine.status()["early"] == 0
    for index in range(EARLY_MAX + 9):
        node.give(forge.block(GENESIS, after_s=100 + index), now=EPOCH)
    assert node.engine.status()["early"] == EARLY_MAX
    node.run_timers(EPOCH + 300 * SECOND)
    assert node.engine.status()["early"] == 0
    assert node.chain.head.timestamp == EPOCH_S + 100 + 9, "the first of those that were kept"


def test_a_child_of_an_early_block_waits_without_asking() -> None:
    node, forge = follower()
    early = forge.block(GENESIS, after_s=100)
    child = forge.block(early, after_s=1)
    node.give(early, now=EPOCH)
    assert of(Fetch, node.give(child, now=EPOCH)) == []
    node.run_timers(EPOCH + 86 * SECOND)
    assert node.chain.head == child.header


# Orphans.


def test_an_orphan_asks_for_its_parent_and_is_adopted_with_it_in_one_step() -> None:
    node, forge = follower()
    first, second, third = forge.branch(GENESIS, 3)
    assert node.give(third) == (Fetch(PEER, second.hash),)
    assert node.give(second) == (Fetch(PEER, first.hash),)
    effects = node.give(first, now=third.header.timestamp * SECOND)
    assert effects == (Adopt(third.hash),)
    assert node.engine.status()["orphans"] == 0


def test_an_orphan_on_an_orphan_asks_for_the_first_one_missing() -> None:
    node, forge = follower()
    chain = forge.branch(GENESIS, 4)
    assert node.give(chain[2]) == (Fetch(PEER, chain[1].hash),)
    assert node.give(chain[3]) == (Fetch(PEER, chain[1].hash),)


def test_orphans_without_work_are_not_kept_and_with_work_only_so_many() -> None:
    node, forge = follower()
    nowhere = replace(GENESIS, number=50, extra_data=b"nowhere")
    lazy = Block(replace(forge.block(nowhere).header, nonce=bytes(8)))
    assert node.give(lazy) == (Accuse(PEER, "proof-of-work"),)
    assert node.give(forge.block(nowhere, difficulty=3)) == (Accuse(PEER, "difficulty"),)
    for index in range(ORPHANS_MAX + 20):
        node.give(forge.block(nowhere, tag=b"%d" % index))
    assert node.engine.status()["orphans"] == ORPHANS_MAX


def test_a_waiting_room_is_bounded_in_bytes_too() -> None:
    room = WaitingRoom(10, bytes_max=5_000)
    blocks = [Block(replace(GENESIS, number=number), (bytes(1_000),)) for number in range(10)]
    for block in blocks:
        room.put(block, None)
        room.put(block, None)
    assert len(room) == 3
    assert blocks[-1].hash in room
    room.put(Block(GENESIS, (bytes(5_000),)), None)
    assert len(room) == 3
    assert room.take(b"") is None
    assert [waiting.block for waiting in room.take_until(EPOCH_S)] == blocks[-3:]
    assert room.earliest() is None


def test_an_announcement_is_treated_as_the_block_it_carries() -> None:
    node, forge = follower()
    block = forge.block(GENESIS)
    now = block.header.timestamp * SECOND
    bare = BlockAnnouncement(block.header)
    assert node.handle(Received(now, PEER, bare)) == (Fetch(PEER, block.hash),)
    assert node.handle(Received(now, PEER, bare.with_block(block))) == (Adopt(block.hash),)
    assert node.handle(Received(now, PEER, bare)) == ()
    assert node.handle(Received(now, PEER, bare.with_block(block))) == ()
    assert node.chain.checked == 1, "a second copy is not executed"
    with pytest.raises(Misuse):
        bare.with_block(Block(GENESIS))


# The head.


def test_a_block_that_fails_execution_is_remembered_and_so_are_its_children() -> None:
    node, forge = follower()
    bad, child, grandchild = forge.branch(GENESIS, 3)
    node.chain.forbidden.add(bad.hash)
    assert node.give(bad) == (Accuse(PEER, "state-root"),)
    assert node.give(bad) == (Accuse(PEER, "known-invalid"),)
    assert node.give(child) == (Accuse(PEER, "known-invalid"),)
    assert node.give(grandchild, peer=b"q" * 32) == (Accuse(b"q" * 32, "known-invalid"),)
    assert node.chain.head == GENESIS
    good = forge.block(GENESIS, tag=b"good")
    assert node.give(good) == (Adopt(good.hash),)


def test_the_head_follows_work_and_reports_how_deep_it_went() -> None:
    node, forge = follower()
    for block in forge.branch(GENESIS, 30):
        node.give(block)
    rival = forge.branch(GENESIS, 31, tag=b"rival")
    for block in rival[:-1]:
        assert of(Adopt, node.give(block)) == []
    assert node.give(rival[-1]) == (Adopt(rival[-1].hash),)
    assert node.engine.status()["reorganisations"] == 1
    assert node.engine.status()["deepest_reorganisation"] == 30


def test_a_restarted_engine_takes_up_where_the_chain_stands() -> None:
    node, forge = follower()
    chain = forge.branch(GENESIS, 5)
    side = forge.branch(chain[1], 3, tag=b"side")
    for block in [*chain, *side[:2]]:
        node.give(block)
    again = Node(parameters=EASY, active=False, chain=node.chain)
    assert again.give(side[2]) == (), "a draw with a head that was seen first"
    assert again.give(top := forge.block(side[2])) == (Adopt(top.hash),)


def test_depth_makes_final_only_where_the_chain_says_so() -> None:
    node, forge = follower(finality_depth=3)
    chain = forge.branch(GENESIS, 6)
    finals = [of(Finalize, node.give(block)) for block in chain]
    assert finals == [[], [], [], *[[Finalize(chain[index].hash, b"")] for index in range(3)]]
    rebels = forge.branch(chain[0], 20, tag=b"rebel")
    for block in rebels:
        assert node.give(block)[1:] == ()
    assert node.chain.head == chain[-1].header
    assert node.chain.header(rebels[0].hash) is None, "not even executed"
    loyal = forge.branch(chain[2], 4, tag=b"loyal")
    for block in loyal:
        node.give(block)
    assert node.chain.head == loyal[-1].header, "above what is final anything may change"
    never, forge = follower()
    for block in forge.branch(GENESIS, 50):
        assert of(Finalize, never.give(block)) == []


def test_a_newcomer_is_not_bound_by_the_first_branch_that_it_is_shown() -> None:
    """Found with the liar `long-range`: a minority's private branch, however deep, was final the moment it came."""
    node, forge = follower(finality_depth=3, block_interval_s=10)
    private, public = forge.branch(GENESIS, 8, tag=b"private"), forge.branch(GENESIS, 9)
    now = EPOCH + 3_600 * SECOND
    for block in private:
        assert of(Finalize, node.give(block, now=now)) == []
    for block in public:
        assert of(Finalize, node.give(block, now=now + 14 * SECOND)) == [], "15 seconds are half of three blocks"
    assert node.chain.head == public[-1].header
    late = forge.branch(public[-1], 2)
    assert of(Finalize, node.give(late[0], now=now + 28 * SECOND)) == [], "the public branch came 14 seconds ago"
    assert of(Finalize, node.give(late[1], now=now + 29 * SECOND)) == [Finalize(public[7].hash, b"")]


def test_finality_waits_for_what_stayed_not_for_what_left() -> None:
    """The part of the branch below a fork keeps its age when the head changes sides."""
    node, forge = follower(finality_depth=2, block_interval_s=10)
    trunk = forge.branch(GENESIS, 3)
    for block in trunk:
        node.give(block, now=EPOCH + 100 * SECOND)
    first, second = forge.branch(trunk[2], 2, tag=b"first"), forge.branch(trunk[2], 3, tag=b"second")
    for block in (*first, *second[:2]):
        assert of(Finalize, node.give(block, now=EPOCH + 105 * SECOND)) == []
    finals = of(Finalize, node.give(second[2], now=EPOCH + 111 * SECOND))
    assert finals == [Finalize(trunk[2].hash, b"")], "the trunk is 11 seconds old, the branch on it is new"


def test_ghost_is_the_same_engine_with_the_other_rule() -> None:
    heads = []
    for fork_choice in ("heaviest", "ghost"):
        node, forge = follower(fork_choice=fork_choice)
        root = forge.block(GENESIS, tag=b"honest")
        uncles = [forge.block(root, tag=bytes([index])) for index in range(4)]
        attack = forge.branch(GENESIS, 4, tag=b"attack")
        for block in [root, *uncles, *attack]:
            node.give(block)
        heads.append(node.chain.head)
    assert heads == [attack[-1].header, uncles[0].header]


# Mining.


def test_a_started_miner_searches_on_its_head_and_an_observer_does_not() -> None:
    node = miner()
    assert node.search is not None
    header = node.search.header
    assert (header.parent_hash, header.difficulty, header.timestamp) == (GENESIS.hash, 1_000, EPOCH_S + 1)
    assert node.search.target == target_of(1_000)
    assert header.extra_data == node.id[:8]
    watching, _ = follower()
    assert watching.search is None
    assert watching.handle(Pending(EPOCH)) == ()
    assert watching.handle(Sealed(EPOCH, SEAL.seal(header))) == ()


def test_a_sealed_block_is_checked_adopted_and_then_published() -> None:
    node = miner()
    assert node.search is not None
    sealed = SEAL.seal(node.search.header)
    now = EPOCH + 3 * SECOND
    effects = node.handle(Sealed(now, sealed))
    assert [type(effect) for effect in effects] == [Adopt, StopSealing, CancelTimer, SetTimer, Publish]
    assert effects[0] == Adopt(sealed.hash)
    assert effects[-1] == Publish(BlockAnnouncement(sealed, Block(sealed)))
    assert node.chain.checked == 1
    node.run_timers(now + 10 * MILLISECOND)
    assert node.search is not None
    assert node.search.header.parent_hash == sealed.hash
    assert node.handle(Sealed(now, sealed)) == (), "found twice, or late: nobody asked"


def test_a_nonce_that_proves_nothing_publishes_nothing_and_mining_goes_on() -> None:
    node = miner()
    assert node.search is not None
    effects = node.handle(Sealed(EPOCH, node.search.header.sealed_with(b"\xff" * 8)))
    assert of(Publish, effects) == of(Adopt, effects) == of(Accuse, effects) == []
    assert of(Seal, effects)


def test_only_a_valid_block_stops_the_search() -> None:
    """The mistake to avoid: a stranger's shout of "mining complete" that stops others."""
    node = miner()
    forge = Forge(node)
    invalid = Block(replace(forge.block(GENESIS).header, nonce=bytes(8)))
    for effects in (node.give(invalid), node.give(forge.block(replace(GENESIS, number=9)))):
        assert of(StopSealing, effects) == of(Seal, effects) == []
    valid = forge.block(GENESIS)
    effects = node.give(valid)
    assert effects[:2] == (Adopt(valid.hash), StopSealing())
    assert node.search is None
    node.run_timers((valid.header.timestamp + 1) * SECOND)
    assert node.search is not None
    assert node.search.header.parent_hash == valid.hash


def test_new_transactions_renew_the_candidate_but_not_too_often() -> None:
    node = miner(refresh_ms=1_000)
    node.chain.pool.append(b"pay")
    assert node.handle(Pending(EPOCH + 300 * MILLISECOND)) == (SetTimer(REFRESH, 700 * MILLISECOND),)
    assert node.handle(Pending(EPOCH + 400 * MILLISECOND)) == (), "already due"
    node.run_timers(EPOCH + 999 * MILLISECOND)
    assert node.chain.built == 1
    old = node.search
    node.run_timers(EPOCH + 1_000 * MILLISECOND)
    assert node.chain.built == 2
    assert node.search is not None
    assert node.search != old
    # A nonce for the replaced candidate, found meanwhile, still makes a block.
    assert old is not None
    assert of(Adopt, node.handle(Sealed(EPOCH + SECOND, SEAL.seal(old.header))))


def test_a_candidate_s_time_is_renewed() -> None:
    node = miner(time_refresh_ms=5_000)
    assert node.search is not None
    assert node.search.header.timestamp == EPOCH_S + 1
    node.run_timers(EPOCH + 20 * SECOND)
    assert node.search.header.timestamp == EPOCH_S + 20
    assert node.chain.built == 5


def test_without_empty_blocks_a_miner_waits_for_a_transaction() -> None:
    node = miner(mine_empty=False)
    assert node.search is None
    node.chain.pool.append(b"pay")
    node.handle(Pending(EPOCH + SECOND))
    node.run_timers(EPOCH + SECOND)
    search = node.search
    assert search is not None
    node.chain.pool.clear()
    effects = node.handle(Sealed(EPOCH + 2 * SECOND, SEAL.seal(search.header)))
    (published,) = of(Publish, effects)
    assert published.message.block.transactions == (b"pay",)
    node.run_timers(EPOCH + 60 * SECOND)
    assert node.search is None


def test_a_chain_that_runs_ahead_of_the_clock_is_not_mined_until_it_may_be() -> None:
    """More than a block a second drives the median ahead; a candidate beyond the limit would be refused by all."""
    node = miner(future_limit_s=3)
    forge = Forge(node)
    for block in forge.branch(GENESIS, 30, after_s=1):
        node.give(block, now=EPOCH + 27 * SECOND)
    node.run_timers(EPOCH + 27 * SECOND + 5 * MILLISECOND)
    assert node.search is not None
    for block in forge.branch(node.chain.head, 12, after_s=0, timestamp=EPOCH_S + 30 + 3):
        node.give(block, now=EPOCH + 30 * SECOND)
        if node.chain.head.number == 41:
            break
    node.run_timers(EPOCH + 30 * SECOND + 5 * MILLISECOND)
    assert node.search is None
    assert node.timers[MINE] == EPOCH + 31 * SECOND
    node.run_timers(EPOCH + 31 * SECOND)
    assert node.search is not None
    assert node.search.header.timestamp == EPOCH_S + 34


def test_the_reward_halves_and_its_sum_is_finite() -> None:
    node, _ = follower(reward=1 << 20, halving_interval=10)
    assert [node.engine.reward(number) for number in (0, 1, 9, 10, 19, 20, 200, 210)] == [
        0, 1 << 20, 1 << 20, 1 << 19, 1 << 19, 1 << 18, 1, 0,
    ]  # fmt: skip
    total = sum(node.engine.reward(number) for number in range(1_000))
    assert total == 10 * ((1 << 21) - 1) - (1 << 20), "genesis earns nothing"
    assert node.engine.reward(2**63) == 0
    default, _ = follower()
    assert default.engine.reward(2_100) * 2 == default.engine.reward(2_099)


# Contract.


def test_the_engine_passes_the_exam_of_engines() -> None:
    parameters = {"difficulty_rule": "asert", "initial_difficulty": 64, "minimum_difficulty": 8, "time_refresh_ms": 200}
    check_engine(make_engine, parameters)
    check_engine(make_engine, {**parameters, "fork_choice": "ghost", "difficulty_rule": "fixed"}, seed=2)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"forkchoice": "ghost"}, "config.protocol.forkchoice: unknown key; accepted: fork_choice, difficulty_rule"),
        (
            {"fork_choice": "longest"},
            "config.protocol.fork_choice: 'longest' cannot be used; accepted: heaviest, ghost",
        ),
        ({"half_life_s": 0}, "config.protocol.half_life_s: 0 cannot be used"),
        ({"half_life_s": "60"}, "config.protocol.half_life_s: '60' cannot be used"),
        ({"mine_empty": 1}, "config.protocol.mine_empty"),
        ({"initial_difficulty": 5, "minimum_difficulty": 6}, "minimum_difficulty is above initial_difficulty"),
    ],
)
def test_a_bad_parameter_is_named_by_its_path_with_what_is_accepted(parameters: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Node(parameters=parameters)
    assert said in str(caught.value)


def test_the_registry_makes_engines_by_name_and_lists_the_names() -> None:
    assert list(PROTOCOLS)[:2] == ["nakamoto", "pbft"]
    node, _ = follower()
    setup = node.engine_setup(EASY)
    assert isinstance(make_by_name("nakamoto", setup, seal_check=SEAL), Nakamoto)
    assert isinstance(make_by_name("nakamoto", setup), Nakamoto)
    assert find_protocol("nakamoto").parameters.model_fields["reward"].default == 50 * 10**18
    assert all(protocol.description for protocol in PROTOCOLS.values())
    with pytest.raises(ConfigError, match=r"config\.protocol\.name: unknown protocol 'raft'; accepted: nakamoto, pbft"):
        make_by_name("raft", setup)


def test_messages_survive_the_wire_without_their_body() -> None:
    node, forge = follower()
    block = forge.block(GENESIS)
    message = BlockAnnouncement(block.header, block)
    assert node.engine.decode(node.engine.encode(message)) == BlockAnnouncement(block.header)
    assert message.claims() == ()

    class Foreign:
        kind: ClassVar[str] = "foreign"

        def claims(self) -> tuple[()]:
            return ()

    with pytest.raises(Misuse):
        node.engine.encode(Foreign())
    with pytest.raises(DecodeError):
        node.engine.decode(bytes(10_000))


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=700), cut=st.integers(0, 700), at=st.integers(0, 699))
def test_what_strangers_send_decodes_or_is_refused_with_our_own_error(data: bytes, cut: int, at: int) -> None:
    node, forge = follower()
    good = node.engine.encode(BlockAnnouncement(forge.block(GENESIS).header))
    flipped = bytearray(good)
    flipped[at % len(good)] ^= 1 + at % 255
    for payload in (data, good[: cut % len(good)], bytes(flipped), good + data):
        try:
            message = node.engine.decode(payload)
        except DecodeError:
            continue
        assert node.engine.encode(message) == payload


def test_no_certificate_is_ever_accepted_and_nobody_is_a_validator() -> None:
    node, _ = follower()
    for certificate in (b"", b"proof"):
        with pytest.raises(InvalidCertificate):
            node.engine.check_certificate(GENESIS, certificate)
    assert node.engine.validators() == ()
    assert not node.engine.needs_certificate


def test_a_timer_of_nobody_and_a_message_of_nobody_change_nothing() -> None:
    node = miner()
    before = node.engine.status()
    assert node.handle(TimerFired(EPOCH, "somebody else's")) == ()
    assert node.engine.status() == before


def test_the_status_tells_people_what_is_going_on() -> None:
    chain = FakeChain()
    node = Node(parameters=EASY, chain=chain)
    node.handle(Started(EPOCH))
    forge = Forge(node)
    for block in forge.branch(GENESIS, 21, after_s=5):
        node.give(block)
    status = node.engine.status()
    assert status["hashes_per_s"] == 200, "20 blocks of 1,000 hashes in 100 seconds"
    assert status["head"]["number"] == 21
    assert status["difficulty"] == 1_000
    assert status["mining"] is False
    assert int(status["target"], 16) == target_of(1_000)
