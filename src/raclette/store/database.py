"""Whose database is it? Format version and chain identity, checked before anything else is read."""

from dataclasses import dataclass
from pathlib import Path

from raclette.primitives.errors import StoreDamaged, StoreRefused
from raclette.store.contract import Batch, Reader, Table
from raclette.store.rocks import RocksStore

# Raise by one whenever older code would misread what newer code writes.
FORMAT_VERSION = 1

FORMAT_KEY = b"store/format"
CHAIN_ID_KEY = b"store/chain-id"
GENESIS_KEY = b"store/genesis"


@dataclass(frozen=True, slots=True)
class Identity:
    """`format` of the records, `chain_id` and hash of the genesis block (32 bytes)."""

    format: int
    chain_id: int
    genesis_hash: bytes


def open_store(path: str | Path, chain_id: int, genesis_hash: bytes) -> RocksStore:
    """Open the database of this chain at `path`, or create it.

    Raises StoreRefused (another chain, newer format, locked, not ours), StoreDamaged.
    """
    store = RocksStore(path)
    try:
        found = read_identity(store, path)
        if found is None:
            _claim_fresh(store, Identity(FORMAT_VERSION, chain_id, genesis_hash))
        elif found.chain_id != chain_id:
            raise StoreRefused(f"{path}: holds chain {found.chain_id}, not chain {chain_id}")
        elif found.genesis_hash != genesis_hash:
            raise StoreRefused(
                f"{path}: holds a chain with genesis {found.genesis_hash.hex()}, not {genesis_hash.hex()}"
            )
    except BaseException:
        store.close()
        raise
    return store


def open_existing(path: str | Path, *, read_only: bool = True) -> tuple[RocksStore, Identity]:
    """Open whatever Raclette database is at `path`, by default beside a running node.

    Raises StoreRefused (nothing there, newer format, not ours), StoreDamaged.
    """
    if not (Path(path) / "CURRENT").exists():
        raise StoreRefused(f"{path}: no database here")
    store = RocksStore(path, read_only=read_only)
    try:
        identity = read_identity(store, path)
        if identity is None:
            raise StoreRefused(f"{path}: an empty database, of no chain yet")
    except BaseException:
        store.close()
        raise
    return store, identity


def read_identity(reader: Reader, path: str | Path) -> Identity | None:
    """Who the database says it is, or None if it is empty; `path` is for the message.

    Raises StoreRefused, StoreDamaged.
    """
    version, chain_id, genesis_hash = reader.get_many(Table.META, [FORMAT_KEY, CHAIN_ID_KEY, GENESIS_KEY])
    if version is None:
        if any(next(iter(reader.scan(table)), None) for table in Table):
            raise StoreRefused(f"{path}: not a Raclette database (no format version in it)")
        return None
    found = int.from_bytes(version, "big")
    if found > FORMAT_VERSION:
        raise StoreRefused(f"{path}: format {found} is newer than this version reads ({FORMAT_VERSION})")
    if chain_id is None or genesis_hash is None or len(genesis_hash) != 32:
        raise StoreDamaged(f"{path}, table meta: format version without chain id and genesis hash")
    return Identity(found, int.from_bytes(chain_id, "big"), genesis_hash)


def _claim_fresh(store: RocksStore, identity: Identity) -> None:
    batch = Batch()
    batch.put(Table.META, FORMAT_KEY, identity.format.to_bytes(4, "big"))
    batch.put(Table.META, CHAIN_ID_KEY, identity.chain_id.to_bytes(32, "big"))
    batch.put(Table.META, GENESIS_KEY, identity.genesis_hash)
    store.write(batch)
    store.sync()
