"""What must hold on real processes, as far as it can be seen from outside: the simulator's properties by name."""

from collections.abc import Sequence
from typing import Any

from raclette.cli.client import RpcError, Unreachable
from raclette.cli.network import LocalNode
from raclette.cli.testbed.observe import Observatory
from raclette.primitives.units import MILLISECOND


class Verdicts:
    """Collects violations in the form of `SimReport.violations`."""

    def __init__(self, observatory: Observatory, nodes: Sequence[LocalNode]) -> None:
        self.violations: list[dict[str, Any]] = []
        self._seen = observatory
        self._nodes = nodes

    def _report(self, checker: str, node: int, detail: str) -> None:
        time = self._seen.now // MILLISECOND
        self.violations.append({"checker": checker, "time_ms": time, "node": node, "detail": detail})

    def agreement(self) -> None:
        """No two nodes hold different blocks final at one height, and no head leaves what its node called final."""
        record = self._seen.record
        final: dict[int, tuple[int, int]] = {}
        for _, node, block in record.finals:
            for each in self._seen.branch(block):
                height = record.blocks[each].height
                first = final.setdefault(height, (each, node))
                if first[0] != each:
                    self._report("agreement", node, f"height {height}: another block is final at n{first[1]:02d}")
                    break
        for node in range(record.nodes):
            last = max((f.block for f in record.finals if f.node == node), default=0, key=self._height)
            if last not in self._seen.branch(self._seen.head(node)):
                self._report("finality-kept", node, f"height {self._height(last)} was final and is reverted")

    def exactly_once(self) -> None:
        """No transaction stands twice on a node's branch."""
        for node in range(self._seen.record.nodes):
            found: set[str] = set()
            for block in self._seen.branch(self._seen.head(node)):
                here = self._seen.transactions(block)
                if found.intersection(here) or len(set(here)) < len(here):
                    self._report("exactly-once", node, f"height {self._height(block)} repeats a transaction")
                    return
                found.update(here)

    async def supply(self, genesis: int) -> None:
        """Money in existence is what genesis and rewards made."""
        for index, node in enumerate(self._nodes):
            try:
                found = await node.client.call("raclette_supply")
            except (Unreachable, RpcError):
                continue  # liveness says so
            extra = int(found["supply"]) - int(found["issued"]) - genesis
            if extra:
                self._report("supply", index, f"{extra} units appeared from nowhere")

    def liveness(self, missing: str) -> None:
        """Everything was executed everywhere in time."""
        if missing:
            self._report("liveness", -1, missing)

    def _height(self, block: int) -> int:
        return self._seen.record.blocks[block].height
