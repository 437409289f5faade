"""A peer's entry in the tracker's book: who, under which name, reachable where, paid at which account.

The node signs its record, so the tracker can hand it on but not change it: a lying tracker can hide peers, not invent
them. The account key is the peer's word only; whoever joins under a name decides where that name's money goes.
"""

from dataclasses import dataclass, replace

from raclette.live import wire_pb2 as wire
from raclette.live.contract import PeerAddress
from raclette.live.controls import check_host, check_name
from raclette.primitives.errors import DecodeError, PeerFault
from raclette.primitives.keys import COMPRESSED_KEY_BYTES, address_of
from raclette.primitives.signing import NODE_ID_BYTES, Claim, Ed25519Verifier, Signer, Verifier, digest_of

RECORD_DOMAIN = "raclette/peer-record"
LEAVE_DOMAIN = "raclette/peer-leave"

_VERIFIER = Ed25519Verifier()


@dataclass(frozen=True, slots=True)
class PeerRecord:
    """`account_key`: 33 bytes (compressed secp256k1) or empty. `sequence` grows with each record of the same node.
    `host` empty and `port` 0: the peer cannot be dialled."""

    chain_id: int
    node_id: bytes
    name: str
    account_key: bytes
    host: str
    port: int
    sequence: int
    signature: bytes = b""

    @property
    def digest(self) -> bytes:
        """What is signed."""
        return digest_of(
            RECORD_DOMAIN,
            self.chain_id,
            self.node_id,
            self.name.encode(),
            self.account_key,
            self.host.encode(),
            self.port,
            self.sequence,
        )

    @property
    def account(self) -> bytes:
        """The 20-byte address of the account, or empty."""
        return address_of(self.account_key) if self.account_key else b""

    @property
    def address(self) -> PeerAddress | None:
        """Where to dial the peer, if anywhere."""
        return PeerAddress(self.node_id, self.host, self.port) if self.host else None

    def signed(self, signer: Signer) -> "PeerRecord":
        """The same record with its signature."""
        return replace(self, signature=signer.sign(self.digest))

    def to_wire(self) -> wire.PeerRecord:
        """As protobuf."""
        return wire.PeerRecord(
            chain_id=self.chain_id,
            node_id=self.node_id,
            name=self.name,
            account_key=self.account_key,
            host=self.host,
            port=self.port,
            sequence=self.sequence,
            signature=self.signature,
        )

    @classmethod
    def from_wire(cls, message: wire.PeerRecord, chain_id: int, verifier: Verifier = _VERIFIER) -> "PeerRecord":
        """Checked whole: shape, chain, signature. Raises PeerFault."""
        if message.chain_id != chain_id:
            raise PeerFault("wrong-chain", f"a record of chain {message.chain_id}")
        if len(message.node_id) != NODE_ID_BYTES:
            raise DecodeError("bad-record", "node id of the wrong size")
        if not message.name:
            raise DecodeError("bad-name", "a record needs a name")
        if message.account_key:
            if len(message.account_key) != COMPRESSED_KEY_BYTES:
                raise DecodeError("bad-record", "account key of the wrong size")
            address_of(message.account_key)
        check_host(message.host, message.port)
        record = cls(
            chain_id=message.chain_id,
            node_id=message.node_id,
            name=check_name(message.name),
            account_key=message.account_key,
            host=message.host,
            port=message.port,
            sequence=message.sequence,
            signature=message.signature,
        )
        if not verifier.holds(Claim(record.node_id, record.digest, record.signature)):
            raise PeerFault("bad-signature", f"record of {record.node_id.hex()[:16]}")
        return record


def name_key(name: str) -> str:
    """Two names are the same if this is: capitals do not tell people apart."""
    return name.casefold()


def leave_digest(chain_id: int, node_id: bytes, sequence: int) -> bytes:
    """What a leaving node signs."""
    return digest_of(LEAVE_DOMAIN, chain_id, node_id, sequence)
