"""The engine passes the exam that every engine must pass, whatever orders its days."""

from collections.abc import Sequence
from typing import Any

import pytest

from raclette.engine.exam import check_engine
from raclette.protocols.hybrid import make_engine


@pytest.mark.parametrize(("inner", "fruits"), [("pbft", 0), ("simplex", 3)])
def test_the_engine_passes_the_exam(inner: str, fruits: int) -> None:
    def parameters(ids: Sequence[bytes]) -> dict[str, Any]:
        return {
            "validators": ["0x" + node_id.hex() for node_id in ids],
            "inner": inner,
            "fruits": fruits,
            "committee_size": 5,
            "stable_depth": 2,
            "difficulty_rule": "fixed",
            "initial_difficulty": 16,
            "block_interval_s": 1,
        }

    check_engine(make_engine, parameters)
