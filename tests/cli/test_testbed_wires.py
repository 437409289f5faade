"""The emulator carries packets as the scenario's network model says; an inventory is read with care."""

import asyncio
import re
import socket
import struct
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from raclette.cli.testbed.command import _open
from raclette.cli.testbed.emulator import CONTROL, Emulator
from raclette.cli.testbed.namespaces import Namespaces, network_from_json, open_namespaces, why_not
from raclette.cli.testbed.remote import Host, place_nodes, read_inventory
from raclette.cli.testbed.wires import Loopback
from raclette.primitives.errors import ConfigError
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.sim.config import SimConfig
from raclette.sim.models import NetworkSpec, internet_2019, make_model

NODES = 3


class Bench:
    """An emulator whose devices are socket pairs; the test holds the other ends."""

    def __init__(self, latency: int = 0, bits_per_s: int = 0) -> None:
        self.ends: dict[int, socket.socket] = {}
        devices: dict[int, int] = {}
        self._kept = []
        for node in (CONTROL, *range(NODES)):
            inner, outer = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
            inner.setblocking(False)
            outer.setblocking(False)
            devices[node], self.ends[node] = inner.fileno(), outer
            self._kept.append(inner)
        model = make_model(NetworkSpec("constant", latency, 0, bits_per_s), NODES, 1)
        self.emulator = Emulator(devices, {address(node): node for node in devices}, model, seed=1)

    def send(self, sender: int, receiver: int, content: bytes = b"") -> None:
        self.ends[sender].send(packet(sender, receiver, content))

    async def receive(self, node: int) -> bytes:
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.ends[node], 65_535), 5)

    def heard(self, node: int) -> bool:
        try:
            return bool(self.ends[node].recv(65_535))
        except BlockingIOError:
            return False


def address(node: int) -> bytes:
    return bytes((10, 64, 0, node + 1 if node >= 0 else 254))


def packet(sender: int, receiver: int, content: bytes) -> bytes:
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(content), 0, 0, 64, 6, 0)
    return head + address(sender) + address(receiver) + content


def test_a_packet_arrives_after_the_latency_of_the_model_and_in_order() -> None:
    async def run() -> None:
        bench = Bench(latency=30 * MILLISECOND)
        bench.emulator.listen()
        start = time.monotonic()
        for number in range(5):
            bench.send(0, 1, bytes([number]))
        found = [await bench.receive(1) for _ in range(5)]
        assert time.monotonic() - start >= 0.03
        assert [each[20] for each in found] == [0, 1, 2, 3, 4]
        assert not bench.heard(2)
        assert bench.emulator.command({"do": "count"}) == {"bytes": 105, "packets": 5}

    asyncio.run(run())


def test_a_slow_uplink_sends_one_packet_after_another() -> None:
    async def run() -> None:
        bench = Bench(bits_per_s=80_000)  # 10 bytes a millisecond
        bench.emulator.listen()
        start = time.monotonic()
        bench.send(0, 1, bytes(180))
        bench.send(0, 2, bytes(180))
        await bench.receive(2)
        assert time.monotonic() - start >= 0.04

    asyncio.run(run())


def test_a_partition_shuts_one_way_until_it_is_undone_and_control_is_never_disturbed() -> None:
    async def run() -> None:
        bench = Bench()
        bench.emulator.listen()
        words = {"do": "shut", "pairs": [[0, 1]]}
        bench.emulator.command(words)
        bench.emulator.command({"do": "impair", "loss_ppm": 1_000_000, "duplicate_ppm": 0, "reorder_ppm": 0,
                                "late_ns": 1, "nodes": [2], "link": []})  # fmt: skip
        bench.send(0, 1, b"shut")
        bench.send(0, 2, b"lost")
        bench.send(1, 0, b"through")
        bench.send(CONTROL, 2, b"ask")
        assert (await bench.receive(0))[20:] == b"through"
        assert (await bench.receive(2))[20:] == b"ask"
        assert not bench.heard(1)
        bench.emulator.command(words | {"undo": True})
        bench.send(0, 1, b"open")
        assert (await bench.receive(1))[20:] == b"open"
        assert bench.emulator.counts["lost"] == 2

    asyncio.run(run())


def test_an_impaired_link_repeats_packets_and_a_slowed_one_is_late() -> None:
    async def run() -> None:
        bench = Bench()
        bench.emulator.listen()
        twice = {"do": "impair", "loss_ppm": 0, "duplicate_ppm": 1_000_000, "reorder_ppm": 0, "late_ns": 1_000}
        bench.emulator.command(twice | {"nodes": [], "link": [0, 1]})
        bench.emulator.command({"do": "slow", "a": 0, "b": 2, "extra": 20 * MILLISECOND})
        bench.send(0, 1, b"again")
        assert [(await bench.receive(1))[20:] for _ in range(2)] == [b"again", b"again"]
        start = time.monotonic()
        bench.send(0, 2, b"late")
        await bench.receive(2)
        assert time.monotonic() - start >= 0.02

    asyncio.run(run())


def test_what_is_no_packet_for_a_node_is_dropped() -> None:
    async def run() -> None:
        bench = Bench()
        bench.emulator.listen()
        for junk in (b"", b"\x45", bytes(40), packet(0, 99, b"")):
            bench.ends[0].send(junk)
        bench.send(0, 1, b"fine")
        assert (await bench.receive(1))[20:] == b"fine"
        assert bench.emulator.counts["packets"] == 1
        with pytest.raises(KeyError):
            bench.emulator.command({"do": "nothing"})

    asyncio.run(run())


