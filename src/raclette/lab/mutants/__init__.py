"""Known published bugs, to prove that the hunt finds what it should."""

from raclette.lab.mutants.contract import Mutant

__all__ = ["Mutant"]
