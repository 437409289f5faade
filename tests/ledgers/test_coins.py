"""Coins: what may be spent, what may not, and who is told why."""

import pytest
from coins_world import ALICE, BOB, CAROL, CHAIN, FUNDS, MINER, World, alloc_of, first_coin, made, to
from hypothesis import given
from hypothesis import strategies as st

from raclette.chain.ledger import Transaction
from raclette.chain.mempool import Mempool, MempoolLimits
from raclette.chain.roll import read_roll, sign_entry
from raclette.ledgers.coins import Coin, Coins, Output, lock_to, sign_payment, sign_spend
from raclette.ledgers.coins.execution import coinbase_hash
from raclette.ledgers.coins.limits import AMOUNT_MAX, INPUTS_MAX, OUTPUTS_MAX, TRANSACTION_BYTES_MAX
from raclette.ledgers.coins.script import push, unlock_with
from raclette.ledgers.coins.transaction import body_hash, encode_spend, roll_output, sighash
from raclette.primitives.errors import ConfigError, InvalidBlock, Misuse, Refused
from raclette.primitives.keys import CURVE_ORDER, AccountKey, checksum_address
from raclette.primitives.signing import Ed25519Signer


def pay(world: World, amount: int, *, fee: int = 0, coin: Coin | None = None) -> Transaction:
    """Alice pays Bob, the change is hers."""
    raw, _ = sign_payment(ALICE, CHAIN, [coin or first_coin(ALICE)], BOB.address, amount, fee)
    return world.coins.decode(raw)


def unsigned(coins: list[Coin], outputs: list[Output]) -> bytes:
    return encode_spend(CHAIN, coins, [b""] * len(coins), outputs)


# Money moves


def test_a_payment_moves_money_the_change_comes_back_and_the_fee_goes_to_the_beneficiary() -> None:
    world = World()
    world.block(pay(world, 300_000, fee=1_000), reward=50)
    assert (world.balance(ALICE), world.balance(BOB), world.balance(MINER)) == (699_000, 800_000, 1_050)
    assert world.supply() == sum(FUNDS.values()) + 50


def test_fees_and_reward_are_one_output_that_can_be_spent_in_the_next_block() -> None:
    world = World()
    world.block(pay(world, 1, fee=7), beneficiary=CAROL.address, reward=50)
    coinbase = Coin(coinbase_hash(1, CAROL.address), 0, to(CAROL, 57))
    world.block(world.spend([coinbase], [to(BOB, 57)], [[CAROL]]), number=2)
    assert (world.balance(CAROL), world.balance(BOB)) == (0, 500_058)


def test_an_output_made_in_a_block_can_be_spent_further_down_in_it_but_not_further_up() -> None:
    world = World()
    first = pay(world, 300_000)
    second = world.spend([made(first)], [to(CAROL, 300_000)], [[BOB]])
    with pytest.raises(InvalidBlock, match="unknown-output"):
        world.block(second, first)
    world.block(first, second)
    assert world.balance(CAROL) == 300_000


def test_several_inputs_of_several_owners_are_joined_and_each_owner_signs_its_own() -> None:
    world = World()
    coins = [first_coin(ALICE), first_coin(BOB)]
    world.block(world.spend(coins, [to(CAROL, 1_500_000)], [[ALICE], [BOB]]))
    assert world.balance(CAROL) == 1_500_000
    assert world.reason(sign_spend(CHAIN, coins, [to(CAROL, 1_500_000)], [[ALICE], [ALICE]])) == "bad-signature"


def test_an_output_of_two_owners_takes_both_signatures_in_order() -> None:
    world = World()
    both = Output(1_000_000, lock_to(ALICE.address, BOB.address))
    first = world.spend([first_coin(ALICE)], [both], [[ALICE]])
    shared = made(first)
    for keys, reason in (
        ([ALICE, BOB], ""),
        ([BOB, ALICE], "bad-signature"),
        ([ALICE], "stack-underflow"),
        ([ALICE, BOB, CAROL], "stack-left"),
    ):
        assert world.reason(sign_spend(CHAIN, [shared], [to(CAROL, 5)], [keys])) == reason
    owner = world.coins.decode(sign_spend(CHAIN, [shared], [to(CAROL, 5)], [[ALICE, BOB]])).sender
    world.block(first)
    assert owner not in (ALICE.address, BOB.address)
    assert world.balance(owner) == 1_000_000


# Refused with the reason


