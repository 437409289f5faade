"""The whole node, as its users see it: what goes in is one ledger everywhere, and what is broken is refused."""

from typing import Any

import pytest
from cluster import Cluster

from raclette.chain.genesis import sample_key
from raclette.chain.presets import SAMPLE_BALANCE
from raclette.chain.transaction import sign_transfer
from raclette.ledgers.bank.samples import sample_transfers
from raclette.node.host import Drop, Flush, Transmit
from raclette.primitives.errors import PeerFault, Refused
from raclette.primitives.keys import checksum_address
from raclette.store.contract import Table


def transfers(cluster: Cluster, count: int, **kwargs: Any) -> list[bytes]:
    return sample_transfers(count, 1, cluster.genesis.chain_id, accounts=20, **kwargs)


def executed(cluster: Cluster, index: int, raws: list[bytes]) -> int:
    node = cluster.node(index)
    return sum(node.view.locate(node.decode(raw).hash) is not None for raw in raws)


def all_executed(cluster: Cluster, raws: list[bytes]) -> bool:
    alive = [index for index, node in enumerate(cluster.nodes) if node is not None]
    return len(cluster.heads()) == 1 and all(executed(cluster, index, raws) == len(raws) for index in alive)


def test_transactions_given_to_any_node_end_in_one_ledger_everywhere() -> None:
    cluster = Cluster().start()
    raws = transfers(cluster, 40)
    for index, raw in enumerate(raws):
        cluster.submit(index % 20 % 4, raw)
    cluster.run_until(lambda: all_executed(cluster, raws))
    assert {node.chain.finalized.hash for node in cluster.nodes if node} == cluster.heads()
    supplies = {node.ledger.supply(node.view.entries()) for node in cluster.nodes if node}
    assert supplies == {20 * SAMPLE_BALANCE}


def test_an_observer_without_a_vote_follows_and_can_be_spoken_to() -> None:
    cluster = Cluster(replicas=4, observers=1).start()
    raws = transfers(cluster, 5)
    for raw in raws:
        cluster.submit(4, raw)
    cluster.run_until(lambda: all_executed(cluster, raws))
    kinds = {effect.kind for sender, effect in cluster.sent if sender == 4}
    assert not kinds & {"prepare", "commit", "pre-prepare"}


def test_a_late_joiner_fetches_and_verifies_the_history() -> None:
    cluster = Cluster(replicas=4, observers=1).start(0, 1, 2, 3)
    raws = transfers(cluster, 60)
    for start in range(0, 60, 20):
        for raw in raws[start : start + 20]:
            cluster.submit(0, raw)
        cluster.run(200)
    height = cluster.node(0).chain.head.number
    assert height >= 3
    cluster.start(4)
    cluster.run_until(lambda: all_executed(cluster, raws))
    assert cluster.node(4).chain.head.number >= height
    assert any(effect.kind == "get-headers" for sender, effect in cluster.sent if sender == 4)


def test_nothing_acknowledged_is_lost_when_the_entry_node_loses_power() -> None:
    """A client was told "yes"; the node dies before it could tell anybody; restarted, it still delivers."""
    cluster = Cluster().start()
    cluster.run(50)
    cluster.keep = lambda sender, receiver, sent: sender != 3
    raws = transfers(cluster, 3)
    for raw in raws:
        cluster.submit(3, raw)
    cluster.crash(3)  # of what was written, only what was synced survives
    cluster.keep = lambda sender, receiver, sent: True
    assert executed(cluster, 0, raws) == 0
    cluster.start(3)
    cluster.run_until(lambda: all_executed(cluster, raws))
    assert not list(cluster.stores[3].scan(Table.OUTBOX))


def test_a_vote_is_on_disk_before_it_leaves() -> None:
    """Persist, Flush, Transmit, in this order, whenever a vote leaves."""
    cluster = Cluster().start()
    raws = transfers(cluster, 10)
    for raw in raws:
        cluster.submit(0, raw)
    cluster.run_until(lambda: all_executed(cluster, raws))
    votes = 0
    for index in range(4):
        mine = [effect for sender, effect in cluster.effects if sender == index]
        for position, effect in enumerate(mine):
            if isinstance(effect, Transmit) and effect.kind in ("prepare", "commit"):
                before = [e for e in mine[:position] if isinstance(e, (Flush, Transmit))]
                assert any(isinstance(e, Flush) for e in before[-6:])
                votes += 1
    assert votes >= 8


