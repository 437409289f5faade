"""Whom newcomers link with: everybody, so many, or a random third; and the network holds together."""

import uvloop
from live_stubs import until
from test_tracker_network import Peer, tracker, tracker_transport

from raclette.live.tracker.policy import THIRD_MIN, NeighbourPolicy
from raclette.primitives.randomness import Random
from raclette.store.memory import MemoryStore

COUNT = 9


def wanted(policy: str, others: int) -> int:
    """How many of so many others a newcomer is given."""
    return {"all": others, "third": min(others, max(THIRD_MIN, -(-others // 3))), "fanout:2": min(others, 2)}[policy]


def reached(links: dict[bytes, list[bytes]]) -> set[bytes]:
    """Everybody whom a message that anybody relays comes to."""
    first = next(iter(links))
    found, queue = {first}, [first]
    for node in queue:
        for other in links[node]:
            if other not in found:
                found.add(other)
                queue.append(other)
    return found


def test_a_third_is_drawn_anew_for_each_newcomer_and_everybody_is_drawn_some_time() -> None:
    others = [bytes([number]) for number in range(30)]
    policy, random = NeighbourPolicy.parse("third"), Random(1)
    draws = [frozenset(policy.choose(others, random)) for _ in range(60)]
    assert {len(draw) for draw in draws} == {10}
    assert len(set(draws)) > 50
    assert frozenset().union(*draws) == frozenset(others)


def test_networks_that_grow_by_a_policy_are_connected() -> None:
    for text in ("all", "third", "fanout:2"):
        for seed in range(20):
            policy, random = NeighbourPolicy.parse(text), Random(seed)
            links: dict[bytes, list[bytes]] = {}
            for number in range(40):
                newcomer = bytes([number])
                chosen = policy.choose(sorted(links), random)
                assert len(chosen) == wanted(text, number)
                links[newcomer] = list(chosen)
                for other in chosen:
                    links[other].append(newcomer)
            assert len(reached(links)) == 40


def meet(policy: str) -> None:
    async def story() -> None:
        host = tracker(MemoryStore(), policy=policy)
        await host.start()
        peers: list[Peer] = []
        for number in range(1, COUNT + 1):
            peer = Peer(number, tracker_transport(host))
            await peer.start()
            peers.append(peer)
            expected = wanted(policy, number - 1)
            await until(lambda peer=peer: peer.client.joined, "joined")  # type: ignore[misc]
            await until(lambda peer=peer, n=expected: len(peer.linked) == n, f"{expected} links of a newcomer")  # type: ignore[misc]
        assert len(reached({peer.node.node_id: peer.linked for peer in peers})) == COUNT
        everybody = sorted(f"peer-{number}" for number in range(1, COUNT + 1))
        for peer in peers:
            own = f"peer-{peer.number}"
            await until(lambda p=peer, o=own: sorted([*p.names, o]) == everybody, "all names are known to all")  # type: ignore[misc]
        total = sum(len(peer.linked) for peer in peers) // 2
        assert total == sum(wanted(policy, number) for number in range(COUNT))
        for peer in peers:
            await peer.stop()
        await host.stop()

    uvloop.run(story())


def test_all_makes_a_full_mesh() -> None:
    meet("all")


def test_a_fixed_fanout_gives_each_newcomer_so_many() -> None:
    meet("fanout:2")


def test_a_third_gives_each_newcomer_a_third() -> None:
    meet("third")


def test_a_restarted_peer_returns_to_its_neighbours_not_to_all_it_knows() -> None:
    async def story() -> None:
        host = tracker(MemoryStore(), policy="fanout:2")
        await host.start()
        address, peers = tracker_transport(host), []
        for number in range(1, 7):
            peers.append(Peer(number, address))
            await peers[-1].start()
            await until(lambda: peers[-1].client.joined and len(peers[-1].names) == len(peers) - 1, "joined, knows all")
        last = peers.pop()
        await until(lambda: len(last.linked) == 2, "two neighbours")
        neighbours = last.linked
        await last.stop()
        await host.stop()
        again = Peer(6, address, store=last.store)
        await again.start()
        await until(lambda: again.linked == neighbours, "the same two, and no tracker to ask")
        assert sorted(peer.node_id for peer in again.transport.wanted) == sorted([*neighbours, address.node_id])
        assert len(again.names) == 5
        for peer in (*peers, again):
            await peer.stop()

    uvloop.run(story())
