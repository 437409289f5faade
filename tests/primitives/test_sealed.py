"""Sealed memos: who reads them, and what becomes of copies."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raclette.primitives.errors import DecodeError, Misuse
from raclette.primitives.keys import AccountKey
from raclette.primitives.sealed import (
    MEMO_OVERHEAD_BYTES,
    MEMO_TEXT_BYTES_MAX,
    is_sealed,
    open_sealed,
    seal,
)

ALICE, BOB, EVE = (AccountKey(bytes((number,)) * 32) for number in (1, 2, 3))
CHAIN = 21057


def sealed(text: bytes = b"the cheese is melting", nonce: int = 4) -> bytes:
    return seal(text, key=ALICE, receiver_key=BOB.public_key, chain_id=CHAIN, nonce=nonce)


def opened(
    data: bytes,
    key: AccountKey,
    *,
    chain_id: int = CHAIN,
    sender: AccountKey = ALICE,
    receiver: AccountKey = BOB,
    nonce: int = 4,
) -> bytes:
    return open_sealed(data, key=key, chain_id=chain_id, sender=sender.address, receiver=receiver.address, nonce=nonce)


@given(st.binary(max_size=300), st.integers(0, 2**64 - 1))
@settings(max_examples=30)
def test_receiver_and_sender_read_a_memo_and_nobody_else(text: bytes, nonce: int) -> None:
    data = sealed(text, nonce)
    assert is_sealed(data)
    assert len(data) == len(text) + MEMO_OVERHEAD_BYTES
    assert opened(data, BOB, nonce=nonce) == text
    assert opened(data, ALICE, nonce=nonce) == text
    with pytest.raises(DecodeError, match="memo-unreadable"):
        opened(data, EVE, nonce=nonce)


def test_a_memo_copied_into_another_transaction_does_not_open() -> None:
    data = sealed()
    with pytest.raises(DecodeError):
        opened(data, BOB, nonce=5)
    with pytest.raises(DecodeError):
        opened(data, BOB, chain_id=CHAIN + 1)
    with pytest.raises(DecodeError):
        opened(data, BOB, sender=EVE)
    with pytest.raises(DecodeError):
        opened(data, EVE, receiver=EVE)


def test_a_replaced_transaction_shares_no_key_with_the_one_it_replaces() -> None:
    """Same nonce, other text: one key stream for both would show their difference to everybody."""
    first, second = sealed(b"pay the rent"), sealed(b"buy the wine")
    assert first[5:38] != second[5:38]
    assert first[38:70] != second[38:70]
    assert sealed(b"pay the rent") == first


def test_no_byte_of_a_memo_can_be_changed() -> None:
    data = sealed()
    for at in range(len(data)):
        with pytest.raises(DecodeError):
            opened(data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :], BOB)
    for length in range(len(data)):
        with pytest.raises(DecodeError):
            opened(data[:length], BOB)


def test_an_account_can_write_to_itself() -> None:
    data = seal(b"note", key=BOB, receiver_key=BOB.public_key, chain_id=CHAIN, nonce=0)
    assert opened(data, BOB, sender=BOB, nonce=0) == b"note"


def test_a_memo_has_a_largest_size() -> None:
    assert opened(sealed(bytes(MEMO_TEXT_BYTES_MAX)), BOB) == bytes(MEMO_TEXT_BYTES_MAX)
    with pytest.raises(Misuse):
        sealed(bytes(MEMO_TEXT_BYTES_MAX + 1))
    assert not is_sealed(sealed(bytes(MEMO_TEXT_BYTES_MAX)) + b"x")


def test_the_receivers_key_must_be_a_point() -> None:
    with pytest.raises(DecodeError):
        seal(b"", key=ALICE, receiver_key=b"\x02" + b"\xff" * 32, chain_id=CHAIN, nonce=0)


@given(st.binary(max_size=200))
@settings(max_examples=100)
def test_opening_noise_raises_our_error_only(noise: bytes) -> None:
    for data in (noise, b"memo\x01" + noise):
        with pytest.raises(DecodeError):
            opened(data, BOB)
