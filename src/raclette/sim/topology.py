"""Who is linked with whom: a sorted list of neighbours for each node, symmetric."""

import json
from collections.abc import Sequence
from pathlib import Path

from raclette.primitives.errors import ConfigError
from raclette.primitives.randomness import Random

_STREAM_TOPOLOGY = 2
# Attempts at a random regular graph before giving up; one usually suffices for degree < nodes / 2.
_ATTEMPTS_MAX = 100

Graph = list[list[int]]


def full_mesh(nodes: int) -> Graph:
    """Everybody with everybody."""
    return [[j for j in range(nodes) if j != i] for i in range(nodes)]


def random_regular(nodes: int, degree: int, seed: int) -> Graph:
    """Every node has `degree` neighbours, and all are connected: a ring, then stubs paired at random and repaired by
    swapping. Raises ConfigError if no such graph exists."""
    if not 2 <= degree < nodes or nodes * degree % 2:
        raise ConfigError(f"topology.degree: {degree} of {nodes} nodes: 2 <= degree < nodes, and their product even")
    random = Random(seed, _STREAM_TOPOLOGY)
    for _ in range(_ATTEMPTS_MAX):
        graph = _try_regular(nodes, degree, random)
        if graph is not None:
            return graph
    raise ConfigError(f"topology.degree: no regular graph of degree {degree} found for {nodes} nodes")


def _try_regular(nodes: int, degree: int, random: Random) -> Graph | None:
    order = list(range(nodes))
    random.shuffle(order)
    links: list[set[int]] = [set() for _ in range(nodes)]
    for i, node in enumerate(order):
        following = order[(i + 1) % nodes]
        links[node].add(following)
        links[following].add(node)
    stubs = [node for node in range(nodes) for _ in range(degree - len(links[node]))]
    random.shuffle(stubs)
    while stubs:
        a = stubs.pop()
        for k in range(len(stubs) - 1, -1, -1):
            b = stubs[k]
            if b != a and b not in links[a]:
                stubs.pop(k)
                links[a].add(b)
                links[b].add(a)
                break
        else:
            return None
    return [sorted(row) for row in links]


def bitcoin_like(nodes: int, degree_per_1000: Sequence[int], seed: int) -> Graph:
    """Each node opens as many links as a draw from the cumulative distribution of outbound degrees says (1, 2, ...).

    The tables hold the nodes per 1,000 that open at most 1, 2, 3... links (Bitcoin, 2015, as used by SimBlock).
    """
    random = Random(seed, _STREAM_TOPOLOGY)
    links: list[set[int]] = [set() for _ in range(nodes)]
    for node in range(nodes):
        draw = random.below(1000)
        degree = next(i + 1 for i, bound in enumerate(degree_per_1000) if draw < bound)
        wanted = min(degree, nodes - 1)
        opened = 0
        while opened < wanted and len(links[node]) < nodes - 1:
            peer = random.below(nodes)
            if peer != node and peer not in links[node]:
                links[node].add(peer)
                links[peer].add(node)
                opened += 1
    return [sorted(row) for row in _join_islands(links)]


def _join_islands(links: list[set[int]]) -> list[set[int]]:
    """Link the lowest node of every separate part to node 0's part."""
    seen: set[int] = set()
    for start in range(len(links)):
        if start in seen:
            continue
        if start:
            links[start].add(0)
            links[0].add(start)
        stack = [start]
        seen.add(start)
        while stack:
            fresh = [peer for peer in links[stack.pop()] if peer not in seen]
            seen.update(fresh)
            stack += fresh
    return links


def from_edges(nodes: int, edges: Sequence[Sequence[int]]) -> Graph:
    """From pairs of node numbers. Raises ConfigError."""
    links: list[set[int]] = [set() for _ in range(nodes)]
    for edge in edges:
        if len(edge) != 2 or edge[0] == edge[1] or not all(0 <= end < nodes for end in edge):
            raise ConfigError(f"topology.edges: {list(edge)} is not two different nodes of 0 to {nodes - 1}")
        links[edge[0]].add(edge[1])
        links[edge[1]].add(edge[0])
    return [sorted(row) for row in links]


def from_file(nodes: int, path: Path) -> Graph:
    """From a JSON list of pairs. Raises ConfigError."""
    try:
        edges = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"topology.file: {path}: {error}") from error
    if not isinstance(edges, list) or not all(
        isinstance(edge, list) and all(isinstance(end, int) for end in edge) for edge in edges
    ):
        raise ConfigError(f"topology.file: {path}: a JSON list of pairs of node numbers is accepted")
    return from_edges(nodes, edges)


def make_topology(name: str, nodes: int, seed: int, degree: int, degree_per_1000: Sequence[int]) -> Graph:
    """The graph called `name`: "full", "regular", "bitcoin", or a path ending in .json. Raises ConfigError."""
    if name == "full":
        return full_mesh(nodes)
    if name == "regular":
        return random_regular(nodes, degree, seed)
    if name == "bitcoin":
        return bitcoin_like(nodes, degree_per_1000, seed)
    if name.endswith(".json"):
        return from_file(nodes, Path(name))
    raise ConfigError(f"topology: {name!r} is unknown; accepted are full, regular, bitcoin or a file ending in .json")
