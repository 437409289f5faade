"""Roots of ordered lists: the transactions and receipts roots of a block.

Source: Ethereum Yellow Paper, section 4.3.2: the trie of the list's items under the keys rlp(index).
"""

from collections.abc import Sequence
from functools import lru_cache

from raclette.chain.header import EMPTY_ROOT
from raclette.chain.nodes import path_of
from raclette.chain.trie import Trie, build
from raclette.primitives.rlp import encode_bytes, int_to_bytes


@lru_cache(maxsize=8)
def _sorted_paths(count: int) -> tuple[tuple[bytes, int], ...]:
    """(path of rlp(index), index) of the first `count` indices, by path. Blocks of one size come in rows."""
    return tuple(sorted((path_of(encode_bytes(int_to_bytes(index))), index) for index in range(count)))


def ordered_root(items: Sequence[bytes]) -> bytes:
    """The root of `items`, none of them empty, in their order."""
    if not items:
        return EMPTY_ROOT
    pairs = [(path, items[index]) for path, index in _sorted_paths(len(items))]
    return Trie(build(pairs, 0, len(pairs), 0)).root_hash
