"""The exam passes engines that keep the contract and fails those that do not."""

from collections.abc import Sequence
from itertools import count
from typing import Any

import pytest

from raclette.engine.ballot import Ballot
from raclette.engine.contract import EngineSetup
from raclette.engine.effects import Effect, SetTimer
from raclette.engine.events import Event, Gathered
from raclette.engine.exam import check_engine
from raclette.engine.message import Message
from raclette.primitives.errors import InvariantBroken
from raclette.protocols.pbft import PbftEngine, make_engine


def parameters(ids: Sequence[bytes]) -> dict[str, Any]:
    return {"validators": ["0x" + node_id.hex() for node_id in ids], "checkpoint_interval": 4, "window": 16}


@pytest.mark.parametrize("seed", [1, 2])
def test_pbft_passes_the_exam_of_an_engine(seed: int) -> None:
    check_engine(make_engine, parameters, seed=seed)


def test_an_engine_with_a_hidden_counter_is_not_pure() -> None:
    counter = count()

    class Impure(PbftEngine):
        def handle(self, event: Event) -> tuple[Effect, ...]:
            return (*super().handle(event), SetTimer("odd", 10**18 + next(counter)))

    with pytest.raises(InvariantBroken, match="same events give the same effects"):
        check_engine(Impure, parameters)


def test_an_engine_whose_codec_trips_over_garbage_fails() -> None:
    class Fragile(PbftEngine):
        def decode(self, payload: bytes) -> Message:
            if len(payload) == 40:
                raise IndexError("out of bytes")
            return super().decode(payload)

    with pytest.raises(InvariantBroken, match="decode raises DecodeError only"):
        check_engine(Fragile, parameters)


def test_an_engine_that_raises_on_a_strange_event_fails() -> None:
    class Touchy(PbftEngine):
        def handle(self, event: Event) -> tuple[Effect, ...]:
            if getattr(event, "name", "").startswith("no such"):
                raise KeyError("timer")
            return super().handle(event)

    with pytest.raises(InvariantBroken, match="no event makes the machine raise"):
        check_engine(Touchy, parameters)


def test_an_engine_that_swallows_unknown_parameters_fails() -> None:
    def lenient(setup: EngineSetup) -> PbftEngine:
        known = {key: value for key, value in setup.parameters.items() if key != "no_such_parameter"}
        return PbftEngine(setup._replace(parameters=known))

    with pytest.raises(InvariantBroken, match="unknown parameter is refused"):
        check_engine(lenient, parameters)


def test_an_engine_whose_votes_add_up_otherwise_when_handed_over_together_fails() -> None:
    class Careless(PbftEngine):
        def handle(self, event: Event) -> tuple[Effect, ...]:
            return super().handle(event._replace(votes=event.votes[:1]) if isinstance(event, Gathered) else event)

    with pytest.raises(InvariantBroken, match="votes handed over together"):
        check_engine(Careless, parameters)


def test_an_engine_that_says_more_of_a_vote_than_the_message_does_fails() -> None:
    class Biased(PbftEngine):
        def ballot(self, message: Message) -> Ballot | None:
            ballot = super().ballot(message)
            return ballot and ballot._replace(statement=bytes([self.core.me or 0]))

    with pytest.raises(InvariantBroken, match="every engine says the same"):
        check_engine(Biased, parameters)


def test_an_engine_that_counts_a_vote_for_somebody_else_fails() -> None:
    class Generous(PbftEngine):
        def ballot(self, message: Message) -> Ballot | None:
            ballot = super().ballot(message)
            return ballot and ballot._replace(author=bytes(32))

    with pytest.raises(InvariantBroken, match="author has signed it"):
        check_engine(Generous, parameters)
