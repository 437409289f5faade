"""Encrypted account keys on disk, as every Ethereum wallet reads and writes them.

Source: Web3 Secret Storage Definition, version 3, by eth-account: the passphrase goes through scrypt, the result
encrypts the secret (AES-128-CTR) and authenticates it (keccak256). Salt and initialisation vector are drawn inside
eth-account, so encrypting is for hosts; nothing here takes part in agreement.
"""

import sys
from collections.abc import Mapping
from typing import Any

from raclette.primitives.errors import Misuse
from raclette.primitives.keys import AccountKey, checksum_address

# scrypt's N with r=8, p=1: 256 MiB and about a second, the standard of geth and eth-account.
SCRYPT_WORK = 1 << 18
# For tests and demos on throw-away keys: microseconds, and no protection.
SCRYPT_WORK_FAST = 1 << 4
# What a foreign file may ask of us: four times the standard's memory, 128 * N * r bytes.
SCRYPT_BYTES_MAX = 1 << 30
SCRYPT_PARALLEL_MAX = 16
PBKDF2_ROUNDS_MAX = 10_000_000


class WrongPassphrase(Misuse):
    """The passphrase does not open this keystore."""


def encrypt_key(key: AccountKey, passphrase: str, *, work: int = SCRYPT_WORK) -> dict[str, Any]:
    """The V3 keystore as JSON-able data. `work`: scrypt's N, a power of two. Raises Misuse."""
    if work < 2 or work & (work - 1):
        raise Misuse(f"scrypt work must be a power of two of at least 2, not {work}")
    encrypted: dict[str, Any] = _eth_account().encrypt(key.secret, passphrase, kdf="scrypt", iterations=work)
    return encrypted


def decrypt_key(keystore: Mapping[str, Any], passphrase: str) -> AccountKey:
    """The key inside. Raises WrongPassphrase, or Misuse if the file is not a usable V3 keystore."""
    _check_form(keystore)
    account = _eth_account()
    try:
        secret = bytes(account.decrypt(dict(keystore), passphrase))
    except ValueError as wrong:
        if "MAC mismatch" in str(wrong):
            raise WrongPassphrase("wrong passphrase for this keystore") from None
        raise Misuse(f"not a usable V3 keystore: {wrong}") from None
    except (TypeError, KeyError, AttributeError, AssertionError, OverflowError, NotImplementedError) as wrong:
        raise Misuse(f"not a usable V3 keystore: {type(wrong).__name__}: {wrong}") from None
    key = AccountKey(secret)
    claimed = keystore.get("address")
    if isinstance(claimed, str) and claimed.lower().removeprefix("0x") != key.address.hex():
        raise Misuse(f"the keystore says {claimed} but holds the key of {checksum_address(key.address)}")
    return key


def _eth_account() -> Any:
    """eth-account, imported at first use: it is slow to load, and only wallets need it. One of its dependencies
    (py_ecc) raises the recursion limit of the whole process to 100,000, with which deeply nested input overflows the C
    stack; the limit is put back."""
    limit = sys.getrecursionlimit()
    try:
        from eth_account import Account
    finally:
        sys.setrecursionlimit(limit)
    return Account


def _check_form(keystore: Mapping[str, Any]) -> None:
    """Version, presence and cost, before a foreign file's parameters cost us memory."""
    if not isinstance(keystore, Mapping) or keystore.get("version") != 3:
        raise Misuse("not a V3 keystore: version 3 expected")
    crypto = keystore.get("crypto", keystore.get("Crypto"))
    parameters = crypto.get("kdfparams") if isinstance(crypto, Mapping) else None
    if not isinstance(crypto, Mapping) or not isinstance(parameters, Mapping):
        raise Misuse("not a V3 keystore: crypto.kdfparams is missing")
    if crypto.get("kdf") not in ("scrypt", "pbkdf2"):
        raise Misuse(f"crypto.kdf is {crypto.get('kdf')!r}; accepted: scrypt, pbkdf2")
    cost = [parameters.get(name, 1) for name in ("n", "r", "p", "c")]
    if not all(isinstance(part, int) and part > 0 for part in cost):
        raise Misuse("crypto.kdfparams: n, r, p and c are positive integers")
    n, r, p, c = cost
    if 128 * n * r > SCRYPT_BYTES_MAX or p > SCRYPT_PARALLEL_MAX or c > PBKDF2_ROUNDS_MAX:
        raise Misuse("crypto.kdfparams ask for more memory or time than any wallet uses")
