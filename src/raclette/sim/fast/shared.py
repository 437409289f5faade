"""Engines at every node, asked only for what none of them has answered yet.

Ten thousand nodes hear of the same blocks, mostly in the same order. Their engines are deterministic machines, so all
that are in one state answer the next event alike, and one answer serves them all. Whether two engines are in one state
is for them to say (`engine.likeness`); the world looks besides at what their chains hold. An engine of no likeness is
asked every time, and so is every engine that finds a block: its header is its own.

An engine that is spared a question is told later what happened, in order and with the right times, before it is asked
anything. Its answers of then must be those that were carried out in its name; `InvariantBroken` is raised otherwise. So
no engine ever misses an event that matters, and a likeness that promises too much comes to light. `catch_up` tells all
engines everything, which takes as long as asking each of them at once would have.

Same events, same digest as `relay.Relay` on the reference wires.
"""

from collections.abc import Hashable, Sequence
from typing import cast

import numpy as np
import numpy.typing as npt

from raclette.chain.header import Header
from raclette.engine.effects import Adopt, CancelTimer, Effect, Publish, Seal, SetTimer, StopSealing
from raclette.engine.events import BlockReceived, Event, Sealed, Started, TimerFired
from raclette.engine.likeness import Comparable
from raclette.engine.message import carries_block
from raclette.primitives.errors import InvariantBroken, Misuse
from raclette.protocols.nakamoto.seal import IdealSeal
from raclette.sim.fast import reactions as r
from raclette.sim.fast.heap import grown
from raclette.sim.fast.pending import FINISHED, FIRED, FIRST_END, FIRST_NODE, HEAD, SEALED, WANTED, Fired, make_room
from raclette.sim.fast.relay import FastWires
from raclette.sim.fast.wire import RESERVE, SIZE
from raclette.sim.light import Register
from raclette.sim.relay import SEARCH_MAX_NS, Relayed, no_collection, refuse, search_work
from raclette.sim.wiring import NODE_MASK

_EVENT_MASK = (1 << r.EVENT_BITS) - 1
# An effect as compiled code has it.
Row = tuple[int, int, int]


