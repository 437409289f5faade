"""What honest nodes of the hybrid owe each other, recomputed here as far as it can be.

Seats are found by walking the snail chain's blocks, and who signed a block by reading its proof; the engine is asked
only for its blocks, and for which days ended by force. All of it holds as long as the run is within the claim.
"""

from itertools import pairwise
from typing import Any

from raclette.chain.block import Block
from raclette.engine.effects import Accuse, Effect
from raclette.engine.events import Event
from raclette.engine.message import Message
from raclette.lab.hunt.engines.hybrid_claim import Claim, snail_of
from raclette.lab.hunt.engines.invariants import Agreement, FinalityKept
from raclette.lab.hunt.engines.world import Checker, EngineWorld, Replica, Violation
from raclette.primitives.errors import DecodeError
from raclette.primitives.hashing import sha256
from raclette.protocols.hybrid.almanac import Almanac, Day, Entry
from raclette.protocols.hybrid.evidence import check_evidence, decode_inner
from raclette.protocols.hybrid.log import AHEAD_MAX, HELD_MAX
from raclette.protocols.hybrid.messages import Complaint, Signed, entry_digest
from raclette.protocols.hybrid.orchard import WAITING_MAX
from raclette.protocols.hybrid.records import Proof, decode_proof, decode_records
from raclette.protocols.hybrid.snail import CANDIDATES_MAX
from raclette.protocols.hybrid.snail_chain import SEGMENT_WINDOWS, SnailChain


def true_seats(snail: SnailChain, parameters: dict[str, Any], elected: bytes) -> tuple[bytes, ...]:
    """HYB-10, HYB-11: those of the election at this snail block, by a walk down from it."""
    header = snail.header(elected)
    if header is None:
        return ()
    if header.number == 0:
        return tuple(bytes.fromhex(text[2:]) for text in parameters["validators"])
    wanted, number, fruits = parameters["committee_size"], header.number, parameters["fruits"]
    miners: list[bytes] = []
    found: list[tuple[bytes, bytes]] = []
    length = SEGMENT_WINDOWS * parameters["freshness"] if fruits else wanted
    while header is not None and header.number and len(miners) < length:
        block = snail.block(header.hash)
        if block is None:
            break
        body = decode_records(snail.chain_id, block.transactions)
        miners.append(body.claim.node_id)
        found += [(fruit.hash, fruit.claim.node_id) for fruit in body.fruits]
        header = snail.header(header.parent_hash)
    if not fruits:
        return tuple(reversed(miners))
    seed = b"raclette/fruit/seat" + number.to_bytes(8, "big")
    return tuple(miner for _, miner in sorted(found, key=lambda one: sha256(seed + one[0]))[:wanted])


def true_depth(snail: SnailChain, block_hash: bytes) -> int:
    """Of a block on the head's branch, below the head; -1 if it is not there."""
    header = snail.header(block_hash)
    found = snail.canonical(header.number) if header is not None else None
    return snail.head.number - found.number if found is not None and found.hash == block_hash else -1


class ClaimedAgreement(Agreement):
    """Within the claim."""

    def __init__(self, claim: Claim) -> None:
        super().__init__()
        self.claim = claim

    def finalized(self, replica: Replica, block: Block, certificate: bytes) -> None:
        if self.claim.holds:
            super().finalized(replica, block, certificate)


class ClaimedFinality(FinalityKept):
    """Within the claim."""

    def __init__(self, claim: Claim) -> None:
        super().__init__()
        self.claim = claim

    def after(self, replica: Replica, event: Event, effects: tuple[Effect, ...]) -> None:
        if self.claim.holds:
            super().after(replica, event, effects)


