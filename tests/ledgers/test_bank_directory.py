"""The directory: how somebody who has never spent gets a first sealed message."""

from typing import Any

import pytest
from bank_world import ALICE, BOB, CAROL, CHAIN, World

from raclette.chain.ledger import Transaction
from raclette.ledgers.bank import DIRECTORY_ADDRESS, Bank, registration
from raclette.primitives.errors import ConfigError, InvalidBlock, Refused
from raclette.primitives.keys import AccountKey, checksum_address
from raclette.primitives.sealed import open_sealed, seal


def register(world: World, key: AccountKey, name: str, **fields: Any) -> Transaction:
    return world.pay(key, DIRECTORY_ADDRESS, 0, data=registration(name, key.public_key), **fields)


def test_an_account_without_money_publishes_its_name_and_gets_a_sealed_message() -> None:
    world = World()
    assert world.bank.query("whois", ["carol"], world.state) is None
    assert world.block(register(world, CAROL, "carol")).receipts[0].succeeded
    found = world.bank.query("whois", ["carol"], world.state)
    assert found == {
        "address": checksum_address(CAROL.address),
        "name": "carol",
        "public_key": "0x" + CAROL.public_key.hex(),
    }
    memo = seal(b"welcome", key=ALICE, receiver_key=bytes.fromhex(found["public_key"][2:]), chain_id=CHAIN, nonce=0)
    payment = world.pay(ALICE, CAROL, 5, data=memo)
    world.block(payment)
    detail = payment.detail
    where = {"chain_id": CHAIN, "sender": payment.sender, "receiver": detail.to, "nonce": detail.nonce}
    assert open_sealed(detail.data, key=CAROL, **where) == b"welcome"
    assert open_sealed(detail.data, key=ALICE, **where) == b"welcome"


def test_a_name_belongs_to_the_first_who_takes_it_for_ever() -> None:
    world = World()
    execution = world.block(register(world, ALICE, "bank"), register(world, BOB, "bank"))
    assert [receipt.succeeded for receipt in execution.receipts] == [True, False]
    assert not world.block(register(world, CAROL, "bank")).receipts[0].succeeded
    assert not world.block(register(world, ALICE, "vault")).receipts[0].succeeded
    assert world.bank.query("whois", ["bank"], world.state)["address"] == checksum_address(ALICE.address)
    assert world.bank.query("whois", ["vault"], world.state) is None
    assert world.bank.query("public_key", [BOB.address], world.state) is None
    assert world.supply() == 1_500_000


def test_a_registration_that_fails_is_paid_for() -> None:
    world = World()
    world.block(register(world, ALICE, "bank"))
    before = world.balance(BOB)
    failed = register(world, BOB, "bank", max_fee=1)
    assert failed.gas > 61_000
    world.block(failed)
    assert world.balance(BOB) == before - failed.gas
    assert world.nonce(BOB) == 1


def test_a_registration_in_a_bad_block_leaves_no_trace() -> None:
    world = World()
    before = dict(world.state.entries)
    with pytest.raises(InvalidBlock):
        world.block(register(world, ALICE, "bank"), world.pay(BOB, ALICE, 10**9))
    assert world.state.entries == before


@pytest.mark.parametrize("name", ["", "A", "a b", "-a", "ä", "a" * 33, "a\n", "a\0"])
def test_a_name_has_a_rule(name: str) -> None:
    with pytest.raises(Refused) as refusal:
        registration(name, ALICE.public_key)
    assert refusal.value.reason == "bad-name"
    world = World()
    with pytest.raises(Refused):
        world.pay(ALICE, DIRECTORY_ADDRESS, 0, data=ALICE.public_key + name.encode())
    assert world.bank.query("whois", [name], world.state) is None


def test_nobody_registers_for_somebody_else_or_sends_money_to_the_directory() -> None:
    world = World()
    with pytest.raises(Refused, match="not the sender's"):
        world.pay(ALICE, DIRECTORY_ADDRESS, 0, data=registration("bob", BOB.public_key))
    with pytest.raises(Refused, match="takes no money"):
        world.pay(ALICE, DIRECTORY_ADDRESS, 1, data=registration("alice", ALICE.public_key))
    with pytest.raises(Refused):
        world.pay(ALICE, DIRECTORY_ADDRESS, 0, data=b"\x02" + b"\xff" * 32 + b"alice")


def test_genesis_publishes_names_and_checks_them() -> None:
    bank, address = Bank(CHAIN), checksum_address(ALICE.address)
    entry = {"balance": 1, "name": "alice", "publicKey": "0x" + ALICE.public_key.hex()}
    world = World({})
    world.state.entries = bank.genesis({address: entry})
    assert world.bank.query("account", [address], world.state)["name"] == "alice"
    assert world.supply() == 1
    for wrong, message in (
        ({"name": "Alice"}, f"alloc.{address}.name"),
        ({"name": None}, "go together"),
        ({"publicKey": 7}, "go together"),
        ({"publicKey": "0xzz"}, f"alloc.{address}.publicKey"),
        ({"publicKey": "0x" + BOB.public_key.hex()}, f"alloc.{address}.publicKey belongs to"),
    ):
        with pytest.raises(ConfigError, match=message):
            bank.genesis({address: entry | wrong})
    other = entry | {"publicKey": "0x" + BOB.public_key.hex()}
    with pytest.raises(ConfigError, match="'alice' stands twice"):
        bank.genesis({address: entry, checksum_address(BOB.address): other})
