"""The part of the engine exam for those that let their host count votes (`engine.ballot`).

Asked of the messages and histories of the exam's own world: ballots depend on the message alone, belong to somebody who
signed it, and add up; and an engine that is handed votes together says and decides what it does if they come alone.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from typing import NoReturn

from raclette.engine.ballot import Ballot, CountsVotes
from raclette.engine.contract import Engine
from raclette.engine.effects import Adopt, Broadcast, Effect, Finalize, Publish, Send
from raclette.engine.events import Event, Gathered, Received
from raclette.engine.lightchain import LightChain
from raclette.engine.message import Message
from raclette.primitives.errors import InvariantBroken
from raclette.primitives.randomness import Random

# Strange handfuls of true votes that no engine may trip over.
HANDFULS = 100

# An event of an engine's history, or a transaction that its chain was given.
History = Sequence[Event | bytes]
Carry = Callable[[LightChain, Effect], None]


def check_ballots(engines: Sequence[Engine], messages: Iterable[tuple[bytes, Message]]) -> None:
    """`messages` are (sender's id, message) of honest engines. Raises InvariantBroken."""
    said: dict[tuple[bytes, object], bytes] = {}
    for _, message in messages:
        ballots = [engine.ballot(message) if isinstance(engine, CountsVotes) else None for engine in engines]
        ballot = ballots[0]
        if any(other != ballot for other in ballots):
            _fail(f"{message.kind}: every engine says the same of it as a vote")
        if ballot is None:
            continue
        _check_ballot(message, ballot)
        if said.setdefault((ballot.author, ballot.place), ballot.statement) != ballot.statement:
            _fail(f"{message.kind}: an honest engine says one thing at one place")


def _check_ballot(message: Message, ballot: Ballot) -> None:
    hash(ballot.place)
    if ballot.author not in {claim.author for claim in message.claims()}:
        _fail(f"{message.kind}: a vote's author has signed it")
    acts_at = ballot.acts_at
    if not acts_at or acts_at[0] < 1 or any(a >= b for a, b in pairwise(acts_at)):
        _fail(f"{message.kind}: the counts at which the engine acts are ascending and at least 1, not {acts_at}")
    if ballot.spent_from > ballot.useless_from:
        _fail(f"{message.kind}: what is useless whatever was counted is useless after a quorum")


def check_gathering(
    make: Callable[[LightChain], Engine], chain: LightChain, history: History, effects: Iterable[Effect], carry: Carry
) -> None:
    """Replay a history with the votes of each instant handed over together: the same is said and decided, in the same
    order. `carry` lets the chain follow the engine. Raises InvariantBroken."""
    engine = make(chain)
    if not isinstance(engine, CountsVotes):
        return
    heard: list[Effect] = []
    for event in gathered(engine, history):
        if isinstance(event, bytes):
            chain.submit(event)
            continue
        for effect in engine.handle(event):
            carry(chain, effect)
            heard.append(effect)
    if _gist(engine, heard) != _gist(engine, effects):
        _fail("votes handed over together have the effects that they have one by one")


def gathered(engine: CountsVotes, history: History) -> Iterator[Event | bytes]:
    """The same history with each run of votes received at one instant, if it is longer than one, as `Gathered`."""

    def instant(event: Event | bytes) -> tuple[int, int]:
        if isinstance(event, Received):
            ballot = engine.ballot(event.message)
            if ballot is not None and not ballot.alone and ballot.author == event.peer:
                return event.now, 0
        return -1, id(event)

    for (now, _), run in groupby(history, instant):
        events = list(run)
        votes = tuple(event.message for event in events if isinstance(event, Received))
        if now < 0 or len(votes) < 2:
            yield from events
        else:
            yield Gathered(now, votes)


def check_handfuls(engine: Engine, messages: Sequence[Message], rng: Random, now: int) -> None:
    """True messages, thrown together. Raises InvariantBroken."""
    if not isinstance(engine, CountsVotes) or not messages:
        return
    for _ in range(HANDFULS):
        handful = tuple(rng.choice(messages) for _ in range(rng.below(12)))
        try:
            engine.handle(Gathered(now, handful))
        except Exception as error:
            _fail(f"no handful of messages makes the machine raise: {error!r}")


def _gist(engine: CountsVotes, effects: Iterable[Effect]) -> list[tuple[object, ...]]:
    """What was said and decided. Not which votes prove it: of more than a quorum, any quorum does."""
    gist: list[tuple[object, ...]] = []
    for effect in effects:
        if isinstance(effect, Adopt | Finalize):
            gist.append((type(effect), effect.block_hash))
        elif isinstance(effect, Broadcast | Publish | Send):
            header = getattr(effect.message, "header", None)
            gist.append((type(effect), effect.message.kind, engine.ballot(effect.message), header))
    return gist


def _fail(claim: str) -> NoReturn:
    raise InvariantBroken(f"engine exam: {claim}")


__all__ = ["check_ballots", "check_gathering", "check_handfuls", "gathered"]
