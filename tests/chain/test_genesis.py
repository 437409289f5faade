"""Genesis: two nodes are peers exactly if they read the same rules, and a wrong key is named by its path."""

import json
import sys
from typing import Any

import pytest
import rlp
from eth_utils.crypto import keccak

from raclette.chain.genesis import (
    EXTRA_DATA_DEFAULT,
    PRESETS,
    Genesis,
    make_genesis_block,
    preset_alloc,
    quantity,
    sample_key,
)
from raclette.chain.header import EMPTY_ROOT, Header
from raclette.chain.trie import root_of_mapping
from raclette.ledgers import ledger_of
from raclette.primitives.errors import ConfigError
from raclette.primitives.keys import checksum_address
from raclette.primitives.units import ETHER

ALICE = checksum_address(sample_key(0).address)


def written(**changes: Any) -> dict[str, Any]:
    """A small genesis as a person writes it."""
    data: dict[str, Any] = {
        "config": {"chainId": 7, "protocol": {"name": "pbft", "batch": 100}, "ledger": "bank"},
        "timestamp": "0x10",
        "gasLimit": "30000000",
        "alloc": {ALICE: {"balance": "0x64"}},
    }
    return data | changes


def block_hash(data: dict[str, Any]) -> bytes:
    genesis = Genesis.from_json(data)
    return make_genesis_block(genesis, ledger_of(genesis), root_of_mapping)[0].hash


def test_a_genesis_survives_its_json() -> None:
    genesis = Genesis.from_json(json.dumps(written()))
    assert (genesis.chain_id, genesis.protocol, genesis.ledger) == (7, "pbft", "bank")
    assert genesis.protocol_parameters == {"batch": 100}
    assert (genesis.timestamp, genesis.gas_limit, genesis.base_fee) == (16, 30_000_000, 0)
    again = Genesis.from_json(json.dumps(genesis.to_json()))
    assert again == genesis
    assert again.digest == genesis.digest


def test_numbers_may_be_written_in_each_of_geths_ways() -> None:
    one, *others = (block_hash(written(timestamp=value)) for value in (16, "16", "0x10", "0X10"))
    assert all(other == one for other in others)


def test_block_0_carries_the_message_and_its_header_is_ethereums() -> None:
    genesis = Genesis.from_json(written())
    block, state = make_genesis_block(genesis, ledger_of(genesis), root_of_mapping)
    assert block.header.extra_data == EXTRA_DATA_DEFAULT == b"RacletteCheese"
    assert block.header.mix_hash == genesis.digest
    assert block.header.state_root == root_of_mapping(state)
    assert block.number == 0
    assert block.transactions == ()
    assert Header.decode(block.header.encoded) == block.header


def test_block_0_hashes_as_ethereums_libraries_hash_the_same_fields() -> None:
    """Yellow Paper 4.3 and EIP-1559: 16 fields in order, by pyrlp and eth-utils instead of our own codec."""
    genesis = Genesis.from_json(written(alloc={}, extraData="0x", nonce="0x42"))
    header = make_genesis_block(genesis, ledger_of(genesis), root_of_mapping)[0].header
    fields: list[Any] = [
        bytes(32),
        keccak(rlp.encode([])),
        bytes(20),
        EMPTY_ROOT,
        EMPTY_ROOT,
        EMPTY_ROOT,
        bytes(256),
        b"\x01",
        b"",
        (30_000_000).to_bytes(4),
        b"",
        b"\x10",
        b"",
        genesis.digest,
        (0x42).to_bytes(8),
        b"",
    ]
    assert header.hash == keccak(rlp.encode(fields))


@pytest.mark.parametrize(
    "change",
    [
        {"config": {"chainId": 8, "protocol": {"name": "pbft", "batch": 100}, "ledger": "bank"}},
        {"config": {"chainId": 7, "protocol": {"name": "pbft", "batch": 101}, "ledger": "bank"}},
        {"config": {"chainId": 7, "protocol": {"name": "nakamoto", "batch": 100}, "ledger": "bank"}},
        {"config": {"chainId": 7, "protocol": {"name": "pbft"}, "ledger": "bank"}},
        {
            "config": {
                "chainId": 7,
                "protocol": {"name": "pbft", "batch": 100},
                "ledger": {"name": "bank", "allowUnprotected": True},
            }
        },
        {"alloc": {ALICE: {"balance": 101}}},
        {"timestamp": 17},
        {"gasLimit": 30_000_001},
        {"difficulty": 2},
        {"baseFeePerGas": 1},
        {"coinbase": ALICE},
        {"extraData": "Emmental"},
        {"nonce": 1},
    ],
)
def test_every_rule_is_part_of_the_genesis_hash(change: dict[str, Any]) -> None:
    assert block_hash(written(**change)) != block_hash(written())


