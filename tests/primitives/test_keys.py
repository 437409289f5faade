"""Account keys against eth-keys and published vectors."""

import contextlib

import pytest
from eth_keys import keys as eth_keys
from hypothesis import given, settings
from hypothesis import strategies as st

from raclette.primitives.errors import DecodeError, Misuse
from raclette.primitives.hashing import keccak256, sha256
from raclette.primitives.keys import (
    CURVE_ORDER,
    LOW_S_MAX,
    AccountKey,
    address_of,
    checksum_address,
    compress_public_key,
    parse_address,
    recover_address,
    recover_compact,
    recover_public_key,
)

secrets = st.integers(1, CURVE_ORDER - 1).map(lambda number: number.to_bytes(32))
digests = st.binary(min_size=32, max_size=32)


@given(secrets, digests)
@settings(max_examples=40)
def test_a_signature_is_the_one_that_eth_keys_makes_and_names_its_author(secret: bytes, digest: bytes) -> None:
    key = AccountKey(secret)
    theirs = eth_keys.PrivateKey(secret)
    r, s, y_parity = key.sign_recoverable(digest)
    expected = theirs.sign_msg_hash(digest)
    assert (r, s, y_parity) == (expected.r, expected.s, expected.v)
    assert 0 < s <= LOW_S_MAX
    assert key.address == theirs.public_key.to_canonical_address()
    assert key.public_key == theirs.public_key.to_compressed_bytes()
    assert recover_address(digest, r, s, y_parity) == key.address
    assert recover_public_key(digest, r, s, y_parity) == key.public_key


def test_signing_follows_rfc_6979() -> None:
    """secp256k1, SHA-256, secret 1, "Satoshi Nakamoto": the vector that Bitcoin libraries share."""
    signature = AccountKey((1).to_bytes(32)).sign_recoverable(sha256(b"Satoshi Nakamoto"))
    assert signature.r == 0x934B1EA10A4B3C1757E2B0C017D0B6143CE3C9A7E6A4A49860D7A6AB210EE3D8
    assert signature.s == 0x2442CE9D2B916064108014783E923EC36B49743E2FFA1C4496F01A512AAFD9E5


@pytest.mark.parametrize(
    "text",
    [
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
        "0x52908400098527886E0F7030069857D2E4169EE7",
        "0x27b1fdb04752bbc536007a920d24acb045561c26",
    ],
)
def test_addresses_read_and_write_the_vectors_of_eip_55(text: str) -> None:
    address = parse_address(text)
    assert checksum_address(address) == text
    assert parse_address(text.lower()) == address
    assert parse_address(text[2:].upper()) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0x",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAe",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed00",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1Beaed",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeg",
        "0x 5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAe",
        "0x" + "é" * 40,
    ],
)
def test_a_mistyped_address_is_refused(text: str) -> None:
    with pytest.raises(DecodeError):
        parse_address(text)


@pytest.mark.parametrize("secret", [b"", bytes(31), bytes(33), bytes(32), CURVE_ORDER.to_bytes(32), b"\xff" * 32])
def test_a_secret_outside_the_curve_is_misuse(secret: bytes) -> None:
    with pytest.raises(Misuse):
        AccountKey(secret)


def test_a_new_key_is_a_function_of_the_entropy_it_is_given() -> None:
    assert AccountKey.from_entropy(bytes(32)).address == AccountKey.from_entropy(bytes(32)).address
    assert AccountKey.from_entropy(bytes(32)).address != AccountKey.from_entropy(bytes(31) + b"\x01").address
    with pytest.raises(Misuse):
        AccountKey.from_entropy(bytes(31))


def test_a_key_never_shows_its_secret_by_accident() -> None:
    key = AccountKey(b"\x11" * 32)
    assert "11" * 16 not in repr(key)
    assert checksum_address(key.address) in repr(key)


@given(digests, st.binary(min_size=65, max_size=65))
@settings(max_examples=200)
def test_recovering_from_noise_gives_an_address_or_our_error(digest: bytes, signature: bytes) -> None:
    with contextlib.suppress(DecodeError):
        assert len(recover_compact(digest, signature)) == 20


@pytest.mark.parametrize(("r", "s", "y_parity"), [(0, 1, 0), (1, 0, 0), (CURVE_ORDER, 1, 0), (1, -1, 0), (1, 1, 2)])
def test_a_signature_out_of_range_is_refused(r: int, s: int, y_parity: int) -> None:
    with pytest.raises(DecodeError):
        recover_address(keccak256(b"x"), r, s, y_parity)
    with pytest.raises(DecodeError):
        recover_public_key(keccak256(b"x"), r, s, y_parity)


def test_both_forms_of_a_public_key_are_one_key() -> None:
    key = AccountKey(b"\x07" * 32)
    long = b"\x04" + eth_keys.PrivateKey(b"\x07" * 32).public_key.to_bytes()
    assert compress_public_key(long) == compress_public_key(key.public_key) == key.public_key
    assert address_of(long) == key.address
    for wrong in (b"", long[1:], b"\x06" + long[1:], b"\x04" + bytes(64), b"\x05" + key.public_key[1:], long[:33]):
        with pytest.raises(DecodeError):
            compress_public_key(wrong)
