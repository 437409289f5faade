"""All mutants, by protocol and id."""

from raclette.lab.mutants import (
    ballot,
    hybrid,
    ledger,
    ledger_coins,
    ledger_poll,
    node_sync,
    pbft_durability,
    pbft_ordering,
    pbft_quorum,
    pbft_views,
    pow,
    senate,
    simplex,
)
from raclette.lab.mutants.contract import Mutant
from raclette.primitives.errors import ConfigError
from raclette.protocols import find_protocol

# A new family is one file with its `MUTANTS`, and one entry here.
_FAMILIES = (
    pbft_quorum,
    pbft_ordering,
    pbft_views,
    pbft_durability,
    node_sync,
    pow,
    ledger,
    ledger_coins,
    ledger_poll,
    senate,
    simplex,
    ballot,
    hybrid,
)
MUTANTS: tuple[Mutant, ...] = tuple(mutant for family in _FAMILIES for mutant in family.MUTANTS)


def mutants_of(protocol: str) -> tuple[Mutant, ...]:
    """All of one protocol, in the order of the catalogue. Raises ConfigError for a protocol that does not exist."""
    find_protocol(protocol)
    return tuple(mutant for mutant in MUTANTS if mutant.protocol == protocol)


def find_mutant(protocol: str, id: str) -> Mutant:
    """The one called `id` (letter case is ignored). Raises ConfigError that lists the accepted ids."""
    for mutant in mutants_of(protocol):
        if mutant.id.lower() == id.lower():
            return mutant
    accepted = ", ".join(mutant.id for mutant in mutants_of(protocol))
    raise ConfigError(f"mutant: {id!r} is unknown for {protocol}; accepted are {accepted}")