class Days(Checker):
    """A final block is of the day that is in charge: days never go back, nothing of a day follows its end, the election
    is stable and gave its seats to the right miners, and signatures of a third of these seats prove the block."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self._right: set[tuple[bytes, bytes]] = set()
        self._seats: dict[bytes, tuple[bytes, ...]] = {}

    def finalized(self, replica: Replica, block: Block, certificate: bytes) -> None:
        if not self.claim.holds:
            return
        snail, header = snail_of(replica), block.header
        number = int.from_bytes(header.nonce, "big")
        day = snail.almanac().find(number)
        parent = replica.chain.header(block.parent_hash)
        if day is None or parent is None:
            raise Violation("days", f"block {block.number} is of day {number}, which nobody elected", replica.number)
        depth = true_depth(snail, day.snail_hash)
        stable = replica.world.parameters["stable_depth"] - 1
        if number > 1 and depth < stable:
            raise Violation("stable-seats", f"day {number} was elected {depth} deep at {replica.name}", replica.number)
        if (block.hash, certificate) in self._right:
            return
        if parent.number:
            before = int.from_bytes(parent.nonce, "big")
            if number < before:
                raise Violation("days", f"block {block.number} is of day {number} after {before}", replica.number)
            earlier = snail.almanac().find(before)
            if earlier is not None and number == before and parent.mix_hash != earlier.snail_hash:
                raise Violation("days", f"block {block.number} follows the end of its day {number}", replica.number)
        self._check_proof(replica, block, day, certificate)
        self._right.add((block.hash, certificate))

    def _check_proof(self, replica: Replica, block: Block, day: Day, certificate: bytes) -> None:
        seats = self._seats.get(day.snail_hash)
        if seats is None:
            seats = self._seats[day.snail_hash] = true_seats(
                snail_of(replica), replica.world.parameters, day.snail_hash
            )
        if seats != day.seats:
            raise Violation("seats", f"{replica.name} gives those of day {day.number} to others", replica.number)
        proof = decode_proof(certificate)
        ends = block.header.mix_hash != day.snail_hash
        entry = day.entry(block.number, block.hash, ends=ends)
        if proof.entry != entry:
            raise Violation("certificates", f"block {block.number}: the proof is for {proof.entry}", replica.number)
        if any(first >= second for first, second in pairwise(proof.nodes)):
            raise Violation("certificates", f"block {block.number}: repeated signers", replica.number)
        digest = entry_digest(replica.chain.chain_id, entry)
        for node_id, signature in proof.signers:
            if replica.world.signatures.signer(node_id).sign(digest) != signature:
                raise Violation("certificates", f"block {block.number}: a false signature", replica.number)
        weight = sum(seats.count(node_id) for node_id in proof.nodes)
        if 3 * weight < len(seats):
            raise Violation("certificates", f"block {block.number}: {weight} of {len(seats)} seats", replica.number)


class Honesty(Checker):
    """An honest member signs one entry for a place of a day, none once its day is cut or has ended, an end only
    for an election that is stable somewhere, and complains about no day that is yet to come."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.entries: dict[tuple[int, int, int], Entry] = {}

    def said(self, replica: Replica, message: Message) -> None:
        if not self.claim.holds:
            return
        newest = snail_of(replica).almanac().day
        if isinstance(message, Complaint) and message.author == replica.node_id:
            if snail_of(replica).elected_at(message.election) is None:
                raise Violation("complaints", f"{replica.name} complains about nobody", replica.number)
            return
        if not isinstance(message, Signed):
            return
        entry, snail = message.entry, snail_of(replica)
        first = self.entries.setdefault((entry.day, entry.number, replica.number), entry)
        if first != entry:
            detail = f"{replica.name} signed two entries for block {entry.number} of day {entry.day}"
            raise Violation("equivocation", detail, replica.number)
        almanac, parameters = snail.almanac(), replica.world.parameters
        cut = newest.elected + parameters["stable_depth"] + parameters["patience"]
        if entry.day == newest.number - 1 and almanac.number >= cut:
            raise Violation("cut", f"{replica.name} signs for day {entry.day} after its cut", replica.number)
        header = replica.chain.header(entry.block_hash)
        if header is None:
            return
        # Whoever is behind signs what a quorum has seen to be stable.
        depth = max(true_depth(snail_of(other), header.mix_hash) for other in replica.world.alive)
        if entry.ends and depth < parameters["stable_depth"] - 1:
            detail = f"{replica.name} ends day {entry.day} for an election {depth} deep"
            raise Violation("stable-seats", detail, replica.number)
        parent, day = replica.chain.header(header.parent_hash), almanac.find(entry.day)
        if parent is None or day is None or not parent.number or parent.nonce != header.nonce:
            return
        if parent.mix_hash != day.snail_hash:
            detail = f"{replica.name} signs block {entry.number} of day {entry.day} above that day's end"
            raise Violation("days", detail, replica.number)


