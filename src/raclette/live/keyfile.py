"""The node's private key on disk: PKCS #8 in PEM (RFC 5958, RFC 8410), readable by its owner only.

Made on first start. The key is the node: whoever has it can vote in its name, and a lost one cannot be replaced.
"""

import os
import stat
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from raclette.primitives.errors import ConfigError

_OWNER_ONLY = 0o600
# A PEM with one Ed25519 key has 119 bytes.
_KEY_FILE_BYTES_MAX = 4_096


def load_or_create_key(path: Path) -> bytes:
    """The 32 secret bytes in `path`, made and stored there if it does not exist. Raises ConfigError."""
    try:
        return load_key(path)
    except FileNotFoundError:
        return create_key(path)


def create_key(path: Path) -> bytes:
    """A new key, stored in `path`, which must not exist. Raises ConfigError."""
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
        with os.fdopen(fd, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise ConfigError(f"key file {path}: cannot be made: {error.strerror}") from error
    return key.private_bytes_raw()


def load_key(path: Path) -> bytes:
    """The 32 secret bytes. Raises FileNotFoundError, and ConfigError if others may read it or it is no such key."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            pem = file.read(_KEY_FILE_BYTES_MAX)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ConfigError(f"key file {path}: cannot be read: {error.strerror}") from error
    if os.name == "posix" and mode & 0o077:
        raise ConfigError(f"key file {path}: mode {mode:04o} lets others read it; accepted: 0600 (chmod 600 {path})")
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"key file {path}: not a private key in PEM") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"key file {path}: a {type(key).__name__}; accepted: an Ed25519 key")
    return key.private_bytes_raw()
