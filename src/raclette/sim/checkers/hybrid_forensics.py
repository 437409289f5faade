"""Guilt in the hybrid: what convicts a member of a day's committee, and what only makes it suspect.

1. Two entries of one member for one place of its day (HYB-27).
2. An entry that says something else of its block than the block's header: another day, or an end that is none (HYB-21).
3. Whatever convicts a replica of the inner protocol, in the signing domain of that day (HYB-30): its own judge says so.

Entries alone prove little: a third of the seats makes a block final, and two thirds of a committee need not share a
signer. Let two honest nodes hold different blocks final on one parent, and let both be of one day (and election). If
each proof has an honest signer, both blocks were ordered by the inner protocol, whose own theorem convicts the owners
of more than f seats of that day (3). If one has none, its signers own more than f seats and lied to the last: they
signed what nobody ordered. They contradict themselves only where they signed the other block too (1); what they lack,
an inner certificate, is no message. So all signers of the one proof or all of the other are suspected, and nobody is
convicted.

If they are of different days, the earlier one was closed behind the common parent on the branch of one node. By a
recorded end? Then the parent carries none, and those who signed it own more than f seats (2). By force? Then nobody
need have lied: the snail chain did not do what the argument assumes (`snail_watch`), or the code took a block that no
longer counted. A signature has no time, so who signed after the cut is known to nobody.

Once honest nodes disagree about the stable part of the snail chain, nothing convicts any more: a committee may begin
one day on two blocks, and its members promise both, honestly. So what is heard waits until all honest nodes have been
looked at and none of them had left what was stable; what was heard later than that is not written down.
"""

from typing import Any

from raclette.chain.genesis import Genesis
from raclette.chain.header import Header
from raclette.engine.contract import Engine
from raclette.node.wire import EngineSaid
from raclette.primitives.errors import DecodeError
from raclette.protocols.hybrid.almanac import Day, Entry
from raclette.protocols.hybrid.day import day_of
from raclette.protocols.hybrid.engine import HybridEngine
from raclette.protocols.hybrid.evidence import check_evidence, decode_inner
from raclette.protocols.hybrid.messages import Daily, DailyBlock, Logged, Signed, SnailBlock, SnailBlocks
from raclette.protocols.hybrid.parameters import Parameters
from raclette.protocols.hybrid.records import Proof, decode_proof, decode_records
from raclette.protocols.parameters import parse_parameters
from raclette.protocols.pbft.engine import PbftEngine
from raclette.protocols.simplex.engine import SimplexEngine
from raclette.sim.checkers.fork import Fork, Reading
from raclette.sim.checkers.pbft_forensics import PbftForensics
from raclette.sim.checkers.seats import faults_of, weigh
from raclette.sim.checkers.simplex_forensics import SimplexForensics
from raclette.sim.checkers.snail_watch import SnailWatch


