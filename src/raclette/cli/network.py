"""A network of real processes on this machine: for `up`, `demo`, `bench live` and the tests.

Every node gets a folder with its key, configuration, database and log; the tracker likewise. What a person can start by
hand with `raclette node --config …` is exactly what is started here.
"""

import asyncio
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any

from raclette.chain.genesis import CHAIN_ID_DEFAULT, Genesis, even_alloc
from raclette.chain.presets import SAMPLE_BALANCE
from raclette.chain.roll import with_nodes
from raclette.cli.client import RpcClient, wait_until_ready
from raclette.cli.ports import free_port
from raclette.cli.testbed.wires import Loopback, Wires
from raclette.live.faucet.keys import load_or_create_account_key
from raclette.live.keyfile import load_or_create_key
from raclette.live.tracker.policy import NeighbourPolicy
from raclette.primitives.errors import RacletteError
from raclette.primitives.hashing import sha256
from raclette.primitives.keys import checksum_address
from raclette.primitives.signing import Ed25519Signer
from raclette.primitives.units import ETHER
from raclette.protocols import find_protocol

# The tracker, and whoever asks the nodes, as `wires` number them.
CONTROL = -1
# A process that does not answer within this did not start; its log says why.
START_TIMEOUT_S = 30.0
# A process that does not end within this after SIGTERM is killed.
STOP_TIMEOUT_S = 10.0
LOG_LINES_SHOWN = 15
# Expected hashes of a block at first: about a second's work of one core; the difficulty rule adjusts it.
LOCAL_DIFFICULTY = 1 << 24
LOCAL_INTERVAL_S = 1


class ProcessFailed(RacletteError):
    """A node or the tracker did not start, or died. Carries the end of its log."""


@dataclass(frozen=True)
class NetworkPlan:
    """What to start. `nodes` take part from the beginning, the last `observers` of them without a vote; `late` ones
    have keys and folders but start when asked. `parameters` (the protocol's), `ledger_parameters` and `alloc` go
    to genesis; without `alloc` it has `accounts` sample accounts."""

    folder: Path
    nodes: int = 4
    late: int = 0
    protocol: str = "pbft"
    ledger: str = "bank"
    accounts: int = 1_000
    parameters: Mapping[str, Any] = field(default_factory=dict)
    ledger_parameters: Mapping[str, Any] = field(default_factory=dict)
    chain_id: int = CHAIN_ID_DEFAULT
    observers: int = 0
    alloc: Mapping[str, Any] = field(default_factory=dict)
    wires: Wires = field(default_factory=Loopback)
    # Whom a newcomer is told to link with: "all", "third" or "fanout:N".
    neighbours: str = "all"
    # Coins of an account from which the first node funds newcomers; 0: no faucet.
    faucet: int = 0


