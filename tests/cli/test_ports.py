"""Ports of processes on one machine: two who choose at once never choose the same."""

import socket
import subprocess
import sys
from pathlib import Path

from raclette.cli.ports import BLOCK, END, FIRST, PortPool, is_free

CHILD = (
    "import sys; from pathlib import Path; from raclette.cli.ports import PortPool; "
    "pool = PortPool(Path(sys.argv[1])); print([pool.take() for _ in range(60)], flush=True); sys.stdin.read()"
)


def test_ports_are_different_and_below_those_of_outgoing_connections(tmp_path: Path) -> None:
    pool = PortPool(tmp_path)
    ports = [pool.take() for _ in range(3 * BLOCK)]
    assert len(set(ports)) == 3 * BLOCK
    assert all(FIRST <= port < END < 32_768 for port in ports)


def test_another_process_chooses_others_until_the_first_has_ended(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CHILD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        theirs = [int(text) for text in child.stdout.readline().strip("[]\n").split(",")]
        pool = PortPool(tmp_path)
        ours = [pool.take() for _ in range(60)]
        assert not set(ours) & set(theirs)
    later = PortPool(tmp_path)
    assert later.take() in theirs


def test_a_port_that_somebody_listens_on_is_passed_over(tmp_path: Path) -> None:
    first = PortPool(tmp_path / "a").take()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", first))
        assert not is_free(first)
        assert PortPool(tmp_path / "b").take() != first