def test_the_order_of_keys_is_not() -> None:
    data = written()
    assert block_hash(dict(reversed(list(data.items())))) == block_hash(data)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gaslimit": 1}, "gaslimit is unknown; accepted: config, timestamp"),
        ({"mixHash": "0x00"}, "mixHash cannot be chosen"),
        ({"config": 7}, "config is 7; accepted: an object"),
        ({"config": {}}, "config.protocol is None; accepted: a name"),
        ({"config": {"protocol": "pbft", "ledger": "bank"}}, "config.chainId is missing"),
        ({"config": {"chainId": 0, "protocol": "pbft", "ledger": "bank"}}, "config.chainId is 0; accepted: an integer"),
        ({"config": {"chainId": 1, "protocol": {"batch": 1}, "ledger": "bank"}}, "config.protocol is"),
        ({"config": {"chainId": 1, "protocol": "pbft", "ledger": "bank", "x": 1}}, "config.x is unknown"),
        (
            {"config": {"chainId": 1, "protocol": {"name": "p", "a": {"b": [0.5]}}, "ledger": "bank"}},
            r"config.protocol.a.b\[0\] is 0.5",
        ),
        ({"timestamp": -1}, "timestamp is -1; accepted: an integer"),
        ({"timestamp": True}, "timestamp is True"),
        ({"timestamp": 1.5}, "timestamp is 1.5"),
        ({"timestamp": "1_000"}, "timestamp is '1_000'"),
        ({"timestamp": " 1"}, "timestamp is ' 1'"),
        ({"timestamp": "0x"}, "timestamp is '0x'"),
        ({"timestamp": "9" * 5000}, "timestamp is"),
        ({"gasLimit": 20_999}, "gasLimit is 20999; accepted: an integer .* from 21000"),
        ({"coinbase": "0x12"}, "coinbase: '0x12' has 2 digits"),
        ({"coinbase": 12}, "coinbase is 12"),
        ({"extraData": "0xabc"}, "extraData is '0xabc'"),
        ({"extraData": "x" * 4097}, "extraData is"),
        ({"nonce": 2**64}, "nonce is"),
        ({"alloc": []}, "alloc is \\[\\]; accepted: an object"),
    ],
)
def test_a_wrong_key_is_named_by_its_path(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Genesis.from_json(written(**change))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("[]", "not a JSON object"),
        ("{", "not JSON"),
        (b"\xff\xfe\xfd", "not JSON"),
        ('{"alloc": {}, "alloc": {}}', "'alloc' stands twice"),
        ("[" * 200_000, "nested too deeply"),
        ('{"alloc": ' * 17, "nested too deeply"),
        ('{"a": "' + '\\"' * 200_000, "not JSON"),
        ('{"a": "[[[[[[[[[[[[[[[[[[\\', "not JSON"),
        ('{"timestamp": ' + "9" * 5000 + "}", "not JSON"),
    ],
)
def test_text_that_is_no_genesis_is_refused_in_one_line(text: str | bytes, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as refusal:
        Genesis.from_json(text)
    assert len(str(refusal.value).splitlines()) == 1


def test_nesting_is_bounded_whatever_the_recursion_limit() -> None:
    """A library may have raised it, and then the parser in C would overflow the stack."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(10_000)
    try:
        with pytest.raises(ConfigError, match="nested too deeply"):
            Genesis.from_json("[" * 3_000 + "]" * 3_000)
    finally:
        sys.setrecursionlimit(limit)


def test_brackets_in_text_do_not_nest() -> None:
    data = written(extraData='[[[[[[[[[[[[[[[[[[[[{"\\')
    assert Genesis.from_json(json.dumps(data)).extra_data == data["extraData"].encode()


@pytest.mark.parametrize(
    ("name", "owners", "each"),
    [
        ("bank", 1_000, 100 * ETHER),
        ("genic", 1, 1_000_000 * ETHER),
        ("10_rich_man", 10, 100_000 * ETHER),
        ("100_rich_man", 100, 10_000 * ETHER),
    ],
)
def test_presets_hold_what_they_say_and_their_keys_are_known(name: str, owners: int, each: int) -> None:
    assert name in PRESETS
    genesis = Genesis("pbft", "bank", alloc=preset_alloc(name))
    ledger = ledger_of(genesis)
    state = ledger.genesis(genesis.alloc)
    assert ledger.supply(state.items()) == owners * each
    for index in (0, owners - 1):
        assert checksum_address(sample_key(index).address) in genesis.alloc
    assert len(genesis.alloc) == owners


def test_an_unknown_preset_or_ledger_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="accepted: bank, genic, 10_rich_man, 100_rich_man"):
        preset_alloc("poor")
    with pytest.raises(ConfigError, match=r"config.ledger.name is 'bonk'; accepted: bank"):
        ledger_of(Genesis("pbft", "bonk"))
    with pytest.raises(ConfigError, match=r"config.ledger.fee is unknown; accepted: allowUnprotected"):
        ledger_of(Genesis("pbft", "bank", ledger_parameters={"fee": 1}))


def test_a_quantity_has_a_range() -> None:
    assert quantity("0xff", "x", high=255) == 255
    with pytest.raises(ConfigError, match=r"x is 256; accepted: an integer .* from 0 to 255"):
        quantity(256, "x", high=255)
