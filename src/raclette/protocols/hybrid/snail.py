"""The snail chain at work: the proof-of-work engine, unchanged, on a chain of its own inside ours.

What the engine wants of its host is carried out here: heads move in `SnailChain`, blocks leave as messages of ours and
become records of ours, and what it lacks is asked of whoever showed us a later block. HYB-1 to HYB-6.
"""

from collections.abc import Callable
from typing import NamedTuple

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.contract import SealCheck
from raclette.engine.effects import Accuse, Adopt, Effect, Fetch, Persist, Publish, Seal, Send, SetTimer
from raclette.engine.events import BlockReceived, Event, Pending, Sealed, Started, TimerFired
from raclette.primitives import signing
from raclette.primitives.errors import DecodeError, InvalidBlock, InvalidHeader, NotYet
from raclette.primitives.units import MILLISECOND
from raclette.protocols import nakamoto
from raclette.protocols.hybrid.almanac import Almanac, Rules
from raclette.protocols.hybrid.core import Core
from raclette.protocols.hybrid.fruits import Claim, Fruit, body_root, is_block
from raclette.protocols.hybrid.learning import Branch, Branches, block_bytes
from raclette.protocols.hybrid.messages import Complaint, FreshFruit, SnailBlock, SnailBlocks, SnailQuestion
from raclette.protocols.hybrid.orchard import WAITING_MAX, Orchard
from raclette.protocols.hybrid.records import COMPLAINTS_MAX, Proof, encode_records
from raclette.protocols.hybrid.snail_chain import SnailChain, check_shape, snail_genesis
from raclette.protocols.nakamoto.mining import REFRESH
from raclette.protocols.records import damaged

# HYB-5: every block of every branch, for whoever joins later.
RECORD = b"snail/"
# Blocks and bytes of one answer.
ANSWER_BLOCKS_MAX = 128
ANSWER_BYTES_MAX = 64 * 1024
# How far below the head a block is still taken unasked, and passed on. With `asert` work is the cheaper, the longer ago
# a block should have been made: so far down a quarter of the head's at the defaults.
SIDE_MAX = 64
# A question to one peer is not repeated before this: the answer is on its way.
QUESTION_PATIENCE = 1_000 * MILLISECOND
# Peers remembered as asked.
ASKED_MAX = 1_024
# Answers that one peer may owe us, one for each question: those of a minute on a link that stands still.
OWED_MAX = 64
# Bodies of the latest candidates, for nonces that arrive late (as `nakamoto.mining`).
CANDIDATES_MAX = 4


class Asked(NamedTuple):
    """What a peer was asked: when last, how many answers are to come, and the number of the block up to which a branch
    has been learned from it, page by page."""

    at: int = -QUESTION_PATIENCE
    owed: int = 0
    upto: int = 0


