"""Ethereum transactions: eth-account and we read each other, and strangers' bytes meet our errors only."""

from typing import Any

import pytest
from eth_account import Account
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from raclette.chain.transaction import (
    ACCESS_LIST,
    CHAIN_ID_MAX,
    DYNAMIC_FEE,
    LEGACY,
    NONCE_MAX,
    TRANSACTION_BYTES_MAX,
    AccessList,
    decode_transaction,
    encode_transaction,
    intrinsic_gas,
    sign_transaction,
    sign_transfer,
)
from raclette.primitives.errors import DecodeError, Misuse, Refused
from raclette.primitives.hashing import keccak256
from raclette.primitives.keys import AccountKey, checksum_address

KEY = AccountKey(b"\x11" * 32)
CHAIN = 21057
BOB = b"\xb0" * 20

amounts = st.one_of(st.integers(0, 300), st.integers(0, 2**128))
addresses = st.binary(min_size=20, max_size=20)
slots = st.lists(st.binary(min_size=32, max_size=32), max_size=3).map(tuple)
access_lists = st.lists(st.tuples(addresses, slots), max_size=3).map(tuple)


@st.composite
def fields(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from((LEGACY, ACCESS_LIST, DYNAMIC_FEE)))
    max_fee = draw(amounts)
    return {
        "kind": kind,
        "chain_id": draw(st.sampled_from((1, CHAIN, CHAIN_ID_MAX))),
        "nonce": draw(st.one_of(st.integers(0, 300), st.integers(0, NONCE_MAX))),
        "to": draw(st.one_of(st.none(), addresses)),
        "value": draw(amounts),
        "data": draw(st.binary(max_size=80)),
        "gas": draw(st.integers(0, 2**64 - 1)),
        "max_fee": max_fee,
        "max_priority_fee": draw(st.integers(0, max_fee)) if kind == DYNAMIC_FEE else max_fee,
        "access_list": draw(access_lists) if kind != LEGACY else (),
    }


def as_eth_account(wanted: dict[str, Any]) -> dict[str, Any]:
    """The same transaction in eth-account's words."""
    theirs: dict[str, Any] = {
        "chainId": wanted["chain_id"],
        "nonce": wanted["nonce"],
        "value": wanted["value"],
        "data": wanted["data"],
        "gas": wanted["gas"],
        "to": checksum_address(wanted["to"]) if wanted["to"] is not None else "",
    }
    if wanted["kind"] == DYNAMIC_FEE:
        theirs |= {"type": 2, "maxFeePerGas": wanted["max_fee"], "maxPriorityFeePerGas": wanted["max_priority_fee"]}
    else:
        theirs["gasPrice"] = wanted["max_fee"]
    if wanted["kind"] != LEGACY:
        theirs["type"] = wanted["kind"]
        theirs["accessList"] = [
            {"address": checksum_address(address), "storageKeys": ["0x" + slot.hex() for slot in keys]}
            for address, keys in wanted["access_list"]
        ]
    return theirs


@given(fields())
@settings(max_examples=80, deadline=None)
def test_eth_account_signs_the_same_bytes_and_we_read_them_back(wanted: dict[str, Any]) -> None:
    raw = sign_transaction(KEY, **wanted)
    theirs = Account.sign_transaction(as_eth_account(wanted), KEY.secret)
    assert bytes(theirs.raw_transaction) == raw
    transaction = decode_transaction(raw, wanted["chain_id"])
    detail = transaction.detail
    assert transaction.sender == KEY.address
    assert transaction.hash == bytes(theirs.hash)
    assert (detail.v, detail.r, detail.s) == (theirs.v, theirs.r, theirs.s)
    for name in ("chain_id", "nonce", "to", "value", "data", "gas", "max_fee", "max_priority_fee", "access_list"):
        assert getattr(detail, name) == wanted[name]
    assert detail.type == wanted["kind"]
    assert encode_transaction(detail) == raw
    assert Account.recover_transaction(raw) == checksum_address(KEY.address)


@given(st.integers(0, NONCE_MAX), amounts, amounts, st.binary(max_size=60))
@settings(max_examples=30)
def test_the_short_way_to_sign_a_transfer_gives_the_same_bytes(nonce: int, value: int, fee: int, data: bytes) -> None:
    short = sign_transfer(KEY, chain_id=CHAIN, nonce=nonce, to=BOB, value=value, data=data, fee=fee)
    assert short == sign_transaction(KEY, chain_id=CHAIN, nonce=nonce, to=BOB, value=value, data=data, max_fee=fee)


def test_the_example_of_eip_155_reads_as_published() -> None:
    raw = bytes.fromhex(
        "f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025a028ef61340bd939bc21"
        "95fe537567866003e1a15d3c71ff63e1590620aa636276a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83"
    )
    transaction = decode_transaction(raw, 1)
    assert transaction.sender == AccountKey(b"\x46" * 32).address
    assert (transaction.nonce, transaction.fee, transaction.gas) == (9, 20 * 10**9, 21000)
    assert transaction.detail.value == 10**18
    assert transaction.detail.v == 37


def test_an_unprotected_transaction_is_taken_only_where_that_is_wanted() -> None:
    raw = sign_transaction(KEY, chain_id=None, nonce=0, to=BOB, kind=LEGACY)
    with pytest.raises(Refused, match="replay-protected") as refusal:
        decode_transaction(raw, CHAIN)
    assert refusal.value.reason == "unprotected"
    transaction = decode_transaction(raw, CHAIN, allow_unprotected=True)
    assert transaction.sender == KEY.address
    assert transaction.detail.chain_id is None
    assert transaction.detail.v in (27, 28)
    assert encode_transaction(transaction.detail) == raw


