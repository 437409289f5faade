"""Network namespaces: every node gets one, whose only way out is a TUN device that the emulator holds.

Needs Linux, the right to make namespaces (root, or CAP_NET_ADMIN and CAP_SYS_ADMIN), `ip` of iproute2 and /dev/net/tun.
Nothing of this machine's own network is changed except that one device, for whoever controls the nodes, comes and goes.
"""

import asyncio
import json
import os
import re
import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raclette.cli.testbed.emulator import CONTROL, MTU_BYTES
from raclette.primitives.errors import ConfigError, RacletteError
from raclette.sim.models import NetworkSpec, RegionTable

if TYPE_CHECKING:
    from raclette.cli.network import LocalNode

# Names of namespaces and devices: this, the process that made them, and the node.
PREFIX = "rclt"
# Nodes in one testbed: an address holds the number in two bytes, and each node is a process.
NODES_MAX = 1_000
_START_TIMEOUT_S = 20.0
_RUN = Path("/run/netns")


class WiresFailed(RacletteError):
    """The system refused what emulated wires need. Says what."""


def why_not() -> str:
    """What is missing for namespaces here; empty if nothing seems to be."""
    if not sys.platform.startswith("linux"):
        return "network namespaces need Linux"
    if shutil.which("ip") is None:
        return "the program `ip` (iproute2) is not installed"
    if os.geteuid() != 0:
        return "making network namespaces needs root"
    return "" if os.access("/dev/net/tun", os.R_OK | os.W_OK) else "/dev/net/tun cannot be opened"


class Namespaces:
    """Made by `open_namespaces`; see `wires.Wires`."""

    name = "namespaces"
    emulates = True

    def __init__(self, nodes: int) -> None:
        if not 1 <= nodes <= NODES_MAX:
            raise ConfigError(f"nodes: {nodes}; accepted on a testbed are 1 to {NODES_MAX}")
        self.nodes = nodes
        self._tag = f"{PREFIX}{os.getpid()}"
        # A private network of its own for each process that makes testbeds.
        self._net = f"10.{64 + os.getpid() % 128}"
        self._emulator: asyncio.subprocess.Process | None = None

    def address(self, node: int) -> str:
        return f"{self._net}.255.254" if node == CONTROL else f"{self._net}.{node // 250}.{node % 250 + 1}"

    def prefix(self, node: int) -> list[str]:
        return [] if node == CONTROL else ["ip", "netns", "exec", self._space(node)]

    def make_node(self, index: int, name: str, folder: Path, seed: bytes) -> "LocalNode | None":
        return None

    def _space(self, node: int) -> str:
        return f"{self._tag}-{node}"

    def _device(self, node: int) -> str:
        return f"{self._tag}c" if node == CONTROL else f"{self._tag}t{node}"

    async def open(self, network: NetworkSpec, seed: int) -> None:
        """Start the emulator and give every node its end. Raises WiresFailed; then nothing is left behind."""
        await remove_stale()
        everybody = [CONTROL, *range(self.nodes)]
        setup = {
            "devices": {node: self._device(node) for node in everybody},
            "addresses": {self.address(node): node for node in everybody},
            "network": asdict(network),
            "nodes": self.nodes,
            "seed": seed,
        }
        try:
            await self._start_emulator(setup)
            await _ip_batch("", [f"netns add {self._space(node)}" for node in range(self.nodes)])
            moves = [f"link set {self._device(node)} netns {self._space(node)}" for node in range(self.nodes)]
            await _ip_batch("", moves)
            for node in everybody:
                space = "" if node == CONTROL else self._space(node)
                await _ip_batch(space, self._end(node))
        except BaseException:
            await self.close()
            raise

    def _end(self, node: int) -> list[str]:
        device = self._device(node)
        lines = [
            f"address add {self.address(node)}/32 dev {device}",
            f"link set {device} mtu {MTU_BYTES} up",
            f"route add {self._net}.0.0/16 dev {device} src {self.address(node)}",
        ]
        return lines if node == CONTROL else ["link set lo up", *lines]

    async def _start_emulator(self, setup: Mapping[str, Any]) -> None:
        self._emulator = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "raclette.cli.testbed.emulator",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        await self._ask(setup)

    async def _ask(self, words: Mapping[str, Any]) -> dict[str, Any]:
        emulator = self._emulator
        if emulator is None or emulator.stdin is None or emulator.stdout is None or emulator.stderr is None:
            raise WiresFailed("the emulator does not run")
        emulator.stdin.write(json.dumps(words).encode() + b"\n")
        with suppress(ConnectionError):
            await emulator.stdin.drain()
        line = await asyncio.wait_for(emulator.stdout.readline(), _START_TIMEOUT_S)
        if not line:
            said = (await emulator.stderr.read()).decode(errors="replace").strip().splitlines()
            raise WiresFailed(f"the emulator ended: {said[-1] if said else 'without a word'}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def command(self, words: dict[str, Any]) -> dict[str, Any]:
        return await self._ask(words)

    async def close(self) -> None:
        if self._emulator is not None:
            if self._emulator.returncode is None:
                self._emulator.kill()
            await self._emulator.wait()
            self._emulator = None
        for node in range(self.nodes):
            if (_RUN / self._space(node)).exists():
                await _ip_batch("", [f"netns delete {self._space(node)}"])


async def open_namespaces(nodes: int, network: NetworkSpec, seed: int) -> Namespaces:
    """Namespaces for that many nodes, with the delays of `network`. Raises WiresFailed, ConfigError."""
    wires = Namespaces(nodes)
    await wires.open(network, seed)
    return wires


async def _ip_batch(space: str, lines: list[str]) -> None:
    """Run `ip` with these lines, in a namespace if one is named. Raises WiresFailed that repeats what it said."""
    words = ["ip", *(["-n", space] if space else []), "-batch", "-"]
    process = await asyncio.create_subprocess_exec(
        *words, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate("".join(f"{line}\n" for line in lines).encode())
    if process.returncode:
        raise WiresFailed(f"ip refused: {said.decode(errors='replace').strip().splitlines()[0]}")


async def remove_stale() -> None:
    """Namespaces of testbeds whose process is gone."""
    if not _RUN.is_dir():
        return
    for space in sorted(_RUN.iterdir()):
        found = re.fullmatch(rf"{PREFIX}(\d+)-\d+", space.name)
        if found and not Path(f"/proc/{found[1]}").exists():
            await _ip_batch("", [f"netns delete {space.name}"])


def network_from_json(data: Mapping[str, Any]) -> NetworkSpec:
    """What `dataclasses.asdict` made of a `NetworkSpec`, after a trip through JSON."""
    table = data["table"]
    if table is not None:
        table = RegionTable(**{key: _tuples(value) for key, value in table.items()})
    return NetworkSpec(**{**data, "table": table, "counts": tuple(data["counts"])})


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
