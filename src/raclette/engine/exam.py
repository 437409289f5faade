"""The exam of a consensus engine. Ours and yours must pass `check_engine`; a failure names the broken claim.

Four engines run over light chains in a tiny synchronous world, so that the questions are asked of messages, records and
certificates that the engine made itself:

- the machine is pure: the same events give the same effects, in a second machine too;
- what is said survives the wire, and every signature in it holds;
- what strangers send never raises anything but the contract's own errors, in the codec or in the machine;
- records come before words, and a machine made from the records of any moment works;
- if it lets its host count votes, then what it says of them holds (`exam_votes`);
- parameters are refused with their path.

It does not ask whether the protocol is right; that is what simulations and checkers are for.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush
from typing import Any, NoReturn

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.chain.roll import Member
from raclette.engine.contract import Engine, EngineFactory, EngineSetup
from raclette.engine.effects import (
    Accuse,
    Adopt,
    Broadcast,
    CancelTimer,
    Certify,
    Effect,
    Fetch,
    Finalize,
    Persist,
    Publish,
    Seal,
    Send,
    SetTimer,
    StopSealing,
)
from raclette.engine.events import BlockReceived, Event, Pending, Received, Sealed, Started, TimerFired
from raclette.engine.exam_votes import check_ballots, check_gathering, check_handfuls
from raclette.engine.lightchain import LightChain
from raclette.engine.message import CarriesBlock, Message, is_closed
from raclette.primitives.errors import (
    ConfigError,
    DecodeError,
    InvalidCertificate,
    InvalidHeader,
    InvariantBroken,
)
from raclette.primitives.hashing import sha256d
from raclette.primitives.randomness import Random
from raclette.primitives.signing import IdealSignatures
from raclette.primitives.units import MILLISECOND, SECOND

# Engines in the exam's world: the fewest that survive one fault.
EXAM_ENGINES = 4
# Events each exam runs through; enough for dozens of blocks of any engine that makes them in under a second.
EXAM_EVENTS = 3_000
# Nonces tried for one `Seal`; the exam's parameters should make work that easy.
EXAM_NONCES = 1 << 16
# Virtual time at which the exam begins, and that of its genesis.
EXAM_START = 1_700_000_000 * SECOND
CHAIN_ID = 1

# Genesis parameters, either fixed or made from the node ids of the exam's engines (for protocols with a committee).
ExamParameters = Mapping[str, Any] | Callable[[Sequence[bytes]], Mapping[str, Any]]
# Who is on the roll, made from those ids (for protocols that weigh votes by stake).
ExamRoll = Callable[[Sequence[bytes]], tuple[Member, ...]]
Sealer = Callable[[Header, int], Header | None]


@dataclass
class Step:
    """One event of a machine's history, or a transaction submitted to its chain, with what came of it."""

    event: Event | bytes
    effects: tuple[Effect, ...] = ()


@dataclass
class Subject:
    """One engine with its chain, records and history."""

    node_id: bytes
    chain: LightChain
    engine: Engine
    history: list[Step] = field(default_factory=list)
    records: dict[bytes, bytes] = field(default_factory=dict)
    timers: dict[str, int] = field(default_factory=dict)
    sealing: int = 0


def check_engine(
    factory: EngineFactory,
    parameters: ExamParameters,
    *,
    seed: int = 1,
    sealer: Sealer | None = None,
    roll: ExamRoll | None = None,
) -> None:
    """Put `factory`'s engines through the exam. Raises InvariantBroken naming the first broken claim.

    `sealer` answers `Seal(header, target)` with a sealed header (or None: not found); by default it tries nonces with
    sha256d(prehash || nonce), so the parameters must make that easy. `roll` says who is on the roll.
    """
    exam = _World(factory, parameters, seed, sealer or _search, roll or (lambda ids: ()))
    exam.run()
    _check_surface(exam)
    _check_purity(exam)
    _check_wire(exam)
    _check_records(exam)
    _check_strangers(exam)
    _check_votes(exam)
    _check_parameters(exam)


