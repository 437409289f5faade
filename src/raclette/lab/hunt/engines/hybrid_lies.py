"""What a liar of the hybrid says, in its three trades: member of a committee, follower of the log, miner.

As a member it tells the inner protocol's own lies (the tricksters of `pbft` and `simplex`, on the engine that runs
inside), proposes blocks that name another election or day, signs entries for other blocks, twice, or with a false end,
and complains without cause. As a follower it shows blocks with the proof of one signer, of strangers, or of one signer
many times. As a miner it withholds blocks, or records entries of strangers, below the threshold, old ones, false
complaints, and fruits that are stale or have been taken in before; its work is done (the world seals what it makes).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from raclette.chain.block import Block
from raclette.engine.contract import Draft
from raclette.engine.message import Message
from raclette.lab.hunt.engines import pbft_lies, simplex_lies
from raclette.lab.hunt.engines.lying import Mind, remember
from raclette.lab.hunt.engines.world import Replica
from raclette.primitives.errors import Misuse
from raclette.primitives.hashing import ZERO_HASH
from raclette.primitives.randomness import Random
from raclette.primitives.signing import Claim
from raclette.protocols.hybrid.almanac import Entry
from raclette.protocols.hybrid.core import Core
from raclette.protocols.hybrid.day import DayRun, nonce_of
from raclette.protocols.hybrid.fruits import Claim as FruitClaim
from raclette.protocols.hybrid.fruits import Fruit, body_root
from raclette.protocols.hybrid.messages import (
    Complaint,
    Daily,
    DailyBlock,
    FreshFruit,
    Logged,
    Signed,
    SnailBlock,
    SnailBlocks,
    complaint_digest,
    entry_digest,
    wrap,
)
from raclette.protocols.hybrid.records import (
    Proof,
    claims_of,
    decode_proof,
    decode_records,
    encode_proof,
    encode_records,
)
from raclette.protocols.pbft.messages import PrePrepare
from raclette.protocols.simplex.messages import Proposal

_INNER: Mapping[str, Any] = {"pbft": pbft_lies.PbftTrickster, "simplex": simplex_lies.SimplexTrickster}
_PROPOSALS = ("pre-prepare", "proposal")
_ENTRY, _LOGGED, _SNAIL = ("entry",), ("logged",), ("snail-block",)


def _inner_lies() -> dict[str, tuple[str, ...]]:
    """Of both inner protocols, by name; a kind that only one of them has does no harm to the other."""
    names = {*pbft_lies.LIES, *simplex_lies.LIES}
    return {name: (*pbft_lies.LIES.get(name, ()), *simplex_lies.LIES.get(name, ())) for name in sorted(names)}


LIES: Mapping[str, Sequence[str]] = {
    **_inner_lies(),
    "false-mark": _PROPOSALS,
    "false-day": _PROPOSALS,
    "other-day": (*_PROPOSALS, "prepare", "commit", "vote", "finalize"),
    "other-entry": _ENTRY,
    "both-entries": _ENTRY,
    "false-end": _ENTRY,
    "entry-of-another-day": _ENTRY,
    "entry-far-ahead": _ENTRY,
    "entry-of-another-election": _ENTRY,
    "silent-entry": _ENTRY,
    "thin-proof": _LOGGED,
    "repeated-signer": _LOGGED,
    "proof-with-false-end": _LOGGED,
    "withheld": _SNAIL,
    "records-a-stranger": _SNAIL,
    "records-below-threshold": _SNAIL,
    "records-a-repeated-signer": _SNAIL,
    "records-an-old-entry": _SNAIL,
    "records-a-false-end": _SNAIL,
    "records-a-complaint": _SNAIL,
    "records-itself-twice": _SNAIL,
    "records-a-stale-fruit": _SNAIL,
    "records-a-fruit-again": _SNAIL,
    "false-body": _SNAIL,
}
RETORTS: Sequence[str] = (
    *pbft_lies.RETORTS,
    *(name for name in simplex_lies.RETORTS if name not in pbft_lies.RETORTS),
    "complain",
    "complain-about-nobody",
    "stop-by-a-stranger",
    "echo-entry",
    "unasked-blocks",
    "false-successor",
    "stale-fruit",
    "fruit-again",
)
# Whatever a branch has recorded before, these do not fit on it.
_NEVER_VALID = ("records-a-stranger", "records-below-threshold", "records-a-repeated-signer", "records-itself-twice")


class HybridTrickster(Mind[Core]):
    """See `adapter.Trickster`."""

    def __init__(self, replica: Replica, random: Random) -> None:
        super().__init__(replica, random)
        self.entries: dict[Entry, None] = {}
        self.proofs: dict[Entry, Proof] = {}
        # The trickster of the day's inner engine, and that day.
        self._inside: tuple[int, Any] = (0, None)

    @property
    def _chain_id(self) -> int:
        return self.replica.chain.chain_id

    def _sign(self, digest: bytes) -> Claim:
        return self.core.sign(digest)

    @property
    def _run(self) -> DayRun | None:
        run: DayRun | None = self.replica.engine.run
        return run

    def _inner(self) -> Any:
        """The mind of a liar inside; None without an inner engine."""
        run = self._run
        if run is None:
            return None
        engine: Any = run.engine
        number = engine.core.committee.numbers.get(self.replica.node_id)
        if number is None:
            return None
        day, mind = self._inside
        if day != run.day.number or mind is None:
            mind = _INNER[engine.name](SimpleNamespace(engine=engine, number=number), self.random)
            self._inside = (run.day.number, mind)
        mind.replica = SimpleNamespace(engine=engine, number=number)
        return mind

    # --- what it hears --------------------------------------------------------------------------------------------

    def overhear(self, message: Message) -> None:
        if isinstance(message, Signed):
            remember(self.entries, message.entry, None)
        elif isinstance(message, Logged):
            proof = decode_proof(message.certificate)
            remember(self.entries, proof.entry, None)
            remember(self.proofs, proof.entry, proof)
        elif isinstance(message, Daily | DailyBlock) and message.inner is not None:
            mind = self._inner()
            if mind is not None and self._run is not None and message.day == self._run.day.number:
                mind.overhear(message.inner)

    # --- instead of what was said ---------------------------------------------------------------------------------

    def lies(self, name: str, message: Message) -> Sequence[Message]:
        if isinstance(message, Signed):
            return self._entries(name, message)
        if isinstance(message, Logged):
            return self._logged(name, message)
        if isinstance(message, SnailBlock):
            return self._snail_blocks(name, message)
        if isinstance(message, Daily | DailyBlock) and message.inner is not None:
            return self._daily(name, message, message.inner)
        return [message]

    def _daily(self, name: str, message: Daily | DailyBlock, inner: Message) -> Sequence[Message]:
        run, mind = self._run, self._inner()
        if name == "other-day":
            day = max(1, message.day + self.random.choice((-1, 1, 1_000)))
            return [replace(message, day=day)]
        if run is None or mind is None or run.day.number != message.day:
            return [message]
        if name in ("false-mark", "false-day"):
            return [self._say_inside(run, self._marked(name, run, mind, inner))]
        if name in pbft_lies.LIES or name in simplex_lies.LIES:
            return [self._say_inside(run, lie) for lie in mind.lies(name, inner)]
        return [message]

    @staticmethod
    def _say_inside(run: DayRun, inner: Message) -> Message:
        return wrap(run.day, run.engine.encode(inner), inner)

    def _marked(self, name: str, run: DayRun, mind: Any, inner: Message) -> Message:
        """A proposal whose header says something else about days."""
        if not isinstance(inner, PrePrepare | Proposal) or inner.block is None:
            return inner
        header, snail = inner.header, self.replica.engine.snail.chain
        if name == "false-day":
            header = replace(header, nonce=nonce_of(max(1, run.day.number + self.random.choice((-1, 1)))))
        else:
            some = snail.canonical(self.random.between(0, snail.head.number))
            newest = snail.almanac().day.snail_hash
            header = replace(
                header, mix_hash=self.random.choice((newest, snail.head.hash, some.hash if some else ZERO_HASH))
            )
        if isinstance(inner, PrePrepare):
            marked: Message = mind._propose(inner, header, inner.block)
        else:
            marked = mind._propose(header, inner.block, inner.certificates)
        return marked

    def _entries(self, name: str, message: Signed) -> Sequence[Message]:
        entry = message.entry
        others = [known for known in self.entries if known.number == entry.number and known != entry]
        other = self.random.choice(others) if others else entry._replace(block_hash=self.random.bytes(32))
        match name:
            case "other-entry":
                return [self._entry(other)]
            case "both-entries":
                return [message, self._entry(other)]
            case "false-end":
                return [self._entry(entry._replace(ends=not entry.ends))]
            case "entry-of-another-day":
                day = max(1, entry.day + self.random.choice((-1, 1)))
                other_day = self.replica.engine.snail.chain.almanac().find(day)
                election = other_day.snail_hash if other_day is not None else entry.election
                return [self._entry(entry._replace(day=day, election=election))]
            case "entry-of-another-election":
                return [self._entry(entry._replace(election=self.random.bytes(32))), message]
            case "entry-far-ahead":
                return [message, self._entry(entry._replace(number=entry.number + self.random.between(1, 1_000)))]
        return []

    def _entry(self, entry: Entry) -> Signed:
        return Signed(entry, self._sign(entry_digest(self._chain_id, entry)))

    def _logged(self, name: str, message: Logged) -> Sequence[Message]:
        proof = decode_proof(message.certificate)
        if name == "repeated-signer":
            proof = Proof(proof.entry, proof.signers[:1] * max(2, len(proof.signers)))
        elif name == "proof-with-false-end":
            proof = self._own_proof(proof.entry._replace(ends=not proof.entry.ends))
        else:
            proof = self._own_proof(proof.entry)
        return [Logged(message.header, encode_proof(proof), claims_of(self._chain_id, proof), message.block)]

    def _own_proof(self, entry: Entry) -> Proof:
        """By us alone."""
        return Proof(entry, ((self.replica.node_id, self._entry(entry).claim.signature),))

    # --- as a miner -----------------------------------------------------------------------------------------------

    def _snail_blocks(self, name: str, message: SnailBlock) -> Sequence[Message]:
        block = message.block
        if decode_records(self._chain_id, block.transactions).claim.node_id != self.replica.node_id:
            return [message]
        if name == "withheld":
            return []
        if name == "false-body":
            return [SnailBlock(Block(block.header, (*block.transactions, b"\x09")), message.proof)]
        return [self._falsified(name, block)]

    def _falsified(self, name: str, block: Block) -> SnailBlock:
        """With other records, as if the nonce had been searched for them."""
        body = decode_records(self._chain_id, block.transactions)
        proof, complaints, ripe = body.proof, list(body.complaints), list(body.fruits)
        newest = max(self.proofs.values(), key=lambda known: known.entry[:2], default=None)
        day = self.replica.engine.snail.chain.almanac().day
        match name:
            case "records-a-stranger":
                proof = self._own_proof(day.entry(1_000, self.random.bytes(32), ends=False))
            case "records-below-threshold" if newest is not None:
                proof = Proof(newest.entry, newest.signers[:1])
            case "records-a-repeated-signer" if newest is not None:
                proof = Proof(newest.entry, newest.signers[:1] * max(2, len(newest.signers)))
            case "records-an-old-entry" if newest is not None:
                proof = self.random.choice(list(self.proofs.values()))
            case "records-a-false-end" if newest is not None:
                proof = self._own_proof(newest.entry._replace(ends=True))
            case "records-a-complaint" | "records-itself-twice":
                complaints += [self._complaint(day.snail_hash)] * (2 if name == "records-itself-twice" else 1)
            case "records-a-stale-fruit" | "records-a-fruit-again":
                ripe += self._stale() if name == "records-a-stale-fruit" else self._again()
        records = encode_records(body.claim, proof, complaints, ripe)
        header = self.replica.world.seal.seal(replace(block.header, transactions_root=body_root(records)))
        claims = claims_of(self._chain_id, proof) if proof is not None else ()
        claims += tuple(complaint.claim for complaint in complaints)
        return SnailBlock(Block(header, records), claims)

    def _successor(self) -> Sequence[Message]:
        """A block on our head that costs us nothing, and must not be taken: what it records is false."""
        snail = self.replica.engine.snail
        parent, rule = snail.chain.head, snail._engine._rule
        draft = Draft(parent.timestamp + 1, self.replica.node_id[:20], rule.after(parent), b"liar")
        block = snail.chain.build(parent, draft)
        false = self._falsified(self.random.choice(_NEVER_VALID), block)
        return [false] if false.block.transactions != block.transactions else []

    def _stale(self) -> list[Fruit]:
        """A fruit that hangs from a block before the window, as if it had been searched for."""
        engine = self.replica.engine
        snail, window = engine.snail.chain, engine.core.parameters.freshness
        old = snail.canonical(snail.head.number - window - self.random.below(3))
        if not engine.core.parameters.fruits or old is None:
            return []
        records = (FruitClaim(self.replica.node_id, old.hash, self.random.below(1 << 32)).encode(),)
        header = replace(snail.head, transactions_root=body_root(records))
        return [Fruit.of(self.replica.world.seal.seal(header), records)]

    def _again(self) -> list[Fruit]:
        """One that the branch holds already."""
        snail = self.replica.engine.snail.chain
        header = snail.canonical(max(1, snail.head.number - self.random.below(8)))
        block = snail.block(header.hash) if header is not None else None
        fruits = decode_records(self._chain_id, block.transactions).fruits if block is not None else ()
        return [self.random.choice(fruits)] if fruits else []

    def _complaint(self, election: bytes) -> Complaint:
        return Complaint(election, self._sign(complaint_digest(self._chain_id, election)))

    # --- unasked --------------------------------------------------------------------------------------------------

    def retorts(self, name: str, message: Message) -> Sequence[Message]:
        snail = self.replica.engine.snail.chain
        match name:
            case "complain":
                return [self._complaint(snail.almanac().day.snail_hash)]
            case "complain-about-nobody":
                return [self._complaint(snail.head.hash)]
            case "stale-fruit" | "fruit-again":
                return [FreshFruit(fruit) for fruit in (self._stale() if name == "stale-fruit" else self._again())]
            case "false-successor":
                return self._successor()
            case "unasked-blocks":
                block = snail.block(snail.head.hash)
                return [SnailBlocks((block,), False, ())] if block is not None and block.number else []
            case "stop-by-a-stranger" | "echo-entry" if isinstance(message, Signed):
                ends = name == "stop-by-a-stranger" or message.entry.ends
                return [self._entry(message.entry._replace(ends=ends))]
        if isinstance(message, Daily | DailyBlock) and message.inner is not None:
            run, mind = self._run, self._inner()
            if run is not None and mind is not None and run.day.number == message.day:
                try:
                    return [self._say_inside(run, lie) for lie in mind.retorts(name, message.inner)]
                except Misuse:
                    return []
        return []
