"""The log: what members sign when their committee has ordered a block, and when everybody takes it for final.

A member that sees a block ordered signs it as an entry of the log. More than a third of a committee's seats (`th`)
prove it to anybody: one of them is honest, and an honest member signs only what is ordered (HYB-20 to HYB-25). A
member's own tip runs ahead of what is final by the time that the signatures take; what it has ordered is on disk
before its signature leaves.

A block with its proof may come before we know enough of the snail chain to judge its committee; it is held until then.
"""

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.effects import Adopt, Broadcast, Fetch, Finalize, Persist, Publish, Send
from raclette.primitives.errors import DecodeError, InvalidHeader, NotYet, PeerFault
from raclette.primitives.signing import NODE_ID_BYTES
from raclette.primitives.units import SECOND
from raclette.protocols.hybrid.almanac import Almanac, Day, Entry, Rules, in_charge
from raclette.protocols.hybrid.core import Core
from raclette.protocols.hybrid.day import LAG, check_handover, day_of, marked
from raclette.protocols.hybrid.evidence import encode_evidence
from raclette.protocols.hybrid.messages import Logged, Signed, Unproven, entry_digest
from raclette.protocols.hybrid.records import Proof, claims_of, decode_proof, encode_proof
from raclette.protocols.hybrid.snail_chain import SnailChain

RECORD = b"log/"
# Numbers above the tip of which signatures are kept: more than any pipeline of an inner engine.
AHEAD_MAX = 64
# A snail chain that is slower than this, over `patience` blocks, is not that of most miners.
SLOW = 3
# What somebody honest may show who has not heard that the day is over.
OVERTAKEN = frozenset(("entry-day", "entry-late"))
# Days whose highest proof the snail chain may still lack: the newest with one, and the one before it.
PROOFS_KEPT = 2
# Blocks with proofs that wait for the snail chain.
HELD_MAX = 64
HELD_PER_PEER = 8


class Held(NamedTuple):
    """A block that cannot be judged yet, and who gave it."""

    peer: bytes
    block: Block
    proof: Proof