class SharedRelay(Relayed):
    """See the module's docstring. Runs once."""

    def __init__(
        self,
        wires: FastWires,
        register: Register,
        seal: IdealSeal,
        *,
        seed: int,
        hash_power: Sequence[int],
        epoch: int,
    ) -> None:
        super().__init__(wires, register, seal, hash_power=hash_power, epoch=epoch)
        self._rows = wires.rows
        self._made = r.make_engines(seed, wires.nodes, 0)
        self._trace = Fired()
        self._logs: list[npt.NDArray[np.int64]] = []
        # Kinds of engines that have a likeness: found out once, because it takes long.
        self._comparable: frozenset[type] = frozenset()
        self._states: dict[Hashable, int] = {}
        self._moves = self._used = 0
        self._lists: dict[tuple[Row, ...], int] = {}
        self._timers: list[str] = []
        self._targets: dict[int, int] = {}

    def run(self, blocks: int) -> None:
        self._made.meta[WANTED] = blocks
        with no_collection():
            kinds = {type(engine) for engine in self._engines}
            self._comparable = frozenset(kind for kind in kinds if issubclass(kind, Comparable))
            for node in range(len(self._engines)):
                self._made.nodes[r.STATE, node] = self._state_of(node)
            while (why := r.drive(self._rows.wires, self._made)) != FINISHED:
                if why == r.ASK:
                    self._ask(int(self._made.meta[r.ASKED]))
                elif why == r.FOUND:
                    self._find()
                elif why == r.LOG_FULL:
                    self._new_log()
                else:
                    self._made = make_room(why, self._rows, self._made, self._trace)
            self._trace.fold(self._made)
        self.now = int(self._made.meta[r.CLOCK])
        self._fired = int(self._made.meta[FIRED])

    def fired(self) -> str:
        return self._trace.hexdigest()

    @property
    def happened(self) -> int:
        meta = self._made.meta
        return int(meta[r.LOGGED_BEFORE] + meta[r.LOGGED] + meta[SEALED])

    def heads(self) -> list[Header]:
        blocks = self.register.blocks
        return [blocks[slot].header for slot in self._made.nodes[HEAD].tolist()]

    def catch_up(self) -> None:
        """Tell all engines what they have been spared. Raises InvariantBroken if one of them would have answered
        otherwise, or follows another head than it was given."""
        heads = self.heads()
        for node, chain in enumerate(self._chains):
            self._tell_missed(node)
            if chain.head != heads[node]:
                raise InvariantBroken(f"node {node} follows block {chain.head.number}, not {heads[node].number}")

    # Engines

    def _ask(self, node: int) -> None:
        """Something happened to a node that nobody in its state has met yet."""
        state = int(self._made.nodes[r.STATE, node])
        event, effects = self._tell_missed(node)
        number = self._answer(effects)
        after = self._state_of(node)
        self._made.nodes[r.STATE, node] = after
        # What is said to others, each says for himself.
        if state != r.ALONE and after != r.ALONE and not any(kind == r.PUBLISH for kind, _, _ in effects):
            self._remember(state, event, number, after)

    def _find(self) -> None:
        """The first search ends."""
        made, rows = self._made, self._rows
        time, node = int(made.meta[FIRST_END]), int(made.meta[FIRST_NODE])
        self._tell_missed(node)
        found, slot = self._make_block(time, node)
        if slot != rows.open():
            raise Misuse("the register and the wires number blocks differently")
        r.seal(rows.wires, made, slot)
        rows.close()
        self._answer(self._tell(node, Sealed(self._epoch + time, found)))
        made.nodes[r.STATE, node] = self._state_of(node)

    def _tell_missed(self, node: int) -> tuple[int, tuple[Row, ...]]:
        """Tell an engine what it was spared; the last event, and its answer. All answers but this last one have been
        carried out already."""
        missed: list[tuple[int, int]] = []
        row = int(self._made.nodes[r.LATEST, node])
        self._made.nodes[r.LATEST, node] = 0
        while row:
            chunk, place = divmod(row - 1, r.LOG_ROWS)
            time, word, row = (self._logs[chunk] if chunk < len(self._logs) else self._made.log)[place].tolist()
            missed.append((time, word))
        event = r.START
        answer: tuple[Row, ...] = ()
        for place, (time, word) in enumerate(reversed(missed), 1):
            event = (word >> r.EVENT_SHIFT & _EVENT_MASK) - r.TIMERS_MAX
            answer = self._tell(node, self._event(time, event, word & NODE_MASK))
            if place < len(missed) and self._lists.get(answer) != word >> r.LIST_SHIFT:
                raise InvariantBroken(f"node {node} was thought to be like others, and answers otherwise")
        return event, answer

    def _event(self, time: int, event: int, peer: int) -> Event:
        now = self._epoch + time
        if event == r.START:
            return Started(now)
        if event < 0:
            return TimerFired(now, self._timers[-1 - event])
        return BlockReceived(now, self._ids[peer], self.register.blocks[event], b"")

    def _tell(self, node: int, event: Event) -> tuple[Row, ...]:
        """Let the engine itself react. What it wants of its chain and its next block is done, the rest returned."""
        self.calls += 1
        wanted = (self._row(node, effect) for effect in self._engines[node].handle(event))
        return tuple(row for row in wanted if row is not None)

    def _row(self, node: int, effect: Effect) -> Row | None:
        """An effect in numbers; None if nothing is to be done."""
        if isinstance(effect, Adopt):
            slot = self.register.slots[effect.block_hash]
            self._chains[node].head = self.register.blocks[slot].header
            return r.ADOPT, slot, 0
        if isinstance(effect, SetTimer):
            return r.SET, self._timer(effect.name), effect.delay
        if isinstance(effect, CancelTimer):
            return r.CANCEL, self._timer(effect.name), 0
        if isinstance(effect, Seal):
            self._candidates[node] = effect.header
            return r.SEAL, self._target(effect.target), 0
        if isinstance(effect, StopSealing):
            return r.STOP, 0, 0
        if isinstance(effect, Publish):
            message = effect.message
            return (r.PUBLISH, self.register.slots[message.header.hash], 0) if carries_block(message) else None
        refuse(effect)
        return None

    def _timer(self, name: str) -> int:
        """Numbers in order of first mention, as in `sim.timers`. Raises Misuse if there are too many."""
        if name not in self._timers:
            if len(self._timers) == r.TIMERS_MAX:
                raise Misuse(f"at most {r.TIMERS_MAX} timers at engine fidelity on the fast kernel, and {name} besides")
            self._timers.append(name)
        return self._timers.index(name)

    def _target(self, target: int) -> int:
        """The number of a target; how long each node searches for it is worked out when it is new."""
        number = self._targets.get(target)
        if number is None:
            number = self._targets[target] = len(self._targets)
            if number == len(self._made.means):
                self._made = self._made._replace(means=grown(self._made.means, 2 * number))
            work = search_work(target)
            self._made.means[number] = [min(work // power, SEARCH_MAX_NS) for power in self._hash_power]
        return number

    # Arrays

    def _answer(self, effects: tuple[Row, ...]) -> int:
        """Have effects carried out for the node at hand; the number of the list."""
        rows = self._rows
        published = sum(kind == r.PUBLISH for kind, _, _ in effects)
        while rows.wires.meta[SIZE] + (1 + published) * rows.wires.const[RESERVE] > len(rows.wires.heap):
            rows.grow()
        number = self._number(effects)
        self._made.meta[r.ANSWER] = number
        return number

    def _number(self, effects: tuple[Row, ...]) -> int:
        """The number of a list of effects."""
        number = self._lists.get(effects)
        if number is None:
            number = self._lists[effects] = len(self._lists)
            if number == r.LIST_MAX:
                raise Misuse(f"over {r.LIST_MAX} different answers in one run")
            made, first, last = self._made, self._used, self._used + len(effects)
            while last > len(made.effects):
                made = made._replace(effects=grown(made.effects, 2 * len(made.effects)))
            if number == len(made.spans):
                made = made._replace(spans=grown(made.spans, 2 * number))
            made.effects[first:last] = np.array(effects, dtype=np.int64).reshape(len(effects), 3)
            made.spans[number] = first, last
            self._made, self._used = made, last
        return number

    def _state_of(self, node: int) -> int:
        """The number of the state that the engine is in."""
        kind = type(self._engines[node])
        likeness = cast(Comparable, self._engines[node]).likeness() if kind in self._comparable else None
        if likeness is None:
            return r.ALONE
        number = self._states.setdefault((kind, self._chains[node].contents, likeness), len(self._states))
        if number == len(self._made.first):
            first = grown(self._made.first, 2 * number)
            first[number:] = 0
            self._made = self._made._replace(first=first)
        return number

    def _remember(self, state: int, event: int, effects: int, after: int) -> None:
        """What engines in this state answer to this event from now on."""
        self._moves += 1
        if self._moves == len(self._made.moves):
            self._made = self._made._replace(moves=grown(self._made.moves, 2 * self._moves))
        self._made.moves[self._moves] = event, effects, after, self._made.first[state]
        self._made.first[state] = self._moves

    def _new_log(self) -> None:
        meta = self._made.meta
        self._logs.append(self._made.log)
        meta[r.LOGGED_BEFORE] += meta[r.LOGGED]
        meta[r.LOGGED] = 0
        self._made = self._made._replace(log=np.zeros_like(self._made.log))
