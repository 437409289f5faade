"""Nodes on other machines, by SSH: started, killed, stopped and asked through it, with nothing to install but Raclette.

An inventory is a TOML file: `control`, the address under which the hosts reach this machine (the tracker runs here),
and a table for each host. Clients' ports are not opened to the network: they come through SSH. Delays are those of the
network that is there; partitions and loss are not made.
"""

import asyncio
import shlex
import tomllib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from raclette.cli.network import STOP_TIMEOUT_S, LocalNode, ProcessFailed
from raclette.cli.testbed.wires import LOOPBACK
from raclette.primitives.errors import ConfigError

SSH = ("ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ExitOnForwardFailure=yes")
# A word over SSH (a kill, a copy) that takes longer has lost its host.
WORD_TIMEOUT_S = 30.0


class Host(BaseModel):
    """One machine. `ssh` as on the command line; `address` is where the other hosts reach it; `raclette` the program
    there; `slots` how many nodes it takes."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    ssh: str = Field(min_length=1, pattern="^[^-]")
    address: str = Field(min_length=1)
    raclette: str = "raclette"
    folder: str = "/tmp/raclette-testbed"
    first_port: int = Field(default=17_100, ge=1_024, le=60_000)
    slots: int = Field(default=1, ge=1, le=1_000)


class Inventory(BaseModel):
    """The file."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    control: str = Field(min_length=1)
    hosts: tuple[Host, ...] = Field(min_length=1)


def read_inventory(path: Path) -> Inventory:
    """Raises ConfigError that names the file and the key."""
    try:
        return Inventory.model_validate(tomllib.loads(path.read_text()))
    except OSError as error:
        raise ConfigError(f"--hosts {path}: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"--hosts {path}: {error}") from None
    except ValidationError as error:
        detail = error.errors()[0]
        where = ".".join(map(str, detail["loc"]))
        raise ConfigError(f"--hosts {path}: {where}: {detail['msg']}") from None


class RemoteNode(LocalNode):
    """A node that an SSH session holds; signals go by a session of their own."""

    def __init__(self, name: str, folder: Path, seed: bytes, host: Host, port: int) -> None:
        super().__init__(name, folder, seed, host.address)
        self._host = host
        self._copied = False
        self.home = PurePosixPath(host.folder) / name
        self.listen_host, self.local_host = "0.0.0.0", LOOPBACK
        tunnels = {"rpc": (self.rpc_port, port + 1), "metrics": (self.metrics_port, port + 2)}
        self.rpc_url = f"http://{LOOPBACK}:{self.rpc_port}"
        self.metrics_url = f"http://{LOOPBACK}:{self.metrics_port}"
        self.client.url = self.rpc_url
        self.port, self.rpc_port, self.metrics_port = port, port + 1, port + 2
        self._forward = [word for near, far in tunnels.values() for word in ("-L", f"{near}:{LOOPBACK}:{far}")]

    async def spawn(self) -> None:
        """Copy its files the first time; then a session in which it runs."""
        if not self._copied:
            await self._copy()
        home = shlex.quote(str(self.home))
        start = f"cd {home} && echo $$ > pid && exec {shlex.quote(self._host.raclette)} node --config node.toml"
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *SSH, *self._forward, self._host.ssh, start,
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    async def _copy(self) -> None:
        home, genesis = shlex.quote(str(self.home)), self.folder.parent / "genesis.json"
        await self.word(f"rm -rf {home} && mkdir -p -m 700 {home}")
        for path, name in ((self.folder / "node.key", "node.key"), (self.folder / "node.toml", "node.toml")):
            await self.word(f"umask 077 && cat > {home}/{name}", path.read_bytes())
        await self.word(f"cat > {home}/../genesis.json", genesis.read_bytes())
        self._copied = True

    async def word(self, command: str, content: bytes = b"") -> None:
        """Run one command there. Raises ProcessFailed that repeats what it said."""
        process = await asyncio.create_subprocess_exec(
            *SSH, self._host.ssh, command,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        try:
            said, _ = await asyncio.wait_for(process.communicate(content), WORD_TIMEOUT_S)
        except TimeoutError:
            process.kill()
            raise ProcessFailed(f"{self._host.ssh} did not answer within {WORD_TIMEOUT_S:.0f} s") from None
        if process.returncode:
            words = said.decode(errors="replace").strip().splitlines()
            raise ProcessFailed(f"{self._host.ssh}: {words[-1] if words else f'ended with {process.returncode}'}")

    async def _there(self, signal_name: str) -> None:
        if self.running:
            await self.word(f"kill -{signal_name} $(cat {shlex.quote(str(self.home))}/pid)")

    async def kill(self) -> None:
        """SIGKILL, over there."""
        await self._end("KILL")

    async def stop(self) -> None:
        """SIGTERM, over there."""
        await self._end("TERM")

    async def _end(self, signal_name: str) -> None:
        """Signal it, and return when it is gone; then end the session, which would wait for its tunnels."""
        if self._process is None or not self.running:
            return
        pid = f"$(cat {shlex.quote(str(self.home))}/pid)"
        # A zombie is gone, too: its session waits for the tunnels before it buries it.
        look = 'case "$(ps -o state= -p $p)" in ""|Z*) exit 0;; esac'
        gone = f"for i in $(seq {10 * int(STOP_TIMEOUT_S)}); do {look}; sleep 0.1; done"
        await self.word(f"p={pid}; kill -{signal_name} $p; {gone}; kill -KILL $p")
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    async def suspend(self) -> None:
        await self._there("STOP")

    async def resume(self) -> None:
        await self._there("CONT")

    async def wipe(self) -> None:
        await self.word(f"rm -rf {shlex.quote(str(self.home))}/db")

    def cpu_seconds(self, *, alone: bool = False) -> float:
        """Not known from here."""
        return 0.0


class Hosts:
    """Wires of real machines: see `wires.Wires`."""

    name = "ssh"
    emulates = False

    def __init__(self, inventory: Inventory, nodes: int) -> None:
        self._inventory = inventory
        self._places = place_nodes(inventory.hosts, nodes)

    def address(self, node: int) -> str:
        return self._inventory.control if node < 0 else self._places[node][0].address

    def prefix(self, node: int) -> list[str]:
        return []

    def make_node(self, index: int, name: str, folder: Path, seed: bytes) -> LocalNode | None:
        host, port = self._places[index]
        return RemoteNode(name, folder, seed, host, port)

    async def command(self, words: dict[str, Any]) -> dict[str, Any]:
        """Does nothing: callers ask `emulates` first."""
        return {}

    async def close(self) -> None:
        """Nothing to take down: nodes end with their network."""


def place_nodes(hosts: Sequence[Host], nodes: int) -> list[tuple[Host, int]]:
    """A host and a first port for each node, one turn after another as long as there are slots. Raises ConfigError."""
    room = sum(host.slots for host in hosts)
    if room < nodes:
        raise ConfigError(f"hosts: {room} slots for {nodes} nodes; accepted are at least {nodes}")
    places: list[tuple[Host, int]] = []
    turn = 0
    while len(places) < nodes:
        places += [(host, host.first_port + 3 * turn) for host in hosts if turn < host.slots][: nodes - len(places)]
        turn += 1
    return places
