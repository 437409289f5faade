"""What strangers and crashes do to a node: bans that last, blocks kept but not adopted, worthless floods."""

import pytest
from cluster import START, Cluster

from raclette.chain.genesis import Genesis, sample_key
from raclette.chain.header import Header
from raclette.chain.transaction import sign_transfer
from raclette.engine.contract import Draft
from raclette.node import host
from raclette.node.blocks import PUBLIC_FRAMES_MAX
from raclette.node.node import Node, NodeConfig
from raclette.node.service import QUESTION_BYTES, SERVED_BYTES_BURST
from raclette.node.sync import GetHeaders
from raclette.node.transactions import WORTHLESS_MAX
from raclette.node.wire import encode_block_transactions, encode_get_headers, encode_transactions
from raclette.primitives.hashing import sha256
from raclette.primitives.signing import Ed25519Signer, Ed25519Verifier
from raclette.primitives.units import HOUR, SECOND
from raclette.protocols.nakamoto.message import BlockAnnouncement
from raclette.store.memory import MemoryStore


class EverySealHolds:
    """Proof of work for free."""

    def holds(self, header: Header, target: int) -> bool:
        return True


def miner(store: MemoryStore, *, fork_choice: str = "heaviest") -> Node:
    parameters = {"difficulty_rule": "fixed", "fork_choice": fork_choice, "initial_difficulty": 1 << 20}
    genesis = Genesis(protocol="nakamoto", ledger="bank", protocol_parameters=parameters, timestamp=START // SECOND)
    config = NodeConfig(genesis, Ed25519Signer(sha256(b"miner")), bytes(20), False, seal_check=EverySealHolds())
    return Node(config, store)


def test_a_ban_outlives_a_restart() -> None:
    cluster = Cluster().start()
    node, liar = cluster.node(0), cluster.signers[3].public_key
    node.handle(host.Misbehaved(cluster.now, liar, "bad-signature"))
    cluster.stores[0].sync()
    cluster.crash(0)
    cluster.start(0)
    drops = [effect for sender, effect in cluster.effects if sender == 0 and isinstance(effect, host.Drop)]
    assert drops
    assert (drops[-1].peer, drops[-1].reason) == (liar, "banned")
    assert 0 < drops[-1].ban <= cluster.node(0).conduct.banned_for(liar)
    assert liar not in cluster.node(0).links
    cluster.node(0).handle(host.Disconnected(cluster.now, liar))
    later = cluster.now + drops[-1].ban
    assert not [e for e in cluster.node(0).handle(host.Connected(later, liar)) if isinstance(e, host.Drop)]


@pytest.mark.parametrize("fork_choice", ["heaviest", "ghost"])
def test_a_block_that_a_crash_kept_from_being_adopted_counts_after_the_restart(fork_choice: str) -> None:
    store = MemoryStore()
    node = miner(store, fork_choice=fork_choice)
    node.handle(host.NodeStarted(START))
    draft = Draft(START // SECOND + 1, bytes(20), 1 << 20)
    first = node.chain.build(node.chain.genesis, draft)
    node.chain.check(first)
    second = node.chain.build(first.header, draft._replace(timestamp=draft.timestamp + 1))
    node.chain.check(second)
    assert node.chain.head == node.chain.genesis
    again = miner(store, fork_choice=fork_choice)
    effects = again.handle(host.NodeStarted(START + 10 * SECOND))
    assert again.chain.head == second.header
    assert [header.number for e in effects if isinstance(e, host.NewHead) for header in e.added] == [1, 2]


def test_a_flood_of_transactions_that_nobody_can_pay_costs_its_sender() -> None:
    cluster = Cluster(replicas=4, accounts=2).start()
    node, flooder = cluster.node(0), cluster.signers[1].public_key
    to, chain_id = sample_key(0).address, cluster.genesis.chain_id
    poor = sample_key(7)
    raws = [sign_transfer(poor, chain_id=chain_id, nonce=0, to=to, value=n + 1) for n in range(WORTHLESS_MAX + 1)]
    for start in range(0, WORTHLESS_MAX, 500):
        assert node.conduct.score(flooder) == 0
        cluster.inject(0, 1, encode_transactions(raws[start : start + 500]))
    assert node.conduct.score(flooder) == 0
    cluster.inject(0, 1, encode_transactions(raws[WORTHLESS_MAX:]))
    assert node.conduct.score(flooder) < 0
    assert node.conduct.counts() == {"worthless-transactions": 1}
    assert len(node.mempool) == 0


def test_transactions_of_a_block_that_nobody_asked_for_cost_their_sender() -> None:
    cluster = Cluster(accounts=2).start()
    node, stranger = cluster.node(0), cluster.signers[1].public_key
    cluster.inject(0, 1, encode_block_transactions(bytes(32), ()))
    assert node.conduct.score(stranger) < 0
    assert node.conduct.counts() == {"unasked-answer": 1}


def test_an_old_block_repeated_by_a_stranger_does_not_go_round_again() -> None:
    node = miner(MemoryStore())
    node.handle(host.NodeStarted(START))
    peers = [sha256(b"peer %d" % number) for number in range(3)]
    for peer in peers:
        node.handle(host.Connected(START, peer))
    frames: list[bytes] = []
    relayed = 0
    for number in range(1, PUBLIC_FRAMES_MAX + 2):
        head = node.chain.head
        block = node.chain.build(head, Draft(START // SECOND + number, bytes(20), 1 << 20))
        frames.append(node.blocks.frame(BlockAnnouncement(block.header, block), public=True))
        relayed += relay(node, START + number * SECOND, peers[0], frames[-1])
        assert node.chain.head == block.header
    assert relayed == PUBLIC_FRAMES_MAX + 1
    an_hour_later = START + HOUR
    assert relay(node, an_hour_later, peers[1], frames[0]) == 0
    assert relay(node, an_hour_later, peers[1], frames[-1]) == 1
    assert node.conduct.counts() == {}


def relay(node: Node, now: int, peer: bytes, frame: bytes) -> int:
    """How many block frames leave when this one comes."""
    parcel = node.gate.open(frame, Ed25519Verifier())
    effects = node.handle(host.Delivered(now, peer, parcel))
    return sum(isinstance(effect, host.Transmit) and effect.kind == "block" for effect in effects)


def test_questions_without_end_cost_their_sender_and_an_honest_pace_does_not() -> None:
    cluster = Cluster(accounts=2).start()
    node, stranger = cluster.node(0), cluster.signers[1].public_key
    question = encode_get_headers(GetHeaders(1, (node.chain.genesis.hash,), 10, b""))
    parcel = node.gate.open(question, Ed25519Verifier())
    allowed = SERVED_BYTES_BURST // QUESTION_BYTES
    for number in range(allowed):
        node.handle(host.Delivered(cluster.now + number * SECOND // 2_000, stranger, parcel))
    assert node.conduct.counts() == {}
    last = cluster.now + allowed * SECOND // 2_000
    for _ in range(allowed + 1):
        assert node.handle(host.Delivered(last, stranger, parcel))
    assert node.conduct.counts() == {}
    (noted,) = node.handle(host.Delivered(last, stranger, parcel))
    assert isinstance(noted, host.Noted)
    assert node.conduct.counts() == {"flood": 1}
    assert node.handle(host.Delivered(last + SECOND, stranger, parcel))
    assert node.conduct.counts() == {"flood": 1}
