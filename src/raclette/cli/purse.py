"""The wallet on disk: encrypted keystores by name in one folder, as every Ethereum wallet reads them."""

import json
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from raclette.primitives.errors import ConfigError, DecodeError, Misuse
from raclette.primitives.keys import AccountKey, checksum_address, parse_address
from raclette.primitives.keystore import SCRYPT_WORK, decrypt_key, encrypt_key

FOLDER_VARIABLE = "RACLETTE_WALLET"
PASSPHRASE_VARIABLE = "RACLETTE_PASSPHRASE"
NAME_RULE = "1 to 32 of a-z, 0-9 and -, beginning with a letter or digit"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


class Account(NamedTuple):
    """One keystore file. The public key is kept in clear beside the secret, so that memos can be sealed to us."""

    name: str
    address: bytes
    public_key: bytes
    path: Path


def default_folder() -> Path:
    """`$RACLETTE_WALLET`, or ~/.raclette/wallet."""
    return Path(os.environ.get(FOLDER_VARIABLE) or Path.home() / ".raclette" / "wallet")


class Purse:
    """The keystores of one folder."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or default_folder()

    def accounts(self) -> list[Account]:
        """All of them, by name."""
        return [self._read(path)[0] for path in sorted(self.folder.glob("*.json"))]

    def find(self, name: str) -> Account:
        """By name. Raises ConfigError listing the names there are."""
        path = self._path(name)
        if not path.exists():
            names = ", ".join(account.name for account in self.accounts()) or "none yet: `raclette wallet new NAME`"
            raise ConfigError(f"no account {name!r} in {self.folder}; there are: {names}")
        return self._read(path)[0]

    def sole(self) -> Account:
        """The one account, where there is only one. Raises ConfigError."""
        accounts = self.accounts()
        if len(accounts) != 1:
            names = ", ".join(account.name for account in accounts) or "none: `raclette wallet new NAME` makes one"
            raise ConfigError(f"say which account with --from; there are: {names}")
        return accounts[0]

    def unlock(self, account: Account, passphrase: str) -> AccountKey:
        """The key. Raises WrongPassphrase."""
        return decrypt_key(self._read(account.path)[1], passphrase)

    def create(self, name: str, passphrase: str) -> Account:
        """A new key. Raises ConfigError if the name is taken or not allowed."""
        return self.keep(name, AccountKey.from_entropy(secrets.token_bytes(64)), passphrase)

    def keep(self, name: str, key: AccountKey, passphrase: str, *, work: int = SCRYPT_WORK) -> Account:
        """Encrypt and write a key, readable by its owner only."""
        path = self._path(name)
        if path.exists():
            raise ConfigError(f"{path} exists: choose another name")
        keystore = encrypt_key(key, passphrase, work=work)
        keystore["x-raclette"] = {"name": name, "publicKey": "0x" + key.public_key.hex()}
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(keystore, file, indent=2)
        return Account(name, key.address, key.public_key, path)

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ConfigError(f"{name!r} is no account name; accepted: {NAME_RULE}")
        return self.folder / f"{name}.json"

    def _read(self, path: Path) -> tuple[Account, dict[str, object]]:
        try:
            keystore = json.loads(path.read_text())
            ours = keystore.get("x-raclette", {})
            public_key = bytes.fromhex(str(ours.get("publicKey", "0x"))[2:])
            address = parse_address("0x" + str(keystore["address"]).removeprefix("0x"))
        except (OSError, ValueError, KeyError, AttributeError, DecodeError) as error:
            raise ConfigError(f"{path} is not a keystore: {error or type(error).__name__}") from None
        return Account(path.stem, address, public_key, path), keystore


def read_secret(text: str) -> AccountKey:
    """A key from 64 hex digits. Raises Misuse."""
    try:
        return AccountKey(bytes.fromhex(text.strip().removeprefix("0x")))
    except ValueError as error:
        raise Misuse(f"a private key is 64 hex digits: {error}") from None


def passphrase_from(ask: Callable[[], str]) -> str:
    """`$RACLETTE_PASSPHRASE` if set (for scripts), else what the person types."""
    return os.environ.get(PASSPHRASE_VARIABLE) or ask()


def shown(account: Account) -> dict[str, str]:
    """For people and programs."""
    return {"name": account.name, "address": checksum_address(account.address), "file": str(account.path)}
