"""The faults of a scenario, done to real processes and their wires, each at its time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from raclette.cli.network import LocalNode
from raclette.cli.testbed.wires import Wires
from raclette.primitives.units import SECOND
from raclette.sim.faults import Churn, Crash, CutLink, Fault, Impair, Partition, Pause, SlowLink

Act = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Skipped:
    """Something of the scenario that was not done, and why."""

    what: str
    why: str


class FaultPlan:
    """`acts` are (seconds since the start, what to do); `skipped` says what cannot be done here."""

    def __init__(self, faults: Sequence[Fault], nodes: Sequence[LocalNode], wires: Wires) -> None:
        self.acts: list[tuple[float, Act]] = []
        self.skipped: list[Skipped] = []
        self.crashes = 0
        self._nodes = nodes
        self._wires = wires
        for fault in faults:
            self._add(fault)
        self.acts.sort(key=lambda act: act[0])

    async def run(self) -> None:
        """Everything at its time, counted from now."""
        start = asyncio.get_running_loop().time()
        for at, act in self.acts:
            await asyncio.sleep(max(0.0, start + at - asyncio.get_running_loop().time()))
            await act()

    def _at(self, time: int, act: Act) -> None:
        self.acts.append((time / SECOND, act))

    def _add(self, fault: Fault) -> None:
        end = fault.at + fault.lasting
        match fault:
            case Crash():
                if fault.mode != "clean" and not fault.wipe:
                    why = "a killed process loses no write that the system has taken; done as a clean crash"
                    self.skipped.append(Skipped(f"{fault.kind} mode={fault.mode}", why))
                self._crash(fault.node, fault.at, end if fault.lasting else None, wipe=fault.wipe)
            case Churn():
                self._churn(fault)
            case Pause():
                self._at(fault.at, lambda: self._suspend(fault.node))
                self._at(end, lambda: self._resume(fault.node))
            case Partition():
                self._on_wires(fault, {"do": "shut", "pairs": fault.pairs()})
            case CutLink():
                self._on_wires(fault, {"do": "shut", "pairs": [(fault.a, fault.b), (fault.b, fault.a)]})
            case SlowLink():
                self._on_wires(fault, {"do": "slow", "a": fault.a, "b": fault.b, "extra": fault.extra})
            case Impair():
                words = {"loss_ppm": fault.loss_ppm, "duplicate_ppm": fault.duplicate_ppm}
                words |= {"reorder_ppm": fault.reorder_ppm, "late_ns": fault.late_ns}
                self._on_wires(fault, {"do": "impair", **words, "nodes": fault.nodes, "link": fault.link})
            case _:
                self.skipped.append(Skipped(fault.kind, "cannot be done to a process from outside"))

    def _on_wires(self, fault: Fault, words: dict[str, Any]) -> None:
        if not self._wires.emulates:
            self.skipped.append(Skipped(fault.kind, f"{self._wires.name} has no wires that can be disturbed"))
            return
        self._at(fault.at, lambda: self._command(words))
        if fault.lasting:
            self._at(fault.at + fault.lasting, lambda: self._command(words | {"undo": True}))

    async def _command(self, words: dict[str, Any]) -> None:
        await self._wires.command(words)

    def _crash(self, node: int, at: int, back: int | None, *, wipe: bool = False) -> None:
        self._at(at, lambda: self._kill(node))
        if back is not None:
            self._at(back, lambda: self._restart(node, wipe=wipe))

    def _churn(self, fault: Churn) -> None:
        """As in the simulator: one after another leaves for a while, until the fault is over."""
        nodes = fault.nodes or tuple(range(len(self._nodes)))
        at, turn, until = fault.at, 0, fault.at + fault.lasting
        while at < until:
            back = min(until, at + max(1, fault.away_ns))
            self._crash(nodes[turn % len(nodes)], at, back)
            at, turn = back, turn + 1

    async def _kill(self, node: int) -> None:
        self.crashes += 1
        await self._nodes[node].kill()

    async def _restart(self, node: int, *, wipe: bool) -> None:
        if wipe:
            await self._nodes[node].wipe()
        await self._nodes[node].spawn()

    async def _suspend(self, node: int) -> None:
        await self._nodes[node].suspend()

    async def _resume(self, node: int) -> None:
        await self._nodes[node].resume()
