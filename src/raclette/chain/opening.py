"""Beginning a chain in an empty store, and finding one's place again in a used one."""

from collections.abc import Mapping

from raclette.chain import archive as records
from raclette.chain.archive import Archive, number_key
from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.chain.trie import Trie, trie_of_mapping
from raclette.chain.trie_table import difference
from raclette.primitives.errors import Misuse, StoreRefused
from raclette.primitives.rlp import int_to_bytes
from raclette.store.contract import Batch, Table


def begin(archive: Archive, genesis: Block, state: Mapping[bytes, bytes], chain_id: int) -> None:
    """Write block 0 and its state, unless the store has them. Raises StoreRefused if it has another chain's, Misuse if
    `genesis` does not fit `state`."""
    store = archive.store
    kept = store.get(Table.META, records.GENESIS_KEY)
    if kept is None:
        store.write(_first_batch(genesis, state, chain_id))
        return
    version = int.from_bytes(store.get(Table.META, records.FORMAT_KEY) or b"", "big")
    if version != records.FORMAT:
        raise StoreRefused(f"the chain's records have format {version}, this program reads {records.FORMAT}")
    if kept != genesis.hash:
        raise StoreRefused(f"the store has the chain of genesis {kept.hex()}, not {genesis.hash.hex()}")
    kept_id = int.from_bytes(store.get(Table.META, records.CHAIN_ID_KEY) or b"", "big")
    if kept_id != chain_id:
        raise StoreRefused(f"the store has chain {kept_id}, not {chain_id}")


def _first_batch(genesis: Block, state: Mapping[bytes, bytes], chain_id: int) -> Batch:
    trie = trie_of_mapping(state)
    if genesis.number != 0 or genesis.transactions or trie.root_hash != genesis.header.state_root:
        raise Misuse("the genesis block is not block 0 with the root of its state and no transactions")
    batch = Batch()
    for key, value in state.items():
        if value:
            batch.put(Table.STATE, key, value)
    for path, encoded in difference(Trie(), trie):
        if encoded is not None:
            batch.put(Table.TRIE, path, encoded)
    batch.put(Table.HEADERS, genesis.hash, genesis.header.encoded)
    batch.put(Table.BODIES, genesis.hash, genesis.encoded_body)
    batch.put(Table.RECEIPTS, genesis.hash, records.encode_receipts(()))
    batch.put(Table.CANONICAL, number_key(0), genesis.hash)
    batch.put(Table.META, records.FORMAT_KEY, int_to_bytes(records.FORMAT))
    batch.put(Table.META, records.CHAIN_ID_KEY, int_to_bytes(chain_id))
    for key in (records.GENESIS_KEY, records.HEAD_KEY, records.FINALIZED_KEY, records.BASE_KEY):
        batch.put(Table.META, key, genesis.hash)
    return batch


def reopen(archive: Archive) -> tuple[Header, Header, Header, Header]:
    """(genesis, head, finalized, base) as kept. Raises StoreDamaged."""
    keys = (records.GENESIS_KEY, records.HEAD_KEY, records.FINALIZED_KEY, records.BASE_KEY)
    genesis, head, finalized, base = (archive.need_header(archive.need_hash(Table.META, key)) for key in keys)
    return genesis, head, finalized, base
