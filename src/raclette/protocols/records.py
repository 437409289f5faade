"""How an engine's records are read back after a restart."""

from collections.abc import Callable, Mapping

from raclette.primitives.errors import DecodeError, StoreDamaged

# Key of a block's body, before its hash: the chain promises to keep only what is final.
BODY = b"body/"


def damaged(key: bytes, error: Exception) -> StoreDamaged:
    """What to raise for a record that cannot be read."""
    return StoreDamaged(f"table consensus, key {key!r}: {error}")


def read_records(records: Mapping[bytes, bytes], read: Callable[[bytes, bytes], None]) -> None:
    """`read` each key and value, in the order of keys. Raises StoreDamaged naming the record that could not be read."""
    for key in sorted(records):
        try:
            read(key, records[key])
        except (DecodeError, ValueError) as error:
            raise damaged(key, error) from error
