"""Wires between real processes: a program that owns one TUN device for each node and carries their IP packets.

Each node lives in a network namespace whose only way out is its device. What the node sends comes here, waits as long
as the scenario's network model says (the very tables of the simulator: latency, jitter, bandwidth of the uplink), and
goes into the device of the receiver, unless it is lost or the way is shut. It needs no kernel module but TUN.

The kernel's netem does the same with more precision where it is there, but knows one delay a queue and no Pareto tables
of pairs; and a model that is shared with the simulator is what makes the two reports comparable. A packet is not a
frame: TCP sends a lost packet again, where the simulator's loss takes a whole frame.

Started by `namespaces.Namespaces` as `python -m raclette.cli.testbed.emulator`; commands are JSON lines on standard
input, one answer a line on standard output.
"""

import asyncio
import fcntl
import json
import os
import struct
import sys
import time
from collections import Counter
from collections.abc import Mapping
from heapq import heappop, heappush
from typing import Any

from raclette.primitives.randomness import draw64
from raclette.primitives.units import SECOND
from raclette.sim.models import NetworkModel, make_model
from raclette.sim.network import MILLION, Impairment, LinkFaults

_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
# Largest packet: above it the devices are told to split, so that a burst costs few system calls.
MTU_BYTES = 16_000
# Packets that wait at most; beyond it new ones are dropped, as a router's queue would.
QUEUE_MAX = 200_000
# The node number of whoever controls the nodes: its packets are neither delayed nor lost.
CONTROL = -1
_BITS_TO_NS = 8 * SECOND


def open_tun(name: str) -> int:
    """A new TUN device in this namespace; its descriptor, which does not block. Raises OSError."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


class Emulator:
    """Carries packets between `devices` (node number to descriptor) whose addresses are `addresses` (4 bytes to node
    number)."""

    def __init__(
        self, devices: Mapping[int, int], addresses: Mapping[bytes, int], model: NetworkModel, seed: int
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._devices = dict(devices)
        self._addresses = dict(addresses)
        self._model = model
        self._seed = seed
        self._waiting: list[tuple[int, int, int, bytes]] = []
        self._number = 0
        self._free_at: dict[int, int] = {}
        self._last: dict[tuple[int, int], int] = {}
        self._shut: Counter[tuple[int, int]] = Counter()
        self._extra: Counter[tuple[int, int]] = Counter()
        self._impairments: list[Impairment] = []
        self._timer: asyncio.TimerHandle | None = None

    def listen(self) -> None:
        """Begin, in the running loop."""
        loop = asyncio.get_running_loop()
        for node, descriptor in self._devices.items():
            loop.add_reader(descriptor, self._read, node, descriptor)

    def command(self, words: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out one command; an answer. Raises KeyError for one that is unknown."""
        kind = words["do"]
        by = -1 if words.get("undo") else 1
        if kind == "shut":
            for a, b in words["pairs"]:
                self._shut[a, b] += by
        elif kind == "slow":
            self._extra[words["a"], words["b"]] += by * words["extra"]
        elif kind == "impair":
            found = Impairment(
                LinkFaults(words["loss_ppm"], words["duplicate_ppm"], words["reorder_ppm"], words["late_ns"]),
                frozenset(words["nodes"]),
                tuple(words["link"]),
            )
            if by > 0:
                self._impairments.append(found)
            else:
                self._impairments.remove(found)
        elif kind != "count":
            raise KeyError(kind)
        return dict(sorted(self.counts.items()))

    def _read(self, node: int, descriptor: int) -> None:
        """Everything that the node has sent."""
        now = time.monotonic_ns()
        while True:
            try:
                packet = os.read(descriptor, 65_535)
            except BlockingIOError:
                break
            receiver = self._addresses.get(packet[16:20]) if len(packet) >= 20 and packet[0] >> 4 == 4 else None
            if receiver is not None:
                self._send(now, node, receiver, packet)
        self._wake()

    def _send(self, now: int, sender: int, receiver: int, packet: bytes) -> None:
        if CONTROL in (sender, receiver):
            self._write(receiver, packet)
            return
        self.counts["packets"] += 1
        self.counts["bytes"] += len(packet)
        rate = self._model.bandwidth(sender, receiver)
        start = max(now, self._free_at.get(sender, 0))
        finish = self._free_at[sender] = start + (len(packet) * _BITS_TO_NS // rate if rate else 0)
        draw = self._draw
        if self._shut[sender, receiver] > 0:
            self.counts["lost"] += 1
            return
        arrival = finish + self._model.delay(sender, receiver, draw(0)) + self._extra[sender, receiver]
        late, again = False, 0
        for number, impairment in enumerate(self._impairments):
            if not impairment.covers(sender, receiver):
                continue
            faults = impairment.faults
            if draw(8 * number + 1) * MILLION >> 64 < faults.loss_ppm:
                self.counts["lost"] += 1
                return
            if draw(8 * number + 2) * MILLION >> 64 < faults.reorder_ppm:
                late, arrival = True, arrival + (draw(8 * number + 3) * faults.reorder_ns >> 64)
            if draw(8 * number + 4) * MILLION >> 64 < faults.duplicate_ppm:
                again = 1 + (draw(8 * number + 5) * faults.reorder_ns >> 64)
        if not late:
            arrival = self._last[sender, receiver] = max(arrival, self._last.get((sender, receiver), 0) + 1)
        self._queue(arrival, receiver, packet)
        if again:
            self._queue(arrival + again, receiver, packet)

    def _queue(self, time_ns: int, receiver: int, packet: bytes) -> None:
        if len(self._waiting) >= QUEUE_MAX:
            self.counts["overflow"] += 1
            return
        self._number += 1
        heappush(self._waiting, (time_ns, self._number, receiver, packet))

    def _wake(self) -> None:
        """Deliver what is due, and come back for the rest."""
        waiting = self._waiting
        now = time.monotonic_ns()
        while waiting and waiting[0][0] <= now:
            _, _, receiver, packet = heappop(waiting)
            self._write(receiver, packet)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if waiting:
            wait = (waiting[0][0] - now) / SECOND
            self._timer = asyncio.get_running_loop().call_later(wait, self._wake)

    def _write(self, receiver: int, packet: bytes) -> None:
        try:
            os.write(self._devices[receiver], packet)
        except OSError:  # the device is down or full: lost, as on any wire
            self.counts["lost"] += 1

    def _draw(self, purpose: int) -> int:
        return draw64(self._seed, purpose, self.counts["packets"])


async def serve(setup: Mapping[str, Any]) -> None:
    """Open the devices, say so, and obey standard input until it ends."""
    from raclette.cli.testbed.namespaces import network_from_json

    devices = {int(node): open_tun(name) for node, name in setup["devices"].items()}
    addresses = {bytes(map(int, address.split("."))): node for address, node in setup["addresses"].items()}
    model = make_model(network_from_json(setup["network"]), setup["nodes"], setup["seed"])
    emulator = Emulator(devices, addresses, model, setup["seed"])
    emulator.listen()
    _answer({"ready": True})
    reader = asyncio.StreamReader(limit=1 << 20)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        _answer(emulator.command(json.loads(line)))


def _answer(words: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.stdin.readline())))
