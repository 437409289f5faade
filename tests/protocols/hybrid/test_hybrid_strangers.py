"""One engine by itself, with what strangers, liars and crashes may bring: found by reading the code as an adversary."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.contract import Draft, EngineSetup
from raclette.engine.effects import Accuse, Adopt, Effect, Finalize, Persist, Publish, Seal, Send, SetTimer
from raclette.engine.events import Event, Received, Sealed, Started, TimerFired
from raclette.engine.lightchain import LightChain
from raclette.primitives.errors import DecodeError, InvalidCertificate
from raclette.primitives.signing import Claim, IdealSignatures
from raclette.primitives.units import SECOND
from raclette.protocols.hybrid import HybridEngine, make_engine
from raclette.protocols.hybrid.almanac import Entry
from raclette.protocols.hybrid.day import nonce_of
from raclette.protocols.hybrid.engine import TICK
from raclette.protocols.hybrid.evidence import check_evidence, encode_evidence
from raclette.protocols.hybrid.fruits import Claim as FruitClaim
from raclette.protocols.hybrid.fruits import Fruit, body_root
from raclette.protocols.hybrid.learning import BRANCH_BYTES_MAX, BRANCHES_MAX, Branch, Branches
from raclette.protocols.hybrid.log import HELD_MAX, RECORD
from raclette.protocols.hybrid.messages import (
    Complaint,
    FreshFruit,
    Logged,
    Signed,
    SnailBlock,
    SnailBlocks,
    SnailQuestion,
    Unproven,
    complaint_digest,
    entry_digest,
)
from raclette.protocols.hybrid.records import Proof, claims_of, encode_proof, encode_records
from raclette.protocols.nakamoto.engine import RECHECK
from raclette.protocols.nakamoto.mining import MINE

WORLD = IdealSignatures(b"strangers")
IDS = [bytes((number + 1,)) * 32 for number in range(4)]
STRANGER = bytes((99,)) * 32
# A difficulty of 1 holds for every nonce, so a story mines what it wants.
PARAMETERS = {
    "validators": ["0x" + node_id.hex() for node_id in IDS],
    "committee_size": 4,
    "stable_depth": 2,
    "patience": 2,
    "difficulty_rule": "fixed",
    "initial_difficulty": 1,
    "block_interval_s": 1,
}


class Lone:
    """An engine with a chain and a disk, whose effects are carried out or remembered."""

    def __init__(self, node_id: bytes = IDS[0], before: "Lone | None" = None, **parameters: Any) -> None:
        """`before`: what a crash left."""
        self.chain: LightChain = before.chain.durable_copy() if before is not None else LightChain()
        self.records: dict[bytes, bytes] = dict(before.records) if before is not None else {}
        self.now: int = before.now if before is not None else SECOND
        self.sought: Seal | None = None
        setup = EngineSetup(PARAMETERS | parameters, self.chain, WORLD.signer(node_id), bytes(20), dict(self.records))
        self.engine: HybridEngine = make_engine(setup)
        self.started = self.feed(Started(self.now))

    def feed(self, event: Event) -> list[Effect]:
        effects = list(self.engine.handle(event))
        for effect in effects:
            match effect:
                case Persist(key, None):
                    self.records.pop(key, None)
                case Persist(key, value) if value is not None:
                    self.records[key] = value
                case Adopt(block_hash):
                    self.chain.adopt(block_hash)
                case Finalize(block_hash, certificate):
                    self.chain.finalize(block_hash, certificate)
                case Seal():
                    self.sought = effect
                case _:
                    pass
        return effects

    def hear(self, peer: bytes, message: object) -> list[Effect]:
        return self.feed(Received(self.now, peer, message))  # type: ignore[arg-type]  # a message of ours

    def mine(self, blocks: int = 1) -> list[Block]:
        """So many snail blocks of our own, a second apart."""
        found = []
        for _ in range(blocks):
            self.now += SECOND
            self.engine.core.now = self.now
            self.engine.snail.renew()
            self.engine.snail.feed(TimerFired(self.now, MINE))
            for effect in self.engine.core.take_effects():
                if isinstance(effect, Seal):
                    self.sought = effect
            assert self.sought is not None
            self.feed(Sealed(self.now, self.sought.header))
            block = self.engine.snail.chain.block(self.engine.snail.chain.head.hash)
            assert block is not None
            found.append(block)
        return found


def accused(effects: Iterable[Effect]) -> list[str]:
    return [effect.reason for effect in effects if isinstance(effect, Accuse)]


def sent(effects: Iterable[Effect], kind: type) -> list[object]:
    return [effect.message for effect in effects if isinstance(effect, Send) and isinstance(effect.message, kind)]


def answer(asked: Lone, asker: Lone, effects: Iterable[Effect]) -> list[Effect]:
    """Carry questions and answers to and fro until nobody asks any more."""
    log: list[Effect] = []
    questions = sent(effects, SnailQuestion)
    while questions:
        replies = [reply for question in questions for reply in sent(asked.hear(STRANGER, question), SnailBlocks)]
        asked.now += SECOND  # not more questions than are answered
        asker.now = max(asker.now, asked.now)
        heard = [effect for reply in replies for effect in asker.hear(IDS[1], reply)]
        log += heard
        questions = sent(heard, SnailQuestion)
    return log


def test_a_branch_that_is_longer_than_an_answer_is_learned_page_by_page() -> None:
    """HYB-7. Each page began at the fork again, so whoever had mined more than a page alone never came back."""
    here, there = Lone(IDS[0]), Lone(IDS[1])
    here.mine(200)
    blocks = there.mine(300)
    here.now = there.now = max(here.now, there.now)
    answer(there, here, here.hear(IDS[1], SnailBlock(blocks[-1], ())))
    assert here.engine.snail.chain.head.hash == blocks[-1].hash


def test_a_branch_without_enough_work_is_kept_nowhere_and_one_with_enough_is_taken_whole() -> None:
    """HYB-9: far below the head work may be cheap, and every block of the tree is kept for ever."""
    here, there = Lone(IDS[0]), Lone(IDS[1])
    here.mine(200)
    snail, blocks = here.engine.snail, there.mine(200)
    here.now = max(here.now, there.now)
    answer(there, here, here.hear(IDS[1], SnailBlock(blocks[-1], ())))
    assert (len(snail.chain), len(snail._branches)) == (201, 0)
    assert not any(block.hash in snail.chain._leaves for block in blocks)
    assert len(here.records) == len(Lone(before=here).records)
    heavier = there.mine(1)[-1]
    here.now = there.now
    answer(there, here, here.hear(IDS[1], SnailBlock(heavier, ())))
    assert snail.chain.head.hash == heavier.hash
    assert (len(snail.chain), len(snail._branches)) == (402, 0)


def test_a_branch_beside_the_tree_is_judged_by_its_headers() -> None:
    """HYB-9: its author is accused as of a branch in the tree; what comes too early is no fault."""
    here, there = Lone(IDS[0]), Lone(IDS[1])
    here.mine(100)
    (first, second) = there.mine(2)
    here.now = max(here.now, there.now)
    for false, reasons in (
        (replace(second.header, difficulty=2), ["snail-difficulty"]),
        (replace(second.header, timestamp=here.now // SECOND + 3_600), []),
    ):
        here.now += 2 * SECOND
        here.engine.snail.ask(IDS[1], b"")
        here.engine.core.take_effects()
        reply = SnailBlocks((first, Block(false, second.transactions)), True, ())
        effects = here.hear(IDS[1], reply)
        assert accused(effects) == reasons
        assert not sent(effects, SnailQuestion)
        assert len(here.engine.snail._branches) == 0


def test_a_branch_that_never_ends_is_given_up_and_of_many_the_lightest_gives_way() -> None:
    """HYB-9."""
    draft = Header(bytes(32), 1, 1)
    branches = Branches()
    step, parent = Block(draft, (bytes(64 * 1024),)), None
    for number in range(2, 2 + BRANCH_BYTES_MAX // (64 * 1024)):
        parent = branches.add(IDS[0], step, parent or Branch(0))
        step = Block(replace(draft, number=number, parent_hash=step.hash), step.transactions)
    assert parent is None
    assert len(branches) == 0
    for number in range(BRANCHES_MAX + 1):
        kept = branches.add(bytes((number,)) * 32, Block(draft), Branch(work=100 if number else 1))
        assert kept is not None
    assert len(branches) == BRANCHES_MAX
    assert branches.of(bytes(32), draft.hash) is None


def test_a_proof_lists_no_more_signers_than_a_committee_has_seats() -> None:
    """HYB-23, HYB-50: anybody can make a hundred keys, and each signature costs us a check."""
    here = Lone()
    entry = here.engine.snail.chain.almanac().day.entry(1, block_of(here, 1, 1).hash, ends=False)
    proof = Proof(entry, tuple((bytes((number,)) * 32, bytes(64)) for number in range(5)))
    header = block_of(here, 1, 1).header
    with pytest.raises(InvalidCertificate, match="5 signers of 4 seats"):
        here.engine.check_certificate(header, encode_proof(proof))
    assert len(here.engine.check_certificate(header, encode_proof(proof._replace(signers=proof.signers[:4])))) == 4
    records = encode_records(FruitClaim(STRANGER, bytes(32), 0), proof, [], [])
    snail = Header(bytes(32), 1, 1, transactions_root=body_root(records))
    with pytest.raises(DecodeError, match="5 signers of 4 seats"):
        here.engine.decode(here.engine.encode(SnailBlock(Block(snail, records), ())))


def test_whoever_fills_the_places_of_waiting_blocks_gives_them_up_to_others() -> None:
    """HYB-24: eight peers with eight blocks each leave room for a ninth."""
    log = Lone().engine.log
    proof = Proof(Entry(9, 1, bytes(32), False, bytes(32)), ())

    def hold(peer: int, number: int) -> bool:
        return log._hold(bytes((peer,)) * 32, Block(Header(bytes((peer,)) * 32, number, 1)), proof)

    assert all(hold(peer, number) for peer in range(8) for number in range(1, 9))
    assert not hold(3, 9)
    assert all(hold(8, number) for number in range(1, 8))
    assert log.waiting == HELD_MAX
    of_ninth = [held for held in log._held.values() if held.peer == bytes((8,)) * 32]
    assert len(of_ninth) == 7
    assert not hold(8, 8)
    lowest = {held.peer: held.block.number for held in reversed(log._held.values())}
    assert set(lowest.values()) == {1}


def test_nobody_sends_more_answers_than_were_asked() -> None:
    """HYB-7."""
    here, there = Lone(IDS[0]), Lone(IDS[1])
    blocks = there.mine(3)
    here.now = there.now
    assert sent(here.hear(IDS[1], SnailBlock(blocks[-1], ())), SnailQuestion)
    reply = SnailBlocks(tuple(blocks), False, ())
    assert accused(here.hear(IDS[1], reply)) == []
    assert here.engine.snail.chain.head.hash == blocks[-1].hash
    # Links repeat themselves, and a node that restarts forgets what it asked: the rest is ignored.
    more = there.mine(1)
    here.now = there.now
    assert accused(here.hear(IDS[1], SnailBlocks((*blocks, *more), False, ()))) == []
    assert here.engine.snail.chain.head.hash == blocks[-1].hash
    again = Lone(before=here)
    assert accused(again.hear(IDS[2], SnailBlocks((*blocks, *more), False, ()))) == []
    assert again.engine.snail.chain.head.hash == blocks[-1].hash


def test_who_follows_another_branch_is_not_accused_for_the_committee_that_it_elected() -> None:
    """After a partition the first words of either side are about seats that the other has not heard of. Whoever was
    banned for them could not say what heals it."""
    here = Lone()
    here.mine(12)
    day = here.engine.snail.chain.almanac().day
    assert day.number >= 2
    assert STRANGER not in day.weights
    entry = day.entry(1, bytes(32), ends=False)
    signer = WORLD.signer(STRANGER)
    claim = Claim(STRANGER, entry_digest(1, entry), signer.sign(entry_digest(1, entry)))
    digest = complaint_digest(1, day.snail_hash)
    complaint = Claim(STRANGER, digest, signer.sign(digest))
    assert accused(here.hear(IDS[1], Signed(entry, claim))) == []
    assert accused(here.hear(IDS[1], Complaint(day.snail_hash, complaint))) == []
    assert here.engine.snail.complaints == {}
    assert here.engine.log._signed == {}


def test_words_about_a_day_that_two_branches_elected_convict_nobody() -> None:
    """HYB-21, HYB-27: a reorganisation that replaces an election, deeper than the protocol bears, would otherwise make
    liars of honest members."""
    here = Lone()
    day = here.engine.snail.chain.almanac().day
    ours, same_day = day.entry(1, bytes(32), ends=False), day.entry(1, b"\x01" * 32, ends=False)
    theirs = same_day._replace(election=b"\x02" * 32)

    def signed(entry: Entry) -> Signed:
        digest = entry_digest(here.chain.chain_id, entry)
        return Signed(entry, Claim(IDS[1], digest, WORLD.signer(IDS[1]).sign(digest)))

    assert accused(here.hear(IDS[1], signed(theirs))) == []
    assert accused(here.hear(IDS[1], signed(ours))) == []
    with pytest.raises(DecodeError, match="two places"):
        check_evidence(here.chain.chain_id, encode_evidence(signed(ours), signed(theirs)))
    (blame,) = [effect for effect in here.hear(IDS[2], signed(same_day)) if isinstance(effect, Accuse)]
    assert (blame.peer, blame.reason) == (IDS[1], "equivocation-entry")
    assert all(WORLD.holds(claim) for claim in check_evidence(here.chain.chain_id, blame.evidence))


def test_a_complaint_is_repeated_as_long_as_its_cause_lasts() -> None:
    """HYB-12: it may be lost on the way to every miner, or forgotten by those who restart."""
    here = Lone(complain_ms=5_000, timeout_ms=1_000, patience=10)
    here.chain.submit(b"something that waits")
    when = []
    for second in range(1, 13):
        here.now += SECOND
        told = [effect for effect in here.feed(TimerFired(here.now, TICK)) if isinstance(effect, Publish)]
        when += [second for effect in told if isinstance(effect.message, Complaint)]
    assert when == [6, 11]
    said = here.engine.snail.complaints[IDS[0]]
    assert [effect for effect in here.hear(IDS[1], said) if isinstance(effect, Publish)] == []


def test_a_snail_block_before_its_time_is_looked_at_again_after_a_restart() -> None:
    """HYB-51: the clock may stand further back than before."""
    here = Lone()
    (block,) = here.mine(60)[-1:]
    here.now -= 25 * SECOND
    again = Lone(before=here)
    assert block.number - again.engine.snail.chain.head.number == 10
    assert any(isinstance(effect, SetTimer) and effect.name == RECHECK for effect in again.started)
    again.now += 25 * SECOND
    again.feed(TimerFired(again.now, RECHECK))
    assert again.engine.snail.chain.head.hash == block.hash


def block_of(lone: Lone, day: int, elected: int) -> Block:
    """A block on genesis that day `day` orders, and that names the election of `elected`."""
    named = lone.engine.snail.chain.almanac().find(elected)
    assert named is not None
    draft = Draft(timestamp=lone.now // SECOND, mix_hash=named.snail_hash, nonce=nonce_of(day))
    return lone.chain.build(lone.chain.genesis, draft)


def test_a_member_restarted_behind_an_end_that_nobody_proved_goes_on_with_its_day() -> None:
    """HYB-34, HYB-51: without its vote the others might never be sure of the end."""
    here = Lone()
    here.mine(7)
    assert here.engine.run is not None
    end = block_of(here, 1, 2)
    here.engine.log.ordered(here.engine.run.day, end.header)
    here.feed(Received(here.now, STRANGER, Unproven(1)))
    assert here.chain.head.hash == end.hash
    again = Lone(before=here)
    assert again.engine.log.tip.hash == end.hash
    assert again.engine.run is not None
    assert again.engine.run.day.number == 1
    assert again.engine.validators() == tuple(IDS)


def logged(lone: Lone, block: Block) -> Logged:
    """The block of day 1 as two members show it."""
    entry = lone.engine.snail.chain.almanac().day.entry(block.number, block.hash, ends=False)
    digest = entry_digest(lone.chain.chain_id, entry)
    proof = Proof(entry, tuple((node_id, WORLD.signer(node_id).sign(digest)) for node_id in IDS[1:3]))
    return Logged(block.header, encode_proof(proof), claims_of(lone.chain.chain_id, proof), block)


def test_a_member_that_has_a_block_without_its_proof_asks_whoever_shows_what_follows() -> None:
    """HYB-26. Found by the hunt (seed 60311): a member restarted with a block of its inner engine, whose proof it had
    missed. It held all that followed, and fetched again and again what it had."""
    here = Lone(timeout_ms=1_000)
    first = block_of(here, 1, 1)
    second = here.chain.build(
        first.header, Draft(here.now // SECOND, mix_hash=first.header.mix_hash, nonce=nonce_of(1))
    )
    here.hear(IDS[3], logged(here, second))
    assert here.engine.log.waiting == 1

    def tick() -> list[object]:
        here.now += SECOND
        return sent(here.feed(TimerFired(here.now, TICK)), Unproven)

    assert tick() + tick() == [Unproven(1)]
    here.hear(IDS[3], logged(here, first))
    assert here.engine.log.final.hash == second.hash
    assert tick() + tick() == []


def test_of_two_blocks_for_one_place_a_restarted_member_takes_up_that_of_the_later_day() -> None:
    """HYB-28, HYB-51: the other one was given up when its day was closed below it; its record stays until the place
    is final."""
    here = Lone()
    here.mine(14)
    assert (settled := here.engine.snail.chain.almanac().end_of(1)) is not None
    assert settled.forced
    given_up, ordered = block_of(here, 1, 1), block_of(here, 2, 2)
    for block in (given_up, ordered):
        here.records[RECORD + block.hash] = block.encoded
    again = Lone(before=here)
    assert again.engine.log.tip.hash == ordered.hash


def test_a_fruit_that_hangs_beside_the_branch_is_not_kept_nor_passed_on() -> None:
    """HYB-43: a block beside the branch may be cheap, and so would be all fruits that hang from it."""
    here, there = Lone(fruits=1), Lone(IDS[1], fruits=1)
    ours = here.mine(3)
    (beside,) = there.mine()
    here.hear(IDS[1], SnailBlock(beside, ()))
    assert here.engine.snail.chain.header(beside.hash) is not None

    def passed_on(pointer: bytes) -> list[Effect]:
        records = (FruitClaim(STRANGER, pointer, 0).encode(),)
        fruit = Fruit.of(Header(bytes(32), 4, here.now // SECOND, transactions_root=body_root(records)), records)
        return [effect for effect in here.hear(IDS[1], FreshFruit(fruit)) if isinstance(effect, Publish)]

    assert passed_on(beside.hash) == []
    assert len(passed_on(ours[0].hash)) == 1