def test_a_network_survives_its_trip_to_the_emulator() -> None:
    for spec in (NetworkSpec("wan"), NetworkSpec("regions", table=internet_2019(), counts=(1, 2, 0, 0, 0, 0))):
        assert network_from_json(asdict(spec)) == spec


def test_addresses_are_different_for_every_node() -> None:
    wires = Namespaces(1_000)
    found = {wires.address(node) for node in (CONTROL, *range(1_000))}
    assert len(found) == 1_001
    with pytest.raises(ConfigError, match="1 to 1000"):
        Namespaces(1_001)


@pytest.mark.parametrize(
    ("lacks", "said"),
    [
        ("", ""),
        ("linux", "need Linux"),
        ("ip", "`ip` .* is not installed"),
        ("root", "needs root"),
        ("tun", "/dev/net/tun"),
    ],
)
def test_what_namespaces_lack_is_named_and_nothing_else_keeps_them_away(
    lacks: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What decides whether the test below runs."""
    monkeypatch.setattr("sys.platform", "darwin" if lacks == "linux" else "linux")
    monkeypatch.setattr("shutil.which", lambda name: None if lacks == "ip" else f"/sbin/{name}")
    monkeypatch.setattr("os.geteuid", lambda: 1_000 if lacks == "root" else 0)
    monkeypatch.setattr("os.access", lambda path, mode: lacks != "tun")
    assert re.search(said, why_not()) if lacks else why_not() == ""
    if lacks:
        with pytest.raises(ConfigError, match=f"--wires namespaces: .*{said}"):
            asyncio.run(_open(SimConfig(), "namespaces", None, print))
        assert isinstance(asyncio.run(_open(SimConfig(), "auto", None, print)), Loopback)


@pytest.mark.live
@pytest.mark.skipif(bool(why_not()), reason=f"no namespaces here: {why_not()}")
def test_processes_in_namespaces_hear_each_other_only_through_the_emulator() -> None:
    program = (
        "import socket, sys, time\n"
        "s = socket.create_server((sys.argv[1], 9000)); print('up', flush=True)\n"
        "c, _ = s.accept(); c.sendall(c.recv(9))\n"
    )
    client = (
        "import socket, sys, time\n"
        "t = time.monotonic(); c = socket.create_connection((sys.argv[1], 9000), 5); c.sendall(b'x'); c.recv(9)\n"
        "print(time.monotonic() - t)\n"
    )

    async def start(wires: Namespaces, node: int, text: str, argument: str) -> asyncio.subprocess.Process:
        import sys

        words = [*wires.prefix(node), sys.executable, "-c", text, argument]
        return await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)

    async def run() -> None:
        wires = await open_namespaces(2, NetworkSpec("constant", 20 * MILLISECOND, 0, 0), 1)
        try:
            server = await start(wires, 1, program, wires.address(1))
            assert server.stdout is not None
            await server.stdout.readline()
            caller = await start(wires, 0, client, wires.address(1))
            said, _ = await asyncio.wait_for(caller.communicate(), 20)
            await asyncio.wait_for(server.wait(), 10)
            # A handshake and a question: two round trips of 40 ms.
            assert 0.08 <= float(said) < 2
            assert (await wires.command({"do": "count"}))["packets"] >= 5
        finally:
            await wires.close()
        assert not list(Path("/run/netns").glob(f"{wires._tag}-*"))

    asyncio.run(run())


INVENTORY = """
control = "10.0.0.1"
[[hosts]]
ssh = "alice@10.0.0.2"
address = "10.0.0.2"
slots = 2
[[hosts]]
ssh = "bob@10.0.0.3"
address = "10.0.0.3"
"""


def test_nodes_take_turns_over_the_hosts_as_long_as_there_are_slots(tmp_path: Path) -> None:
    path = tmp_path / "inventory.toml"
    path.write_text(INVENTORY)
    hosts = read_inventory(path).hosts
    places = [(host.address, port) for host, port in place_nodes(hosts, 3)]
    assert places == [("10.0.0.2", 17_100), ("10.0.0.3", 17_100), ("10.0.0.2", 17_103)]
    with pytest.raises(ConfigError, match="3 slots for 4 nodes"):
        place_nodes(hosts, 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("slots = 2", "slots = 0"), "hosts.0.slots"),
        (('ssh = "alice@10.0.0.2"', 'ssh = "-oProxyCommand=x"'), "hosts.0.ssh"),
        (('control = "10.0.0.1"', ""), "control"),
        (("[[hosts]]", "[[host]]"), "host"),
        (("control =", "control"), "inventory.toml"),
    ],
)
def test_a_wrong_inventory_is_told_by_file_and_key(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    path = tmp_path / "inventory.toml"
    path.write_text(INVENTORY.replace(*change))
    with pytest.raises(ConfigError, match=rf"inventory.toml.*{message}|{message}"):
        read_inventory(path)
    with pytest.raises(ConfigError, match="No such file"):
        read_inventory(tmp_path / "none.toml")


def test_a_host_needs_no_more_than_a_name_and_an_address() -> None:
    assert Host(ssh="me@h", address="h").first_port + 3 * 1_000 < 65_536
    assert SECOND > MILLISECOND