class Snail:
    """See the module. `moved` is True if the head moved in this event."""

    def __init__(self, core: Core, rules: Rules, seal: SealCheck, proof_for: Callable[[Almanac], Proof | None]) -> None:
        """`proof_for` gives the entry of the log that is worth recording next."""
        parameters, setup = core.parameters, core.setup
        self._core = core
        self._rules = rules
        self._proof_for = proof_for
        self.orchard = Orchard(parameters.fruits, parameters.freshness, seal)
        genesis = snail_genesis(core.chain.genesis, parameters.initial_difficulty)
        self.chain = SnailChain(core.chain.chain_id, genesis, rules, self.orchard, self._fill)
        self._engine = nakamoto.make_engine(
            setup._replace(parameters=parameters.snail, chain=self.chain, records={}),
            seal_check=self.orchard.block_seal,
        )
        self.moved = False
        self.deepest = 0
        # Complaints about the newest day, by author, and fruits by hash: what the next block may hold.
        self.complaints: dict[bytes, Complaint] = {}
        self._fruits: dict[bytes, Fruit] = {}
        self._counter = 0
        # Root -> records, of our latest candidates.
        self._candidates: dict[bytes, tuple[bytes, ...]] = {}
        self._asked: dict[bytes, Asked] = {}
        self._branches = Branches()

    # --- the proof-of-work engine ---------------------------------------------------------------------------------

    def feed(self, event: Event, *, relay: bool = False) -> None:
        """Let it react; `relay`: what enters the tree is news to others too."""
        answer = self._engine.handle(event)
        for block in self.chain.take_news():
            self._core.emit(Persist(RECORD + block.hash, block.encoded))
            if relay:
                self._core.emit(Publish(self.message(block)))
        for effect in answer:
            self._carry(effect)

    def _carry(self, effect: Effect) -> None:
        core = self._core
        match effect:
            case Adopt(block_hash):
                self.deepest = max(self.deepest, self.chain.adopt(block_hash))
                self.moved = True
                newest = self.chain.almanac().day.snail_hash
                self.complaints = {who: said for who, said in self.complaints.items() if said.election == newest}
            case Publish():
                pass  # our own block: `feed` has told everybody
            case Fetch(peer, block_hash):
                self.ask(peer, block_hash)
            case Seal(header, target):
                core.emit(Seal(header, self.orchard.target(target)))
            case Accuse(peer, reason, evidence):
                core.accuse(peer, f"snail-{reason}", evidence)
            case _:
                core.emit(effect)

    def start(self, records: list[Block]) -> None:
        """Take up the blocks that our store kept, lowest first, and begin to mine."""
        for block in sorted(records, key=lambda block: (block.number, block.hash)):
            for effect in self._engine.handle(BlockReceived(self._core.now, None, block, b"")):
                if isinstance(effect, Adopt):
                    self.chain.adopt(effect.block_hash)
                elif isinstance(effect, SetTimer):
                    self._core.emit(effect)
        # They are on disk already, and no news to anybody.
        self.chain.take_news()
        self.moved = True
        self.feed(Started(self._core.now))

    def sealed(self, header: Header) -> None:
        """HYB-40: a nonce of our own. With fruits it makes one, and with luck a block too."""
        core = self._core
        if not self.orchard.expected:
            self.feed(Sealed(core.now, header), relay=True)
            return
        records = self._candidates.get(header.transactions_root)
        if records is None:
            return
        fruit = Fruit.of(header, records)
        if is_block(header, self.orchard.expected):
            self.feed(Sealed(core.now, header), relay=True)
        self.on_fruit(fruit)
        # The search goes on; a new candidate has a new counter, so it finds another nonce.
        self.feed(TimerFired(core.now, REFRESH))

    def renew(self) -> None:
        """There is more to record: our candidate may be renewed."""
        self.feed(Pending(self._core.now))

    def _fill(self, almanac: Almanac, parent: Header) -> tuple[bytes, ...]:
        """HYB-6: the records of a block on `parent`."""
        complaints: list[Complaint] = []
        for author in sorted(self.complaints):
            complaint = self.complaints[author]
            try:
                self._rules.check_complaint(almanac, complaint.election, complaint.author)
            except InvalidBlock:
                continue
            complaints.append(complaint)
        ripe = self.orchard.pick(self._fruits, parent, self.chain.header, self.chain.fruits_of)
        self._counter += 1
        claim = Claim(self._core.me, self._pointer(parent).hash, self._counter)
        records = encode_records(claim, self._proof_for(almanac), complaints[:COMPLAINTS_MAX], ripe)
        self._candidates[body_root(records)] = records
        if len(self._candidates) > CANDIDATES_MAX:
            del self._candidates[next(iter(self._candidates))]
        return records

    def _pointer(self, parent: Header) -> Header:
        """Where a fruit hangs: a block deep enough to stay."""
        for _ in range(self._core.parameters.stable_depth):
            above = self.chain.header(parent.parent_hash) if parent.number else None
            parent = above or parent
        return parent

    # --- messages -------------------------------------------------------------------------------------------------

    def message(self, block: Block) -> SnailBlock:
        """A block of the tree for everybody."""
        return SnailBlock(block, self.chain.signatures_in(block.hash))

    def on_block(self, peer: bytes, block: Block) -> None:
        """Gossip. Far below the head, where work was cheap, nobody's word is news: such a branch comes by question."""
        if block.number + SIDE_MAX < self.chain.head.number:
            return
        if self.chain.header(block.hash) is None and self._is_shaped(peer, block):
            self.feed(BlockReceived(self._core.now, peer, block, b""), relay=True)

    def on_blocks(self, peer: bytes, answer: SnailBlocks) -> None:
        """What we asked for."""
        asked = self._asked.get(peer)
        if asked is None or not asked.owed:
            return  # twice the same answer, or one to a question of before a restart: nobody is to blame
        # The next question need not wait.
        self._asked[peer] = asked._replace(at=self._core.now - QUESTION_PATIENCE, owed=asked.owed - 1)
        for block in answer.blocks:
            if not self._is_shaped(peer, block) or not self._learn(peer, block):
                self._branches.forget(peer)
                return
        last = answer.blocks[-1] if answer.blocks else None
        if last is None or not answer.more or last.number <= asked.upto:
            self._branches.forget(peer)
        elif self._branches.of(peer, last.hash) is not None or self.chain.header(last.hash) is not None:
            # The next page: our own branch does not name the blocks of a lighter one, so the last of them does.
            self.ask(peer, b"", last)

    def _learn(self, peer: bytes, block: Block) -> bool:
        """Into the tree, or beside it until that is worth it (HYB-9). False if there is no use in going on."""
        branch = self._branches.of(peer, block.parent_hash)
        if branch is None and not self._leaves_far_below(block):
            self.feed(BlockReceived(self._core.now, peer, block, b""))
            return True
        if not self._follows(peer, block, branch):
            return False
        branch = self._branches.add(peer, block, branch or Branch(self.chain.work(block.parent_hash)))
        if branch is None:
            return False
        if branch.work > self.chain.work(self.chain.head.hash):
            self._branches.forget(peer)
            for learned in branch.blocks:
                self.feed(BlockReceived(self._core.now, peer, learned, b""))
        return True

    def _leaves_far_below(self, block: Block) -> bool:
        """Does this block, which is new, hang from one that is far below the head?"""
        parent = self.chain.header(block.parent_hash)
        is_far = parent is not None and parent.number + SIDE_MAX < self.chain.head.number
        return is_far and self.chain.header(block.hash) is None

    def _follows(self, peer: bytes, block: Block, branch: Branch | None) -> bool:
        """Is its header right, as far as a branch outside the tree can tell?"""
        beside = branch.headers if branch is not None else {}

        def lookup(block_hash: bytes) -> Header | None:
            return beside.get(block_hash) or self.chain.header(block_hash)

        parent = lookup(block.parent_hash)
        try:
            if parent is not None:
                self._engine.check_header(block.header, parent, lookup, self._core.now)
        except NotYet:
            return False
        except InvalidHeader as fault:
            self._core.accuse(peer, f"snail-{fault.reason}")
            return False
        return parent is not None

    def _is_shaped(self, peer: bytes, block: Block) -> bool:
        """Before an orphan is kept for its parent."""
        try:
            check_shape(block)
        except InvalidBlock as fault:
            self._core.accuse(peer, fault.reason)
            return False
        return True

    def ask(self, peer: bytes, target: bytes, above: Block | None = None) -> None:
        """HYB-7: for the blocks that lead to `target`, or to the peer's head; of those only what is above `above`."""
        core = self._core
        asked = self._asked.get(peer, Asked())
        if peer == core.me or core.now - asked.at < QUESTION_PATIENCE:
            return
        self._asked.pop(peer, None)
        self._asked[peer] = Asked(core.now, min(asked.owed + 1, OWED_MAX), above.number if above is not None else 0)
        if len(self._asked) > ASKED_MAX:
            del self._asked[next(iter(self._asked))]
        known = (above.hash,) if above is not None else ()
        core.emit(Send(peer, SnailQuestion((*known, *self.chain.locator()), target)))

    def on_question(self, peer: bytes, question: SnailQuestion) -> None:
        """HYB-7: an answer of bounded size."""
        if not self._core.may_answer(peer):
            return
        blocks: list[Block] = []
        proofs: list[signing.Claim] = []
        size, more = 0, False
        for block in self.chain.after(question.locator, question.target):
            size += block_bytes(block)
            if len(blocks) == ANSWER_BLOCKS_MAX or (blocks and size > ANSWER_BYTES_MAX):
                more = True
                break
            blocks.append(block)
            proofs += self.chain.signatures_in(block.hash)
        self._core.emit(Send(peer, SnailBlocks(tuple(blocks), more, tuple(proofs))))

    def on_complaint(self, complaint: Complaint) -> None:
        """HYB-12: another's, passed on once."""
        if complaint.author not in self.complaints:
            self.complain(complaint)

    def complain(self, complaint: Complaint) -> None:
        """HYB-12: kept for the next block, and told to everybody."""
        try:
            self._rules.check_complaint(self.chain.almanac(), complaint.election, complaint.author)
        except InvalidBlock:
            return  # whoever passed it on may be on another branch, with other seats: nobody is to blame
        self.complaints[complaint.author] = complaint
        self._core.emit(Publish(complaint))
        self.renew()

    def on_fruit(self, fruit: Fruit) -> None:
        """HYB-43: kept for the next block, and passed on once. Beside the head's branch work may be cheap: what hangs
        there would push out what others have worked for."""
        if fruit.hash in self._fruits or not self.orchard.is_wanted(fruit, self.chain.head, self.chain.on_branch):
            return
        self._fruits[fruit.hash] = fruit
        if len(self._fruits) > WAITING_MAX:
            del self._fruits[next(iter(self._fruits))]
        self._core.emit(Publish(FreshFruit(fruit)))
        self.renew()


def restore_block(key: bytes, value: bytes) -> Block:
    """One of our records. Raises StoreDamaged."""
    try:
        return Block.decode(value)
    except DecodeError as error:
        raise damaged(key, error) from error