def test_an_output_is_spent_once() -> None:
    world = World()
    first, second = pay(world, 1), pay(world, 2)
    with pytest.raises(InvalidBlock, match="unknown-output"):
        world.block(first, second)
    world.block(first)
    with pytest.raises(Refused, match="is spent, or was never made") as refused:
        world.coins.admit(second, world.state)
    assert refused.value.reason == "unknown-output"


def test_an_input_that_tells_a_lie_about_what_it_spends_is_refused() -> None:
    """Amount and script stand in the input, so that sums can be checked without a state; a lie is found with one."""
    world = World()
    for lie in (to(ALICE, 2_000_000), Output(1_000_000, lock_to(CAROL.address))):
        key = ALICE if lie.amount > 1_000_000 else CAROL
        thief = world.spend([first_coin(ALICE)._replace(output=lie)], [to(CAROL, 1_000_000)], [[key]])
        with pytest.raises(Refused) as refused:
            world.coins.admit(thief, world.state)
        assert refused.value.reason == "wrong-output"
        with pytest.raises(InvalidBlock, match="wrong-output"):
            world.block(thief)


def test_one_input_twice_in_a_transaction_is_refused() -> None:
    world = World()
    coin = first_coin(ALICE)
    assert world.reason(sign_spend(CHAIN, [coin, coin], [to(BOB, 2_000_000)], [[ALICE], [ALICE]])) == "repeated-input"


@pytest.mark.parametrize(
    ("amounts", "reason"),
    [
        ([0], "amount-zero"),
        ([2**256 - 1], "amount-overflow"),  # -1 in two's complement
        ([AMOUNT_MAX + 1], "amount-overflow"),
        ([AMOUNT_MAX, AMOUNT_MAX], "amount-overflow"),
        ([1_000_001], "outputs-exceed-inputs"),
        ([600_000, 600_000], "outputs-exceed-inputs"),
        ([1] * (OUTPUTS_MAX + 1), "output-count"),
        ([], "output-count"),
    ],
)
def test_outputs_that_make_money_or_no_sense_are_refused(amounts: list[int], reason: str) -> None:
    raw = unsigned([first_coin(ALICE)], [to(BOB, amount) for amount in amounts])
    assert World().reason(raw) == reason


def test_an_amount_of_more_than_256_bits_is_no_amount() -> None:
    assert World().reason(unsigned([first_coin(ALICE)], [to(BOB, 2**256)])) == "rlp-integer"


def test_no_program_signs_a_negative_amount() -> None:
    with pytest.raises(Misuse, match="an amount is from 0"):
        sign_spend(CHAIN, [first_coin(ALICE)], [Output(-1, lock_to(BOB.address))], [[ALICE]])


def test_inputs_whose_sum_overflows_are_refused() -> None:
    coins = [Coin(bytes((n,)) * 32, 0, to(ALICE, AMOUNT_MAX)) for n in (1, 2)]
    assert World().reason(unsigned(coins, [to(BOB, 1)])) == "amount-overflow"
    assert World().reason(unsigned([Coin(bytes(32), 0, to(ALICE, 0))], [to(BOB, 1)])) == "amount-zero"


def test_a_transaction_has_bounds() -> None:
    many = [Coin(n.to_bytes(32), 0, to(ALICE, 1)) for n in range(INPUTS_MAX + 1)]
    assert World().reason(unsigned(many, [to(BOB, 1)])) == "input-count"
    assert World().reason(unsigned([], [to(BOB, 1)])) == "input-count"
    board = Output(1, lock_to(*[ALICE.address] * 16))
    boards = [Coin(n.to_bytes(32), 0, board) for n in range(5)]
    assert World().reason(unsigned(boards, [to(BOB, 1)])) == "too-many-signatures"
    assert World().reason(b"\x55" + bytes(TRANSACTION_BYTES_MAX)) == "oversized"


def test_a_signature_holds_on_one_chain_only() -> None:
    raw = sign_spend(CHAIN + 1, [first_coin(ALICE)], [to(BOB, 1)], [[ALICE]])
    assert World().reason(raw) == "wrong-chain"


