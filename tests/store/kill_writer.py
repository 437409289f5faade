"""The victim of test_kill.py: writes votes and blocks as a node does, and says on stdout what is safe.

Usage: python kill_writer.py DIRECTORY. Prints "vote N" or "block N" once N is written and synced.
"""

import sys
from itertools import count

from raclette.store.contract import Batch, Table
from raclette.store.database import open_store

CHAIN_ID = 99
GENESIS = bytes(32)
PUTS_PER_BLOCK = 300
# The tables that a block touches together.
BLOCK_TABLES = (Table.HEADERS, Table.BODIES, Table.RECEIPTS, Table.STATE, Table.TRIE, Table.INDEX, Table.UNDO)


def number_key(number: int) -> bytes:
    return number.to_bytes(8, "big")


def record_key(number: int, i: int) -> bytes:
    return number_key(number) + i.to_bytes(4, "big")


def value_of(number: int, i: int) -> bytes:
    """What every record must hold: made from its place, so that a wrong one is seen."""
    return f"block {number} record {i} ".encode() * 4


def block_batch(number: int) -> Batch:
    batch = Batch()
    batch.put(Table.META, b"head", number_key(number))
    batch.put(Table.CANONICAL, number_key(number), b"hash of " + number_key(number))
    for i in range(PUTS_PER_BLOCK):
        batch.put(BLOCK_TABLES[i % len(BLOCK_TABLES)], record_key(number, i), value_of(number, i))
        if number:  # the previous block's state is overwritten by this one's
            batch.delete(Table.OUTBOX, record_key(number - 1, i))
        batch.put(Table.OUTBOX, record_key(number, i), b"pending")
    return batch


def vote_batch(number: int) -> Batch:
    batch = Batch()
    batch.put(Table.CONSENSUS, b"view", number_key(number))
    batch.put(Table.CONSENSUS, b"vote" + number_key(number), b"for " + number_key(number))
    return batch


def main(directory: str) -> None:
    store = open_store(directory, CHAIN_ID, GENESIS)
    head = store.get(Table.META, b"head")
    print("open", flush=True)
    for number in count(0 if head is None else int.from_bytes(head, "big") + 1):
        for name, batch in (("vote", vote_batch(number)), ("block", block_batch(number))):
            store.write(batch)
            store.sync()
            print(name, number, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