class Log:
    """See the module. `tip` is the last block that we have ordered or taken, `final` the last one that is proved."""

    def __init__(self, core: Core, rules: Rules) -> None:
        self._core = core
        self._rules = rules
        self.tip = self.final = core.chain.finalized
        # Headers above `final` up to `tip`, by number (the chain adopts them only after the event).
        self._ordered: dict[int, Header] = {}
        # Of the last days the proof of the highest entry: what the snail chain shall record.
        self._proofs: dict[int, Proof] = {}
        # number -> proof of a block that we have ordered, above one whose proof we lack.
        self._ready: dict[int, Proof] = {}
        # number -> signer -> what it signed first; above the last final block.
        self._signed: dict[int, dict[bytes, Signed]] = {}
        self._held: dict[bytes, Held] = {}
        # Who showed us the highest block that we could neither take nor hold.
        self._beyond: tuple[int, bytes, bytes] | None = None
        self._bodies: dict[bytes, int] = {}
        # The last final block when we last asked for what is missing.
        self._stood = -1
        # Blocks that the inner engine ordered beside ours, and blocks that we ordered in vain.
        self.conflicts = self.abandoned = 0
        # Set by the engine once there is a snail chain.
        self.snail: SnailChain
        self.news: Callable[[], None]

    # --- who orders what ------------------------------------------------------------------------------------------

    @property
    def _almanac(self) -> Almanac:
        """What is stable, give or take the block that others saw first."""
        return self.snail.almanac(self._core.parameters.stable_depth - LAG)

    def next_day(self, parent: Header) -> Day | None:
        """HYB-17: who orders the block after `parent`; None if our snail chain does not say so yet."""
        day = marked(self.snail, parent)
        if day is None:
            return None
        depth = self.snail.depth_of(day.snail_hash)
        # The first day needs no depth: its committee stands in genesis.
        if depth is None or (day.number > 1 and depth < self._core.parameters.stable_depth - LAG):
            return None
        return in_charge(self._almanac, (parent.number, parent.hash), day)

    @property
    def is_current(self) -> bool:
        """HYB-18: does our snail chain grow as it should? Where it does not, we were down, or are cut off from most
        miners, and do not know which days are over. That we mine ourselves makes it young, but not quick."""
        parameters = self._core.parameters
        deep = self.snail.canonical(max(0, self.snail.head.number - parameters.patience))
        age = self._core.now - (deep or self.snail.genesis).timestamp * SECOND
        return age <= SLOW * parameters.patience * parameters.block_interval_s * SECOND

    def may_sign(self, day: Day) -> bool:
        """HYB-15, HYB-18: may a member of this day still order blocks?"""
        return self.is_current and not self.is_cut(day)

    def is_cut(self, day: Day) -> bool:
        """HYB-15: is it too late for this day to sign?"""
        almanac = self.snail.almanac()
        newest = almanac.day
        return day.number + 1 == newest.number and almanac.number >= self._rules.cut(newest)

    def _judge(self, header: Header, parent: Header, proof: Proof) -> None:
        """HYB-24: is this the log's next block? Raises NotYet, InvalidHeader."""
        entry = proof.entry
        day = self.next_day(parent)
        if (entry.day, entry.number, entry.block_hash) != (day_of(header), header.number, header.hash):
            raise InvalidHeader("entry-block", f"it is not about block {header.number}")
        # A later day than we think: the days between may be over, and we not have heard of it.
        if day is None or entry.day > day.number:
            raise NotYet("entry-day", f"who orders block {header.number} is not known here")
        if entry.day < day.number:
            raise InvalidHeader("entry-day", f"block {header.number} belongs to day {day.number}")
        if entry.election != day.snail_hash:
            raise NotYet("entry-election", f"day {day.number} was elected by another block on our snail chain")
        if entry.ends != (header.mix_hash != day.snail_hash):
            raise InvalidHeader("entry-end", f"block {header.number}")
        if entry.ends:
            check_handover(self.snail, day, header.mix_hash, self._core.parameters.stable_depth - LAG)
        self._check_signers(day, proof)
        self._check_in_time(day, entry)

    def _check_signers(self, day: Day, proof: Proof) -> None:
        """HYB-20. Raises InvalidHeader."""
        strangers = [node_id for node_id in proof.nodes if node_id not in day.weights]
        if strangers:
            raise InvalidHeader("entry-stranger", f"{strangers[0].hex()[:16]} has no seat on day {day.number}")
        if day.weigh(proof.nodes) < day.threshold:
            raise InvalidHeader("entry-threshold", f"{day.weigh(proof.nodes)} seats where {day.threshold} are needed")

    def _check_in_time(self, day: Day, entry: Entry) -> None:
        """HYB-15, HYB-25: once its day is cut, an entry counts only if the snail chain has it. Raises NotYet,
        InvalidHeader."""
        end = self._almanac.end_of(day.number)
        if end is not None:
            if entry.number > end.number or (entry.number == end.number and entry.block_hash != end.block_hash):
                raise InvalidHeader("entry-late", f"day {day.number} ended with block {end.number}")
        elif not self.is_current:
            raise NotYet("entry-age", f"whether day {day.number} is over is not known here")
        elif self.is_cut(day):
            record = self.snail.almanac().record_of(day.number)
            if record is None or record.number < entry.number:
                raise NotYet("entry-late", f"block {entry.number} of day {day.number} is not recorded")

    # --- what our committee orders --------------------------------------------------------------------------------

    def ordered(self, day: Day, header: Header) -> None:
        """HYB-21: the inner engine made `header` final: sign what of it is the log's, oldest first."""
        for step in self._path(day, header):
            if not self.may_sign(day):
                return
            block = self._core.chain.block(step.hash)
            if block is None:
                return
            self._extend(block)
            self._keep(block)
            self._sign(day.entry(step.number, step.hash, ends=step.mix_hash != day.snail_hash))

    def _path(self, day: Day, header: Header) -> list[Header]:
        """From the tip, which it leaves out, to `header`, but not beyond the end of the day (HYB-33)."""
        if day_of(self.tip) == day.number and self.tip.mix_hash != day.snail_hash:
            return []
        path: list[Header] = []
        step: Header | None = header
        while step is not None and step.number > self.tip.number:
            path.append(step)
            step = self._core.chain.header(step.parent_hash)
        if step is None or step.hash != self.tip.hash or any(day_of(found) != day.number for found in path):
            if header.number > self.tip.number:
                self.conflicts += 1
            return []
        path.reverse()
        for place, found in enumerate(path):
            if found.mix_hash != day.snail_hash:
                return path[: place + 1]
        return path

    def _extend(self, block: Block) -> None:
        self.tip = self._ordered[block.number] = block.header
        self._core.emit(Adopt(block.hash))

    def _keep(self, block: Block) -> None:
        """On disk until it is final: nobody else may have it."""
        self._bodies[block.hash] = block.number
        self._core.emit(Persist(RECORD + block.hash, block.encoded))

    def _sign(self, entry: Entry) -> None:
        claim = self._core.sign(entry_digest(self._core.chain.chain_id, entry))
        signed = Signed(entry, claim)
        self._core.emit(Broadcast(signed))
        self._file(signed)

    def restore(self, blocks: list[Block]) -> None:
        """What we had ordered before a restart and is not final yet: take it up again, lowest first; and the proofs
        that the snail chain may still lack."""
        self._restore_proofs()
        # Of two for one place the later day's: the other was given up when its day was closed below it (HYB-28).
        for block in sorted(blocks, key=lambda block: (block.number, -day_of(block.header), block.hash)):
            self._bodies[block.hash] = block.number
            if block.parent_hash == self.tip.hash and self._checked(block):
                self._extend(block)

    def _restore_proofs(self) -> None:
        """HYB-6: of the last two days the proof of the highest block."""
        step: Header | None = self.final
        while step is not None and step.number and len(self._proofs) < PROOFS_KEPT:
            if day_of(step) not in self._proofs and (certificate := self._core.chain.certificate(step.hash)):
                self._proofs[day_of(step)] = decode_proof(certificate)
            step = self._core.chain.header(step.parent_hash)

    def repeat(self, day: Day) -> bool:
        """HYB-26: our signatures for what is not final yet, once more. True if there are any."""
        for number in range(self.final.number + 1, self.tip.number + 1):
            # A signature of ours may be the one that makes a block final, and others with it.
            header = self._ordered.get(number)
            if header is None or day_of(header) != day.number or not self.may_sign(day):
                continue
            self._sign(day.entry(number, header.hash, ends=header.mix_hash != day.snail_hash))
        if self.tip.number == self.final.number:
            return False
        self._core.emit(Broadcast(Unproven(self.final.number + 1)))
        return True

    def on_unproven(self, peer: bytes, number: int) -> None:
        """HYB-26: somebody lacks a proof that we may have."""
        header = self._core.chain.canonical(number)
        if header is None or number > self.final.number or not self._core.may_answer(peer):
            return
        block, certificate = self._core.chain.block(header.hash), self._core.chain.certificate(header.hash)
        if block is not None and certificate:
            claims = claims_of(self._core.chain.chain_id, decode_proof(certificate))
            self._core.emit(Send(peer, Logged(header, certificate, claims, block)))

    # --- what members sign ----------------------------------------------------------------------------------------

    def on_signed(self, peer: bytes, signed: Signed) -> None:
        """HYB-21: a member's signature."""
        entry = signed.entry
        if not 0 < entry.number - self.final.number <= AHEAD_MAX or entry.day < day_of(self.final):
            return
        day = self._elected(entry)
        # Who has no seat as we see it may have one on a branch that we have not heard of: nobody is to blame.
        if day is not None and signed.signer in day.weights:
            self._file(signed)

    def _elected(self, entry: Entry) -> Day | None:
        """Its day, if our branch of the snail chain has it."""
        day = self.snail.almanac().find(entry.day)
        return day if day is not None and day.snail_hash == entry.election else None

    def _file(self, signed: Signed) -> None:
        number = signed.entry.number
        said = self._signed.setdefault(number, {})
        earlier = said.get(signed.signer)
        if earlier is None or earlier.entry.day < signed.entry.day or self._elected(earlier.entry) is None:
            said[signed.signer] = signed
            self._count(number, signed.entry)
        elif earlier.entry.election == signed.entry.election and earlier.entry != signed.entry:
            # HYB-27: two words about one place of one day.
            self._core.accuse(signed.signer, "equivocation-entry", encode_evidence(earlier, signed))

    def _count(self, number: int, entry: Entry) -> None:
        """HYB-22: enough signatures make a proof. It is judged like anybody's."""
        day = self._elected(entry)
        said = self._signed.get(number, {})
        signers = sorted(node_id for node_id, signed in said.items() if signed.entry == entry)
        if day is None or day.weigh(signers) < day.threshold:
            return
        proof = Proof(entry, tuple((node_id, said[node_id].claim.signature) for node_id in signers))
        block = self._core.chain.block(entry.block_hash)
        if block is not None:
            self.take(None, block, proof)

    # --- what anybody shows ---------------------------------------------------------------------------------------

    def on_logged(self, peer: bytes, message: Logged) -> None:
        """Gossip."""
        if message.block is not None:
            self.show(peer, message.block, message.certificate)
        elif message.header.number > self.tip.number:
            self._core.emit(Fetch(peer, message.header.hash))

    def show(self, peer: bytes | None, block: Block, certificate: bytes) -> None:
        """A block with its proof, from gossip or sync."""
        try:
            proof = decode_proof(certificate)
        except DecodeError as fault:
            self._core.accuse(peer, fault.reason)
            return
        self.take(peer, block, proof)

    def take(self, peer: bytes | None, block: Block, proof: Proof) -> None:
        """HYB-24: final, if it is the log's next block or one that we have ordered ourselves."""
        header = block.header
        if header.number <= self.final.number:
            return
        ours = self._ordered.get(header.number)
        if ours is not None and ours.hash == header.hash:
            self._take_ordered(peer, header, proof)
        elif header.parent_hash == self.final.hash:
            self._take_next(peer, block, proof)
        elif peer is not None and header.number > self.tip.number and header.hash not in self._held:
            kept = self._hold(peer, block, proof)
            # Its ancestors come in answer to one question, asked for the lowest block that hangs in the air.
            if kept and header.parent_hash not in self._held:
                self._core.emit(Fetch(peer, header.hash))

    def _take_ordered(self, peer: bytes | None, header: Header, proof: Proof) -> None:
        """Proofs are taken in order, so that every block of the log has one."""
        parent = self._core.chain.header(header.parent_hash)
        if parent is None or not self._passes(peer, Block(header), parent, proof):
            return
        self._ready[header.number] = proof
        while (following := self._ready.pop(self.final.number + 1, None)) is not None:
            self._finalize(self._ordered[following.entry.number], following)

    def _take_next(self, peer: bytes | None, block: Block, proof: Proof) -> None:
        """HYB-28: what we have ordered above the last final block gives way: its day was cut before it was proved."""
        if not self._passes(peer, block, self.final, proof) or not self._checked(block):
            return
        if self.tip.number > self.final.number:
            self._give_up(self.final)
        self._extend(block)
        self._finalize(block.header, proof)

    def _give_up(self, back_to: Header) -> None:
        """Forget what we have ordered above this block."""
        self.abandoned += self.tip.number - back_to.number
        self.tip = back_to
        for number in [known for known in self._ordered if known > back_to.number]:
            del self._ordered[number]
            self._ready.pop(number, None)
        self._core.emit(Adopt(back_to.hash))

    def _passes(self, peer: bytes | None, block: Block, parent: Header, proof: Proof) -> bool:
        try:
            self._judge(block.header, parent, proof)
        except NotYet:
            if peer is not None:
                self._hold(peer, block, proof)
            return False
        except InvalidHeader as fault:
            if fault.reason not in OVERTAKEN:
                self._core.accuse(peer, fault.reason)
            return False
        return True

    def _hold(self, peer: bytes, block: Block, proof: Proof) -> bool:
        """True if there was room."""
        number = block.number
        if self._beyond is None or number > self._beyond[0]:
            self._beyond = (number, block.hash, peer)
        if number > self.tip.number and block.hash not in self._held and self._make_room(peer):
            self._held[block.hash] = Held(peer, block, proof)
        return block.hash in self._held

    def _make_room(self, peer: bytes) -> bool:
        """Where all places are taken, whoever has most of them gives up its highest block for one who has fewer."""
        places = Counter(held.peer for held in self._held.values())
        if places[peer] >= HELD_PER_PEER or len(self._held) < HELD_MAX:
            return places[peer] < HELD_PER_PEER
        greedy = max(places, key=lambda other: (places[other], other))
        if places[greedy] <= places[peer] + 1:
            return False
        given_up = [held.block for held in self._held.values() if held.peer == greedy]
        del self._held[max(given_up, key=lambda block: (block.number, block.hash)).hash]
        return True

    def _finalize(self, header: Header, proof: Proof) -> None:
        """HYB-22: nobody reverts it any more."""
        core = self._core
        self.final = self._ordered.pop(header.number)
        core.emit(Finalize(header.hash, encode_proof(proof)))
        for block_hash in [known for known, number in self._bodies.items() if number <= header.number]:
            del self._bodies[block_hash]
            core.emit(Persist(RECORD + block_hash, None))
        for number in [known for known in self._signed if known <= header.number]:
            del self._signed[number]
        self._proofs[proof.entry.day] = proof
        for day in sorted(self._proofs)[:-PROOFS_KEPT]:
            del self._proofs[day]
        if self._speaks(header, proof):
            block = core.chain.block(header.hash)
            if block is not None:
                claims = claims_of(core.chain.chain_id, proof)
                core.emit(Publish(Logged(header, encode_proof(proof), claims, block)))
        self.news()

    def _speaks(self, header: Header, proof: Proof) -> bool:
        """HYB-22: announced by whoever proposed it, and by the first of the signers, lest one of them falls silent."""
        return self._core.me in (header.extra_data[:NODE_ID_BYTES], proof.nodes[0])

    def _checked(self, block: Block) -> bool:
        try:
            self._core.chain.check(block)
        except PeerFault:
            return False
        return True

    # --- what changes with the snail chain ------------------------------------------------------------------------

    def look_again(self) -> None:
        """The snail chain or the tip has moved: judge what waits once more."""
        self._give_up_what_is_over()
        for held in sorted(self._held.values(), key=lambda held: (held.block.number, held.block.hash)):
            if held.block.hash in self._held:
                del self._held[held.block.hash]
                self.take(held.peer, held.block, held.proof)
        for number in sorted(self._signed):
            for entry in dict.fromkeys(signed.entry for signed in self._signed.get(number, {}).values()):
                self._count(number, entry)
        beyond = self._beyond
        if beyond is not None and not self._held:
            self._beyond = None
            if beyond[0] > self.tip.number:
                self._core.emit(Fetch(beyond[2], beyond[1]))

    def _give_up_what_is_over(self) -> None:
        """HYB-28: of what is ordered and not proved, all from the first block on whose day has ended below it."""
        almanac = self._almanac
        below = self.final
        for number in sorted(self._ordered):
            header = self._ordered[number]
            end = almanac.end_of(day_of(header))
            if end is not None and end.number < number:
                self._give_up(below)
                return
            below = header

    @property
    def ends_unproved(self) -> bool:
        """HYB-34: is the tip the end of its day, and nobody has proved it yet?"""
        day = marked(self.snail, self.tip)
        return self.tip.hash != self.final.hash and day is not None and day.number != day_of(self.tip)

    def ask_again(self) -> None:
        """HYB-26: for what leads to the lowest block that hangs in the air, in case an answer was lost; and, where that
        does not help, for the proof of the next block: we may have that one without it, from our committee."""
        lowest = min(self._held.values(), key=lambda held: (held.block.number, held.block.hash), default=None)
        stands, self._stood = self._stood == self.final.number, self.final.number
        if stands:
            for peer in sorted({held.peer for held in self._held.values()}):
                self._core.emit(Send(peer, Unproven(self.final.number + 1)))
        if lowest is not None and lowest.block.parent_hash != self.final.hash:
            self._core.emit(Fetch(lowest.peer, lowest.block.hash))
        elif lowest is None and self._beyond is not None and self._beyond[0] > self.tip.number:
            self._core.emit(Fetch(self._beyond[2], self._beyond[1]))

    def proof_for(self, almanac: Almanac) -> Proof | None:
        """HYB-13: what the next snail block should record: the log of the day that ends, before that of the newest."""
        for day in (almanac.before, almanac.day):
            proof = self._proofs.get(day.number) if day is not None else None
            if proof is None or day is None or (proof.entry.ends and day is almanac.day):
                continue
            known = almanac.record_of(day.number)
            if known is None or known.number < proof.entry.number:
                return proof
        return None

    @property
    def waiting(self) -> int:
        """Blocks held."""
        return len(self._held)