def test_a_signature_commits_to_every_output_every_input_and_every_amount() -> None:
    """Whatever a stranger changes around a signature, the signature no longer holds."""
    coins, outputs = [first_coin(ALICE), first_coin(BOB)], [to(CAROL, 1_000_000), to(ALICE, 400_000)]
    body = body_hash(CHAIN, coins, outputs)
    unlocks = [unlock_with(key.sign_compact(sighash(body, index))) for index, key in enumerate((ALICE, BOB))]
    poorer = coins[0]._replace(output=to(ALICE, 900_001))
    world = World()
    assert world.reason(encode_spend(CHAIN, coins, unlocks, outputs)) == ""
    for changed in (
        encode_spend(CHAIN, coins, unlocks, outputs[::-1]),
        encode_spend(CHAIN, coins, unlocks, outputs[:1]),
        encode_spend(CHAIN, coins, unlocks, [*outputs, to(CAROL, 1)]),
        encode_spend(CHAIN, coins[::-1], unlocks[::-1], outputs),
        encode_spend(CHAIN, coins[:1], unlocks[:1], outputs[1:]),
        encode_spend(CHAIN, [poorer, coins[1]], unlocks, outputs),
    ):
        assert world.reason(changed) == "bad-signature"


def test_a_signature_in_the_upper_half_or_written_otherwise_is_refused() -> None:
    coins, outputs = [first_coin(ALICE)], [to(BOB, 1)]
    good = ALICE.sign_compact(sighash(body_hash(CHAIN, coins, outputs), 0))
    s = int.from_bytes(good[32:64])
    mirrored = good[:32] + (CURVE_ORDER - s).to_bytes(32) + bytes((1 - good[64],))
    world = World()
    assert world.reason(encode_spend(CHAIN, coins, [unlock_with(good)], outputs)) == ""
    for other in (mirrored, good[:64] + bytes((good[64] + 27,)), b"\x00" + good, good[:-1], bytes(65)):
        assert world.reason(encode_spend(CHAIN, coins, [unlock_with(other)], outputs)) == "bad-signature"
    for padded in (push(b"") + unlock_with(good), unlock_with(good) + push(b"\x01")):
        assert world.reason(encode_spend(CHAIN, coins, [padded], outputs)) in ("stack-left", "bad-signature")


@given(st.data())
def test_bytes_changed_by_a_stranger_are_refused(data: st.DataObject) -> None:
    world = World()
    raw = bytearray(pay(world, 300_000, fee=5).raw)
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    assert world.reason(bytes(raw))


@given(st.binary(max_size=300))
def test_strangers_bytes_raise_refused_and_nothing_else(raw: bytes) -> None:
    assert World().reason(raw)
    assert World().reason(b"\x55" + raw)


@given(st.lists(st.integers(1, 400_000), min_size=1, max_size=6), st.integers(0, 50_000))
def test_what_is_signed_decodes_to_itself(amounts: list[int], fee: int) -> None:
    world = World()
    total = sum(amounts) + fee
    coin = Coin(b"\x11" * 32, 7, to(ALICE, total))
    outputs = [to(BOB if index % 2 else CAROL, amount) for index, amount in enumerate(amounts)]
    transaction = world.spend([coin], outputs, [[ALICE]])
    spend = transaction.detail
    assert (spend.coins, list(spend.outputs), spend.fee) == ((coin,), outputs, fee)
    assert encode_spend(CHAIN, spend.coins, spend.unlocks, spend.outputs) == transaction.raw
    assert (transaction.sender, transaction.nonce, transaction.conflicts) == (ALICE.address, None, (coin.outpoint,))


# Fees, gas and the mempool


def test_a_fee_under_the_base_fee_is_refused() -> None:
    world = World(base_fee=3)
    poor = pay(world, 1)
    assert poor.fee == 0
    with pytest.raises(Refused, match="is less than 3 for each of") as refused:
        world.coins.admit(poor, world.state)
    assert refused.value.reason == "fee-below-base"
    rich = pay(world, 1, fee=3 * poor.gas)
    assert rich.fee == 3
    world.block(rich)
    assert world.balance(MINER) == 3 * poor.gas


def test_the_mempool_keeps_one_spender_of_an_outpoint_unless_another_pays_more() -> None:
    world = World()
    pool = Mempool(world.coins)
    cheap, dear = pay(world, 1, fee=20_000), pay(world, 2, fee=60_000)
    pool.add(cheap, world.state)
    with pytest.raises(Refused) as refused:
        pool.add(pay(world, 3, fee=20_000), world.state)
    assert refused.value.reason == "replacement-underpriced"
    assert pool.add(dear, world.state) == cheap
    world.block(dear)
    pool.included([dear], world.state)
    assert len(pool) == 0
    with pytest.raises(Refused) as refused:
        pool.add(cheap, world.state)
    assert refused.value.reason == "unknown-output"


def test_a_block_with_another_spender_of_an_outpoint_takes_mine_out_of_the_pool() -> None:
    world = World()
    pool = Mempool(world.coins)
    mine, other = pay(world, 1), pay(world, 2)
    pool.add(mine, world.state)
    world.block(other)
    pool.included([other], world.state)
    assert len(pool) == 0


