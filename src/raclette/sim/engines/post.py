"""The post: how letters get from node to node and what an engine hears of them.

Every letter gets its fate from the wires when it is sent. Policy EVERY hands each copy that arrives to the engine;
FIRST only the first copy of the same content, which the node also passes on to its neighbours (gossip); QUORUM counts
(see `tally`). In the reference kernel (`ReferencePost`) each copy that arrives is a happening of its own; `fast_post`
has another way for votes that are counted.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol

from raclette.chain.block import Block
from raclette.engine.events import BlockReceived, Gathered
from raclette.engine.message import Message, carries_block
from raclette.sim.engines.letter import ANSWER_BLOCKS_MAX, QUESTION_BYTES, Answer, Ask, Letter, Policy
from raclette.sim.engines.tally import Tally, Waiting
from raclette.sim.engines.wires import WHY, Fate, Wires
from raclette.sim.engines.world import EPOCH, EngineWorld, Node
from raclette.sim.kernel import Kind, place
from raclette.sim.network import FRAME_OVERHEAD_BYTES, content_of

# Contents whose first receipts are remembered; far more than are ever on their way at once.
SEEN_MAX = 4_096

Told = tuple[Gathered, int]


class Uplinks(Protocol):
    """What both forms of the wires have in common."""

    def clear_uplink(self, node: int) -> None:
        """`node` starts again: what it had not sent is gone."""


class Post(ABC):
    """`sent`, `bytes` and `delivered` count by kind, `lost` by reason; `latest` is when the last letter arrives."""

    kernel = ""

    def __init__(
        self,
        world: EngineWorld,
        wires: Uplinks,
        policies: Mapping[str, Policy],
        default: Policy,
        neighbours: Sequence[Sequence[int]] | None,
    ) -> None:
        self.sent: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()
        self.arriving: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        self.latest = 0
        self._late: list[tuple[int, str]] = []
        self._world = world
        self._wires = wires
        self._policies = policies
        self._default = default
        everybody = tuple(range(len(world.nodes)))
        self._others = [everybody[:index] + everybody[index + 1 :] for index in everybody]
        self._neighbours = [tuple(row) for row in neighbours] if neighbours is not None else self._others
        self._relays = neighbours is not None
        self._receivers: dict[int, tuple[tuple[bytes, ...], tuple[int, ...]]] = {}
        self._seen: dict[int, bytearray] = {}
        self._tallies = [Tally() for _ in world.nodes]

    # --- sending --------------------------------------------------------------------------------------------------

    def broadcast(self, node: Node, message: Message) -> None:
        """To every other validator."""
        validators = node.engine.validators()
        known = self._receivers.get(node.index)
        if known is None or known[0] is not validators:
            numbers = self._world.numbers
            receivers = tuple(sorted(numbers[v] for v in validators if v in numbers and numbers[v] != node.index))
            known = self._receivers[node.index] = (validators, receivers)
        self._mail(self._letter(node, message), node, known[1])

    def publish(self, node: Node, message: Message) -> None:
        """To everybody, by way of the neighbours."""
        letter = self._letter(node, message, gossip=True)
        self._is_news(node.index, letter)
        self._mail(letter, node, self._neighbours[node.index])

    def send(self, node: Node, receiver: int, message: Message) -> None:
        """To one."""
        self._mail(self._letter(node, message), node, (receiver,))

    def _letter(self, node: Node, message: Message, *, gossip: bool = False) -> Letter:
        payload = node.engine.encode(message)
        size = len(payload) + FRAME_OVERHEAD_BYTES
        if carries_block(message) and message.block is not None:
            size += self._world.register.work.bytes_of(message.block)
        kind = message.kind
        policy = self._policies.get(kind, Policy.FIRST if gossip else self._default)
        letter = Letter(node.index, message, kind, size, content_of(payload) >> 1, (node.node_id, message), policy)
        letter.gossip = gossip
        if policy is Policy.QUORUM and node.counts is not None:
            ballot = node.counts(message)
            # A vote that somebody else passes on is no news from its author.
            if ballot is not None and ballot.author == node.node_id:
                letter.ballot = ballot
        return letter

    def _mail(self, letter: Letter, node: Node, receivers: tuple[int, ...]) -> None:
        """Count and launch; a vote of our own counts from now on."""
        if letter.ballot is not None:
            gathered = self._tallies[node.index].own(letter.ballot, node.chain.finalized.number)
            if gathered:
                self._world.due.append(self._gather(gathered))
        self._launch(letter, node.index, receivers)

    @abstractmethod
    def _launch(self, letter: Letter, sender: int, receivers: tuple[int, ...]) -> None:
        """Learn the letter's fates, leave them in the trace and in the accounts, and plan what follows."""

    def _account(self, letter: Letter, count: int, arriving: int) -> None:
        self.sent[letter.kind] += count
        self.bytes[letter.kind] += count * letter.size
        self.arriving[letter.kind] += arriving

    def delivered(self) -> Counter[str]:
        """Copies that have arrived by now, by kind."""
        still = Counter(kind for arrival, kind in self._late if arrival > self._world.now)
        return self.arriving - still

    # --- receiving ------------------------------------------------------------------------------------------------

    def _arrive(self, argument: tuple[Letter, int, int, int]) -> None:
        letter, sender, receiver, number = argument
        world = self._world
        if isinstance(letter.message, Ask):
            self._answer(receiver, sender, letter.message)
        elif isinstance(letter.message, Answer):
            self._take(receiver, sender, letter.message)
        elif letter.gossip:
            self._take_gossip(letter, sender, receiver)
        elif letter.ballot is not None:
            final = world.nodes[receiver].chain.finalized.number
            verdict = self._tallies[receiver].arrive(world.now, number, letter, letter.ballot, final)
            if verdict.gathered:
                world.tell(world.nodes[receiver], *self._gather(verdict.gathered))
            for alone in verdict.alone:
                world.deliver(receiver, alone)
        elif letter.policy is not Policy.FIRST or self._is_news(receiver, letter):
            world.deliver(receiver, letter)

    def _take_gossip(self, letter: Letter, sender: int, receiver: int) -> None:
        """Pass on what is new, to all but its giver."""
        is_news = self._is_news(receiver, letter)
        if is_news and self._relays:
            self._launch(letter, receiver, tuple(n for n in self._neighbours[receiver] if n != sender))
        if is_news or letter.policy is Policy.EVERY:
            self._world.deliver(receiver, letter)

    def _is_news(self, receiver: int, letter: Letter) -> bool:
        seen = self._seen.get(letter.content)
        if seen is None:
            seen = self._seen[letter.content] = bytearray(len(self._world.nodes))
            if len(self._seen) > SEEN_MAX:
                del self._seen[next(iter(self._seen))]
        if seen[receiver]:
            return False
        seen[receiver] = 1
        return True

    # --- votes that wait ------------------------------------------------------------------------------------------

    def _gather(self, waiting: Sequence[Waiting]) -> Told:
        event = Gathered(EPOCH + self._world.now, tuple(entry.letter.message for entry in waiting))
        return event, sum(entry.letter.content for entry in waiting)

    def flush(self, node: int) -> Told | None:
        """What the engine must hear before a timer of its runs out."""
        waiting = self._tallies[node].flush(self._world.nodes[node].chain.finalized.number)
        return self._gather(waiting) if waiting else None

    def forget(self, node: int) -> None:
        """`node` crashes: its memory is gone."""
        self._tallies[node] = Tally()
        for seen in self._seen.values():
            seen[node] = 0

    def revive(self, node: int) -> None:
        """`node` starts again."""
        self._wires.clear_uplink(node)

    # --- blocks that are asked for --------------------------------------------------------------------------------

    def ask(self, node: Node, receiver: int, block_hash: bytes) -> None:
        """Ask one node for a block; whoever does not have it makes us ask the next."""
        node.asked[block_hash] = 0
        if receiver == node.index:
            receiver = (receiver + 1) % len(self._world.nodes)
        if receiver != node.index:
            self._ask(node, receiver, block_hash)

    def _ask(self, node: Node, receiver: int, block_hash: bytes) -> None:
        self._host_letter(node, receiver, Ask(block_hash), "ask", QUESTION_BYTES)

    def _answer(self, node_index: int, asker: int, question: Ask) -> None:
        """Deviation: the answerer knows which blocks the asker has; a real one is told by a list of hashes."""
        node, known = self._world.nodes[node_index], self._world.nodes[asker].chain
        path: list[tuple[Block, bytes]] = []
        size = QUESTION_BYTES
        block = node.chain.block(question.block_hash)
        while block is not None and block.number and (not path or known.header(block.hash) is None):
            path.append((block, node.chain.certificate(block.hash)))
            block = node.chain.block(block.parent_hash)
        chosen = tuple(reversed(path))[:ANSWER_BLOCKS_MAX]
        for found, certificate in chosen:
            size += len(found.header.encoded) + self._world.register.work.bytes_of(found) + len(certificate)
        self._host_letter(node, asker, Answer(question.block_hash, chosen), "blocks", size)

    def _take(self, node_index: int, sender: int, answer: Answer) -> None:
        world = self._world
        node = world.nodes[node_index]
        tried = node.asked.get(answer.block_hash)
        if tried is None:
            return
        if not answer.blocks:
            node.asked[answer.block_hash] = tried + 1
            following = (sender + 1) % len(world.nodes)
            if following == node.index:
                following = (following + 1) % len(world.nodes)
            if tried + 1 < len(world.nodes) - 1:
                self._ask(node, following, answer.block_hash)
            return
        del node.asked[answer.block_hash]
        for block, certificate in answer.blocks:
            if node.chain.header(block.parent_hash) is not None:
                event = BlockReceived(EPOCH + world.now, world.nodes[sender].node_id, block, certificate)
                world.deliver_block(node_index, event)

    def _host_letter(self, node: Node, receiver: int, content: Ask | Answer, kind: str, size: int) -> None:
        stands_for = int.from_bytes(content.block_hash[:8], "big") >> 1
        pair = (node.node_id, content)
        letter = Letter(node.index, content, kind, size + FRAME_OVERHEAD_BYTES, stands_for, pair, Policy.EVERY)
        self._launch(letter, node.index, (receiver,))