def _fail(claim: str) -> NoReturn:
    raise InvariantBroken(f"engine exam: {claim}")


def _search(header: Header, target: int) -> Header | None:
    for number in range(EXAM_NONCES):
        nonce = number.to_bytes(8, "big")
        if int.from_bytes(sha256d(header.prehash + nonce), "big") <= target:
            return header.sealed_with(nonce)
    return None


class _World:
    """Everything arrives, in order, after a millisecond."""

    def __init__(
        self, factory: EngineFactory, parameters: ExamParameters, seed: int, sealer: Sealer, roll: ExamRoll
    ) -> None:
        self.factory = factory
        self.sealer = sealer
        self.rng = Random(seed)
        self.now = EXAM_START
        self.signatures = IdealSignatures(b"exam")
        ids = [bytes((0xE0 + number,)) * 32 for number in range(EXAM_ENGINES)]
        self.roll = roll(ids)
        self.parameters = dict(parameters(ids) if callable(parameters) else parameters)
        self.messages: list[tuple[bytes, Message]] = []
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._order = 0
        self.subjects: list[Subject] = []
        for node_id in ids:
            chain = self.new_chain()
            self.subjects.append(Subject(node_id, chain, self.new_engine(node_id, chain, {})))

    def new_chain(self) -> LightChain:
        genesis = Header(parent_hash=bytes(32), number=0, timestamp=EXAM_START // SECOND)
        chain = LightChain(CHAIN_ID, genesis)
        chain.roll = self.roll
        return chain

    def new_engine(self, node_id: bytes, chain: LightChain, records: Mapping[bytes, bytes]) -> Engine:
        signer = self.signatures.signer(node_id)
        return self.factory(EngineSetup(self.parameters, chain, signer, node_id[:20], dict(records)))

    def run(self) -> None:
        for subject in self.subjects:
            self._at(0, partial(self._feed, subject, Started(self.now)))
        for number in range(40):
            transaction = b"exam transaction %d" % number
            for subject in self.subjects:
                self._at(number * 7 * MILLISECOND, partial(self._submit, subject, transaction))
        events = 0
        while self._queue and events < EXAM_EVENTS:
            self.now, _, action = heappop(self._queue)
            action()
            events += 1

    def _at(self, delay: int, action: Callable[[], None]) -> None:
        self._order += 1
        heappush(self._queue, (self.now + delay, self._order, action))

    def _submit(self, subject: Subject, transaction: bytes) -> None:
        was_empty = not subject.chain.pool
        subject.history.append(Step(transaction))
        subject.chain.submit(transaction)
        if was_empty:
            self._feed(subject, Pending(self.now))

    def _feed(self, subject: Subject, event: Event) -> None:
        effects = subject.engine.handle(event)
        subject.history.append(Step(event, effects))
        for effect in effects:
            apply_to_chain(subject.chain, effect)
            self._carry_out(subject, effect)
        if subject.chain.pool and any(isinstance(effect, Adopt) for effect in effects):
            self._at(0, lambda: self._feed(subject, Pending(self.now)))

    def _carry_out(self, subject: Subject, effect: Effect) -> None:
        if isinstance(effect, Persist):
            if effect.value is None:
                subject.records.pop(effect.key, None)
            else:
                subject.records[effect.key] = effect.value
        elif isinstance(effect, SetTimer):
            self._set_timer(subject, effect)
        elif isinstance(effect, CancelTimer):
            subject.timers.pop(effect.name, None)
        elif isinstance(effect, Seal | StopSealing):
            subject.sealing += 1
            if isinstance(effect, Seal):
                self._seal(subject, effect, subject.sealing)
        elif isinstance(effect, Broadcast | Publish | Send):
            self.messages.append((subject.node_id, effect.message))
            for other in self.subjects:
                if other is not subject and (not isinstance(effect, Send) or other.node_id == effect.peer):
                    self._deliver(subject, other, effect.message)
        elif isinstance(effect, Fetch):
            self._fetch(subject, effect)

    def _set_timer(self, subject: Subject, effect: SetTimer) -> None:
        if effect.delay < 0:
            _fail(f"timer {effect.name!r} is set {effect.delay} ns ahead")
        self._order += 1
        generation = subject.timers[effect.name] = self._order

        def fire() -> None:
            if subject.timers.get(effect.name) == generation:
                del subject.timers[effect.name]
                self._feed(subject, TimerFired(self.now, effect.name))

        self._at(effect.delay, fire)

    def _seal(self, subject: Subject, effect: Seal, search: int) -> None:
        header = self.sealer(effect.header, effect.target)

        def found() -> None:
            if header is not None and subject.sealing == search:
                self._feed(subject, Sealed(self.now, header))

        self._at(self.rng.between(10, 2_000) * MILLISECOND, found)

    def _deliver(self, sender: Subject, receiver: Subject, message: Message) -> None:
        self._at(MILLISECOND, lambda: self._feed(receiver, Received(self.now, sender.node_id, message)))

    def _fetch(self, subject: Subject, effect: Fetch) -> None:
        def answer() -> None:
            for other in self.subjects:
                block = other.chain.block(effect.block_hash)
                path: list[Block] = []
                while block is not None and subject.chain.header(block.hash) is None:
                    path.append(block)
                    block = other.chain.block(block.parent_hash)
                for step in reversed(path):
                    certificate = other.chain.certificate(step.hash)
                    self._feed(subject, BlockReceived(self.now, other.node_id, step, certificate))

        self._at(2 * MILLISECOND, answer)


def apply_to_chain(chain: LightChain, effect: Effect) -> None:
    """Carry out the effects that concern the chain; others pass."""
    if isinstance(effect, Adopt):
        if chain.header(effect.block_hash) is None:
            _fail("Adopt names a block that the chain does not have")
        chain.adopt(effect.block_hash)
    elif isinstance(effect, Finalize):
        chain.finalize(effect.block_hash, effect.certificate)
    elif isinstance(effect, Certify):
        if chain.header(effect.block_hash) is None:
            _fail("Certify names a block that the chain does not have")
        chain.keep_certificate(effect.block_hash, effect.certificate)


def _check_surface(exam: _World) -> None:
    subject = exam.subjects[0]
    engine, chain = subject.engine, subject.chain
    if not isinstance(engine.name, str) or not engine.name:
        _fail("name is a non-empty string")
    if not isinstance(engine.needs_certificate, bool):
        _fail("needs_certificate is a bool")
    if chain.head.number < 2:
        _fail(
            f"with {len(exam.subjects)} engines and transactions to order, the chain grows (height {chain.head.number})"
        )
    try:
        json.dumps(engine.status())
    except TypeError as error:
        _fail(f"status() is JSON-able: {error}")
    if any(len(node_id) != 32 for node_id in engine.validators()):
        _fail("validators() are node ids of 32 bytes")
    for number in range(1, chain.head.number + 1):
        header, parent = chain.canonical(number), chain.canonical(number - 1)
        if header is None or parent is None:
            _fail("the adopted branch is unbroken")
        engine.check_header(header, parent, chain.header, exam.now)
        weight, reward = engine.weight(header), engine.reward(number)
        if type(weight) is not int or weight < 0 or type(reward) is not int or reward < 0:
            _fail("weight and reward are integers, not negative")
        certificate = chain.certificate(header.hash)
        if engine.needs_certificate and number <= chain.finalized.number:
            claims = engine.check_certificate(header, certificate)
            if not claims or not all(exam.signatures.holds(claim) for claim in claims):
                _fail(f"the certificate of block {number} proves it")
    heads = {other.chain.canonical(1) for other in exam.subjects}
    if engine.needs_certificate and len(heads) != 1:
        _fail("all engines agree on block 1")


def _check_purity(exam: _World) -> None:
    """Replay a machine's history in a second one."""
    for subject in exam.subjects[:2]:
        chain = exam.new_chain()
        engine = exam.new_engine(subject.node_id, chain, {})
        for place, step in enumerate(subject.history):
            if isinstance(step.event, bytes):
                chain.submit(step.event)
                continue
            effects = engine.handle(step.event)
            if effects != step.effects:
                _fail(f"the same events give the same effects (event {place}, {type(step.event).__name__})")
            for effect in effects:
                apply_to_chain(chain, effect)


def _check_wire(exam: _World) -> None:
    engine = exam.subjects[1].engine
    for author, message in exam.messages:
        payload = engine.encode(message)
        decoded = engine.decode(payload)
        if engine.encode(decoded) != payload:
            _fail(f"{message.kind}: decoding and encoding gives the same bytes")
        if is_closed(decoded):
            if decoded.claims():
                _fail(f"{message.kind}: what is closed claims nothing")
            continue
        if isinstance(message, CarriesBlock) and isinstance(decoded, CarriesBlock):
            if decoded.block is not None:
                _fail(f"{message.kind}: the body does not travel with the message")
            if decoded.header != message.header:
                _fail(f"{message.kind}: the header survives the wire")
            decoded = decoded.with_block(message.block) if message.block is not None else decoded
        if decoded != message:
            _fail(f"{message.kind} survives the wire")
        if not all(exam.signatures.holds(claim) for claim in decoded.claims()):
            _fail(f"{message.kind} of {author.hex()[:8]}: every signature in it holds")
    _fuzz_codec(exam, engine)


def _fuzz_codec(exam: _World, engine: Engine) -> None:
    rng = exam.rng
    payloads = [engine.encode(message) for _, message in exam.messages[:: max(1, len(exam.messages) // 200)]]
    samples = [b"", b"\x00", b"\xff" * 40, *(rng.bytes(rng.between(1, 300)) for _ in range(300))]
    for payload in payloads:
        changed = bytearray(payload)
        changed[rng.below(len(changed))] ^= 1 << rng.below(8)
        samples += [bytes(changed), payload[: rng.below(len(payload))], payload + rng.bytes(1)]
    header = exam.subjects[0].chain.head
    for sample in samples:
        try:
            engine.decode(sample).claims()
        except DecodeError:
            pass
        except Exception as error:
            _fail(f"decode raises DecodeError only: {error!r} for {sample.hex()}")
        try:
            engine.check_certificate(header, sample)
        except InvalidCertificate:
            continue
        except Exception as error:
            _fail(f"check_certificate raises InvalidCertificate only: {error!r} for {sample.hex()}")
        _fail(f"garbage is no certificate: {sample.hex()}")


def _check_records(exam: _World) -> None:
    """Persist comes before the words it is for, and a machine can be made from the records of any moment."""
    subject = exam.subjects[0]
    records: dict[bytes, bytes] = {}
    chain = exam.new_chain()
    for place, step in enumerate(subject.history):
        spoke = False
        for effect in step.effects:
            apply = isinstance(effect, Persist)
            if isinstance(effect, Broadcast | Send | Publish):
                spoke = spoke or any(claim.author == subject.node_id for claim in effect.message.claims())
            if apply and spoke and not records:
                _fail(f"the first record is written before the first signed word (event {place})")
            if isinstance(effect, Persist):
                records[effect.key] = effect.value if effect.value is not None else b""
                if effect.value is None:
                    del records[effect.key]
        if place % max(1, len(subject.history) // 25) == 0 and not isinstance(step.event, bytes):
            engine = exam.new_engine(subject.node_id, exam.new_chain(), records)
            engine.handle(Started(step.event.now))
            for repeated in subject.history[max(0, place - 20) : place]:
                if not isinstance(repeated.event, bytes):
                    engine.handle(repeated.event)
    if chain.head.number:
        _fail("the exam's own chain is untouched")


def _check_strangers(exam: _World) -> None:
    """True messages in false order, for other peers and times; unknown timers, seals and blocks: nothing raises."""
    rng = exam.rng
    chain = exam.new_chain()
    engine = exam.new_engine(exam.subjects[2].node_id, chain, {})
    engine.handle(Started(EXAM_START))
    own = exam.subjects[2].node_id
    heard = [message for author, message in exam.messages if author != own]
    blocks = [message.block for message in heard if isinstance(message, CarriesBlock) and message.block is not None]
    for number in range(600):
        now = EXAM_START + rng.below(1 << 40)
        kind = rng.below(8)
        if kind == 0 and blocks:
            block = rng.choice(blocks)
            false = Block(block.header, (*block.transactions, b"slipped in"))
            event: Event = BlockReceived(now, rng.bytes(32), rng.choice((block, false)), rng.bytes(rng.below(200)))
        elif kind == 1:
            event = TimerFired(now, f"no such timer {number}")
        elif kind == 2:
            event = Sealed(now, Header(parent_hash=rng.bytes(32), number=rng.below(9), timestamp=rng.next64() >> 1))
        elif heard:
            peer = rng.choice((rng.bytes(32), exam.subjects[0].node_id))
            event = Received(now, peer, rng.choice(heard))
        else:
            event = Pending(now)
        try:
            effects = engine.handle(event)
        except Exception as error:
            _fail(f"no event makes the machine raise: {error!r} for {type(event).__name__}")
        for effect in effects:
            apply_to_chain(chain, effect)
        if kind in (1, 2) and any(isinstance(effect, Adopt | Finalize | Accuse) for effect in effects):
            _fail(f"an event that breaks the protocol changes nothing: {type(event).__name__} gave {effects!r}")
    _check_strange_headers(exam, engine)


def _check_strange_headers(exam: _World, engine: Engine) -> None:
    rng = exam.rng
    parent = exam.subjects[0].chain.genesis
    for _ in range(50):
        header = Header(
            parent_hash=rng.choice((rng.bytes(32), parent.hash)),
            number=rng.choice((1, 2, rng.below(1 << 60))),
            timestamp=rng.choice((parent.timestamp - 1, 1 << 60)),
            difficulty=rng.choice((0, 1, 1 << 200)),
            extra_data=rng.bytes(rng.below(40)),
            nonce=rng.bytes(8),
        )
        try:
            engine.check_header(header, parent, exam.subjects[0].chain.header, EXAM_START)
        except InvalidHeader:
            continue
        except Exception as error:
            _fail(f"check_header raises InvalidHeader only: {error!r}")
        _fail("a header before its parent or a million years ahead is refused")


def _check_votes(exam: _World) -> None:
    """For engines that let their host count."""
    check_ballots([subject.engine for subject in exam.subjects], exam.messages)
    for subject in exam.subjects[:2]:
        check_gathering(
            partial(exam.new_engine, subject.node_id, records={}),
            exam.new_chain(),
            [step.event for step in subject.history],
            [effect for step in subject.history for effect in step.effects],
            apply_to_chain,
        )
    engine = exam.new_engine(exam.subjects[3].node_id, exam.new_chain(), {})
    check_handfuls(engine, [message for _, message in exam.messages], exam.rng, exam.now)


def _check_parameters(exam: _World) -> None:
    key = "no_such_parameter"
    setup = EngineSetup(
        {**exam.parameters, key: 1}, exam.new_chain(), exam.signatures.signer(exam.subjects[0].node_id), bytes(20), {}
    )
    try:
        exam.factory(setup)
    except ConfigError as error:
        if f"config.protocol.{key}" not in str(error):
            _fail(f"the error for an unknown parameter names its path: {error}")
    else:
        _fail("an unknown parameter is refused")


__all__ = ["check_engine"]
