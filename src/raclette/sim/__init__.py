"""The simulated host: a deterministic world of nodes in virtual time. One seed, one trace."""
