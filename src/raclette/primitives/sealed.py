"""Sealed memos: text in a transaction that only its receiver and its sender can read.

ECIES (SEC 1 v2.0, section 5.1, with today's parts): the sender makes a one-time key e, and Diffie-Hellman between e and
the receiver's account key hides a content key, under which ChaCha20-Poly1305 (RFC 8439) seals the text. The transaction
that carries a memo is public and signed; the memo's associated data binds it to chain, sender, receiver and nonce, so a
memo copied into another transaction does not open.

No randomness is drawn: e is a pseudorandom function of the sender's secret and of everything sealed, the text included,
so two different memos never share a key, even when a transaction is replaced at the same nonce, and sealing the same
memo twice gives the same bytes. The content key is another such function, of the sender's secret and the public e·G:
that is how senders read what they sent, without storing anything.

    magic "memo" | version 1 | e·G (33) | content key xor mask (32) | ciphertext | tag (16)

What it does not hide: that there is a memo, its length, and between whom. No forward secrecy: who gets an account's
secret can read the memos it has sent or received.
"""

from hmac import digest as hmac_digest
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from raclette.primitives.errors import DecodeError, Misuse
from raclette.primitives.keys import CURVE_ORDER, AccountKey, address_of, compress_public_key

MEMO_MAGIC = b"memo"
MEMO_VERSION = 1
# A page of text. Each byte costs 16 gas and stays in the chain for ever.
MEMO_TEXT_BYTES_MAX = 4096
_PREFIX = MEMO_MAGIC + bytes((MEMO_VERSION,))
_POINT_END = len(_PREFIX) + 33
_BOX_END = _POINT_END + 32
_TAG_BYTES = 16
# What sealing adds to the text.
MEMO_OVERHEAD_BYTES = _BOX_END + _TAG_BYTES
# Each content key seals exactly one text, so the cipher's nonce may be constant.
_CIPHER_NONCE = bytes(12)


class Envelope(NamedTuple):
    """The transaction a memo belongs to: addresses of 20 bytes, the sender's nonce in it."""

    chain_id: int
    sender: bytes
    receiver: bytes
    nonce: int

    def encoded(self) -> bytes:
        """Associated data: 85 bytes, one way to write each envelope."""
        return _PREFIX + self.chain_id.to_bytes(32) + self.sender + self.receiver + self.nonce.to_bytes(8)


def is_sealed(data: bytes) -> bool:
    """Does a transaction's data look like a memo of a version we read?"""
    return data.startswith(_PREFIX) and MEMO_OVERHEAD_BYTES <= len(data) <= MEMO_OVERHEAD_BYTES + MEMO_TEXT_BYTES_MAX


def seal(text: bytes, *, key: AccountKey, receiver_key: bytes, chain_id: int, nonce: int) -> bytes:
    """Seal `text` from the account of `key` to the owner of `receiver_key` (33 or 65 bytes), for the transaction of
    `key`'s account with `nonce`. Raises Misuse if it is too long, DecodeError if the receiver's key is no point."""
    if len(text) > MEMO_TEXT_BYTES_MAX:
        raise Misuse(f"a memo is at most {MEMO_TEXT_BYTES_MAX} bytes, not {len(text)}")
    receiver_key = compress_public_key(receiver_key)
    envelope = Envelope(chain_id, key.address, address_of(receiver_key), nonce).encoded()
    seed = hmac_digest(key.secret, b"raclette memo ephemeral" + envelope + text, "sha256")
    one_time = AccountKey((int.from_bytes(seed) % (CURVE_ORDER - 1) + 1).to_bytes(32))
    content_key = _content_key(key, one_time.public_key, envelope)
    mask = _mask(one_time.shared_secret(receiver_key), one_time.public_key, envelope)
    sealed = ChaCha20Poly1305(content_key).encrypt(_CIPHER_NONCE, text, envelope + one_time.public_key)
    return _PREFIX + one_time.public_key + _xor(content_key, mask) + sealed


def open_sealed(data: bytes, *, key: AccountKey, chain_id: int, sender: bytes, receiver: bytes, nonce: int) -> bytes:
    """The text of the memo `data` found in the transaction of `sender` with `nonce` to `receiver`, read by either of
    the two. Raises DecodeError: "memo-form" if it is none, "memo-unreadable" if damaged, copied, or not for `key`."""
    if not is_sealed(data):
        raise DecodeError("memo-form", "not a sealed memo of a known version")
    envelope = Envelope(chain_id, sender, receiver, nonce).encoded()
    point = data[len(_PREFIX) : _POINT_END]
    candidates: list[bytes] = []
    if key.address == receiver:
        mask = _mask(key.shared_secret(point), point, envelope)
        candidates.append(_xor(data[_POINT_END:_BOX_END], mask))
    if key.address == sender:
        candidates.append(_content_key(key, point, envelope))
    for content_key in candidates:
        try:
            return ChaCha20Poly1305(content_key).decrypt(_CIPHER_NONCE, data[_BOX_END:], envelope + point)
        except InvalidTag:
            continue
    raise DecodeError("memo-unreadable", "not for this key, or not in the transaction it was sealed for")


def _content_key(sender: AccountKey, point: bytes, envelope: bytes) -> bytes:
    return hmac_digest(sender.secret, b"raclette memo content" + envelope + point, "sha256")


def _mask(shared: bytes, point: bytes, envelope: bytes) -> bytes:
    return hmac_digest(shared, b"raclette memo mask" + envelope + point, "sha256")


def _xor(left: bytes, right: bytes) -> bytes:
    return (int.from_bytes(left) ^ int.from_bytes(right)).to_bytes(len(left))