class Evidence(Checker):
    """Evidence convicts, and never an honest node; nobody honest is accused by anybody honest."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim

    def after(self, replica: Replica, event: Event, effects: tuple[Effect, ...]) -> None:
        if not replica.honest or not self.claim.holds:
            return
        world = replica.world
        for effect in effects:
            if not isinstance(effect, Accuse):
                continue
            if effect.reason == "equivocation-entry":
                self._check(replica, effect)
            elif effect.evidence and replica.engine.snail.chain.elected_at(decode_inner(effect.evidence)[0]) is None:
                raise Violation("evidence", f"{effect.reason}: of no day", replica.number)
            if effect.peer in world.ids and world.ids.index(effect.peer) not in world.liars:
                what = "no-false-accusation"
                raise Violation(what, f"{replica.name} accuses somebody honest: {effect.reason}", replica.number)

    def _check(self, replica: Replica, effect: Accuse) -> None:
        try:
            claims = check_evidence(replica.chain.chain_id, effect.evidence)
        except DecodeError as fault:
            raise Violation("evidence", f"{effect.reason}: {fault}", replica.number) from fault
        if not all(replica.world.signatures.holds(claim) for claim in claims):
            raise Violation("evidence", f"{effect.reason}: a false signature", replica.number)


class Records(Checker):
    """On an adopted branch of the snail chain an entry has distinct signers with a third of its day's seats; a fruit
    hangs from a block of its window, and is taken in once."""

    def __init__(self) -> None:
        # place -> the head that was looked at last.
        self._heads: dict[int, bytes] = {}
        # Block -> the fruits of it and of the blocks below that are in the window of its child.
        self._recent: dict[bytes, tuple[tuple[bytes, ...], ...]] = {}

    def after(self, replica: Replica, event: Event, effects: tuple[Effect, ...]) -> None:
        if not replica.honest or not replica.up:
            return
        snail = snail_of(replica)
        if self._heads.get(replica.place) == snail.head.hash:
            return
        self._heads[replica.place] = snail.head.hash
        fresh: list[Block] = []
        block = snail.block(snail.head.hash)
        while block is not None and block.number and block.hash not in self._recent:
            fresh.append(block)
            block = snail.block(block.parent_hash)
        for block in reversed(fresh):
            self._check(replica, snail, block)

    def _check(self, replica: Replica, snail: SnailChain, block: Block) -> None:
        window: int = replica.world.parameters["freshness"]
        behind = self._recent.get(block.parent_hash, ())
        names: list[bytes] = []
        body = decode_records(snail.chain_id, block.transactions)
        if body.proof is not None:
            self._check_entry(replica, block, body.proof)
        for fruit in body.fruits:
            pointer = snail.header(fruit.pointer)
            distance = block.number - pointer.number if pointer is not None else 0
            if not 1 <= distance <= window:
                detail = f"snail block {block.number} holds a fruit that hangs {distance} blocks behind it"
                raise Violation("freshness", detail, replica.number)
            if fruit.hash in names or any(fruit.hash in earlier for earlier in behind):
                raise Violation("freshness", f"snail block {block.number} holds an old fruit again", replica.number)
            names.append(fruit.hash)
        self._recent[block.hash] = (*behind, tuple(names))[-window:]

    def _check_entry(self, replica: Replica, block: Block, proof: Proof) -> None:
        day = snail_of(replica).almanac().find(proof.entry.day)
        seats = day.seats if day is not None else ()
        weight = sum(seats.count(node_id) for node_id in set(proof.nodes))
        if day is None or day.snail_hash != proof.entry.election or 3 * weight < len(seats):
            detail = f"snail block {block.number} records an entry of {weight} of {len(seats)} seats"
            raise Violation("certificates", detail, replica.number)


class Memory(Checker):
    """What is kept of others' words is bounded."""

    def after(self, replica: Replica, event: Event, effects: tuple[Effect, ...]) -> None:
        if not replica.honest:
            return
        log, snail, size = replica.engine.log, replica.engine.snail, len(replica.world.ids)
        bounds = {
            "held": (len(log._held), HELD_MAX),
            "ready": (len(log._ready), AHEAD_MAX),
            "signed": (len(log._signed), AHEAD_MAX),
            "signers": (max(map(len, log._signed.values()), default=0), size),
            "complaints": (len(snail.complaints), size),
            "fruits": (len(snail._fruits), WAITING_MAX),
            "candidates": (len(snail._candidates), CANDIDATES_MAX),
            "asked": (len(snail._asked), len(replica.world.instances)),
        }
        for name, (found, bound) in bounds.items():
            if found > bound:
                raise Violation("memory", f"{replica.name} keeps {found} {name}, at most {bound}", replica.number)


def history(almanac: Almanac) -> list[tuple[object, ...]]:
    """What an almanac says, in plain words."""
    words: list[tuple[object, ...]] = [(day.number, day.elected, day.snail_hash, day.seats) for day in almanac.days()]
    past = almanac.past
    while past is not None:
        words.append(tuple(past.end))
        past = past.before
    return words


def check_almanacs(world: EngineWorld) -> None:
    """Honest replicas say the same of what is stable. Raises Violation."""
    stable = world.parameters["stable_depth"]
    chains = [(replica, snail_of(replica)) for replica in world.alive]
    number = min(chain.head.number for _, chain in chains) - stable
    if number < 1:
        return
    first: list[tuple[object, ...]] = []
    for replica, chain in chains:
        told = history(chain.almanac(chain.head.number - number))
        first = first or told
        if told != first:
            raise Violation("almanac", f"{replica.name} tells another history up to snail block {number}")
    for _, chain in chains:
        for day in chain.almanac(chain.head.number - number).days():
            if day.seats != true_seats(chain, world.parameters, day.snail_hash):
                raise Violation("seats", f"those of day {day.number} went to others")
