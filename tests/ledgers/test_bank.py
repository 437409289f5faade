"""The bank's rules, to the wei."""

from typing import Any

import pytest
from bank_world import ALICE, BOB, CAROL, CHAIN, MINER, TRANSFER, World
from hypothesis import given, settings
from hypothesis import strategies as st

from raclette.chain.genesis import even_alloc
from raclette.chain.ledger import Standing
from raclette.chain.receipt import Receipt
from raclette.chain.transaction import ACCESS_LIST, LEGACY, sign_transaction
from raclette.ledgers.bank import Bank, sample_transfers
from raclette.ledgers.bank.account import decode_account, encode_account
from raclette.primitives import rlp
from raclette.primitives.errors import ConfigError, InvalidBlock, Misuse, Refused, StoreDamaged
from raclette.primitives.keys import checksum_address


def test_a_transfer_moves_money_and_pays_its_fee_to_the_beneficiary() -> None:
    world = World()
    execution = world.block(world.pay(ALICE, BOB, 100, max_fee=3))
    assert world.balance(ALICE) == 1_000_000 - 100 - 3 * TRANSFER
    assert world.balance(BOB) == 500_100
    assert world.balance(MINER) == 3 * TRANSFER
    assert world.nonce(ALICE) == 1
    assert world.nonce(BOB) == 0
    assert execution.receipts == [Receipt(True, TRANSFER, 2)]
    assert execution.gas_used == TRANSFER
    assert world.supply() == 1_500_000


def test_the_base_fee_goes_to_the_beneficiary_too() -> None:
    """In Ethereum it is burnt; here supply is conserved."""
    world = World(base_fee=5)
    world.block(world.pay(ALICE, BOB, 0, max_fee=20, max_priority_fee=2))
    assert world.balance(MINER) == 7 * TRANSFER
    assert world.balance(ALICE) == 1_000_000 - 7 * TRANSFER
    assert world.supply() == 1_500_000


def test_the_sender_pays_for_gas_used_and_not_for_gas_bid() -> None:
    world = World()
    world.block(world.pay(ALICE, BOB, 0, max_fee=1, gas=500_000))
    assert world.balance(MINER) == TRANSFER


def test_each_type_of_transaction_is_paid_by_its_own_price() -> None:
    world = World()
    execution = world.block(
        world.pay(ALICE, CAROL, 1, max_fee=1, kind=LEGACY),
        world.pay(ALICE, CAROL, 1, max_fee=1, kind=ACCESS_LIST, access_list=((MINER, ()),), nonce=1),
        world.pay(ALICE, CAROL, 1, max_fee=4, max_priority_fee=1, nonce=2, data=b"\x00\x01"),
    )
    assert [receipt.type for receipt in execution.receipts] == [0, 1, 2]
    assert [receipt.cumulative_gas for receipt in execution.receipts] == [21_000, 44_400, 65_420]
    assert world.balance(MINER) == 65_420


def test_money_sent_to_oneself_costs_the_fee_only() -> None:
    world = World()
    world.block(world.pay(ALICE, ALICE, 900_000, max_fee=1))
    assert world.balance(ALICE) == 1_000_000 - TRANSFER


def test_a_sender_who_is_the_beneficiary_pays_itself() -> None:
    world = World()
    world.block(world.pay(ALICE, BOB, 10, max_fee=5), beneficiary=ALICE.address, reward=7)
    assert world.balance(ALICE) == 1_000_000 - 10 + 7
    assert world.supply() == 1_500_007


def test_a_fee_can_be_spent_in_the_block_that_earned_it() -> None:
    world = World({ALICE: 1_000_000})
    first = world.pay(ALICE, BOB, 0, max_fee=1)
    second = world.pay(CAROL, BOB, TRANSFER)
    world.block(first, second, beneficiary=CAROL.address)
    assert world.balance(BOB) == TRANSFER
    assert world.balance(CAROL) == 0


def test_money_can_be_received_and_spent_in_one_block() -> None:
    world = World()
    world.block(world.pay(ALICE, CAROL, 70), world.pay(CAROL, BOB, 70))
    assert world.balance(BOB) == 500_070
    assert world.nonce(CAROL) == 1


def test_the_reward_comes_after_the_transactions() -> None:
    world = World({ALICE: 10})
    early = world.pay(CAROL, BOB, 5)
    assert world.block(early, strict=False, beneficiary=CAROL.address, reward=5).refused == [
        (early, "insufficient-funds")
    ]
    assert world.balance(CAROL) == 5
    world.block(early)
    assert world.balance(BOB) == 5


def test_an_account_with_nothing_is_not_in_the_state() -> None:
    """EIP-161: neither touching nor emptying leaves a record; a used nonce does."""
    world = World()
    world.block(world.pay(ALICE, CAROL, 0))
    assert CAROL.address not in world.state.entries
    assert MINER not in world.state.entries
    world.block(world.pay(ALICE, CAROL, 9))
    world.block(world.pay(CAROL, BOB, 9))
    assert decode_account(world.state.entries[CAROL.address]) == (1, 0)


