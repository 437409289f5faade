"""The loops of the fast kernel, compiled: the fates of a broadcast, and sorted lists of votes on their way.

All functions of a kernel are in one file, so that the cache of compiled code knows when one of them changes. Integers
only; buffers belong to the caller.

A row is one statement at a place of `engine.ballot`. `book[row, receiver]` has the votes that have come *and those on
their way*, in order of arrival, as (WHEN they come in ns, KEY, WHO): the key is sender << KEY_SHIFT | number, the order
at one moment; who is the author's number, with ALONE set for what is delivered by itself and OWN for the receiver's own
vote. `filled` is how many there are, `handed` how many of them the engine has got, `stage` which of the row's
thresholds is next.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from raclette.sim.engines.plan import MILLION, NEVER
from raclette.sim.fast.arithmetic import draw, mix, product3
from raclette.sim.fast.jit import Number, jit

Words = npt.NDArray[Any]

U64 = np.uint64
KEY_SHIFT = 40
ALONE, OWN = 1 << 20, 1 << 21
WHEN, KEY, WHO = 0, 1, 2
AUTHOR_MASK = ALONE - 1
CONSTANT, QUANTILES, ASKED = 0, 1, 2
_MASK63 = np.int64((1 << 63) - 1)
_LOST, _SHUT, _DOWN = -1, -2, -3


@jit
def _chance(key: Number, counter: Number, ppm: Number) -> bool:
    """Does the draw fall into `ppm` of a million?"""
    return bool(ppm > 0 and product3(draw(key, U64(counter)), MILLION, 1, 64) < ppm)


@jit
def _noise_at(noise: Words, time: Number) -> Number:
    """The row of `noise` that counts at `time`, or -1."""
    for place in range(len(noise) - 1, -1, -1):
        if noise[place, 0] <= time < noise[place, 1]:
            return place
    return -1


@jit
def _is_shut(spans: Words, pairs: Words, sender: Number, receiver: Number, finish: Number, arrival: Number) -> bool:
    for place in range(len(spans)):
        begin, end = spans[place, 0], spans[place, 1]
        if (begin <= finish < end or begin <= arrival < end) and pairs[place, sender, receiver]:
            return True
    return False


@jit
def _is_down(down: Words, node: Number, time: Number) -> bool:
    found = False
    for place in range(len(down)):
        found |= down[place, 0] == node and down[place, 1] <= time < down[place, 2]
    return found


@jit
def _crashes(down: Words, node: Number, after: Number, until: Number) -> bool:
    found = False
    for place in range(len(down)):
        found |= down[place, 0] == node and after < down[place, 1] <= until
    return found


@jit
def _summary(fates: Words, count: Number, out: Words) -> None:
    """out = copies that arrive, lost by noise, by shut links, by crashes, the last arrival, second copies."""
    out[:] = 0
    for place in range(count):
        arrival, second = fates[0, place], fates[1, place]
        if arrival < 0:
            out[-arrival] += 1
            continue
        out[0] += 1
        out[4] = max(out[4], arrival, second)
        if second:
            out[0] += 1
            out[5] += 1


@jit
def launch(
    now: Number,
    sender: Number,
    first: Number,
    asked: Number,
    bits: Number,
    receivers: Words,
    fates: Words,
    links: Words,
    keys: Words,
    free: Words,
    law: Number,
    figures: Words,
    quantiles: Words,
    places: Words,
    noise: Words,
    spans: Words,
    pairs: Words,
    down: Words,
    out: Words,
) -> Number:
    """`wires.Wires.launch` for the receivers from number `first` on; `fates` gets rows of arrivals, seconds, numbers.

    `figures` are the constant part of delays and the jitter (ns), whether the delays have a tail, the most that a late
    frame is late (ns), and the shift from a draw to its quantile. `links` has the rows (next number, last arrival, bits
    a second) of each direction. Returns how far it came: if not to the end, the next receiver's delay must be computed
    outside and handed in as `asked` (0: none).

    In one piece on purpose: cut at the delay and at the fate, it takes two to three times as long for a frame, because
    numba hands each array to a function as seven values.
    """
    nodes = len(free)
    clock = max(now, free[sender])
    for place in range(first, len(receivers)):
        receiver = receivers[place]
        link = sender * nodes + receiver
        number = links[link, 0]
        base = 8 * number + 1
        if law == CONSTANT:
            delay = figures[0]
            if figures[1]:
                delay += product3(draw(keys[link], U64(base)), figures[1], 1, 64)
        elif asked:
            delay, asked = asked, 0
        elif law == QUANTILES:
            uniform = draw(keys[link], U64(base))
            part = np.int64(uniform >> U64(figures[4]))
            if part == 0 and figures[2]:
                free[sender] = clock
                return place
            delay = figures[0] + quantiles[places[sender], places[receiver], part]
        else:
            free[sender] = clock
            return place
        rate = links[link, 2]
        if rate:
            clock += bits // rate
        links[link, 0] = number + 1
        arrival = clock + max(1, delay)
        fates[1, place] = 0
        fates[2, place] = number
        noisy = _noise_at(noise, clock)
        if noisy >= 0 and _chance(keys[link], base + 1, noise[noisy, 2]):
            fates[0, place] = _LOST
            continue
        if noisy >= 0 and _chance(keys[link], base + 2, noise[noisy, 4]):
            arrival += product3(draw(keys[link], U64(base + 3)), figures[3], 1, 64)
        else:
            arrival = max(arrival, links[link, 1] + 1)
            links[link, 1] = arrival
        if _is_shut(spans, pairs, sender, receiver, clock, arrival):
            fates[0, place] = _SHUT
            continue
        if _crashes(down, sender, now, clock) or _is_down(down, receiver, arrival):
            fates[0, place] = _DOWN
            continue
        fates[0, place] = arrival
        if noisy >= 0 and _chance(keys[link], base + 4, noise[noisy, 3]):
            links[link, 0] = number + 2
            second = arrival + 1 + product3(draw(keys[link], U64(base + 5)), figures[3], 1, 64)
            if not _is_down(down, receiver, second):
                fates[1, place] = second
    free[sender] = clock
    _summary(fates, len(receivers), out)
    return len(receivers)


@jit
def link_keys(seed_key: Number, nodes: Number, keys: Words) -> None:
    """`wires.link_key` of every direction."""
    for sender in range(nodes):
        for receiver in range(nodes):
            keys[sender * nodes + receiver] = mix(seed_key ^ U64(sender << 24 | receiver))


@jit
def uniform_of(key: Number, number: Number) -> Number:
    """The draw behind a delay that is computed outside."""
    return draw(key, U64(8 * number + 1))


# --- rows of votes ------------------------------------------------------------------------------------------------


@jit
def _insert(
    book: Words,
    filled: Words,
    row: Number,
    node: Number,
    time: Number,
    order: Number,
    tag: Number,
) -> Number:
    """Put a vote in its place (behind its equals); its index."""
    votes = book[row, node]
    place = filled[row, node]
    while place > 0 and (
        votes[place - 1, WHEN] > time or (votes[place - 1, WHEN] == time and votes[place - 1, KEY] > order)
    ):
        votes[place] = votes[place - 1]
        place -= 1
    votes[place, WHEN], votes[place, KEY], votes[place, WHO] = time, order, tag
    filled[row, node] += 1
    return place


@jit
def find(book: Words, filled: Words, row: Number, node: Number, author: Number) -> Number:
    """Index of an author's vote, or -1."""
    votes = book[row, node]
    for place in range(filled[row, node]):
        if votes[place, WHO] & AUTHOR_MASK == author:
            return place
    return -1


