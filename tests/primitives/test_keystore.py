"""Keystores: ours and eth-account's are the same files."""

import json
import subprocess
import sys
from typing import Any

import pytest
from eth_account import Account

from raclette.primitives.errors import Misuse
from raclette.primitives.keys import AccountKey
from raclette.primitives.keystore import SCRYPT_WORK_FAST, WrongPassphrase, decrypt_key, encrypt_key

KEY = AccountKey(b"\x2a" * 32)


def fast() -> dict[str, Any]:
    return encrypt_key(KEY, "correct horse", work=SCRYPT_WORK_FAST)


def test_a_key_survives_the_keystore_and_other_wallets_read_it() -> None:
    stored: dict[str, Any] = json.loads(json.dumps(fast()))
    assert stored["version"] == 3
    assert decrypt_key(stored, "correct horse").secret == KEY.secret
    assert bytes(Account.decrypt(stored, "correct horse")) == KEY.secret


def test_a_keystore_of_another_wallet_opens() -> None:
    theirs = Account.encrypt(KEY.secret, "pass", kdf="pbkdf2", iterations=10)
    assert decrypt_key(theirs, "pass").address == KEY.address


def test_a_wrong_passphrase_is_one_clear_error() -> None:
    with pytest.raises(WrongPassphrase, match="wrong passphrase"):
        decrypt_key(fast(), "battery staple")


@pytest.mark.parametrize(
    "change",
    [
        {"version": 4},
        {"crypto": None},
        {"crypto": {}},
        {"crypto": {"kdf": "md5", "kdfparams": {}}},
        {"crypto": {"kdf": "scrypt", "kdfparams": {"n": 1 << 30, "r": 8, "p": 1, "dklen": 32, "salt": ""}}},
        {"crypto": {"kdf": "scrypt", "kdfparams": {"n": "16", "r": 8, "p": 1}}},
        {"crypto": {"kdf": "pbkdf2", "kdfparams": {"c": 10**12}}},
        {"crypto": {"kdf": "scrypt", "kdfparams": {"n": 16, "r": 8, "p": 1}}},
        {"address": "00" * 20},
    ],
)
def test_a_file_that_is_no_usable_keystore_is_misuse(change: dict[str, Any]) -> None:
    with pytest.raises(Misuse) as caught:
        decrypt_key(fast() | change, "correct horse")
    assert not isinstance(caught.value, WrongPassphrase)


@pytest.mark.parametrize("field", ["ciphertext", "mac", "cipherparams", "kdfparams"])
@pytest.mark.parametrize("value", ["zz", "", 7, None, {}, {"iv": "q"}])
def test_a_damaged_file_never_raises_anything_but_misuse(field: str, value: object) -> None:
    stored = fast()
    stored["crypto"][field] = value
    with pytest.raises(Misuse):
        decrypt_key(stored, "correct horse")


@pytest.mark.parametrize("work", [0, 1, 3, 100])
def test_scrypt_work_is_a_power_of_two(work: int) -> None:
    with pytest.raises(Misuse):
        encrypt_key(KEY, "x", work=work)


def test_opening_a_wallet_leaves_the_recursion_limit_of_the_process_alone() -> None:
    """py_ecc raises it to 100,000 on import; nested input would then overflow the C stack of a node."""
    script = (
        "import sys; before = sys.getrecursionlimit()\n"
        "from raclette.primitives.keys import AccountKey\n"
        "from raclette.primitives.keystore import encrypt_key\n"
        "encrypt_key(AccountKey(bytes([1]) * 32), 'x', work=16)\n"
        "assert 'py_ecc' in sys.modules\n"
        "print(before, sys.getrecursionlimit())"
    )
    before, after = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout.split()
    assert before == after
