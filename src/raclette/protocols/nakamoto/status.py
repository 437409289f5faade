"""Figures for people. Machines never consult them."""

from raclette.chain.header import Header
from raclette.engine.contract import Lookup

# Blocks over which the network's hash rate is estimated.
ESTIMATE_SPAN = 60


def hash_rate(head: Header, lookup: Lookup) -> int:
    """Hashes per second that the last blocks took, from their work and timestamps; 0 with too few blocks."""
    work, oldest = 0, head
    while oldest.number > 1 and head.number - oldest.number < ESTIMATE_SPAN:
        parent = lookup(oldest.parent_hash)
        if parent is None:
            break
        work += oldest.difficulty
        oldest = parent
    elapsed = head.timestamp - oldest.timestamp
    return work // elapsed if elapsed > 0 else 0
