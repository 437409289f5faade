"""Counts over many independent draws: members of committees, and who has heard a rumour."""

import numpy as np

from raclette.lab.experiments.jit.draws import below, draw
from raclette.sim.fast.jit import jit

_ONE = np.uint64(1)


@jit
def committees(
    key: np.uint64, share: np.uint64, adversaries: int, population: int, members: int, bounds: np.ndarray, trials: int
) -> np.ndarray:
    """For each of `bounds`, how many of `trials` committees have at least that many adversaries.

    With a population, members are drawn from it without replacement, and `adversaries` of it are bad; without one
    (0), each member is bad with the probability that `share` is the threshold of.
    """
    counter = np.uint64(0)
    reached = np.zeros(len(bounds), dtype=np.int64)
    for _ in range(trials):
        bad = 0
        for seat in range(members):
            counter += _ONE
            value = draw(key, counter)
            if population:
                if below(value, np.uint64(population - seat)) < adversaries - bad:
                    bad += 1
            elif value < share:
                bad += 1
        for index in range(len(bounds)):
            if bad >= bounds[index]:
                reached[index] += 1
    return reached


@jit
def push_rounds(key: np.uint64, nodes: int) -> int:
    """Rounds until everybody knows: in each, everybody who knows tells one other, chosen uniformly."""
    counter = np.uint64(0)
    knows = np.zeros(nodes, dtype=np.bool_)
    order = np.zeros(nodes, dtype=np.int64)
    knows[0] = True
    count = 1
    rounds = 0
    others = np.uint64(nodes - 1)
    while count < nodes:
        rounds += 1
        for teller in range(count):
            counter += _ONE
            told = below(draw(key, counter), others)
            if told >= order[teller]:
                told += 1
            if not knows[told]:
                knows[told] = True
                order[count] = told
                count += 1
    return rounds


@jit
def flood_depth(key: np.uint64, nodes: int, degree: int) -> tuple[int, int]:
    """(hops until the last node is reached, nodes reached) from node 0, when everybody opens `degree` links to others
    chosen uniformly, and links carry both ways."""
    ends = np.zeros((nodes * degree, 2), dtype=np.int64)
    place = np.zeros(nodes + 1, dtype=np.int64)
    counter = np.uint64(0)
    for node in range(nodes):
        for link in range(degree):
            counter += _ONE
            peer = below(draw(key, counter), np.uint64(nodes - 1))
            if peer >= node:
                peer += 1
            ends[node * degree + link, 0] = node
            ends[node * degree + link, 1] = peer
            place[node + 1] += 1
            place[peer + 1] += 1
    for node in range(nodes):
        place[node + 1] += place[node]
    row = place[:-1].copy()
    peers = np.zeros(2 * nodes * degree, dtype=np.int64)
    for edge in range(nodes * degree):
        a, b = ends[edge, 0], ends[edge, 1]
        peers[row[a]] = b
        row[a] += 1
        peers[row[b]] = a
        row[b] += 1
    depth = np.full(nodes, -1, dtype=np.int64)
    queue = np.zeros(nodes, dtype=np.int64)
    depth[0] = 0
    head, tail = 0, 1
    while head < tail:
        node = queue[head]
        head += 1
        for index in range(place[node], place[node + 1]):
            peer = peers[index]
            if depth[peer] < 0:
                depth[peer] = depth[node] + 1
                queue[tail] = peer
                tail += 1
    return depth[queue[tail - 1]], tail
