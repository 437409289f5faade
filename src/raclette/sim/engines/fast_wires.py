"""The wires of `wires.Wires`, for a whole broadcast in one compiled loop. Same fates, bit by bit."""

from typing import Any

import numpy as np
import numpy.typing as npt

from raclette.sim.engines import compiled
from raclette.sim.engines.plan import LATE_NS, Plan
from raclette.sim.engines.wires import BITS_TO_NS, wires_key
from raclette.sim.models import QUANTILE_BITS, Lan, NetworkModel, Regions, pareto_quantiles

Words = npt.NDArray[Any]


class FastWires:
    """As `Wires`; `launch` fills `fates`, rows of arrivals, second copies and numbers, instead of making tuples."""

    def __init__(self, model: NetworkModel, nodes: int, seed: int, plan: Plan) -> None:
        self.model = model
        self.nodes = nodes
        self.fates = np.zeros((3, nodes), dtype=np.int64)
        self.summary = np.zeros(6, dtype=np.int64)
        self._links = np.zeros((nodes * nodes, 3), dtype=np.int64)
        self._free = np.zeros(nodes, dtype=np.int64)
        self._keys = np.zeros(nodes * nodes, dtype=np.uint64)
        compiled.link_keys(np.uint64(wires_key(seed)), nodes, self._keys)
        self._law, self._figures, self._quantiles, self._places = _law_of(model, nodes)
        self._links[:, 2] = _rates(model, nodes)
        self._noise = np.array(plan.noise, dtype=np.int64).reshape(-1, 5)
        self._spans = np.array([(shut.begin, shut.end) for shut in plan.shut], dtype=np.int64).reshape(-1, 2)
        self._pairs = np.zeros((len(plan.shut), nodes if plan.shut else 1, nodes if plan.shut else 1), dtype=np.bool_)
        for place, shut in enumerate(plan.shut):
            for sender, receiver in shut.pairs:
                self._pairs[place, sender, receiver] = True
        self._down = np.array([(d.node, d.begin, d.end) for d in plan.down], dtype=np.int64).reshape(-1, 3)

    def launch(self, now: int, sender: int, receivers: Words, size: int) -> None:
        """`size` bytes go from `sender` to each receiver (int64 numbers), in order; see `fates` and `summary`."""
        place = asked = 0
        count = len(receivers)
        while True:
            place = compiled.launch(
                now,
                sender,
                place,
                asked,
                size * BITS_TO_NS,
                receivers,
                self.fates,
                self._links,
                self._keys,
                self._free,
                self._law,
                self._figures,
                self._quantiles,
                self._places,
                self._noise,
                self._spans,
                self._pairs,
                self._down,
                self.summary,
            )
            if place == count:
                return
            receiver = int(receivers[place])
            link = sender * self.nodes + receiver
            uniform = int(compiled.uniform_of(self._keys[link], self._links[link, 0]))
            asked = max(1, self.model.delay(sender, receiver, uniform))

    def clear_uplink(self, node: int) -> None:
        """As `Wires.clear_uplink`."""
        self._free[node] = 0


def _law_of(model: NetworkModel, nodes: int) -> tuple[int, Words, Words, Words]:
    """(law, figures, quantiles, places): what `compiled.launch` draws delays from. Models that it does not know are
    asked for each delay."""
    places = np.zeros(nodes, dtype=np.int64)
    quantiles = np.zeros((1, 1, 1), dtype=np.int64)
    if type(model) is Lan:
        return compiled.CONSTANT, _figures(model.latency, jitter=model.jitter), quantiles, places
    if type(model) is not Regions or getattr(model.table, "fixed", False):
        return compiled.ASKED, _figures(0), quantiles, places
    means = model.table.latency_ms
    regions = range(len(means))
    quantiles = np.zeros((len(means), len(means), 1 << QUANTILE_BITS), dtype=np.int64)
    for one in regions:
        for other in regions:
            quantiles[one, other] = pareto_quantiles(means[one][other])
    places[:] = model.places
    return compiled.QUANTILES, _figures(model.overhead, has_tail=True), quantiles, places


def _figures(base: int, *, jitter: int = 0, has_tail: bool = False) -> Words:
    """As arguments, so that compiled code never keeps a value that has changed since."""
    return np.array([base, jitter, has_tail, LATE_NS, 64 - QUANTILE_BITS], dtype=np.int64)


def _rates(model: NetworkModel, nodes: int) -> Words:
    """Bits a second of every direction."""
    if type(model) is Lan:
        return np.full(nodes * nodes, model.bits_per_s, dtype=np.int64)
    if type(model) is Regions:
        upload = np.array(model.table.upload, dtype=np.int64)[model.places]
        download = np.array(model.table.download, dtype=np.int64)[model.places]
        return np.minimum(upload[:, None], download[None, :]).reshape(-1)
    pairs = [model.bandwidth(sender, receiver) for sender in range(nodes) for receiver in range(nodes)]
    return np.array(pairs, dtype=np.int64)


__all__ = ["FastWires"]