def test_every_node_restarted_at_once_goes_on_where_it_was() -> None:
    cluster = Cluster().start()
    first = transfers(cluster, 20)
    for raw in first:
        cluster.submit(1, raw)
    cluster.run_until(lambda: all_executed(cluster, first))
    (head,) = cluster.heads()
    for index in range(4):
        cluster.crash(index)
    cluster.start()
    cluster.run(2_000)
    second = transfers(cluster, 20, first_nonce=1)
    for raw in second:
        cluster.submit(2, raw)
    cluster.run_until(lambda: all_executed(cluster, first + second))
    assert cluster.node(0).chain.is_ancestor(head, cluster.node(0).chain.head.hash)


def test_a_transaction_is_refused_with_its_reason_and_changes_nothing() -> None:
    cluster = Cluster().start()
    chain_id = cluster.genesis.chain_id
    poor = sample_key(500)
    raw = sign_transfer(poor, chain_id=chain_id, nonce=0, to=sample_key(1).address, value=1)
    with pytest.raises(Refused, match="insufficient funds") as caught:
        cluster.submit(0, raw)
    assert caught.value.reason == "insufficient-funds"
    other_chain = sign_transfer(sample_key(0), chain_id=chain_id + 1, nonce=0, to=poor.address, value=1)
    with pytest.raises(Refused, match="chain id"):
        cluster.submit(0, other_chain)
    assert len(cluster.node(0).mempool) == 0
    assert not list(cluster.stores[0].scan(Table.OUTBOX))


def test_a_forged_vote_is_stopped_at_the_gate() -> None:
    cluster = Cluster().start()
    raws = transfers(cluster, 1)
    cluster.submit(0, raws[0])
    cluster.run_until(lambda: all_executed(cluster, raws))
    frame = next(effect.frame for _, effect in cluster.sent if effect.kind == "prepare")
    broken = frame[:-3] + bytes((frame[-3] ^ 1,)) + frame[-2:]
    with pytest.raises(PeerFault):
        cluster.inject(1, 2, broken)


def test_a_peer_that_keeps_breaking_rules_is_banned_and_the_others_do_not_mind() -> None:
    from raclette.node.host import Misbehaved

    cluster = Cluster().start()
    node, liar = cluster.node(0), cluster.signers[3].public_key
    effects = tuple(e for _ in range(5) for e in node.handle(Misbehaved(cluster.now, liar, "bad-signature")))
    drops = [effect for effect in effects if isinstance(effect, Drop)]
    assert drops
    assert drops[0].peer == liar
    assert drops[0].ban > 0
    assert node.conduct.banned_for(liar) > 0
    raws = transfers(cluster, 4)
    for raw in raws:
        cluster.submit(1, raw)
    cluster.run_until(lambda: all_executed(cluster, raws))


def test_the_view_answers_what_wallets_ask() -> None:
    cluster = Cluster().start()
    raws = transfers(cluster, 20)
    for raw in raws:
        cluster.submit(0, raw)
    assert cluster.node(0).view.next_nonce(sample_key(0).address) == 1
    cluster.run_until(lambda: all_executed(cluster, raws))
    view = cluster.node(2).view
    located = view.locate(cluster.node(2).decode(raws[7]).hash)
    assert located is not None
    assert located.transaction.raw == raws[7]
    receipts = view.receipts(located.header.hash)
    assert receipts is not None
    assert receipts[located.index].succeeded
    assert view.certificate(located.header.hash)
    state = view.state(view.head.hash)
    assert state is not None
    sender = checksum_address(sample_key(7).address)
    assert view.ledger.query("nonce", [sender], state) == 1
    assert view.syncing() is None
    assert len(view.peers()) == 3
    assert view.consensus()["protocol"] == "pbft"
    assert view.issued(view.head.number) == 0


def test_a_transaction_that_became_impossible_leaves_the_pool() -> None:
    """Its sender's money went elsewhere in a block, without the sender: a proposer leaves it out, a sweep drops it."""
    cluster = Cluster().start()
    chain_id = cluster.genesis.chain_id
    rich, other = sample_key(0), sample_key(1)
    price = 3 * SAMPLE_BALANCE // 4
    first = sign_transfer(rich, chain_id=chain_id, nonce=0, to=other.address, value=price)
    rival = sign_transfer(rich, chain_id=chain_id, nonce=0, to=other.address, value=price + 1, fee=1)
    second = sign_transfer(rich, chain_id=chain_id, nonce=1, to=other.address, value=SAMPLE_BALANCE // 5)
    cluster.keep = lambda sender, receiver, sent: sent.kind != "transactions"
    cluster.submit(3, first)
    cluster.submit(3, second)
    cluster.submit(0, rival)
    cluster.keep = lambda sender, receiver, sent: True
    cluster.run_until(lambda: executed(cluster, 0, [rival]) == 1 or executed(cluster, 0, [first]) == 1)
    cluster.run(30_000)
    assert all(len(node.mempool) == 0 for node in cluster.nodes if node)
    assert len(cluster.heads()) == 1
