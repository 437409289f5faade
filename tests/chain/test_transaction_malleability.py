"""Every second way to write a transaction is refused, so nobody but its author can change its hash."""

from collections.abc import Callable

import pytest

from raclette.chain.transaction import (
    ACCESS_LIST,
    DYNAMIC_FEE,
    LEGACY,
    decode_transaction,
    encode_transaction,
    sign_transaction,
)
from raclette.primitives import rlp
from raclette.primitives.errors import DecodeError, Refused
from raclette.primitives.keys import CURVE_ORDER, AccountKey
from raclette.primitives.rlp import Item

KEY = AccountKey(b"\x11" * 32)
CHAIN = 21057
BOB = b"\xb0" * 20
KINDS = (LEGACY, ACCESS_LIST, DYNAMIC_FEE)
# The fields of each type, in order.
FIELDS = {
    LEGACY: "nonce price gas to value data v r s",
    ACCESS_LIST: "chain nonce price gas to value data accesses v r s",
    DYNAMIC_FEE: "chain nonce tip cap gas to value data accesses v r s",
}


def signed(kind: int) -> bytes:
    return sign_transaction(KEY, chain_id=CHAIN, nonce=300, to=BOB, value=5, data=b"hi", kind=kind)


def rewritten(kind: int, change: Callable[[list[Item]], None]) -> bytes:
    """The signed transaction with its fields changed and nothing signed anew."""
    raw = signed(kind)
    items = rlp.decode_list(raw[1:] if kind else raw)
    change(items)
    return raw[: 1 if kind else 0] + rlp.encode(items)


def put(kind: int, name: str, value: Item) -> bytes:
    def change(items: list[Item]) -> None:
        items[FIELDS[kind].split().index(name)] = value

    return rewritten(kind, change)


def get(kind: int, name: str) -> bytes:
    raw = signed(kind)
    return rlp.as_bytes(rlp.decode_list(raw[1:] if kind else raw)[FIELDS[kind].split().index(name)])


@pytest.mark.parametrize("kind", KINDS)
def test_the_other_half_of_s_is_refused(kind: int) -> None:
    """(r, N - s) with the other parity is a valid signature of the same author: EIP-2 forbids it."""
    detail = decode_transaction(signed(kind), CHAIN).detail
    mirrored = encode_transaction(detail._replace(s=CURVE_ORDER - detail.s, y_parity=1 - detail.y_parity))
    with pytest.raises(Refused, match="invalid transaction v, r, s values") as refusal:
        decode_transaction(mirrored, CHAIN)
    assert refusal.value.reason == "bad-signature"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["nonce", "gas", "value", "r", "s", "v"])
def test_a_leading_zero_is_refused(kind: int, name: str) -> None:
    with pytest.raises(DecodeError, match=r"leading zero|at most"):
        decode_transaction(put(kind, name, b"\x00" + get(kind, name)), CHAIN)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["r", "s"])
@pytest.mark.parametrize("value", [0, CURVE_ORDER, CURVE_ORDER + 1, 2**256 - 1])
def test_r_and_s_out_of_range_are_refused(kind: int, name: str, value: int) -> None:
    with pytest.raises(Refused, match="invalid transaction v, r, s values"):
        decode_transaction(put(kind, name, rlp.int_to_bytes(value)), CHAIN)


@pytest.mark.parametrize("kind", KINDS)
def test_the_wrong_parity_names_somebody_else(kind: int) -> None:
    detail = decode_transaction(signed(kind), CHAIN).detail
    other = encode_transaction(detail._replace(y_parity=1 - detail.y_parity))
    assert decode_transaction(other, CHAIN).sender != KEY.address


@pytest.mark.parametrize("kind", [ACCESS_LIST, DYNAMIC_FEE])
@pytest.mark.parametrize("v", [2, 27, 28, 42149, 42150])
def test_typed_transactions_have_no_v_but_a_parity(kind: int, v: int) -> None:
    with pytest.raises((DecodeError, Refused)):
        decode_transaction(put(kind, "v", rlp.int_to_bytes(v)), CHAIN)


@pytest.mark.parametrize("v", [0, 1, 2, 26, 29, 34])
def test_legacy_transactions_have_no_other_v(v: int) -> None:
    with pytest.raises(Refused):
        decode_transaction(put(LEGACY, "v", rlp.int_to_bytes(v)), CHAIN)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_follows_the_list_and_nothing_is_missing(kind: int) -> None:
    raw = signed(kind)
    for wrong in (raw + b"\x00", raw + raw, raw[:-1], raw[:1]):
        with pytest.raises((DecodeError, Refused)):
            decode_transaction(wrong, CHAIN)
    for change in (lambda items: items.append(b""), lambda items: items.pop(), lambda items: items.clear()):
        with pytest.raises(DecodeError, match=r"rlp-(count|type|truncated)"):
            decode_transaction(rewritten(kind, change), CHAIN)


@pytest.mark.parametrize("kind", KINDS)
def test_lists_stand_only_where_lists_belong(kind: int) -> None:
    for name in ("nonce", "to", "data", "v", "r", "s"):
        with pytest.raises(DecodeError, match="rlp-type"):
            decode_transaction(put(kind, name, []), CHAIN)
    if kind:
        for wrong in (b"", b"\x01", b"\xc0", BOB):
            with pytest.raises(DecodeError, match="rlp-type"):
                decode_transaction(put(kind, "accesses", wrong), CHAIN)


@pytest.mark.parametrize(
    "accesses",
    [
        [b""],
        [[]],
        [[BOB]],
        [[BOB, b""]],
        [[BOB[1:], []]],
        [[[BOB], []]],
        [[BOB, [bytes(31)]]],
        [[BOB, [[bytes(32)]]]],
        [[BOB, [], []]],
        [[BOB, [bytes(32)], b""]],
        [[[[[[[[[[[[]]]]]]]]]]]],
    ],
)
def test_a_malformed_access_list_is_refused(accesses: list[Item]) -> None:
    for kind in (ACCESS_LIST, DYNAMIC_FEE):
        with pytest.raises(DecodeError):
            decode_transaction(put(kind, "accesses", accesses), CHAIN)


@pytest.mark.parametrize("length", [1, 19, 21, 32])
def test_a_receiver_is_an_address_or_nothing(length: int) -> None:
    with pytest.raises(DecodeError, match="a receiver of"):
        decode_transaction(put(DYNAMIC_FEE, "to", b"\x01" * length), CHAIN)


def test_lengths_are_written_the_short_way() -> None:
    raw = signed(DYNAMIC_FEE)
    assert raw[1] == 0xF8
    long_form = raw[:1] + b"\xf9\x00" + raw[2:]
    with pytest.raises(DecodeError, match="leading zero in the length"):
        decode_transaction(long_form, CHAIN)
    with pytest.raises(DecodeError, match="rlp-canonical"):
        decode_transaction(raw.replace(b"\x82hi", b"\xb8\x02hi").replace(raw[1:3], bytes((0xF8, raw[2] + 1)), 1), CHAIN)
