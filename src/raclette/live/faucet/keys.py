"""The faucet's key on disk: 64 hex digits, or a V3 keystore with its passphrase in a second file; for its owner
only."""

import json
import os
import stat
from pathlib import Path

from raclette.primitives.errors import ConfigError, Misuse
from raclette.primitives.keys import SECRET_BYTES, AccountKey
from raclette.primitives.keystore import decrypt_key

_OWNER_ONLY = 0o600
# Keystores of all wallets have under a kilobyte.
_FILE_BYTES_MAX = 64 * 1024


def load_account_key(path: Path, passphrase_file: Path | None = None) -> AccountKey:
    """The key in `path`. Raises ConfigError, which repeats nothing of what is inside."""
    text = _read_private(path)
    try:
        if text.startswith("{"):
            if passphrase_file is None:
                raise ConfigError(f"{path} is a keystore: faucet.passphrase_file has to name its passphrase")
            return decrypt_key(json.loads(text), _read_private(passphrase_file))
        return AccountKey(bytes.fromhex(text.removeprefix("0x")))
    except ConfigError:
        raise
    except json.JSONDecodeError:
        raise ConfigError(f"{path} is no keystore: not JSON") from None
    except Misuse as error:
        raise ConfigError(f"{path}: {error}") from None
    except ValueError:
        raise ConfigError(f"{path}: accepted: a private key of 64 hex digits, or a V3 keystore") from None


def load_or_create_account_key(path: Path) -> AccountKey:
    """As `load_account_key` without a passphrase; a new key is made and stored if there is no file. Raises
    ConfigError."""
    if not path.exists():
        key = AccountKey.from_entropy(os.urandom(2 * SECRET_BYTES))
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY), "w") as file:
                file.write(key.secret.hex() + "\n")
        except OSError as error:
            raise ConfigError(f"{path}: cannot be made: {error.strerror}") from None
    return load_account_key(path)


def _read_private(path: Path) -> str:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read(_FILE_BYTES_MAX).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or 'not text'}") from None
    if os.name == "posix" and mode & 0o077:
        raise ConfigError(f"{path}: mode {mode:04o} lets others read it; accepted: 0600 (chmod 600 {path})")
    return text
