"""Coins pass the exam of a ledger."""

from dataclasses import replace

import pytest
from coins_world import ALICE, BOB, CAROL, CHAIN, FUNDS, MINER, World, alloc_of, first_coin, to

from raclette.chain.ledger import BlockContext
from raclette.chain.ledger_exam import LedgerSamples, check_ledger
from raclette.ledgers.coins import Coin, Coins, Output, lock_to, sign_spend
from raclette.ledgers.coins.transaction import coins_made
from raclette.primitives.hashing import keccak256


def follow(raw: bytes, outputs: list[Output]) -> list[Coin]:
    return coins_made(keccak256(raw), outputs)


def samples() -> LedgerSamples:
    both = Output(400_000, lock_to(ALICE.address, BOB.address))
    first = [to(BOB, 100_000), both, to(ALICE, 499_000)]
    pay = sign_spend(CHAIN, [first_coin(ALICE)], first, [[ALICE]])
    made = follow(pay, first)
    second = [to(CAROL, 550_000), to(BOB, 49_000)]
    join = sign_spend(CHAIN, [first_coin(BOB), made[0]], second, [[BOB], [BOB]])
    shared = sign_spend(CHAIN, [made[1]], [to(CAROL, 400_000)], [[ALICE, BOB]])
    unknown = Coin(b"\x07" * 32, 0, to(ALICE, 5))
    return LedgerSamples(
        alloc=alloc_of(FUNDS),
        context=BlockContext(number=1, timestamp=1, beneficiary=MINER, base_fee=0, gas_limit=30_000_000, reward=50),
        valid=[pay, join, shared],
        invalid=[
            sign_spend(CHAIN, [unknown], [to(BOB, 5)], [[ALICE]]),
            sign_spend(CHAIN, [first_coin(ALICE)._replace(output=to(ALICE, 7))], [to(BOB, 7)], [[ALICE]]),
        ],
        undecodable=[b"", b"\x55", b"\x55\xc0", b"\xc0", b"cheese", bytes(64), b"\x55" + b"\xff" * 9],
    )


@pytest.mark.parametrize("beneficiary", [MINER, ALICE.address, CAROL.address], ids=["stranger", "sender", "receiver"])
def test_coins_pass(beneficiary: bytes) -> None:
    check_ledger(lambda: Coins(CHAIN), replace(samples(), context=replace(samples().context, beneficiary=beneficiary)))


def test_the_samples_are_what_they_say() -> None:
    world = World()
    valid, invalid = ([world.coins.decode(raw) for raw in raws] for raws in (samples().valid, samples().invalid))
    execution = world.block(*valid, *invalid, strict=False)
    assert execution.included == valid
    assert [reason for _, reason in execution.refused] == ["unknown-output", "unknown-output"]
    assert world.balance(CAROL) == 950_000
    assert world.balance(MINER) == 1_000 + 1_000
