"""Whatever an operator gets wrong: one line says what and where, and the exit code says of which kind it is."""

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from raclette.cli.network import LocalNetwork, LocalNode, NetworkPlan
from raclette.cli.output import OK, STORE, USAGE
from raclette.ledgers.bank.samples import sample_transfers
from raclette.primitives.hashing import keccak256

pytestmark = pytest.mark.live

ENDS_WITHIN_S = 20
# A line of the event log on standard error begins with its time.
LOG_LINE = "20"


class Ground:
    """The folder of a network of one node with 60 transfers behind it, stopped; `killed` is its database as SIGKILL
    left it, `stopped` as an orderly end did."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.network = LocalNetwork(NetworkPlan(folder, nodes=1, accounts=20))
        self.node: LocalNode = self.network.nodes[0]
        self.genesis = folder / "genesis.json"
        self.database = self.node.folder / "db"
        self.killed, self.stopped = folder / "killed", folder / "stopped"
        quiet(self.config)
        quiet(folder / "tracker" / "tracker.toml")
        asyncio.run(self._live())

    @property
    def config(self) -> Path:
        return self.node.folder / "node.toml"

    async def _live(self) -> None:
        raws = ["0x" + raw.hex() for raw in sample_transfers(60, 1, self.network.genesis.chain_id, accounts=20)]
        async with self.network:
            await self.node.client.call("raclette_sendRawTransactions", raws)
            name = "0x" + keccak256(bytes.fromhex(raws[-1][2:])).hex()
            while await self.node.client.call("eth_getTransactionReceipt", name) is None:
                await asyncio.sleep(0.02)
            await self.node.kill()
            shutil.copytree(self.database, self.killed)
            await self.node.start()
        shutil.copytree(self.database, self.stopped)


def quiet(path: Path) -> None:
    path.write_text(path.read_text().replace('level = "info"', 'level = "error"'))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    return Ground(tmp_path_factory.mktemp("tour"))


@pytest.fixture
def ground(prepared: Ground) -> Iterator[Ground]:
    """Everything as it was, after each test."""
    kept = {path: path.read_bytes() for path in (prepared.config, prepared.genesis, prepared.node.folder / "node.key")}
    yield prepared
    for path, content in kept.items():
        if path.is_dir():
            path.rmdir()
        path.write_bytes(content)
    (prepared.node.folder / "node.key").chmod(0o600)
    use(prepared, prepared.stopped)


def use(ground: Ground, database: Path) -> None:
    shutil.rmtree(ground.database, ignore_errors=True)
    shutil.copytree(database, ground.database)


def run(*words: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RACLETTE_")}
    return subprocess.run(
        [sys.executable, "-m", "raclette", *words],
        capture_output=True,
        text=True,
        timeout=ENDS_WITHIN_S,
        env=environment | {"COLUMNS": "80"},
    )


def complaint(code: int, *words: str) -> str:
    """The one line for the operator; beside it there are only lines of the event log."""
    done = run(*words)
    assert done.returncode == code, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if not line.startswith(LOG_LINE)]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    return lines[0].removeprefix("error: ")


def start(ground: Ground, code: int) -> str:
    """What the node says instead of starting."""
    return complaint(code, "node", "--config", str(ground.config))


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


# Configuration


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("active = true", "aktive = true", 'node.aktive: unknown key; did you mean "active"? accepted: account_key, '),
        ("active = true", 'active = "perhaps"', "node.active: "),
        ("[rpc]", "[rcp]", 'rcp: unknown key; did you mean "rpc"? accepted: faucet, limits, log, '),
        ('level = "error"', 'level = "loud"', "log.level: "),
        ("[node]", "[node", "not TOML: "),
        ('beneficiary = "0x', 'beneficiary = "0y', "node.beneficiary: "),
        ('tracker = "', 'tracker = "nobody', "network.tracker: "),
    ],
)
def test_a_mistake_in_the_configuration_is_named_with_its_path(ground: Ground, old: str, new: str, says: str) -> None:
    change(ground.config, old, new)
    assert start(ground, USAGE).startswith(f"{ground.config}: {says}")


def test_a_configuration_that_is_not_there() -> None:
    assert (
        complaint(USAGE, "node", "--config", "nowhere.toml")
        == "nowhere.toml: cannot be read: No such file or directory"
    )


@pytest.mark.parametrize("key", ["network.listen", "rpc.listen", "metrics.listen"])
def test_a_port_in_use_is_named_with_its_key(ground: Ground, key: str) -> None:
    section = key.partition(".")[0]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        here = f"127.0.0.1:{taken.getsockname()[1]}"
        node = ground.node
        port = {"network": node.port, "rpc": node.rpc_port, "metrics": node.metrics_port}[section]
        change(ground.config, f'listen = "127.0.0.1:{port}"', f'listen = "{here}"')
        assert start(ground, USAGE) == f"{key}: cannot listen on {here}: Address already in use"


def test_a_trackers_port_in_use(ground: Ground) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # links of a moment ago may linger
        taken.bind(("127.0.0.1", ground.network.tracker_port))
        taken.listen()
        told = complaint(USAGE, "tracker", "--config", str(ground.folder / "tracker" / "tracker.toml"))
    assert told == f"network.listen: cannot listen on 127.0.0.1:{ground.network.tracker_port}: Address already in use"


# Keys


def public(path: Path) -> None:
    path.chmod(0o644)


def garbage(path: Path) -> None:
    path.write_text("garbage")


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (public, "mode 0644 lets others read it; accepted: 0600 (chmod 600 {path})"),
        (garbage, "not a private key in PEM"),
        (folder, "cannot be read: Is a directory"),
    ],
)
def test_a_key_file_that_cannot_be_used(ground: Ground, damage: Callable[[Path], None], says: str) -> None:
    path = ground.node.folder / "node.key"
    damage(path)
    assert start(ground, USAGE) == f"key file {path}: {says.format(path=path)}"


def test_a_key_file_where_none_can_be_made(ground: Ground) -> None:
    change(ground.config, "[network]", 'key_file = "/proc/nowhere/node.key"\n[network]')
    assert start(ground, USAGE) == "key file /proc/nowhere/node.key: cannot be made: No such file or directory"


# Genesis


def edit(change_it: Callable[[Any], object]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        content = json.loads(path.read_text())
        change_it(content)
        path.write_text(json.dumps(content))

    return damage


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda path: path.unlink(), "cannot be read: No such file or directory"),
        (lambda path: path.write_bytes(bytes(range(256))), "cannot be read: 'utf-8' codec can't decode"),
        (lambda path: path.write_text("{"), "genesis is not JSON: "),
        (lambda path: path.write_text("[]"), "genesis is not a JSON object"),
        (edit(lambda file: file.pop("config")), "config"),
        (
            edit(lambda file: file["config"]["protocol"].update(name="raft")),
            "config.protocol.name: unknown protocol 'raft'; accepted: nakamoto, pbft",
        ),
        (
            edit(lambda file: file["config"]["protocol"].update(view_timeout_ms=-5)),
            "config.protocol.view_timeout_ms: -5 cannot be used; ",
        ),
        (
            edit(lambda file: file["config"]["protocol"].update(timeout=5)),
            "config.protocol.timeout: unknown key; accepted: validators, ",
        ),
        (edit(lambda file: file["config"].update(ledger="casino")), "config.ledger.name is 'casino'; accepted: bank"),
        (edit(lambda file: file["alloc"].update({"0x12": {"balance": "1"}})), "alloc"),
    ],
)
def test_a_genesis_that_cannot_be_used(ground: Ground, damage: Callable[[Path], None], says: str) -> None:
    damage(ground.genesis)
    assert start(ground, USAGE).startswith(f"genesis file {ground.genesis}: {says}")


# Databases


def test_the_database_of_another_chain(ground: Ground) -> None:
    edit(lambda file: file["config"].update(chainId=4711))(ground.genesis)
    assert start(ground, STORE).startswith(f"{ground.database}: holds chain ")
    edit(lambda file: file["config"].update(chainId=ground.network.genesis.chain_id))(ground.genesis)
    edit(lambda file: file["config"]["protocol"].update(batch_delay_ms=77))(ground.genesis)
    assert start(ground, STORE).startswith(f"{ground.database}: holds a chain with genesis ")


def test_a_database_that_somebody_else_has_open(ground: Ground) -> None:
    code = "import sys; from raclette.store.rocks import RocksStore; s = RocksStore(sys.argv[1]); print(); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(ground.database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert start(ground, STORE) == f"{ground.database}: in use by another process (or twice by this one)"
        other.communicate(b"\n")


def test_a_data_directory_that_cannot_be_made(ground: Ground) -> None:
    change(ground.config, f'data_dir = "{ground.node.folder}"', 'data_dir = "/proc/nowhere"')
    assert start(ground, USAGE) == "data directory /proc/nowhere: cannot be made: No such file or directory"


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 0x55
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["MANIFEST-*", "CURRENT", "*.log"])
def test_a_damaged_file_keeps_the_node_from_starting(ground: Ground, name: str) -> None:
    use(ground, ground.killed)
    path = max(ground.database.glob(name), key=lambda found: found.stat().st_size)
    flip(path, path.stat().st_size // 2)
    told = start(ground, STORE)
    assert told.startswith(f"{ground.database}: Corruption: ")
    assert complaint(STORE, "db", "check", str(ground.node.folder)) == told


def test_a_flipped_byte_in_any_table_is_found_and_named(ground: Ground) -> None:
    """A node reads what it needs when it needs it, so it may even start; `db check` reads everything."""
    tables = sorted(ground.stopped.glob("*.sst"))
    assert len(tables) >= 8
    for path in tables[:: max(1, len(tables) // 6)]:
        use(ground, ground.stopped)
        flip(ground.database / path.name, 30)
        done = run("db", "check", str(ground.node.folder), "--json")
        assert done.returncode == STORE
        told = done.stderr + "".join(json.loads(done.stdout)["problems"]) if done.stdout else done.stderr
        assert "Traceback" not in told
        assert f"{ground.database}, table " in told
        assert path.name in told


@pytest.mark.parametrize("table", ["consensus", "outbox", "meta"])
def test_damage_that_a_starting_node_meets_stops_it_with_one_line(ground: Ground, table: str) -> None:
    """The records of votes and promises, without which it must not go on: nothing is guessed."""
    file = next(path.name for path in ground.stopped.glob("*.sst") if table.encode() in path.read_bytes())
    use(ground, ground.stopped)
    flip(ground.database / file, 30)
    told = start(ground, STORE)
    assert told.startswith(f"{ground.database}, table {table}")
    assert "Corruption: " in told
    assert file in told


def test_and_with_nothing_wrong_the_database_is_whole(ground: Ground) -> None:
    for database in (ground.killed, ground.stopped):
        use(ground, database)
        done = run("db", "check", str(ground.node.folder), "--json")
        assert done.returncode == OK
        assert json.loads(done.stdout)["chain_verified"] is True
