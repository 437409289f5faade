"""Blocks, block tree, mempool, state, transactions, roots: the chain's data, and no consensus."""