def chain_of(world: World, length: int) -> list[Transaction]:
    """Payments of Alice, each from the change of the one before."""
    chain, coin = list[Transaction](), first_coin(ALICE)
    for _ in range(length):
        chain.append(pay(world, 100, coin=coin))
        coin = made(chain[-1], 1)
    return chain


def test_payments_from_change_wait_for_each_other_and_go_into_a_block_each() -> None:
    world = World()
    pool = Mempool(world.coins)
    chain = chain_of(world, 4)
    for transaction in chain:
        pool.add(transaction, world.state)
    assert (pool.stats()["pending"], pool.stats()["queued"]) == (1, 3)
    assert all(transaction.hash in pool and pool.get(transaction.hash) == transaction for transaction in chain)
    for number in range(4):
        execution = world.block(*pool.candidates(), number=number + 1)
        assert execution.included == chain[number : number + 1]
        pool.included(execution.included, world.state)
    assert (len(pool), pool.stats()["bytes"]) == (0, 0)


def test_what_a_reorganisation_takes_out_of_the_chain_waits_again_in_its_order() -> None:
    world = World()
    chain = chain_of(world, 3)
    assert Mempool(world.coins).returned(chain[1:], world.state) == []
    assert Mempool(world.coins).returned(chain, world.state) == chain


def test_who_waits_for_a_payment_that_leaves_the_pool_otherwise_leaves_too() -> None:
    world = World()
    pool = Mempool(world.coins)
    first, second, third = chain_of(world, 3)
    for transaction in (first, second, third):
        pool.add(transaction, world.state)
    assert pool.discard(second.hash) == second
    other = pay(world, 999)
    world.block(other)
    pool.included([other], world.state)
    assert len(pool) == 0


def test_the_pool_holds_so_many_and_for_so_long() -> None:
    world = World()
    chain = chain_of(world, 4)
    pool = Mempool(world.coins, MempoolLimits(held_sender_max=2, age_max=10))
    for now, transaction in enumerate(chain[:3]):
        pool.add(transaction, world.state, now)
    with pytest.raises(Refused) as refused:
        pool.add(chain[3], world.state, 3)
    assert refused.value.reason == "account-limit"
    with pytest.raises(Refused) as refused:
        pool.add(chain[2], world.state, 3)
    assert refused.value.reason == "already-known"
    assert pool.expire(12) == chain[:2]
    for limits in (MempoolLimits(held_max=0), MempoolLimits(count_max=1), MempoolLimits(bytes_max=300)):
        full = Mempool(world.coins, limits)
        full.add(chain[0], world.state)
        with pytest.raises(Refused) as refused:
            full.add(chain[1], world.state)
        assert refused.value.reason == "pool-full"


# Roll, genesis, questions


def test_an_owner_enters_its_node_on_the_roll_and_lets_it_leave() -> None:
    world = World()
    node = Ed25519Signer(b"\x07" * 32)
    entry = roll_output(sign_entry(node, CHAIN, ALICE.address))
    enter = world.spend([first_coin(ALICE)], [to(ALICE, 1_000_000), entry], [[ALICE]])
    assert world.block(enter).receipts[0].succeeded
    assert read_roll(world.state) == ((node.public_key, ALICE.address),)
    leave = [to(ALICE, 1_000_000), roll_output(b"")]
    again = world.spend([made(enter)], leave, [[ALICE]])
    assert world.block(again, number=2).receipts[0].succeeded
    assert read_roll(world.state) == ()
    third = world.block(world.spend([made(again)], leave, [[ALICE]]), number=3)
    assert not third.receipts[0].succeeded
    assert world.balance(ALICE) == 1_000_000


def test_nobody_enters_a_strangers_node_and_roll_outputs_hold_no_money() -> None:
    world = World()
    node = Ed25519Signer(b"\x07" * 32)
    stolen = roll_output(sign_entry(node, CHAIN, BOB.address))
    own = roll_output(sign_entry(node, CHAIN, ALICE.address))
    bad = [
        [to(ALICE, 5), stolen],
        [to(ALICE, 5), own, own],
        [to(ALICE, 5), own._replace(lock=own.lock + push(b"more"))],
        [to(ALICE, 5), own._replace(lock=own.lock[:-66] + push(bytes(32)))],
    ]
    for outputs in bad:
        assert world.reason(sign_spend(CHAIN, [first_coin(ALICE)], outputs, [[ALICE]])) == "bad-roll-entry"
    held = [own._replace(amount=5)]
    assert world.reason(sign_spend(CHAIN, [first_coin(ALICE)], held, [[ALICE]])) == "lock-unspendable"


