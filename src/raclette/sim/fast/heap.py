"""An ordered queue of (time, payload) in one array: a heap with four children a node.

The payload is the tie-break: at one time the lower payload comes first. Equal sets of rows therefore leave in the same
order, in whatever order they came. Four children instead of two make the heap half as deep, and the four lie in one
cache line.

    heap = make_heap(1024)              # int64, one row an event; grow it with `grown` when `size` comes near
    size = push(heap, size, time, payload)
    time, payload = heap[0]             # the first, if size > 0
    size = drop_first(heap, size)
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from raclette.sim.fast.jit import Number, lean

Rows = npt.NDArray[Any]


def make_heap(capacity: int) -> Rows:
    """Room for `capacity` events."""
    return np.empty((capacity, 2), dtype=np.int64)


def grown(rows: Rows, capacity: int) -> Rows:
    """The same rows (of any width) with room for `capacity`."""
    larger = np.empty((capacity, *rows.shape[1:]), dtype=rows.dtype)
    larger[: len(rows)] = rows
    return larger


@lean
def push(heap: Rows, size: Number, time: Number, payload: Number) -> Number:
    """Insert; the new size. There must be room: size < len(heap)."""
    place = size
    while place > 0:
        above = (place - 1) >> 2
        t = heap[above, 0]
        if t < time or (t == time and heap[above, 1] <= payload):
            break
        heap[place, 0] = t
        heap[place, 1] = heap[above, 1]
        place = above
    heap[place, 0] = time
    heap[place, 1] = payload
    return size + 1


@lean
def drop_first(heap: Rows, size: Number) -> Number:
    """Remove the first of `size` > 0 rows; the new size."""
    size -= 1
    time = heap[size, 0]
    payload = heap[size, 1]
    place = 0
    while True:
        child = 4 * place + 1
        if child >= size:
            break
        best = child
        t = heap[child, 0]
        p = heap[child, 1]
        for other in range(child + 1, min(child + 4, size)):
            u = heap[other, 0]
            if u < t or (u == t and heap[other, 1] < p):
                best = other
                t = u
                p = heap[other, 1]
        if t > time or (t == time and p >= payload):
            break
        heap[place, 0] = t
        heap[place, 1] = p
        place = best
    heap[place, 0] = time
    heap[place, 1] = payload
    return size
