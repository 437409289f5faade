"""Compiled kernels of experiments. Imported only when one runs: numba takes a second to load."""