def test_an_owner_sees_its_outputs_page_by_page_and_the_sum_is_its_stake() -> None:
    world = World()
    world.block(world.spend([first_coin(ALICE)], [to(CAROL, 1 + n) for n in range(200)], [[ALICE]]))
    shown = world.coins.query("outputs", [CAROL.address], world.state)
    assert [entry["outpoint"] for entry in shown] == sorted(entry["outpoint"] for entry in shown)
    assert sum(entry["amount"] for entry in shown) == world.coins.stake(CAROL.address, world.state) == 20_100
    rest = world.coins.query("outputs", [checksum_address(CAROL.address), shown[149]["outpoint"]], world.state)
    assert rest == shown[150:]
    assert world.coins.query("output", [shown[3]["outpoint"]], world.state) == shown[3]
    assert world.coins.query("output", ["0x" + "00" * 36], world.state) is None
    assert world.coins.query("outputs", [b"\x01" * 20], world.state) == []
    assert world.coins.stake(b"\x01" * 20, world.state) == 0


def test_what_is_spent_leaves_no_record_behind() -> None:
    world = World()
    first = world.spend([first_coin(ALICE), first_coin(BOB)], [to(CAROL, 1_500_000)], [[ALICE], [BOB]])
    world.block(first)
    lasting = {key for key in world.state.entries if CAROL.address in key or made(first).outpoint in key}
    assert lasting == set(world.state.entries)
    assert len(lasting) == 3


def test_genesis_names_are_found_and_bad_entries_are_refused_with_their_path() -> None:
    who = checksum_address(ALICE.address)
    entry = {"balance": "5", "name": "alice", "publicKey": "0x" + ALICE.public_key.hex()}
    coins = Coins(CHAIN)
    state = World().state
    state.entries = coins.genesis({who: entry})
    assert coins.query("whois", ["alice"], state)["address"] == who
    assert coins.query("public_key", [who], state) == "0x" + ALICE.public_key.hex()
    for bad, path in (
        ({who: {"nonce": 1}}, f"alloc.{who}.nonce is unknown"),
        ({who: {"balance": AMOUNT_MAX + 1}}, f"alloc.{who}.balance"),
        ({who: 5}, f"alloc.{who} is 5"),
        ({who: {"balance": 1}, who.lower(): {"balance": 1}}, "stands twice"),
        (alloc_of({ALICE: AMOUNT_MAX, BOB: 1}), "alloc holds more"),
    ):
        with pytest.raises(ConfigError, match=path):
            coins.genesis(bad)
    with pytest.raises(ConfigError, match=r"config\.ledger\.speed is unknown"):
        Coins(CHAIN, parameters={"speed": 1})


@pytest.mark.parametrize(
    ("path", "arguments"),
    [("nonce", [b""]), ("balance", []), ("balance", ["0x12"]), ("output", [5]), ("outputs", [ALICE.address, 1, 2])],
)
def test_a_bad_question_is_misuse(path: str, arguments: list[object]) -> None:
    world = World()
    with pytest.raises(Misuse):
        world.coins.query(path, arguments, world.state)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(1, 10**6)), max_size=25), st.integers(0, 9))
def test_whatever_is_paid_the_index_agrees_with_the_outputs(moves: list[tuple[int, int, int]], reward: int) -> None:
    """A model: the owner's record is the sum of what is listed, and all of it together is the supply."""
    world = World()
    keys: list[AccountKey] = [ALICE, BOB, CAROL]
    for number, (payer, payee, amount) in enumerate(moves):
        held = world.coins.query("outputs", [keys[payer].address], world.state)
        coins = [
            Coin(bytes.fromhex(c["hash"][2:]), c["index"], Output(c["amount"], bytes.fromhex(c["lock"][2:])))
            for c in held
        ][:INPUTS_MAX]
        if sum(coin.output.amount for coin in coins) < amount:
            continue
        raw, _ = sign_payment(keys[payer], CHAIN, coins, keys[payee].address, amount)
        world.block(world.coins.decode(raw), number=number + 1, reward=reward)
    owners = [*[key.address for key in keys], MINER]
    listed = {who: sum(c["amount"] for c in world.coins.query("outputs", [who], world.state)) for who in owners}
    assert listed == {who: world.balance(who) for who in owners}
    assert sum(listed.values()) == world.supply()
