"""The wallet on disk: encrypted keystores by name in one folder, as every Ethereum wallet reads them."""

import json
import os
import re
import secrets
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from getpass import GetPassWarning
from pathlib import Path
from typing import NamedTuple

import typer

from raclette.primitives.errors import ConfigError, DecodeError, Misuse
from raclette.primitives.keys import AccountKey, checksum_address, parse_address
from raclette.primitives.keystore import SCRYPT_WORK, WrongPassphrase, decrypt_key, encrypt_key

FOLDER_VARIABLE = "RACLETTE_WALLET"
PASSPHRASE_VARIABLE = "RACLETTE_PASSPHRASE"
NAME_RULE = "1 to 32 of a-z, 0-9 and -, beginning with a letter or digit"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
# Keys that a console has opened, by their file; None outside of one.
_remembered: dict[Path, AccountKey] | None = None


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
        self._default_file = self.folder / "default"

    def accounts(self) -> list[Account]:
        """All of them, by name."""
        return [self._read(path)[0] for path in sorted(self.folder.glob("*.json"))]

    def find(self, name: str) -> Account:
        """By name. Raises ConfigError listing the names there are."""
        path = self._path(name)
        if not path.exists():
            names = ", ".join(account.name for account in self.accounts())
            known = f"there are: {names}" if names else "there is none: `raclette wallet new NAME` makes one"
            raise ConfigError(f"no account {name!r} in {self.folder}; {known}")
        return self._read(path)[0]

    def has(self, name: str) -> bool:
        """Is there an account of that name?"""
        return _NAME.fullmatch(name) is not None and self._path(name).exists()

    def default(self) -> Account:
        """The account that acts where none is named: as `choose` said, else the only one. Raises ConfigError."""
        if self._default_file.exists():
            return self.find(self._default_file.read_text().strip())
        accounts = self.accounts()
        if len(accounts) != 1:
            if not accounts:
                raise ConfigError(f"no account in {self.folder}: `raclette wallet new NAME` makes one")
            names = ", ".join(account.name for account in accounts)
            raise ConfigError(
                f"say which account with --from, or choose one with `raclette wallet use`; there are: {names}"
            )
        return accounts[0]

    def choose(self, name: str) -> Account:
        """Make `name` the account that acts where none is named. Raises ConfigError if there is none."""
        account = self.find(name)
        self._default_file.write_text(name + "\n")
        return account

    def opened(self, account: Account, ask: Callable[[], str]) -> AccountKey:
        """The key, with the passphrase of `passphrase_from(ask)`; inside `remembered` asked for once. Raises as
        `unlock` and `passphrase_from`."""
        kept = None if _remembered is None else _remembered.get(account.path)
        key = kept or self.unlock(account, passphrase_from(ask))
        if _remembered is not None:
            _remembered[account.path] = key
        return key

    def unlock(self, account: Account, passphrase: str) -> AccountKey:
        """The key. Raises WrongPassphrase, ConfigError (the file is damaged)."""
        try:
            return decrypt_key(self._read(account.path)[1], passphrase)
        except WrongPassphrase:
            raise WrongPassphrase(f"wrong passphrase for account {account.name}") from None
        except Misuse as error:
            raise ConfigError(f"{account.path}: {error}") from None

    def create(self, name: str, passphrase: str) -> Account:
        """A new key. Raises ConfigError if the name is taken or not allowed."""
        return self.keep(name, AccountKey.from_entropy(secrets.token_bytes(64)), passphrase)

    def check_free(self, name: str) -> Path:
        """Where an account called `name` would be kept. Raises ConfigError if the name is taken or not allowed."""
        path = self._path(name)
        if path.exists():
            raise ConfigError(f"{path} exists: choose another name")
        return path

    def keep(self, name: str, key: AccountKey, passphrase: str, *, work: int | None = None) -> Account:
        """Encrypt and write a key, readable by its owner only; `work` is scrypt's. Raises as `check_free`."""
        path = self.check_free(name)
        keystore = encrypt_key(key, passphrase, work=work or SCRYPT_WORK)
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
            ours = keystore.get("x-raclette") or {}
            public_key = bytes.fromhex(str(ours.get("publicKey", "0x"))[2:])
            address = parse_address("0x" + str(keystore["address"]).removeprefix("0x"))
        except (KeyError, AttributeError):
            raise ConfigError(f"{path} is not a keystore: it has no address") from None
        except (OSError, ValueError, DecodeError) as error:
            raise ConfigError(f"{path} is not a keystore: {error}") from None
        return Account(path.stem, address, public_key, path), keystore


def read_secret(text: str) -> AccountKey:
    """A key from 64 hex digits. Raises Misuse, which does not repeat the digits."""
    try:
        return AccountKey(bytes.fromhex(text.strip().removeprefix("0x")))
    except ValueError:
        raise Misuse("not a private key; accepted: 64 hex digits of a number below the order of secp256k1") from None


def passphrase_from(ask: Callable[[], str]) -> str:
    """`$RACLETTE_PASSPHRASE` if set (for scripts), else what the person types. Raises ConfigError if nobody does."""
    given = os.environ.get(PASSPHRASE_VARIABLE)
    if given:
        return given
    try:
        with warnings.catch_warnings():
            if not sys.stdin.isatty():  # nothing is echoed where there is no terminal
                warnings.simplefilter("ignore", GetPassWarning)
            return ask()
    except typer.Abort:
        raise ConfigError(f"no passphrase: type it, or set ${PASSPHRASE_VARIABLE}") from None


@contextmanager
def remembered() -> Iterator[None]:
    """Inside, `opened` keeps keys in memory: a console asks for a passphrase once."""
    global _remembered
    _remembered = {}
    try:
        yield
    finally:
        _remembered = None


def shown(account: Account) -> dict[str, str]:
    """For people and programs."""
    return {"name": account.name, "address": checksum_address(account.address), "file": str(account.path)}
