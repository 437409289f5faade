"""The roll says which nodes vote and whose money weighs for them; nobody enters a node that does not want to."""

import pytest

from raclette.chain.dict_state import DictState
from raclette.chain.ledger import BlockContext, Transaction
from raclette.chain.presets import sample_key
from raclette.chain.roll import (
    MEMBERS_MAX,
    ROLL_ADDRESS,
    ROLL_KEY,
    change_roll,
    encode_roll,
    read_roll,
    sign_entry,
)
from raclette.chain.transaction import intrinsic_gas, sign_transaction
from raclette.ledgers.bank import Bank
from raclette.ledgers.bank.bank import gas_for
from raclette.primitives.errors import ConfigError, Refused
from raclette.primitives.signing import Ed25519Signer

CHAIN = 7
BANK = Bank(CHAIN)
SIGNERS = [Ed25519Signer(bytes([i + 1]) * 32) for i in range(3)]
KEYS = [sample_key(i) for i in range(3)]
CONTEXT = BlockContext(number=1, timestamp=1, beneficiary=bytes(20), base_fee=0, gas_limit=30_000_000)


def alloc(**nodes: str) -> dict[str, dict[str, str]]:
    """The sample accounts with 100 each; `k0="0x…"` enters a node for the first."""
    return {
        "0x" + key.address.hex(): {"balance": "100"} | ({"node": nodes[f"k{i}"]} if f"k{i}" in nodes else {})
        for i, key in enumerate(KEYS)
    }


def entry(key: int, data: bytes, nonce: int = 0, *, value: int = 0) -> bytes:
    gas = gas_for(ROLL_ADDRESS, data)
    return sign_transaction(
        KEYS[key], chain_id=CHAIN, nonce=nonce, to=ROLL_ADDRESS, data=data, gas=gas, max_fee=0, value=value
    )


def after(state: DictState, *raws: bytes) -> list[bool]:
    """Execute; which of them succeeded."""
    transactions: list[Transaction] = [BANK.decode(raw) for raw in raws]
    return [receipt.succeeded for receipt in BANK.execute(CONTEXT, transactions, state, strict=True).receipts]


def joined(node: int, account: int) -> bytes:
    return sign_entry(SIGNERS[node], CHAIN, KEYS[account].address)


def test_genesis_names_nodes_and_the_roll_is_sorted_by_node() -> None:
    ids = [signer.public_key for signer in SIGNERS]
    state = DictState(BANK.genesis(alloc(k0="0x" + ids[0].hex(), k2=ids[2].hex())))
    assert list(read_roll(state)) == sorted([(ids[0], KEYS[0].address), (ids[2], KEYS[2].address)])
    assert BANK.stake(KEYS[0].address, state) == 100
    assert BANK.supply(state.entries.items()) == 300
    assert ROLL_KEY not in BANK.genesis(alloc())


@pytest.mark.parametrize("node", ["0x12", "no hex", 7, "0x" + "00" * 33])
def test_a_genesis_node_that_is_none_is_refused_with_its_path(node: str) -> None:
    with pytest.raises(ConfigError, match=r"alloc\.0x[0-9a-f]{40}\.node"):
        BANK.genesis(alloc(k1=node))
    same = "0x" + SIGNERS[0].public_key.hex()
    with pytest.raises(ConfigError, match="stands twice"):
        BANK.genesis(alloc(k0=same, k1=same))


def test_an_account_enters_its_node_moves_to_another_and_leaves() -> None:
    state = DictState(BANK.genesis(alloc()))
    assert after(state, entry(0, joined(0, 0)), entry(1, joined(1, 1))) == [True, True]
    assert dict(read_roll(state)) == {SIGNERS[0].public_key: KEYS[0].address, SIGNERS[1].public_key: KEYS[1].address}
    assert after(state, entry(0, joined(2, 0), 1), entry(1, b"", 1)) == [True, True]
    assert dict(read_roll(state)) == {SIGNERS[2].public_key: KEYS[0].address}
    assert after(state, entry(0, b"", 2)) == [True]
    assert state.get(ROLL_KEY) is None


def test_a_node_belongs_to_one_account_and_who_is_not_there_cannot_leave() -> None:
    state = DictState(BANK.genesis(alloc(k0="0x" + SIGNERS[0].public_key.hex())))
    assert after(state, entry(1, joined(0, 1)), entry(2, b"")) == [False, False]
    assert dict(read_roll(state)) == {SIGNERS[0].public_key: KEYS[0].address}


@pytest.mark.parametrize(
    "data",
    [
        sign_entry(SIGNERS[0], CHAIN, KEYS[1].address),  # signed for another account
        sign_entry(SIGNERS[0], CHAIN + 1, KEYS[0].address),  # for another chain
        sign_entry(SIGNERS[0], CHAIN, KEYS[0].address)[:-1],
        SIGNERS[1].public_key + sign_entry(SIGNERS[0], CHAIN, KEYS[0].address)[32:],  # a stranger's node
    ],
)
def test_an_entry_without_the_nodes_consent_is_refused(data: bytes) -> None:
    with pytest.raises(Refused, match="roll:"):
        BANK.decode(entry(0, data))


def test_an_entry_takes_no_money_and_costs_its_gas() -> None:
    with pytest.raises(Refused, match="takes no money"):
        BANK.decode(entry(0, joined(0, 0), value=1))
    data = joined(0, 0)
    assert gas_for(ROLL_ADDRESS, data) == intrinsic_gas(data) + 20_000


def test_a_full_roll_takes_nobody_but_lets_members_move() -> None:
    full = tuple((bytes([1]) + i.to_bytes(31), i.to_bytes(20)) for i in range(MEMBERS_MAX))
    assert change_roll(full, b"\xff" * 20, b"\x02" * 32) is None
    moved = change_roll(full, (5).to_bytes(20), b"\x02" * 32)
    assert moved is not None
    assert len(moved) == MEMBERS_MAX
    record = encode_roll(moved)
    assert record is not None
    assert len(record) < 130_000