@pytest.mark.parametrize("kind", [LEGACY, ACCESS_LIST, DYNAMIC_FEE])
def test_a_transaction_of_another_chain_is_refused_in_geths_words(kind: int) -> None:
    raw = sign_transaction(KEY, chain_id=5, nonce=0, to=BOB, kind=kind)
    with pytest.raises(Refused, match="invalid chain id for signer: have 5 want 21057") as refusal:
        decode_transaction(raw, CHAIN)
    assert refusal.value.reason == "wrong-chain"


@pytest.mark.parametrize("kind", [0, 3, 4, 0x7F, 0x80, 0xBF])
def test_other_types_are_refused(kind: int) -> None:
    """Blobs (3) and delegations (4) among them: the bank has no use for either."""
    raw = bytes((kind,)) + sign_transaction(KEY, chain_id=CHAIN, nonce=0, to=BOB)[1:]
    with pytest.raises(Refused, match="transaction type not supported"):
        decode_transaction(raw, CHAIN)
    with pytest.raises(Refused):
        decode_transaction(b"", CHAIN)


def test_size_and_nonce_have_limits() -> None:
    largest = sign_transaction(KEY, chain_id=CHAIN, nonce=NONCE_MAX, to=BOB, data=bytes(TRANSACTION_BYTES_MAX - 200))
    assert decode_transaction(largest, CHAIN).nonce == NONCE_MAX
    with pytest.raises(Refused, match="oversized data"):
        decode_transaction(
            sign_transaction(KEY, chain_id=CHAIN, nonce=0, to=BOB, data=bytes(TRANSACTION_BYTES_MAX)), CHAIN
        )
    with pytest.raises(Refused, match="nonce has max value"):
        decode_transaction(sign_transaction(KEY, chain_id=CHAIN, nonce=NONCE_MAX + 1, to=BOB), CHAIN)


def test_gas_follows_eip_2028_and_eip_2930() -> None:
    accesses: AccessList = ((BOB, (bytes(32), bytes(32))), (BOB, ()))
    assert intrinsic_gas(b"") == 21_000
    assert intrinsic_gas(b"\x00\x01\x00\x02\x03") == 21_000 + 2 * 4 + 3 * 16
    assert intrinsic_gas(b"", accesses) == 21_000 + 2 * 2_400 + 2 * 1_900
    assert intrinsic_gas(b"", is_creation=True) == 53_000


def test_a_fee_is_the_effective_price_at_the_base_fee() -> None:
    raw = sign_transaction(KEY, chain_id=CHAIN, nonce=0, to=BOB, max_fee=100, max_priority_fee=7)
    assert decode_transaction(raw, CHAIN).fee == 7
    assert decode_transaction(raw, CHAIN, base_fee=50).fee == 57
    assert decode_transaction(raw, CHAIN, base_fee=95).fee == 100
    legacy = sign_transaction(KEY, chain_id=CHAIN, nonce=0, to=BOB, max_fee=100, kind=LEGACY)
    assert decode_transaction(legacy, CHAIN, base_fee=50).fee == 100


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": 3},
        {"kind": LEGACY, "max_priority_fee": 1, "max_fee": 2},
        {"kind": LEGACY, "access_list": ((BOB, ()),)},
        {"kind": DYNAMIC_FEE, "chain_id": None},
    ],
)
def test_fields_that_a_type_cannot_carry_are_misuse(wrong: dict[str, Any]) -> None:
    base: dict[str, Any] = {"chain_id": CHAIN, "nonce": 0, "to": BOB}
    with pytest.raises(Misuse):
        sign_transaction(KEY, **(base | wrong))


def test_a_transfer_goes_to_an_address() -> None:
    with pytest.raises(Misuse):
        sign_transfer(KEY, chain_id=CHAIN, nonce=0, to=b"bob", value=1)


def decodes(raw: bytes) -> bytes | None:
    """The sender, or None if the bytes were refused by one of our errors. Any other exception fails the test."""
    try:
        transaction = decode_transaction(raw, CHAIN)
    except (DecodeError, Refused):
        return None
    assert transaction.hash == keccak256(raw)
    # What decodes has one encoding, and that is what came in.
    assert encode_transaction(transaction.detail) == raw
    return transaction.sender


@given(st.binary(max_size=300))
@settings(max_examples=300)
def test_noise_meets_our_errors_only(noise: bytes) -> None:
    for raw in (noise, b"\x01" + noise, b"\x02" + noise, b"\x02\xf8" + noise):
        assert decodes(raw) != KEY.address


@given(st.data())
@settings(max_examples=300)
def test_bytes_changed_by_a_stranger_never_keep_the_author(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from((LEGACY, ACCESS_LIST, DYNAMIC_FEE)))
    accesses: AccessList = ((BOB, (bytes(32),)),) if kind != LEGACY else ()
    raw = sign_transaction(
        KEY, chain_id=CHAIN, nonce=7, to=BOB, value=5, data=b"hello", kind=kind, access_list=accesses
    )
    at = data.draw(st.integers(0, len(raw) - 1))
    removed = data.draw(st.integers(0, 3))
    changed = raw[:at] + data.draw(st.binary(max_size=3)) + raw[at + removed :]
    assume(changed != raw)
    assert decodes(changed) != KEY.address