@jit
def next_wake(book: Words, filled: Words, stage: Words, row: Number, thresholds: Words, out: Words) -> None:
    """The first moment at which some node's count reaches its next threshold: out = (time, node, key); time is NEVER
    if there is none."""
    out[0] = NEVER
    for node in range(filled.shape[1]):
        step = stage[row, node]
        if step == len(thresholds) or filled[row, node] < thresholds[step]:
            continue
        place = thresholds[step] - 1
        time = book[row, node, place, WHEN]
        if time < out[0]:
            out[0], out[1], out[2] = time, node, book[row, node, place, KEY]


@jit
def file_votes(
    book: Words,
    filled: Words,
    row: Number,
    sender: Number,
    tag: Number,
    is_repeated: bool,
    receivers: Words,
    fates: Words,
    again: Words,
    stage: Words,
    thresholds: Words,
    out: Words,
) -> Number:
    """File a vote for every receiver that it reaches. Copies that are not the first to arrive go to `again` as rows
    (receiver, time, number, 1 if it is an earlier letter's copy that this one overtakes); returns their count. Then
    does as `next_wake`."""
    repeats = 0
    for place in range(len(receivers)):
        arrival, second, number = fates[0, place], fates[1, place], fates[2, place]
        if arrival < 0:
            continue
        node = receivers[place]
        known = find(book, filled, row, node, sender) if is_repeated else -1
        if known >= 0 and book[row, node, known, WHEN] < arrival:
            repeats = _repeat(again, repeats, node, arrival, number, 0)
        else:
            if known >= 0:
                if book[row, node, known, WHO] < ALONE:
                    old = book[row, node, known, KEY] & ((1 << KEY_SHIFT) - 1)
                    repeats = _repeat(again, repeats, node, book[row, node, known, WHEN], old, 1)
                _remove(book, filled, row, node, known)
            _insert(book, filled, row, node, arrival, sender << KEY_SHIFT | number, tag)
        if second:
            repeats = _repeat(again, repeats, node, second, number + 1, 0)
    next_wake(book, filled, stage, row, thresholds, out)
    return repeats


