"""How RocksDB keeps each table: options and memory, chosen for a node that shares its machine with several others.

Tables whose values repeat themselves are compressed (zstd for the large and rarely read, lz4 for the hot);
tables of hashes are not, because hashes do not compress. Every table that is asked for keys it may not have gets a
bloom filter, so that the answer "no" costs no disk read.
"""

from dataclasses import dataclass
from enum import Enum

from rocksdict import BlockBasedOptions, Cache, DBCompressionType, DBRecoveryMode, Options

from raclette.primitives.units import KIBIBYTE, MEBIBYTE
from raclette.store.contract import Table

# Memory of one open database, in bytes: the demo runs five nodes on one machine, so a node stays well under 100 MiB.
BLOCK_CACHE_BYTES = 16 * MEBIBYTE
WRITE_BUFFER_BYTES_LARGE = 8 * MEBIBYTE
WRITE_BUFFER_BYTES_SMALL = 1 * MEBIBYTE
WRITE_BUFFERS_BYTES_MAX = 48 * MEBIBYTE
# Log to replay after a crash, in bytes; beyond it the oldest table is flushed. Replaying 64 MiB takes about a second.
LOG_BYTES_MAX = 64 * MEBIBYTE
# Open table files per database; five nodes stay under the customary limit of 1,024 descriptors a process each.
OPEN_FILES_MAX = 256
# 10 bits a key: one lookup of an absent key in about 100 reads a block in vain.
BLOOM_BITS_PER_KEY = 10
# RocksDB's own text log (not the write-ahead log): two files of this many bytes.
TEXT_LOG_BYTES_MAX = 1 * MEBIBYTE


class Compression(Enum):
    """What a table's blocks are compressed with."""

    NONE = "none"
    LZ4 = "lz4"
    ZSTD = "zstd"


@dataclass(frozen=True, slots=True)
class TableOptions:
    """`large` tables get a larger write buffer (fewer, larger files), `bloom` ones a filter."""

    compression: Compression
    large: bool = False
    bloom: bool = True
    block_bytes: int = 4 * KIBIBYTE


TABLE_OPTIONS: dict[Table, TableOptions] = {
    Table.META: TableOptions(Compression.NONE),
    Table.HEADERS: TableOptions(Compression.LZ4),
    Table.BODIES: TableOptions(Compression.ZSTD, large=True, block_bytes=16 * KIBIBYTE),
    Table.RECEIPTS: TableOptions(Compression.ZSTD, large=True, block_bytes=16 * KIBIBYTE),
    Table.CANONICAL: TableOptions(Compression.NONE, bloom=False),
    Table.CERTIFICATES: TableOptions(Compression.LZ4),
    Table.STATE: TableOptions(Compression.LZ4, large=True),
    Table.TRIE: TableOptions(Compression.NONE, large=True),
    Table.UNDO: TableOptions(Compression.ZSTD, block_bytes=16 * KIBIBYTE),
    Table.INDEX: TableOptions(Compression.NONE, large=True),
    Table.CONSENSUS: TableOptions(Compression.LZ4),
    Table.OUTBOX: TableOptions(Compression.LZ4, bloom=False),
    Table.PEERS: TableOptions(Compression.LZ4, bloom=False),
    Table.EVIDENCE: TableOptions(Compression.ZSTD, bloom=False),
}


def database_options() -> Options:
    """Options of the database as a whole."""
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.create_missing_column_families(True)
    options.set_paranoid_checks(True)
    # A torn last record is what a crash leaves and is dropped; damage anywhere else is an error, because cutting the
    # log there would silently forget synced votes.
    options.set_wal_recovery_mode(DBRecoveryMode.tolerate_corrupted_tail_records())
    options.set_max_total_wal_size(LOG_BYTES_MAX)
    options.set_db_write_buffer_size(WRITE_BUFFERS_BYTES_MAX)
    options.set_max_open_files(OPEN_FILES_MAX)
    options.set_max_background_jobs(2)
    options.set_keep_log_file_num(2)
    options.set_max_log_file_size(TEXT_LOG_BYTES_MAX)
    options.set_stats_dump_period_sec(0)
    options.set_stats_persist_period_sec(0)
    return options


def column_families() -> dict[str, Options]:
    """Options of every table, sharing one block cache."""
    cache = Cache(BLOCK_CACHE_BYTES)
    return {table.value: _table_options(chosen, cache) for table, chosen in TABLE_OPTIONS.items()}


def _table_options(chosen: TableOptions, cache: Cache) -> Options:
    options = Options(raw_mode=True)
    options.set_write_buffer_size(WRITE_BUFFER_BYTES_LARGE if chosen.large else WRITE_BUFFER_BYTES_SMALL)
    options.set_max_write_buffer_number(3)
    options.set_level_compaction_dynamic_level_bytes(True)
    match chosen.compression:
        case Compression.NONE:
            options.set_compression_type(DBCompressionType.none())
        case Compression.LZ4:
            options.set_compression_type(DBCompressionType.lz4())
        case Compression.ZSTD:
            options.set_compression_type(DBCompressionType.zstd())
    blocks = BlockBasedOptions()
    blocks.set_block_cache(cache)
    blocks.set_block_size(chosen.block_bytes)
    blocks.set_cache_index_and_filter_blocks(True)
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(True)
    if chosen.bloom:
        blocks.set_bloom_filter(BLOOM_BITS_PER_KEY, False)
    options.set_block_based_table_factory(blocks)
    return options
