"""Known published bugs, to prove that the hunt finds what it should.

Sources of the ids: `P` PBFT and its kin, `I` IBFT, `T` Tendermint, `H` HotStuff, `X` Simplex, `N` longest-chain
protocols and their ledgers, `R` ours. docs/mutants.md lists them with what caught each, and those that wait for a
protocol we do not have.
"""

from raclette.lab.mutants.contract import Mutant
from raclette.lab.mutants.registry import find_mutant, mutants_of

__all__ = ["Mutant", "find_mutant", "mutants_of"]
