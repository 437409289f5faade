"""The engine passes the exam that every engine must pass, with equal and with very unequal stakes."""

from collections.abc import Sequence

import pytest

from raclette.chain.roll import Member
from raclette.engine.exam import check_engine
from raclette.protocols.senate import make_engine


@pytest.mark.parametrize("stakes", [(1, 1, 1, 1), (1, 10, 100, 1_000), (0, 5, 7, 0)])
def test_the_engine_passes_the_exam(stakes: tuple[int, ...]) -> None:
    def roll(ids: Sequence[bytes]) -> tuple[Member, ...]:
        return tuple(Member(node, node[:20], stake) for node, stake in zip(ids, stakes, strict=True))

    check_engine(make_engine, {"seats": 10, "entry_window_ms": 20, "round_timeout_ms": 1_000}, roll=roll)