def test_everything_down_to_the_last_wei_can_be_spent_and_not_one_more() -> None:
    world = World({ALICE: TRANSFER * 2 + 5})
    with pytest.raises(InvalidBlock, match="insufficient-funds"):
        world.block(world.pay(ALICE, BOB, 6, max_fee=2))
    world.block(world.pay(ALICE, BOB, 5, max_fee=2))
    assert world.balance(ALICE) == 0


def test_the_most_a_transaction_may_cost_must_be_covered() -> None:
    """EIP-1559: though only base fee plus tip is charged."""
    world = World({ALICE: TRANSFER * 10})
    with pytest.raises(InvalidBlock, match="insufficient-funds"):
        world.block(world.pay(ALICE, BOB, 1, max_fee=10, max_priority_fee=1))
    world.block(world.pay(ALICE, BOB, 0, max_fee=10, max_priority_fee=1))
    assert world.balance(ALICE) == TRANSFER * 9


def test_a_bad_block_leaves_no_trace() -> None:
    world = World()
    before = dict(world.state.entries)
    good = world.pay(ALICE, BOB, 1)
    for bad, reason in (
        (good, "nonce-too-low"),
        (world.pay(ALICE, BOB, 1, nonce=2), "nonce-too-high"),
        (world.pay(ALICE, BOB, 10**9, nonce=1), "insufficient-funds"),
    ):
        with pytest.raises(InvalidBlock) as refusal:
            world.block(good, bad)
        assert refusal.value.reason == reason
        assert world.state.entries == before
        assert world.state.writes == 0


def test_a_proposer_skips_what_is_invalid_and_stops_at_the_gas_limit() -> None:
    world = World()
    bad = world.pay(BOB, ALICE, 10**9)
    good = [world.pay(ALICE, BOB, 1, nonce=nonce) for nonce in range(4)]
    execution = world.block(good[0], bad, *good[1:], strict=False, gas_limit=3 * TRANSFER)
    assert execution.included == good[:3]
    assert execution.refused == [(bad, "insufficient-funds")]
    with pytest.raises(InvalidBlock, match="gas-limit"):
        World().block(*good, gas_limit=3 * TRANSFER)


@pytest.mark.parametrize(
    ("fields", "reason", "wording"),
    [
        ({"to": None}, "no-contracts", "the bank has no contracts"),
        ({"gas": 20_999}, "intrinsic-gas", "intrinsic gas too low: gas 20999, minimum needed 21000"),
        ({"data": b"\x01", "gas": 21_015}, "intrinsic-gas", "intrinsic gas too low: gas 21015, minimum needed 21016"),
        ({"gas": 30_000_001}, "gas-limit", "exceeds block gas limit"),
        (
            {"max_fee": 1, "max_priority_fee": 2},
            "tip-above-cap",
            "max priority fee per gas higher than max fee per gas: address 0x.*, maxPriorityFeePerGas: 2, "
            "maxFeePerGas: 1",
        ),
        ({"chain_id": 1}, "wrong-chain", "invalid chain id for signer: have 1 want 21057"),
    ],
)
def test_what_a_transaction_alone_shows_is_refused_when_it_is_decoded(
    fields: dict[str, Any], reason: str, wording: str
) -> None:
    wanted: dict[str, Any] = {"chain_id": CHAIN, "nonce": 0, "to": BOB.address}
    raw = sign_transaction(ALICE, **(wanted | fields))
    with pytest.raises(Refused, match=wording) as refusal:
        Bank(CHAIN).decode(raw)
    assert refusal.value.reason == reason


def test_bytes_that_are_no_transaction_are_refused_and_nothing_else_is_raised() -> None:
    with pytest.raises(Refused) as refusal:
        Bank(CHAIN).decode(b"\xc0")
    assert refusal.value.reason == "rlp-count"


def test_admission_speaks_geths_words() -> None:
    world = World()
    for _ in range(5):
        world.block(world.pay(ALICE, BOB, 0))
    with pytest.raises(Refused, match="nonce too low: next nonce 5, tx nonce 3") as refusal:
        world.bank.admit(world.pay(ALICE, BOB, 0, nonce=3), world.state)
    assert refusal.value.reason == "nonce-too-low"
    with pytest.raises(
        Refused,
        match=r"insufficient funds for gas \* price \+ value: balance 0, tx cost 21007, overshot 21007",
    ) as refusal:
        world.bank.admit(world.pay(CAROL, BOB, 7, max_fee=1), world.state)
    assert refusal.value.reason == "insufficient-funds"
    priced = World(base_fee=5)
    with pytest.raises(
        Refused, match=r"max fee per gas less than block base fee: address 0x.*, maxFeePerGas: 4, baseFee: 5"
    ) as refusal:
        priced.bank.admit(priced.pay(ALICE, BOB, 0, max_fee=4), priced.state)
    assert refusal.value.reason == "fee-below-base"
    with pytest.raises(InvalidBlock, match="fee-below-base"):
        priced.block(priced.pay(ALICE, BOB, 0, max_fee=4))