@jit
def _repeat(again: Words, repeats: Number, node: Number, time: Number, number: Number, overtaken: Number) -> Number:
    again[repeats, 0], again[repeats, 1], again[repeats, 2], again[repeats, 3] = node, time, number, overtaken
    return repeats + 1


@jit
def _remove(book: Words, filled: Words, row: Number, node: Number, place: Number) -> None:
    last = filled[row, node] - 1
    for at in range(place, last):
        book[row, node, at, WHEN] = book[row, node, at + 1, WHEN]
        book[row, node, at, KEY] = book[row, node, at + 1, KEY]
        book[row, node, at, WHO] = book[row, node, at + 1, WHO]
    filled[row, node] = last


@jit
def arrived(book: Words, filled: Words, row: Number, node: Number, now: Number, limit: Number) -> Number:
    """How many votes are there at `now`, those of this moment up to order `limit` included."""
    count = filled[row, node]
    while count > 0 and (
        book[row, node, count - 1, WHEN] > now
        or (book[row, node, count - 1, WHEN] == now and book[row, node, count - 1, KEY] > limit)
    ):
        count -= 1
    return count


@jit
def take(
    book: Words, handed: Words, contents: Words, row: Number, node: Number, count: Number, authors: Words, out: Words
) -> Number:
    """Hand over the first `count` votes but for those handed over before, alone or one's own. The authors go to
    `authors`, the sum of the contents to out[3]; returns how many."""
    taken = 0
    total = np.int64(0)
    for place in range(handed[row, node], count):
        tag = book[row, node, place, WHO]
        if tag < ALONE:
            authors[taken] = tag
            total = (total + contents[row, tag]) & _MASK63
            taken += 1
    handed[row, node] = max(handed[row, node], count)
    out[3] = total
    return taken


@jit
def wake(
    book: Words,
    filled: Words,
    handed: Words,
    stage: Words,
    contents: Words,
    row: Number,
    node: Number,
    is_closed: bool,
    thresholds: Words,
    authors: Words,
    out: Words,
) -> Number:
    """The count at `node` has reached its next threshold: does as `take`, unless `is_closed`, then as `next_wake`."""
    reached = thresholds[stage[row, node]]
    stage[row, node] += 1
    taken = 0 if is_closed else take(book, handed, contents, row, node, reached, authors, out)
    next_wake(book, filled, stage, row, thresholds, out)
    return taken


@jit
def insert_own(
    book: Words,
    filled: Words,
    stage: Words,
    row: Number,
    node: Number,
    now: Number,
    limit: Number,
    tag: Number,
    thresholds: Words,
) -> Number:
    """An author's vote that counts from this moment on, unless one is there. Returns how many there are now if that is
    the next threshold, else 0."""
    if find(book, filled, row, node, tag & AUTHOR_MASK) >= 0:
        return 0
    place = _insert(book, filled, row, node, now, limit, tag)
    step = stage[row, node]
    if step < len(thresholds) and place + 1 == thresholds[step]:
        stage[row, node] = step + 1
        return place + 1
    return 0


@jit
def forget(
    book: Words,
    filled: Words,
    handed: Words,
    stage: Words,
    row: Number,
    node: Number,
    now: Number,
) -> None:
    """What has come is gone; what is on its way stays."""
    gone = 0
    while gone < filled[row, node] and book[row, node, gone, WHEN] < now:
        gone += 1
    for at in range(gone, filled[row, node]):
        book[row, node, at - gone, WHEN] = book[row, node, at, WHEN]
        book[row, node, at - gone, KEY] = book[row, node, at, KEY]
        book[row, node, at - gone, WHO] = book[row, node, at, WHO]
    filled[row, node] -= gone
    handed[row, node] = 0
    stage[row, node] = 0
