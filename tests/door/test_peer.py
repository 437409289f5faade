"""Peers of a small program: live nodes that find each other, agree on the data, and end cleanly."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from raclette import Blockchain, Identity, Peer, Record, Status
from raclette.door.running import NotConnected, NotRunning
from raclette.door.values import History
from raclette.primitives.errors import ConfigError, Misuse


def not_sour(record: Record, past: History) -> bool:
    return bool(record.value != "sour milk")


def values(peer: Peer) -> list[Any]:
    return [record.value for record in peer.get_data()]


def settles(peer: Peer, condition: Callable[[], bool]) -> bool:
    """For what no new head announces, such as links."""
    deadline = time.monotonic() + 20
    while not condition() and time.monotonic() < deadline:
        peer.wait_until(condition, timeout=0.05)
    return condition()


@contextmanager
def group(*names: str) -> Iterator[list[Peer]]:
    """Peers, each linked with the first."""
    with ExitStack() as stack:
        peers = [stack.enter_context(Peer(name, valid=not_sour)) for name in names]
        for peer in peers[1:]:
            assert peer.connect(*peers[0].address) == names[0]
        yield peers


def test_what_one_adds_all_have() -> None:
    with group("alice", "bob", "carol") as (alice, bob, carol):
        answer = carol.add_data({"cheese": "gruyere"})
        assert answer
        assert all(peer.wait(answer) for peer in (alice, bob, carol))
        assert values(alice) == values(bob) == values(carol) == [{"cheese": "gruyere"}]
        assert alice.get_data()[0].author == carol.identity.address
        assert sorted(neighbour.name for neighbour in alice.peers) == ["bob", "carol"]
        assert [neighbour.node_id for neighbour in bob.peers] == [alice.node_id]
        assert bob.add_data("sour milk").status is Status.INVALID
        assert carol.add_data({"cheese": "gruyere"}).status is Status.INVALID
        assert bob.blockchain().verify_chain()
        assert bob.query("count") == 1


def test_who_comes_late_gets_all_and_who_left_gets_the_rest() -> None:
    with group("alice", "bob") as (alice, bob):
        for number in range(5):
            assert bob.wait(alice.add_data(number))
        with Peer("late", valid=not_sour) as late:
            late.connect(*bob.address)
            assert late.wait_until(lambda: values(late) == [0, 1, 2, 3, 4])
            assert late.disconnect("bob") == 1
            assert late.disconnect() == 0
            assert settles(late, lambda: late.peers == [])
            assert bob.wait(alice.add_data("missed"))
            assert "missed" not in values(late)
            assert late.connect(*alice.address, alice.node_id) == "alice"
            assert late.wait_until(lambda: "missed" in values(late))


def test_many_threads_may_add_at_once() -> None:
    with group("alice", "bob") as (alice, bob):

        def add(peer: Peer, start: int) -> None:
            for number in range(start, start + 10):
                assert peer.add_data(number)

        threads = [
            threading.Thread(target=add, args=(peer, 10 * index)) for index, peer in enumerate((alice, bob, alice, bob))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        def all_is_there() -> bool:
            return all(set(range(40)) <= set(values(peer)) for peer in (alice, bob))

        # Two last blocks of the same work are a draw, which lasts until somebody has a reason to mine.
        for more in range(40, 60):
            if alice.wait_until(all_is_there, timeout=3):
                break
            assert bob.add_data(more)
        assert all_is_there()
        assert len(set(values(alice))) == len(values(alice))


@pytest.mark.parametrize("protocol", ["pbft", "simplex", "senate"])
def test_replicas_with_votes(protocol: str) -> None:
    identities = [Identity(bytes([number]) * 32) for number in range(1, 5)]
    members = [identity.node_id for identity in identities]
    with ExitStack() as stack:
        peers = [
            stack.enter_context(Peer(f"p{index}", protocol=protocol, members=members, identity=identity))
            for index, identity in enumerate(identities)
        ]
        for index, peer in enumerate(peers):
            for other in peers[:index]:
                peer.connect(*other.address)
        answer = peers[2].add_data("agreed")
        assert all(peer.wait(answer) for peer in peers)
        assert len({peer.head.hash for peer in peers}) == 1
        assert peers[0].blockchain().verify_chain()


def test_a_folder_keeps_key_and_chain(tmp_path: Path) -> None:
    with Peer("alice", valid=not_sour, folder=tmp_path) as alice:
        assert alice.wait(alice.add_data("kept"))
        address = alice.identity.address
    with Peer("alice", valid=not_sour, folder=tmp_path) as again:
        assert values(again) == ["kept"]
        assert again.identity.address == address
        assert again.add_data("kept").status is Status.INVALID


def test_a_peer_may_begin_with_a_chain_from_a_file() -> None:
    chain = Blockchain(valid=not_sour)
    chain.add_data("old")
    chain.mine_block()
    loaded = Blockchain.load_json(chain.to_json(), valid=not_sour)
    with Peer("alice", chain=loaded) as alice, Peer("bob", valid=not_sour) as bob:
        bob.connect(*alice.address)
        assert bob.wait_until(lambda: values(bob) == ["old"])
        assert bob.to_json() == chain.to_json()
        assert alice.add_block(chain.blocks[1]).reason == "already-known"


def test_another_rule_is_another_chain() -> None:
    def not_sweet(record: Record, past: History) -> bool:
        return True

    with Peer("alice", valid=not_sour) as alice, Peer("bob", valid=not_sweet) as bob:
        with pytest.raises(NotConnected, match=r"refused-wrong-genesis: .* another rule"):
            bob.connect(*alice.address, timeout=20)
        assert alice.peers == []
        assert bob.peers == []


def test_whom_one_cannot_reach_is_said() -> None:
    with Peer("alice") as alice:
        with Peer("gone") as gone:
            address = gone.address
        with pytest.raises(NotConnected, match=r"127\.0\.0\.1"):
            alice.connect(*address, timeout=1)
        with pytest.raises(NotConnected, match="is this peer itself"):
            alice.connect(*alice.address)
        with pytest.raises(Misuse, match="32 bytes"):
            alice.connect("127.0.0.1", 1, b"short")
        with pytest.raises(ConfigError, match="name"):
            Peer("a\n")
        with pytest.raises(ConfigError, match=r"in use|cannot"):
            Peer("second", port=alice.address[1])


def test_a_rule_that_asks_its_own_peer_says_no_instead_of_waiting_for_ever() -> None:
    peers: list[Peer] = []

    def curious(record: Record, past: History) -> bool:
        return bool(peers[0].get_data())

    with Peer("alice", valid=curious) as alice:
        peers.append(alice)
        assert alice.add_data(1).status is Status.INVALID


def test_a_closed_peer_says_so() -> None:
    peer = Peer("alice")
    waiting = threading.Thread(target=lambda: peer.wait_until(lambda: bool(peer.get_data()), timeout=20))
    waiting.start()
    peer.close()
    peer.close()
    waiting.join(10)
    assert not waiting.is_alive()
    with pytest.raises(NotRunning, match="closed"):
        peer.add_data(1)
    assert not [thread for thread in threading.enumerate() if thread.name == "raclette-alice"]
