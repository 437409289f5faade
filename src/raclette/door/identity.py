"""Who a small program is: one secret, from which the node's key and the account's are derived."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from raclette.live.keyfile import load_or_create_key
from raclette.primitives.hashing import sha256
from raclette.primitives.keys import AccountKey, checksum_address
from raclette.primitives.signing import Ed25519Signer

SEED_BYTES = 32


@dataclass(frozen=True)
class Identity:
    """`seed` (32 secret bytes) makes a node id, by which other nodes know this one, and an account, which signs
    data."""

    seed: bytes = field(default_factory=lambda: os.urandom(SEED_BYTES), repr=False)

    @classmethod
    def kept_in(cls, folder: Path) -> "Identity":
        """The one whose key is in `folder`, made if there is none. Raises ConfigError."""
        return cls(load_or_create_key(folder / "node.key"))

    @property
    def signer(self) -> Ed25519Signer:
        """The node's key."""
        return Ed25519Signer(self.seed)

    @property
    def node_id(self) -> bytes:
        """32 bytes, public."""
        return self.signer.public_key

    @property
    def account(self) -> AccountKey:
        """The account's key."""
        return AccountKey.from_entropy(sha256(b"raclette door account" + self.seed))

    @property
    def address(self) -> str:
        """The account's address, as it stands in records."""
        return checksum_address(self.account.address)