class ReferencePost(Post):
    """Every copy is queued by itself."""

    kernel = "reference"

    def __init__(
        self,
        world: EngineWorld,
        wires: Wires,
        policies: Mapping[str, Policy],
        default: Policy,
        neighbours: Sequence[Sequence[int]] | None,
    ) -> None:
        super().__init__(world, wires, policies, default, neighbours)
        self.wires = wires

    def _launch(self, letter: Letter, sender: int, receivers: tuple[int, ...]) -> None:
        world = self._world
        fates = self.wires.launch(world.now, sender, receivers, letter.size)
        world.trace.row(world.now, sender, letter.size, letter.content)
        world.trace.row(*[arrival for arrival, _, _ in fates])
        if any(second for _, second, _ in fates):
            world.trace.row(*[second for _, second, _ in fates])
        arriving = 0
        for receiver, (arrival, second, number) in zip(receivers, fates, strict=True):
            if arrival < 0:
                self.lost[WHY[arrival]] += 1
                continue
            arriving += 1
            self._queue(letter, sender, receiver, (arrival, 0, number))
            if second:
                arriving += 1
                self._queue(letter, sender, receiver, (second, 0, number + 1))
        self._account(letter, len(receivers), arriving)

    def _queue(self, letter: Letter, sender: int, receiver: int, fate: Fate) -> None:
        arrival, _, number = fate
        self._note_arrival(arrival, letter.kind)
        where = place(Kind.ARRIVAL, receiver, sender)
        self._world.schedule(arrival, where, number, 1, self._arrive, (letter, sender, receiver, number))

    def _note_arrival(self, arrival: int, kind: str) -> None:
        if not self._world.undone:
            self._late.append((arrival, kind))
        elif arrival > self.latest:
            self.latest = arrival
