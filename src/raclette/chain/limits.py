"""The chain's limits: each with its unit and its reason."""

from dataclasses import dataclass

from raclette.chain.block import BLOCK_BYTES_MAX, BLOCK_TRANSACTIONS_MAX


@dataclass(frozen=True, slots=True)
class ChainLimits:
    """The first two are rules of the chain, equal on all its nodes; the others are a node's own thrift."""

    # Most transactions, and most bytes of transactions, in a block. Gas is limited by the genesis header.
    transactions_max: int = BLOCK_TRANSACTIONS_MAX
    bytes_max: int = BLOCK_BYTES_MAX
    # Blocks between base and head while nothing is final. Deeper reorganisations go through undo records; proof-of-work
    # chains rarely see three blocks, so this costs them nothing.
    layers_kept: int = 128
    # The base moves by this many blocks, or sooner by about this many changed keys: many blocks write a hot account
    # once, yet no single write takes much more than 20 ms.
    flush_blocks: int = 16
    flush_keys: int = 2048
    # Blocks below the base whose state can be asked for, rebuilt from undo records at about 0.25 ms a full block: an
    # old question may not hold the node up for long. Where blocks become final, no older records are kept.
    history_depth: int = 256
    # Blocks beside the head's branch, at about 2 KiB each in memory.
    side_blocks_max: int = 2048
    # Of those, how many keep their state in memory; the rest execute again if somebody builds on them.
    side_layers_max: int = 64
    # Blocks below the head whose decoded transactions stay in memory.
    bodies_kept: int = 32
    # Blocks built here and not yet seen again (sealed, or proposed and checked).
    built_max: int = 16
    # Hashes of blocks that failed, so that sending one again costs us nothing.
    invalid_max: int = 1024
    # Trie nodes of the base kept loaded, at about 300 bytes each.
    trie_nodes_max: int = 300_000