class LocalProcess:
    """One child process with a log file."""

    def __init__(self, name: str, folder: Path, arguments: list[str], prefix: Sequence[str] = ()) -> None:
        """`prefix`: words in front of the command, such as those that enter a network namespace."""
        self.name = name
        self.folder = folder
        self.log = folder / "log"
        self._arguments = arguments
        self._prefix = prefix
        self._process: asyncio.subprocess.Process | None = None
        self._cpu_before = 0.0

    @property
    def running(self) -> bool:
        """Started, and not ended."""
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int:
        """Of the running process."""
        if self._process is None:
            raise ProcessFailed(f"{self.name} was never started")
        return self._process.pid

    async def spawn(self) -> None:
        """Start it."""
        environment = os.environ | {"PYTHONUNBUFFERED": "1"}
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._prefix,
                sys.executable,
                "-m",
                "raclette",
                *self._arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )

    async def suspend(self) -> None:
        """SIGSTOP: it stands still with all its links until `resume`."""
        self._tell(signal.SIGSTOP)

    async def resume(self) -> None:
        """SIGCONT."""
        self._tell(signal.SIGCONT)

    def _tell(self, number: int) -> None:
        if self._process is not None and self.running:
            self._process.send_signal(number)

    async def kill(self) -> None:
        """SIGKILL: no goodbye, no flush."""
        self._cpu_before += self.cpu_seconds(alone=True)
        await self._signal(signal.SIGKILL)

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL if that does not help."""
        try:
            await asyncio.wait_for(self._signal(signal.SIGTERM), STOP_TIMEOUT_S)
        except TimeoutError:
            await self._signal(signal.SIGKILL)

    async def _signal(self, number: int) -> None:
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)
            await self._process.wait()

    def check(self) -> None:
        """Raise ProcessFailed if it has ended."""
        if self._process is not None and self._process.returncode is not None:
            words = self.last_words()
            reason = [line for line in words.splitlines() if line.startswith("error: ")][-1:]
            told = reason[0].removeprefix("error: ") if reason else f"the end of {self.log}:\n{words}"
            raise ProcessFailed(f"{self.name} ended with {self._process.returncode}: {told}")

    def last_words(self) -> str:
        """The end of its log."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(lines[-LOG_LINES_SHOWN:])

    def cpu_seconds(self, *, alone: bool = False) -> float:
        """User and system time so far, of earlier lives too. 0 where the system does not tell (no /proc)."""
        before = 0.0 if alone else self._cpu_before
        if not self.running:
            return before
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return before
        return before + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class LocalNode(LocalProcess):
    """A node with its ports and RPC client."""

    def __init__(self, name: str, folder: Path, seed: bytes, host: str, prefix: Sequence[str] = ()) -> None:
        super().__init__(name, folder, ["node", "--config", str(folder / "node.toml")], prefix)
        self.host = self.listen_host = host
        # Where the process finds its own files, and listens for clients: here, unless it runs on another machine.
        self.home: PurePath = folder
        self.local_host = host
        self.seed = seed
        self.node_id = Ed25519Signer(seed).public_key
        self.beneficiary = "0x" + sha256(b"raclette beneficiary" + self.node_id)[:20].hex()
        self.port = free_port()
        self.rpc_port = free_port()
        self.metrics_port = free_port()
        self.rpc_url = f"http://{host}:{self.rpc_port}"
        self.metrics_url = f"http://{host}:{self.metrics_port}"
        self.client = RpcClient(self.rpc_url)

    async def wipe(self) -> None:
        """An empty disk, but for key, configuration and log. Only while it does not run."""
        shutil.rmtree(self.folder / "db", ignore_errors=True)

    async def start(self) -> None:
        """Start it and wait until it answers. Raises ProcessFailed."""
        await self.spawn()
        await wait_until_ready(self.client, seconds=START_TIMEOUT_S, check=self.check)


