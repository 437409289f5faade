"""Who has to sign for a final block of each protocol, and what each signature weighs.

Counted here, from genesis, from the state below the block or from the snail chain, so that an engine that counts
wrongly cannot vouch for itself: quorums and thresholds are this file's own. Where weights follow from stakes by a rule
(bands, points), the rule's own function is asked.
"""

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import NamedTuple, TypeAlias

from raclette.chain.genesis import Genesis
from raclette.chain.header import Header
from raclette.chain.roll import Member, read_roll
from raclette.ledgers import ledger_of
from raclette.node.node import Node
from raclette.node.view import NodeView
from raclette.protocols.ballot.certificate import decode_certificate
from raclette.protocols.ballot.parameters import Parameters as BallotParameters
from raclette.protocols.ballot.weights import register_of
from raclette.protocols.committee import CommitteeParameters
from raclette.protocols.hybrid.engine import HybridEngine
from raclette.protocols.hybrid.records import decode_proof
from raclette.protocols.parameters import parse_parameters
from raclette.protocols.pbft.parameters import Parameters as PbftParameters
from raclette.protocols.senate.parameters import Parameters as SenateParameters
from raclette.protocols.senate.seats import Senate
from raclette.protocols.senate.statements import Statements
from raclette.protocols.simplex.parameters import Parameters as SimplexParameters
from raclette.sim.checkers.seats import faults_of, genesis_seats, quorum_of, weigh


class Count(NamedTuple):
    """A certificate's signatures: they weigh `held` of `total`, and at least `needed` makes final. `unit` says of
    what."""

    held: int
    total: int
    needed: int
    unit: str


class Proved(NamedTuple):
    """What a node holds final, and whose signatures in its certificate hold."""

    node: Node
    view: NodeView
    header: Header
    certificate: bytes
    signers: tuple[bytes, ...]


# None where nobody can tell any more, the state being gone.
Electorate: TypeAlias = Callable[[Proved], Count | None]


def committee_of(model: type[CommitteeParameters], genesis: Genesis) -> Electorate:
    """Seats that stand in genesis, one each as a rule, of which a quorum signs."""
    seats = genesis_seats(model, genesis)
    total = sum(seats.values())
    unit = "validators" if total == len(seats) else "seats"
    return lambda proved: Count(weigh(seats, proved.signers), total, quorum_of(total), unit)


def day_of_hybrid(genesis: Genesis) -> Electorate:
    """HYB-20: seats of the entry's day, as the node's own snail chain elected it: more than f of them."""

    def count(proved: Proved) -> Count:
        entry, engine = decode_proof(proved.certificate).entry, proved.node.engine
        day = engine.snail.chain.almanac().find(entry.day) if isinstance(engine, HybridEngine) else None
        if day is None or day.snail_hash != entry.election:
            return Count(0, 0, 1, "seats, for its day was never elected")
        return Count(weigh(day.weights, proved.signers), len(day.seats), faults_of(len(day.seats)) + 1, "seats")

    return count


def members_of(genesis: Genesis) -> Callable[[NodeView, bytes], tuple[Member, ...] | None]:
    """Reads the roll with its accounts' stakes after a block."""
    ledger = ledger_of(genesis)

    def read(view: NodeView, block_hash: bytes) -> tuple[Member, ...] | None:
        state = view.state(block_hash)
        if state is None:
            return None
        return tuple(Member(node, account, ledger.stake(account, state)) for node, account in read_roll(state))

    return read


def voters_of_ballot(genesis: Genesis) -> Electorate:
    """BAL-24, BAL-30: those who voted for this very block weigh strictly more than the quorum, and two thirds."""
    parameters = parse_parameters(BallotParameters, genesis.protocol_parameters)
    quorum = max(Fraction(*parameters.needed), Fraction(2, 3))
    members = members_of(genesis)

    def count(proved: Proved) -> Count | None:
        listed = members(proved.view, proved.header.parent_hash)
        if listed is None:
            return None
        register = register_of(listed)
        certificate = decode_certificate(genesis.chain_id, proved.header.number, proved.certificate)
        held = frozenset(proved.signers)
        chosen = [vote.voter for vote in certificate.votes if vote.block_hash == proved.header.hash]
        needed = int(quorum * register.total) + 1
        weight = weigh(register.weights, [voter for voter in chosen if voter in held])
        return Count(weight, register.total, needed, "tenths of weight")

    return count


def senate(genesis: Genesis) -> Electorate:
    """SENATE-1, SENATE-8: COMMITs of N - f of the seats that the seed draws among the holders of `stake_age` ago."""
    parameters = parse_parameters(SenateParameters, genesis.protocol_parameters)
    members = members_of(genesis)

    def count(proved: Proved) -> Count | None:
        view, number = proved.view, proved.header.number
        parent = view.header(proved.header.parent_hash)
        weighed = view.canonical(max(0, number - 1 - parameters.stake_age))
        listed = members(view, weighed.hash) if weighed is not None else None
        if parent is None or listed is None:
            return None
        seed = Statements(genesis.chain_id, view.genesis.hash).seed_after(parent)
        drawn = Senate(listed, seed, parameters.seats)
        needed = parameters.seats - faults_of(parameters.seats)
        return Count(weigh(drawn.weights, proved.signers), parameters.seats, needed, "seats")

    return count


# By protocol; where final blocks have certificates.
ELECTORATES: Mapping[str, Callable[[Genesis], Electorate]] = {
    "pbft": lambda genesis: committee_of(PbftParameters, genesis),
    "simplex": lambda genesis: committee_of(SimplexParameters, genesis),
    "hybrid": day_of_hybrid,
    "senate": senate,
    "ballot": voters_of_ballot,
}
