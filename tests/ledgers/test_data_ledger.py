"""The ledger of small programs: signed data in a list, and a rule that all peers share."""

from typing import Any

import pytest

from raclette.chain.dict_state import DictState
from raclette.chain.ledger import BlockContext
from raclette.chain.ledger_exam import LedgerSamples, check_ledger
from raclette.chain.presets import sample_key
from raclette.ledgers import LEDGERS
from raclette.ledgers.data import DATA_BYTES_MAX, Data, Entry, Past, Rule, sign_entry
from raclette.primitives import rlp
from raclette.primitives.errors import ConfigError, InvalidBlock, Misuse, Refused
from raclette.primitives.keys import CURVE_ORDER, checksum_address

CHAIN = 7
ALICE, BOB, CAROL = (sample_key(index) for index in range(3))
CONTEXT = BlockContext(number=1, timestamp=1, beneficiary=CAROL.address, base_fee=0, gas_limit=30_000_000, reward=50)


def signed(key: Any, data: bytes) -> bytes:
    return sign_entry(key, chain_id=CHAIN, data=data)


def once_each(entry: Entry, past: Past) -> bool:
    """Nobody adds twice, and nobody adds a lie."""
    return entry.data != b"lie" and next(past.by(entry.author), None) is None


def make(rule: Rule | None = once_each) -> Data:
    return Data(CHAIN, parameters={"rule": "once-each"} if rule else {}, rule=rule)


def test_it_passes_the_exam_with_a_rule_and_without() -> None:
    alloc = {checksum_address(ALICE.address): {"balance": 5}, checksum_address(BOB.address): {"node": "0x" + "ab" * 32}}
    valid = [signed(ALICE, b"yes"), signed(BOB, b"no")]
    garbage = [b"", b"\x00", b"\xc0", b"cheese", bytes(64), rlp.encode([b"x", bytes(65)])]
    samples = LedgerSamples(alloc, CONTEXT, valid, [signed(CAROL, b"lie")], garbage)
    check_ledger(make, samples)
    assert isinstance(LEDGERS["data"](CHAIN, base_fee=0, gas_limit=30_000_000, parameters={}), Data)


def run(ledger: Data, *raws: bytes) -> DictState:
    state = DictState(ledger.genesis({}))
    ledger.execute(CONTEXT, [ledger.decode(raw) for raw in raws], state, strict=True)
    return state


def test_the_past_is_a_sequence_and_knows_each_authors_part() -> None:
    ledger = make(None)
    state = run(
        ledger, *(signed(key, data) for key, data in ((ALICE, b"1"), (BOB, b"2"), (ALICE, b"3"), (ALICE, b"4")))
    )
    past = Past(state)
    assert [entry.data for entry in past] == [b"1", b"2", b"3", b"4"]
    assert (past[1].author, past[-1].data, [entry.data for entry in past[1:3]]) == (BOB.address, b"4", [b"2", b"3"])
    assert [entry.data for entry in past.by(ALICE.address)] == [b"4", b"3", b"1"]
    assert list(past.by(CAROL.address)) == []
    assert Entry(BOB.address, b"2") in past
    assert Entry(BOB.address, b"3") not in past
    with pytest.raises(IndexError):
        past[4]
    assert ledger.query("count", [], state) == 4
    assert [one["data"] for one in ledger.query("entries", [2, 9], state)] == ["0x33", "0x34"]
    assert [one["data"] for one in ledger.query("by", [checksum_address(BOB.address)], state)] == ["0x32"]
    with pytest.raises(Misuse, match="no query 'by' with 2"):
        ledger.query("by", [ALICE.address, 1], state)
    with pytest.raises(Misuse, match="an address is"):
        ledger.query("by", [5], state)


def test_a_second_copy_and_what_the_rule_forbids_are_refused_everywhere() -> None:
    ledger = make()
    state = run(ledger, signed(ALICE, b"yes"))
    for raw, reason in (
        (signed(ALICE, b"yes"), "duplicate"),
        (signed(ALICE, b"no"), "rule"),
        (signed(BOB, b"lie"), "rule"),
    ):
        with pytest.raises(Refused) as refused:
            ledger.admit(ledger.decode(raw), state)
        assert refused.value.reason == reason
        with pytest.raises(InvalidBlock, match=reason):
            ledger.execute(CONTEXT, [ledger.decode(raw)], state, strict=True)


def test_a_rule_that_raises_says_no() -> None:
    def broken(entry: Entry, past: Past) -> bool:
        return len(past) / 0 > 1

    ledger = make(broken)
    with pytest.raises(Refused, match="does not allow"):
        ledger.admit(ledger.decode(signed(ALICE, b"x")), DictState({}))


def test_authors_and_chains_cannot_be_exchanged() -> None:
    ledger = make(None)
    assert ledger.decode(signed(ALICE, b"x")).sender == ALICE.address
    assert Data(CHAIN + 1).decode(signed(ALICE, b"x")).sender != ALICE.address
    data, signature = (rlp.as_bytes(item) for item in rlp.decode_list(signed(ALICE, b"x"), 2))
    high = signature[:32] + (CURVE_ORDER - int.from_bytes(signature[32:64])).to_bytes(32) + bytes((1 - signature[64],))
    for raw in (
        rlp.encode([data, high]),
        rlp.encode([data, signature[:64] + b"\x02"]),
        rlp.encode([data, signature[:64]]),
    ):
        with pytest.raises(Refused):
            ledger.decode(raw)
    with pytest.raises(Refused, match="at most"):
        ledger.decode(signed(ALICE, bytes(DATA_BYTES_MAX + 1)))
    assert ledger.decode(signed(ALICE, bytes(DATA_BYTES_MAX))).gas > 0


@pytest.mark.parametrize(
    ("parameters", "rule", "says"),
    [
        ({"rule": "x"}, None, "only the program that has this rule"),
        ({}, once_each, "genesis has to name the rule"),
        ({"rule": 5}, once_each, "accepted: the name of a rule"),
        ({"ruel": "x"}, None, r"config\.ledger\.ruel is unknown; accepted: rule"),
    ],
)
def test_genesis_and_program_have_to_mean_the_same_rule(parameters: Any, rule: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Data(CHAIN, parameters=parameters, rule=rule)


@pytest.mark.parametrize(
    ("alloc", "says"),
    [
        ({"0x" + "11" * 20: {"balance": -1}}, "balance"),
        ({"0x" + "11" * 20: {"code": "0x"}}, "accepted: balance, node, name"),
        ({"0x" + "11" * 20: 5}, "accepted: an object"),
        ({"0x11": {}}, "alloc.0x11"),
    ],
)
def test_a_bad_alloc_is_named(alloc: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Data(CHAIN).genesis(alloc)