class LocalNetwork:
    """Tracker and nodes as processes. An async context manager: enters when all answer, leaves with all stopped."""

    def __init__(self, plan: NetworkPlan) -> None:
        plan = self.plan = replace(plan, folder=plan.folder.resolve())
        find_protocol(plan.protocol)
        NeighbourPolicy.parse(plan.neighbours)
        plan.folder.mkdir(parents=True, exist_ok=True)
        self.members = [self._member(index) for index in range(plan.nodes + plan.late)]
        self.genesis = self._make_genesis()
        self.genesis_file = plan.folder / "genesis.json"
        self.genesis_file.write_text(json.dumps(self.genesis.to_json(), indent=1))
        folder = plan.folder / "tracker"
        folder.mkdir(exist_ok=True)
        self.tracker_id = Ed25519Signer(load_or_create_key(folder / "tracker.key")).public_key
        self.tracker_port = free_port()
        self.tracker = LocalProcess("tracker", folder, ["tracker", "--config", str(folder / "tracker.toml")])
        self._write_tracker_config(folder)
        for node in self.members:
            self._write_node_config(node)

    @property
    def nodes(self) -> list[LocalNode]:
        """Those from the beginning."""
        return self.members[: self.plan.nodes]

    async def __aenter__(self) -> "LocalNetwork":
        try:
            await self.tracker.spawn()
            await asyncio.gather(*(node.start() for node in self.nodes))
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Everything, gracefully."""
        await asyncio.gather(*(node.client.close() for node in self.members))
        processes = (*self.members, self.tracker)
        found = await asyncio.gather(*(process.stop() for process in processes), return_exceptions=True)
        for error in found:
            if isinstance(error, BaseException):
                raise error

    def check(self) -> None:
        """Raise ProcessFailed if a process has ended that should not have."""
        self.tracker.check()
        for node in self.members:
            node.check()

    def cpu_seconds(self) -> float:
        """Of all nodes together."""
        return sum(node.cpu_seconds() for node in self.members)

    # Files

    def _member(self, index: int) -> LocalNode:
        name = f"node-{index}"
        folder = self.plan.folder / name
        folder.mkdir(exist_ok=True)
        wires = self.plan.wires
        seed = load_or_create_key(folder / "node.key")
        return wires.make_node(index, name, folder, seed) or LocalNode(
            name, folder, seed, wires.address(index), wires.prefix(index)
        )

    def _make_genesis(self) -> Genesis:
        plan = self.plan
        parameters = dict(plan.parameters)
        alloc = dict(plan.alloc) or even_alloc(plan.accounts, SAMPLE_BALANCE)
        if "validators" in find_protocol(plan.protocol).parameters.model_fields:
            first = parameters.get("validators")
            members = self._voters[:first] if isinstance(first, int) else self._voters
            parameters["validators"] = ["0x" + node_id.hex() for node_id in members]
        if find_protocol(plan.protocol).seals:
            parameters = {"initial_difficulty": LOCAL_DIFFICULTY, "block_interval_s": LOCAL_INTERVAL_S, **parameters}
        if plan.faucet:
            faucet = load_or_create_account_key(self._faucet_file).address
            alloc[checksum_address(faucet)] = {"balance": str(plan.faucet * ETHER)}
        return Genesis(
            protocol=plan.protocol,
            ledger=plan.ledger,
            chain_id=plan.chain_id,
            protocol_parameters=parameters,
            ledger_parameters=dict(plan.ledger_parameters),
            alloc=with_nodes(alloc, self._voters) if find_protocol(plan.protocol).enrolls else alloc,
            timestamp=int(time.time()),  # difficulty rules count from here: a genesis of long ago starts far too easy
        )

    @property
    def _faucet_file(self) -> Path:
        return self.plan.folder / "faucet.key"

    @property
    def _voters(self) -> list[bytes]:
        return [node.node_id for node in self.nodes if self._is_active(node)]

    def _is_active(self, node: LocalNode) -> bool:
        return node in self.members[: self.plan.nodes - self.plan.observers] + self.members[self.plan.nodes :]

    def _write_tracker_config(self, folder: Path) -> None:
        write_toml(
            folder / "tracker.toml",
            {
                "tracker": {
                    "data_dir": str(folder),
                    "genesis": str(self.genesis_file),
                    "neighbours": self.plan.neighbours,
                },
                "network": {"listen": f"{self.plan.wires.address(CONTROL)}:{self.tracker_port}"},
                "log": {"level": "info"},
            },
        )

    def _write_node_config(self, node: LocalNode) -> None:
        write_toml(
            node.folder / "node.toml",
            {
                "node": {
                    "name": node.name,
                    "data_dir": str(node.home),
                    "genesis": str(node.home.parent / self.genesis_file.name),
                    "beneficiary": node.beneficiary,
                    "active": self._is_active(node),
                },
                "network": {
                    "listen": f"{node.listen_host}:{node.port}",
                    "advertise": f"{node.host}:{node.port}",
                    "tracker": f"{self.tracker_id.hex()}@{self.plan.wires.address(CONTROL)}:{self.tracker_port}",
                },
                "rpc": {"listen": f"{node.local_host}:{node.rpc_port}"},
                # One node pays: two that sign with one key would use each nonce twice.
                "faucet": {"key_file": str(self._faucet_file)} if self.plan.faucet and node is self.members[0] else {},
                "metrics": {"listen": f"{node.local_host}:{node.metrics_port}"},
                "log": {"level": "info"},
            },
        )


def write_toml(path: Path, sections: Mapping[str, Mapping[str, Any]]) -> None:
    """A flat TOML file. Strings, numbers and booleans are written as in JSON, which TOML reads alike."""
    lines: list[str] = []
    for section, values in sections.items():
        lines.append(f"[{section}]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
        lines.append("")
    path.write_text("\n".join(lines))
