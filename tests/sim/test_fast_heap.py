"""The compiled queue orders as Python's heapq does."""

from heapq import heappop, heappush

import pytest

pytest.importorskip("numba")

from raclette.primitives.randomness import Random
from raclette.sim.fast.heap import drop_first, grown, make_heap, push


def test_rows_leave_in_order_of_time_and_payload_whatever_the_order_they_came_in() -> None:
    random = Random(1)
    heap, size = make_heap(8), 0
    wanted: list[tuple[int, int]] = []
    for _ in range(20_000):
        if size < 700 and random.chance(52, 100):
            row = random.below(100), random.below(1 << 62)
            if size == len(heap):
                heap = grown(heap, 2 * size)
            size = push(heap, size, *row)
            heappush(wanted, row)
        elif size:
            assert tuple(heap[0]) == heappop(wanted)
            size = drop_first(heap, size)
    assert size == len(wanted) > 0
