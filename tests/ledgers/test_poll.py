"""Poll: who may vote, once, on what, when; and what anybody can read of it."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from poll_world import ALICE, ALLOC, BOB, CAROL, CHAIN, DAVE, DINNER, MINER, World, opening, secret

from raclette.chain.ledger import BlockContext
from raclette.chain.ledger_exam import LedgerSamples, check_ledger
from raclette.chain.mempool import Mempool
from raclette.chain.roll import ROLL_ADDRESS, read_roll, sign_entry
from raclette.chain.transaction import sign_transaction, sign_transfer
from raclette.ledgers.poll import (
    POLL_ADDRESS,
    Commit,
    Enrol,
    Poll,
    Reveal,
    Vote,
    commitment,
    encode_action,
    sign_action,
)
from raclette.ledgers.poll.actions import decode_action, gas_for
from raclette.ledgers.poll.limits import CHOICES_MAX, VOTERS_PER_ACTION_MAX
from raclette.primitives.errors import ConfigError, InvalidBlock, Misuse, Refused
from raclette.primitives.keys import AccountKey, checksum_address
from raclette.primitives.rlp import encode
from raclette.primitives.signing import Ed25519Signer

SALT = b"\x5a" * 32


def hide(key: AccountKey, choice: int, salt: bytes = SALT, name: bytes = b"board") -> Commit:
    return Commit(name, commitment(CHAIN, name, key.address, choice, salt))


def samples() -> LedgerSamples:
    def sign(key: AccountKey, nonce: int, action: Any) -> bytes:
        return sign_action(key, chain_id=CHAIN, nonce=nonce, action=action)

    return LedgerSamples(
        alloc=ALLOC,
        context=BlockContext(number=1, timestamp=1, beneficiary=MINER, base_fee=0, gas_limit=30_000_000, reward=50),
        valid=[
            sign(ALICE, 0, Vote(b"dinner", 0)),
            sign(ALICE, 1, opening()),
            sign(BOB, 0, Vote(b"new", 1)),
            sign(CAROL, 0, hide(CAROL, 1)),
            sign(ALICE, 2, Enrol(b"new", (DAVE.address,))),
            sign(DAVE, 0, Vote(b"new", 0)),
        ],
        invalid=[
            sign(BOB, 0, Vote(b"nothing", 0)),
            sign(BOB, 1, Vote(b"dinner", 7)),
            sign(DAVE, 0, Vote(b"dinner", 0)),
            sign(CAROL, 5, Vote(b"dinner", 0)),
        ],
        undecodable=[
            b"",
            b"\xc0",
            b"cheese",
            bytes(64),
            sign_transfer(ALICE, chain_id=CHAIN, nonce=0, to=MINER, value=0),
        ],
    )


@pytest.mark.parametrize("beneficiary", [MINER, ALICE.address], ids=["stranger", "voter"])
def test_poll_passes_the_exam(beneficiary: bytes) -> None:
    parameters = {"elections": [DINNER, secret()]}
    wanted = replace(samples(), context=replace(samples().context, beneficiary=beneficiary))
    check_ledger(lambda: Poll(CHAIN, parameters=parameters), wanted)


# Open elections


def test_each_voter_has_one_vote_and_everybody_reads_the_tally() -> None:
    world = World()
    world.block(world.ask(ALICE, Vote(b"dinner", 0)), world.ask(BOB, Vote(b"dinner", 1)))
    world.block(world.ask(CAROL, Vote(b"dinner", 0)))
    tally = world.tally()
    assert tally["counts"] == {"raclette": 2, "fondue": 1}
    assert (tally["enrolled"], tally["cast"], tally["unrevealed"], tally["final"]) == (3, 3, 0, False)
    ballot = world.poll.query("ballot", ["dinner", BOB.address], world.state)
    assert ballot == {"standing": "cast", "choice": "fondue", "commitment": None}


def test_a_second_ballot_of_a_voter_is_refused_as_duplicate() -> None:
    world = World()
    world.block(world.ask(BOB, Vote(b"dinner", 1)))
    refused = world.refusal(BOB, Vote(b"dinner", 0))
    assert refused.reason == "duplicate-vote"
    assert str(refused).startswith("Invalid/duplicate vote: 0x")
    with pytest.raises(InvalidBlock, match="duplicate-vote"):
        world.block(world.ask(BOB, Vote(b"dinner", 1)))
    assert world.tally()["counts"] == {"raclette": 0, "fondue": 1}


def test_two_ballots_of_a_voter_in_one_block_count_once() -> None:
    world = World()
    both = [world.ask(BOB, Vote(b"dinner", choice), nonce=choice) for choice in (0, 1)]
    execution = world.block(*both, strict=False)
    assert execution.included == both[:1]
    assert execution.refused == [(both[1], "duplicate-vote")]


@pytest.mark.parametrize(
    ("key", "action", "reason"),
    [
        (DAVE, Vote(b"dinner", 0), "not-enrolled"),
        (BOB, Vote(b"breakfast", 0), "unknown-election"),
        (BOB, Vote(b"dinner", 2), "unknown-choice"),
        (BOB, Vote(b"dinner", 2**32 - 1), "unknown-choice"),
        (BOB, hide(BOB, 0, name=b"dinner"), "wrong-ballot"),
        (BOB, Vote(b"board", 0), "wrong-ballot"),
        (BOB, Reveal(b"board", 0, SALT), "nothing-to-reveal"),
        (BOB, Enrol(b"dinner", (DAVE.address,)), "no-organiser"),
        (DAVE, opening(), "no-organiser"),
        (ALICE, opening(b"dinner"), "election-exists"),
        (ALICE, opening(closes=1), "election-closed"),
    ],
)
def test_what_cannot_count_is_refused_with_the_reason(key: AccountKey, action: Any, reason: str) -> None:
    assert World(DINNER, secret()).refusal(key, action).reason == reason


def test_votes_count_from_the_opening_height_to_the_closing_one() -> None:
    world = World({**DINNER, "opens": 2, "closes": 3})
    assert world.refusal(ALICE, Vote(b"dinner", 0)).reason == "election-pending"
    world.block()
    assert world.poll.query("election", ["dinner"], world.state)["phase"] == "voting"
    world.block(world.ask(ALICE, Vote(b"dinner", 0)))
    assert world.refusal(BOB, Vote(b"dinner", 1)).reason == "election-closed"
    tally = world.tally()
    assert (tally["final"], tally["winners"]) == (True, ["raclette"])


def test_an_organiser_opens_an_election_and_enrols_more_voters_until_it_closes() -> None:
    world = World(organisers=[checksum_address(ALICE.address)])
    assert world.refusal(BOB, opening()).reason == "no-organiser"
    world.block(world.ask(ALICE, opening(closes=4)))
    assert world.refusal(DAVE, Vote(b"new", 0)).reason == "not-enrolled"
    world.block(world.ask(ALICE, Enrol(b"new", (DAVE.address,))))
    assert world.refusal(ALICE, Enrol(b"new", (CAROL.address,))).reason == "already-enrolled"
    world.block(world.ask(DAVE, Vote(b"new", 0)))
    assert world.refusal(ALICE, Enrol(b"new", (ALICE.address,))).reason == "election-closed"
    assert world.tally("new")["winners"] == ["this"]
    assert world.poll.query("elections", [], world.state) == ["dinner", "new"]


def test_an_organiser_may_open_and_vote_in_one_go_but_strangers_may_not_wait_in_the_pool() -> None:
    world = World()
    pool = Mempool(world.poll)
    opens = opening()._replace(voters=(ALICE.address,))
    for transaction in (world.ask(ALICE, opens, 0), world.ask(ALICE, Vote(b"new", 0), 1)):
        pool.add(transaction, world.state)
    with pytest.raises(Refused) as refused:
        pool.add(world.ask(DAVE, Vote(b"new", 0), 1), world.state)
    assert refused.value.reason == "unknown-election"
    execution = world.block(*pool.candidates())
    assert len(execution.included) == 2
    pool.included(execution.included, world.state)
    assert len(pool) == 0


# Secret ones


def test_a_secret_election_shows_nothing_until_it_is_closed_and_revealed() -> None:
    world = World(secret())
    world.block(*(world.ask(key, hide(key, choice)) for key, choice in ((ALICE, 1), (BOB, 1), (CAROL, 0))))
    tally = world.tally("board")
    assert (tally["counts"], tally["cast"], tally["unrevealed"]) == ({"raclette": 0, "fondue": 0}, 3, 3)
    assert world.refusal(ALICE, Reveal(b"board", 1, SALT)).reason == "election-open"
    assert world.refusal(ALICE, hide(ALICE, 0)).reason == "duplicate-vote"
    world.block()
    assert world.refusal(BOB, Reveal(b"board", 0, SALT)).reason == "wrong-reveal"
    world.block(*(world.ask(key, Reveal(b"board", 1, SALT)) for key in (ALICE, BOB)))
    assert world.refusal(BOB, Reveal(b"board", 1, SALT)).reason == "duplicate-vote"
    world.block()
    tally = world.tally("board")
    assert (tally["counts"], tally["winners"]) == ({"raclette": 0, "fondue": 2}, ["fondue"])
    assert (tally["unrevealed"], tally["final"]) == (1, True)
    assert world.refusal(CAROL, Reveal(b"board", 0, SALT)).reason == "election-closed"


def test_a_commitment_is_its_voters_own_and_cannot_be_copied() -> None:
    """Carol repeats Alice's commitment without knowing what it hides, and later Alice's salt does not open it."""
    world = World(secret())
    world.block(world.ask(ALICE, hide(ALICE, 1)), world.ask(CAROL, hide(ALICE, 1)))
    world.block()
    world.block(world.ask(ALICE, Reveal(b"board", 1, SALT)))
    assert world.refusal(CAROL, Reveal(b"board", 1, SALT)).reason == "wrong-reveal"


def test_a_draw_has_all_its_winners_and_an_election_without_votes_none() -> None:
    world = World({**DINNER, "closes": 3}, {**DINNER, "id": "empty", "closes": 2})
    world.block(world.ask(ALICE, Vote(b"dinner", 0)), world.ask(BOB, Vote(b"dinner", 1)))
    world.block()
    assert world.tally()["winners"] == ["raclette", "fondue"]
    assert world.tally("empty")["winners"] == []


# Bytes


def reason(raw: bytes) -> str:
    try:
        Poll(CHAIN).decode(raw)
    except Refused as refused:
        return refused.reason
    return ""


def sent(data: bytes, *, to: bytes = POLL_ADDRESS, value: int = 0, gas: int = 10**6) -> bytes:
    return sign_transaction(BOB, chain_id=CHAIN, nonce=0, to=to, value=value, data=data, gas=gas)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (sent(b""), "bad-action"),
        (sent(encode([b"\x09", b"dinner"])), "bad-action"),
        (sent(encode([b"\x03", b"dinner"])), "bad-action"),
        (sent(encode([b"\x03", b"dinner", b"\x00"])), "bad-action"),
        (sent(encode([b"\x03", b"dinner", [b"\x01"]])), "bad-action"),
        (sent(encode([b"\x04", b"board", bytes(31)])), "bad-action"),
        (sent(encode([b"\x02", b"dinner", [BOB.address] * 2])), "bad-action"),
        (sent(encode([b"\x02", b"dinner", [n.to_bytes(20) for n in range(VOTERS_PER_ACTION_MAX + 1)]])), "bad-action"),
        (sent(encode_action(Vote(b"dinner", 1)), value=1), "no-money"),
        (sent(b"", to=BOB.address), "no-money"),
        (sent(encode_action(Vote(b"dinner", 1)), gas=21_000), "intrinsic-gas"),
        (sent(encode_action(Vote(b"dinner", 1)), gas=10**9), "gas-limit"),
        (sent(encode_action(opening(b"No Name"))), "bad-election"),
        (sent(encode_action(opening(question=b""))), "bad-election"),
        (sent(encode_action(opening(question=b"\xff"))), "bad-election"),
        (sent(encode_action(opening(choices=(b"one",)))), "bad-election"),
        (sent(encode_action(opening(choices=(b"one", b"one")))), "bad-election"),
        (sent(encode_action(opening(choices=tuple(b"%d" % n for n in range(CHOICES_MAX + 1))))), "bad-election"),
        (sent(encode_action(opening(opens=5, closes=5))), "bad-election"),
        (sent(encode_action(opening(closes=5, reveals=5))), "bad-election"),
    ],
)
def test_transactions_that_ask_for_nonsense_are_refused(raw: bytes, why: str) -> None:
    assert reason(raw) == why


@given(st.binary(max_size=200))
def test_any_data_is_an_action_or_refused(data: bytes) -> None:
    try:
        action = decode_action(data, ALICE.address)
    except Refused:
        return
    assert encode_action(action) == data


addresses = st.lists(st.binary(min_size=20, max_size=20), max_size=4, unique=True).map(tuple)
actions = st.one_of(
    st.builds(Vote, st.binary(max_size=32), st.integers(0, 2**32 - 1)),
    st.builds(Commit, st.binary(max_size=32), st.binary(min_size=32, max_size=32)),
    st.builds(Reveal, st.binary(max_size=32), st.integers(0, 2**32 - 1), st.binary(min_size=32, max_size=32)),
    st.builds(Enrol, st.binary(max_size=32), addresses),
    st.builds(lambda opens, lasts, voters: opening(opens=opens, closes=opens + lasts)._replace(voters=voters),
              st.integers(0, 2**62), st.integers(1, 2**62 - 1), addresses),
)  # fmt: skip


@given(actions)
def test_an_action_decodes_to_itself_and_its_gas_is_known_before_it_is_signed(action: Any) -> None:
    data = encode_action(action)
    assert decode_action(data, ALICE.address) == action
    transaction = Poll(CHAIN, gas_limit=2**40).decode(sign_action(ALICE, chain_id=CHAIN, nonce=0, action=action))
    assert transaction.gas == transaction.detail.gas == gas_for(POLL_ADDRESS, data)


# Roll, genesis, questions


def test_who_has_a_stake_enters_its_node_on_the_roll() -> None:
    world = World()
    node = Ed25519Signer(b"\x07" * 32)

    def enter(key: AccountKey) -> bytes:
        data = sign_entry(node, CHAIN, key.address)
        gas = gas_for(ROLL_ADDRESS, data)
        return sign_transaction(key, chain_id=CHAIN, nonce=0, to=ROLL_ADDRESS, data=data, gas=gas)

    with pytest.raises(Refused) as refused:
        world.poll.admit(world.poll.decode(enter(DAVE)), world.state)
    assert refused.value.reason == "no-stake"
    assert world.block(world.poll.decode(enter(BOB))).receipts[0].succeeded
    assert read_roll(world.state) == ((node.public_key, BOB.address),)
    assert world.poll.stake(BOB.address, world.state) == 1_000
    data = sign_entry(node, CHAIN, CAROL.address)
    raw = sign_transaction(CAROL, chain_id=CHAIN, nonce=0, to=ROLL_ADDRESS, data=data, gas=gas_for(ROLL_ADDRESS, data))
    assert not world.block(world.poll.decode(raw)).receipts[0].succeeded


def test_rewards_are_the_only_money_that_comes_and_nothing_moves() -> None:
    world = World()
    world.block(world.ask(BOB, Vote(b"dinner", 0)), reward=50)
    assert world.poll.query("balance", [MINER], world.state) == 50
    assert world.poll.supply(world.state.entries.items()) == 3_050


@pytest.mark.parametrize(
    ("election", "path"),
    [
        ({**DINNER, "speed": 1}, r"elections\[0\]\.speed is unknown"),
        ({**DINNER, "id": 5}, r"elections\[0\]\.id is 5"),
        ({**DINNER, "id": "A b"}, r"elections\[0\]: an election's name is"),
        ({**DINNER, "choices": "both"}, r"elections\[0\]\.choices is 'both'"),
        ({**DINNER, "voters": ["0x12"]}, r"elections\[0\]\.voters\[0\]"),
        ({**DINNER, "voters": "all"}, r'elections\[0\]\.voters is \'all\'; accepted: "alloc" or a list'),
        ({**DINNER, "closes": 0}, r"elections\[0\]: it opens at height 0 and closes at 0"),
        ({**DINNER, "organiser": "me"}, r"elections\[0\]\.organiser"),
        (5, r"elections\[0\] is 5"),
    ],
)
def test_a_genesis_election_that_cannot_be_is_refused_with_its_path(election: Any, path: str) -> None:
    with pytest.raises(ConfigError, match=path):
        Poll(CHAIN, parameters={"elections": [election]})


def test_other_mistakes_in_genesis_are_refused_with_their_path() -> None:
    who = checksum_address(ALICE.address)
    for make, path in (
        (lambda: Poll(CHAIN, base_fee=1), "baseFeePerGas is 1"),
        (lambda: Poll(CHAIN, parameters={"colour": "red"}), r"config\.ledger\.colour is unknown"),
        (lambda: Poll(CHAIN, parameters={"organisers": [who, who]}), "an address stands twice"),
        (
            lambda: Poll(CHAIN, parameters={"elections": [DINNER] * 2}).genesis(ALLOC),
            r"\[1\]\.id: 'dinner' stands twice",
        ),
        (lambda: Poll(CHAIN).genesis({who: {"nonce": 1}}), r"\.nonce is unknown"),
        (lambda: Poll(CHAIN).genesis({who: {}, who.lower(): {}}), "stands twice in alloc"),
        (
            lambda: Poll(CHAIN).genesis({who: {"balance": 2**192}, checksum_address(MINER): {"balance": 1}}),
            "alloc holds",
        ),
    ):
        with pytest.raises(ConfigError, match=path):
            make()


@pytest.mark.parametrize(
    ("path", "arguments"),
    [("outputs", []), ("tally", []), ("tally", [5]), ("ballot", ["dinner", "0x12"]), ("balance", [b"\x01"])],
)
def test_a_bad_question_is_misuse(path: str, arguments: list[Any]) -> None:
    world = World()
    with pytest.raises(Misuse):
        world.poll.query(path, arguments, world.state)


def test_what_nobody_has_heard_of_is_none() -> None:
    world = World()
    for path in ("tally", "election"):
        assert world.poll.query(path, ["none"], world.state) is None
    assert world.poll.query("ballot", ["dinner", DAVE.address], world.state) is None
    assert world.poll.query("whois", ["nobody"], world.state) is None
