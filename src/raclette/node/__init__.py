"""The node: engine, ledger, chain, mempool, sync, gossip and outbox composed into one bigger pure machine."""