class HybridForensics:
    """Implements `Forensics` and `Attending`."""

    def __init__(self, genesis: Genesis) -> None:
        """Raises ConfigError."""
        self._chain_id = genesis.chain_id
        self.snail = SnailWatch(parse_parameters(Parameters, genesis.protocol_parameters))
        # By election. A day's judge is made when somebody honest begins to run its inner engine.
        self._inner: dict[bytes, PbftForensics | SimplexForensics] = {}
        # (election, number, member) -> its entries for that place.
        self._entries: dict[tuple[bytes, int, bytes], dict[Entry, None]] = {}
        # What blocks of the log say of their day, by hash: its number, and the election in charge after them.
        self._marks: dict[bytes, tuple[int, bytes]] = {}
        # number -> what honest nodes hold final there, and who signed it.
        self._final: dict[int, dict[Entry, set[bytes]]] = {}
        self._read: set[bytes] = set()
        # What has been heard since all honest nodes were looked at.
        self._waiting: list[EngineSaid] = []
        # How the snail chain had failed when the log forked: what fails later explains nothing.
        self._excuse: str | None = None

    # --- what honest nodes hear and know --------------------------------------------------------------------------

    def attend(self, index: int, engine: Engine) -> None:
        """Its snail chain, and the committee that it is on."""
        if not isinstance(engine, HybridEngine):
            return
        self.snail.look(index, engine)
        run = engine.run
        if run is None or run.day.snail_hash in self._inner:
            return
        inner = run.engine
        if isinstance(inner, PbftEngine):
            self._inner[run.day.snail_hash] = PbftForensics(inner.core.committee, inner.core.parameters.window)
        elif isinstance(inner, SimplexEngine):
            self._inner[run.day.snail_hash] = SimplexForensics(inner.core.committee)

    def hear(self, content: Any) -> None:
        """It waits for `looked`."""
        if isinstance(content, EngineSaid) and not self.snail.broken:
            self._waiting.append(content)

    def looked(self, *, forked: bool) -> None:
        """All honest nodes have been attended: write down who said what, if it can be held against anybody."""
        heard, self._waiting = self._waiting, []
        if forked and self._excuse is None:
            self._excuse = self.snail.broken
        if not self.snail.broken:
            for content in heard:
                self._write_down(content)

    def _write_down(self, content: EngineSaid) -> None:
        message = content.message
        if isinstance(message, Daily | DailyBlock):
            inner = self._inner.get(message.election)
            if inner is not None and message.inner is not None:
                inner.hear(content._replace(message=message.inner))
            if isinstance(message, DailyBlock):
                self._mark(message.header)
        elif isinstance(message, Signed):
            self._note(message.entry, message.signer)
        elif isinstance(message, Logged):
            self._mark(message.header)
            if message.certificate not in self._read:
                self._read.add(message.certificate)
                self._proof(decode_proof(message.certificate))
        elif isinstance(message, SnailBlock):
            self._records(message.block.hash, message.block.transactions)
        elif isinstance(message, SnailBlocks):
            for block in message.blocks:
                self._records(block.hash, block.transactions)

    def certified(self, header: Header, certificate: bytes) -> None:
        """Its entry, signed by each of its signers."""
        try:
            proof = decode_proof(certificate)
        except DecodeError:
            return  # that it proves nothing is for another checker to say
        self._mark(header)
        self._final.setdefault(header.number, {}).setdefault(proof.entry, set()).update(proof.nodes)
        if not self.snail.broken:
            self._proof(proof)

    def _proof(self, proof: Proof) -> None:
        for node_id in proof.nodes:
            self._note(proof.entry, node_id)

    def _records(self, block_hash: bytes, records: tuple[bytes, ...]) -> None:
        """The entry that a snail block records."""
        if block_hash in self._read:
            return
        self._read.add(block_hash)
        proof = decode_records(self._chain_id, records).proof
        if proof is not None:
            self._proof(proof)

    def _note(self, entry: Entry, node_id: bytes) -> None:
        self._entries.setdefault((entry.election, entry.number, node_id), {})[entry] = None

    def _mark(self, header: Header) -> None:
        self._marks[header.hash] = (day_of(header), header.mix_hash)

    # --- what it proves -------------------------------------------------------------------------------------------

    def convict(self, evidence: bytes) -> tuple[Reading, ...]:
        """Two entries, or what the inner protocol takes for evidence."""
        try:
            election, inner = decode_inner(evidence)
        except DecodeError:
            return (check_evidence(self._chain_id, evidence),)
        judge = self._inner.get(election)
        if judge is None:
            raise DecodeError("evidence", f"nobody ran an inner engine by election {election.hex()[:16]}")
        return judge.convict(inner)

    def culprits(self) -> dict[bytes, str]:
        """By the three rules of the module."""
        guilty: dict[bytes, str] = {}
        for crimes in self._crimes().values():
            for node_id, crime in crimes.items():
                guilty.setdefault(node_id, crime)
        return {node_id: guilty[node_id] for node_id in sorted(guilty)}

    def _crimes(self) -> dict[bytes, dict[bytes, str]]:
        """Crime by election and node id."""
        found: dict[bytes, dict[bytes, str]] = {}
        for (election, number, node_id), entries in self._entries.items():
            day = next(iter(entries)).day
            if len(entries) > 1:
                crime = f"two entries for block {number} of day {day}"
            elif any(self._is_false(entry) for entry in entries):
                crime = f"an entry that belies block {number} of day {day}"
            else:
                continue
            found.setdefault(election, {})[node_id] = crime
        for election, inner in self._inner.items():
            known = self.snail.days.get(election)
            name = f"day {known.number}" if known is not None else "a day"
            for node_id, crime in inner.culprits().items():
                found.setdefault(election, {}).setdefault(node_id, f"{crime}, of {name}")
        return found

    def _is_false(self, entry: Entry) -> bool:
        """Rule 2, as far as the block is known."""
        mark = self._marks.get(entry.block_hash)
        return mark is not None and (entry.day != mark[0] or entry.ends != (mark[1] != entry.election))

    def lacking(self, fork: Fork) -> str:
        """More than f seats of a day that is part of the fork, where the theorem says so."""
        found = self._final.get(fork.height, {})
        if self._most_guilty(found) or self._excuse:
            return ""
        if self._days(found) > 1:
            late = [self.snail.late[entry.block_hash] for entry in found if entry.block_hash in self.snail.late]
            return f"against anybody, and {late[0]}" if late else ""
        if not all(fork.honest & signers for signers in found.values()):
            return ""
        seats = min((len(day.seats) for day in self._known(found)), default=0)
        return f"against the owners of {faults_of(seats) + 1} seats of its day"

    def remark(self, fork: Fork) -> str:
        """See the module."""
        found = self._final.get(fork.height, {})
        if self._most_guilty(found):
            return ""
        if self._excuse:
            return f"nobody need be guilty, for what the protocol assumes did not hold: {self._excuse}"
        if self._days(found) > 1:
            return (
                "nobody need be guilty, for what the protocol assumes did not hold: what somebody published was not "
                "recorded in time, and its day was closed by force below it"
            )
        if all(fork.honest & signers for signers in found.values()):
            return ""
        return "suspected, without proof, of having signed what nobody ordered, are all signers of one of its blocks"

    def _most_guilty(self, found: dict[Entry, set[bytes]]) -> bool:
        """Are more than f seats of one of these days convicted?"""
        crimes = self._crimes()
        return any(
            weigh(day.weights, crimes.get(day.snail_hash, {})) > faults_of(len(day.seats)) for day in self._known(found)
        )

    def _known(self, found: dict[Entry, set[bytes]]) -> list[Day]:
        days = self.snail.days
        return [days[election] for election in dict.fromkeys(entry.election for entry in found) if election in days]

    def _days(self, found: dict[Entry, set[bytes]]) -> int:
        return len({entry.election for entry in found})


__all__ = ["HybridForensics"]
