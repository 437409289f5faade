"""What a faucet has given, on disk: so that limits hold after a restart, and a repeated request is not paid twice."""

from dataclasses import dataclass

from raclette.primitives import rlp
from raclette.primitives.errors import DecodeError, StoreDamaged
from raclette.primitives.hashing import sha256
from raclette.primitives.keys import ADDRESS_BYTES
from raclette.primitives.rlp import as_bytes, bytes_to_int, int_to_bytes
from raclette.primitives.units import HOUR
from raclette.store.contract import Batch, Store, Table

_PREFIX = b"faucet/"
DAY = 24 * HOUR
# How long a grant is remembered: what an address had before that is forgotten, and so is its request.
REMEMBERED = 30 * DAY
# Grants remembered at once, 300 bytes each; a full book gives nothing until some are old enough.
GRANTS_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Grant:
    """Money given: when (ns), to whom, how much (wei), asked from which network, by which signed transaction."""

    at: int
    address: bytes
    amount: int
    network: str
    raw: bytes

    def encode(self) -> bytes:
        """As stored."""
        return rlp.encode(
            [int_to_bytes(self.at), self.address, int_to_bytes(self.amount), self.network.encode(), self.raw]
        )

    @classmethod
    def decode(cls, data: bytes) -> "Grant":
        """From the store. Raises DecodeError."""
        at, address, amount, network, raw = rlp.decode_list(data, 5)
        return cls(
            bytes_to_int(at, size_max=8),
            as_bytes(address, ADDRESS_BYTES),
            bytes_to_int(amount),
            as_bytes(network).decode(errors="replace"),
            as_bytes(raw),
        )


def request_id(address: bytes, request: str) -> bytes:
    """32 bytes that name a request: the same address with the same words is the same request."""
    return sha256(address + request.encode())


class GrantBook:
    """All grants of the last `REMEMBERED`, by request."""

    def __init__(self, store: Store) -> None:
        """Raises StoreDamaged."""
        self._store = store
        self._grants: dict[bytes, Grant] = {}
        for key, value in store.scan(Table.META, _PREFIX, _PREFIX + b"\xff" * 33):
            try:
                self._grants[key.removeprefix(_PREFIX)] = Grant.decode(value)
            except DecodeError as error:
                raise StoreDamaged(f"table meta, key {key.hex()}: {error}") from error

    def __len__(self) -> int:
        return len(self._grants)

    def get(self, request: bytes) -> Grant | None:
        """What this request was given."""
        return self._grants.get(request)

    def keep(self, request: bytes, grant: Grant) -> None:
        """Write it (the caller syncs)."""
        batch = Batch()
        self._grants[request] = grant
        batch.put(Table.META, _PREFIX + request, grant.encode())
        self._store.write(batch)

    def forget(self, request: bytes) -> None:
        """It was not paid after all."""
        self._grants.pop(request, None)
        batch = Batch()
        batch.delete(Table.META, _PREFIX + request)
        self._store.write(batch)

    def forget_before(self, time: int) -> None:
        """What is older no longer counts."""
        batch = Batch()
        for old in [key for key, grant in self._grants.items() if grant.at < time]:
            del self._grants[old]
            batch.delete(Table.META, _PREFIX + old)
        if batch.operations:
            self._store.write(batch)

    def sync(self) -> None:
        """Durable when this returns. Blocks."""
        self._store.sync()

    def given_to(self, address: bytes) -> int:
        """Wei that an address has had, as far as remembered."""
        return sum(grant.amount for grant in self._grants.values() if grant.address == address)

    def given_since(self, time: int) -> int:
        """Wei given since then."""
        return sum(grant.amount for grant in self._grants.values() if grant.at >= time)

    def asked_since(self, time: int, network: str) -> int:
        """Grants to a network since then."""
        return sum(grant.at >= time and grant.network == network for grant in self._grants.values())
