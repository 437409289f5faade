"""Bytes under keys, in named tables, with atomic batches: in memory and in RocksDB, behind one exam."""