def test_admission_tells_where_the_sender_stands() -> None:
    world = World()
    early = world.bank.admit(world.pay(ALICE, BOB, 5, nonce=3, max_fee=2), world.state)
    assert early == Standing(next_nonce=0, funds=1_000_000, cost=2 * TRANSFER + 5)


def test_unprotected_transactions_are_taken_where_genesis_says_so() -> None:
    raw = sign_transaction(ALICE, chain_id=None, nonce=0, to=BOB.address, kind=LEGACY)
    with pytest.raises(Refused, match="replay-protected"):
        Bank(CHAIN).decode(raw)
    assert Bank(CHAIN, parameters={"allowUnprotected": True}).decode(raw).sender == ALICE.address
    with pytest.raises(ConfigError, match=r"config.ledger.allowUnprotected is 1; accepted: true, false"):
        Bank(CHAIN, parameters={"allowUnprotected": 1})


ADDRESS = checksum_address(ALICE.address)


@pytest.mark.parametrize(
    ("alloc", "message"),
    [
        ({"0x12": {}}, "alloc.0x12: '0x12' has 2 digits"),
        ({ADDRESS: 5}, f"alloc.{ADDRESS} is 5; accepted: an object"),
        ({ADDRESS: {"balance": -1}}, f"alloc.{ADDRESS}.balance is -1"),
        ({ADDRESS: {"balance": 2**192 + 1}}, f"alloc.{ADDRESS}.balance"),
        ({ADDRESS: {"balance": 2**192}, checksum_address(BOB.address): {"balance": 1}}, "alloc holds more than"),
        ({ADDRESS: {"nonce": 2**64 - 1}}, f"alloc.{ADDRESS}.nonce"),
        ({ADDRESS: {"code": "0x00"}}, "the bank has no contracts"),
        ({ADDRESS: {"money": 1}}, f"alloc.{ADDRESS}.money is unknown; accepted: balance, nonce, name, publicKey"),
        ({ADDRESS: {"balance": 1}, ADDRESS.lower(): {"balance": 1}}, "stands twice"),
    ],
)
def test_a_wrong_alloc_is_named_by_its_path(alloc: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Bank(CHAIN).genesis(alloc)


def test_a_genesis_account_may_begin_with_a_nonce_and_an_empty_one_is_left_out() -> None:
    state = Bank(CHAIN).genesis({ADDRESS: {"nonce": "0x7"}, checksum_address(BOB.address): {"balance": "0"}})
    assert state == {ALICE.address: encode_account(7, 0)}


def test_questions_take_an_address_in_either_form() -> None:
    world = World()
    for form in (ALICE.address, ADDRESS, ADDRESS.lower()):
        assert world.bank.query("balance", [form], world.state) == 1_000_000
    assert world.bank.query("account", [ADDRESS], world.state) == {
        "balance": 1_000_000,
        "nonce": 0,
        "name": None,
        "public_key": None,
    }
    wrong: list[tuple[str, list[Any]]] = [("price", [ADDRESS]), ("balance", []), ("balance", ["0x1"]), ("whois", [1])]
    for path, arguments in wrong:
        with pytest.raises(Misuse):
            world.bank.query(path, arguments, world.state)


@given(st.integers(0, 2**64 - 1), st.one_of(st.integers(0, 300), st.integers(0, 2**256 - 1)))
@settings(max_examples=100)
def test_an_account_is_ethereums_record(nonce: int, balance: int) -> None:
    record = encode_account(nonce, balance)
    items = rlp.decode_list(record, 4)
    assert (rlp.bytes_to_int(items[0]), rlp.bytes_to_int(items[1])) == (nonce, balance)
    assert decode_account(record) == (nonce, balance)


@given(st.binary(max_size=120))
@settings(max_examples=100)
def test_a_damaged_record_is_never_read_as_money(noise: bytes) -> None:
    record = encode_account(3, 10**18)
    for damaged in (noise, record[:-1], record[:2] + b"\xff" + record[3:], b"\xf9" + record[1:]):
        with pytest.raises(StoreDamaged):
            decode_account(damaged)


def test_sample_transfers_execute_in_order_and_are_the_same_each_time() -> None:
    raws = sample_transfers(60, 7, CHAIN, accounts=20, fee=2)
    assert raws == sample_transfers(60, 7, CHAIN, accounts=20, fee=2)
    assert raws != sample_transfers(60, 8, CHAIN, accounts=20, fee=2)
    world = World({})
    world.state.entries = world.bank.genesis(even_alloc(20, 10**18))
    execution = world.block(*map(world.bank.decode, raws))
    assert len(execution.included) == 60
    assert world.supply() == 20 * 10**18
