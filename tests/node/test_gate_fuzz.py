"""A stranger's bytes and a stranger's lies: the gate raises nothing but PeerFault, and nobody makes a node forget its
work, fill its memory or punish the innocent."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from cluster import START, Cluster
from hypothesis import given, settings
from hypothesis import strategies as st

from raclette.chain.block import BLOCK_TRANSACTIONS_MAX
from raclette.chain.compact import encode_short_ids
from raclette.chain.genesis import Genesis, even_alloc
from raclette.chain.header import Header
from raclette.chain.presets import SAMPLE_BALANCE
from raclette.engine.contract import Draft
from raclette.gossip.events import Topic, Verb
from raclette.gossip.limits import GossipLimits
from raclette.ledgers.bank.samples import sample_transfers
from raclette.node import wire
from raclette.node.assembly import ASSEMBLIES_PER_PEER_MAX
from raclette.node.gate import NodeGate
from raclette.node.host import FRAME_BYTES_MAX, Connected, Delivered, Drop, NodeStarted, Transmit
from raclette.node.node import Node, NodeConfig
from raclette.node.sync import Bodies, GetBodies, GetHeaders, Headers
from raclette.node.wire import Frame
from raclette.primitives import rlp
from raclette.primitives.errors import PeerFault
from raclette.primitives.hashing import keccak256, sha256
from raclette.primitives.randomness import Random
from raclette.primitives.signing import Claim, Ed25519Signer, Ed25519Verifier
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.protocols.nakamoto.message import BlockAnnouncement
from raclette.protocols.pbft.messages import PrePrepare
from raclette.protocols.pbft.quorum import Committee
from raclette.store.memory import MemoryStore

# Opening the largest frame there is may take this long on a slow, busy machine: a hundredth of what it could cost
# without bounds, and far above what it does cost (40 ms).
SECONDS_MAX = 1.0
VERIFIER = Ed25519Verifier()
# Index of the one that is linked but not there.
STRANGER = 4


class EverySealHolds:
    """Proof of work for free."""

    def holds(self, header: Header, target: int) -> bool:
        return True


class NoSealHolds:
    """Proof of work that nobody has done."""

    def holds(self, header: Header, target: int) -> bool:
        return False


def miner(seals: EverySealHolds | NoSealHolds) -> Node:
    genesis = Genesis(
        protocol="nakamoto",
        ledger="bank",
        protocol_parameters={"difficulty_rule": "fixed", "initial_difficulty": 1 << 20},
        alloc=even_alloc(5, SAMPLE_BALANCE),
        timestamp=START // SECOND,
    )
    signer = Ed25519Signer(sha256(b"miner"))
    return Node(NodeConfig(genesis, signer, bytes(20), active=False, seal_check=seals), MemoryStore())


def mined(node: Node, number: int = 1) -> bytes:
    """The frame of a block that `node` could have mined."""
    block = node.chain.build(node.chain.head, Draft(START // SECOND + number, bytes(20), 1 << 20))
    return node.blocks.frame(BlockAnnouncement(block.header, block), public=True)


@cache
def valid_frames() -> tuple[tuple[str, NodeGate, bytes], ...]:
    """A frame of every kind that two engines send, with a gate that lets it pass."""
    cluster = Cluster(replicas=4, observers=1).start(0, 1, 2, 3)
    cluster.run(20)
    late = ("transactions", "commit", "committed")  # so that replica 2 has to ask for what it lacks
    cluster.keep = lambda sender, receiver, sent: receiver != 2 or sent.kind not in late
    for raw in sample_transfers(20, 1, cluster.genesis.chain_id, accounts=20):
        cluster.submit(0, raw)
    cluster.run(1_000)
    cluster.keep = lambda sender, receiver, sent: True
    for raw in sample_transfers(64, 2, cluster.genesis.chain_id, accounts=20, first_nonce=1):
        cluster.submit(1, raw)
        cluster.run(150)
    cluster.crash(0)  # the primary of view 0
    for raw in sample_transfers(20, 2, cluster.genesis.chain_id, accounts=20, first_nonce=5):
        cluster.submit(1, raw)
    cluster.run(10_000)
    cluster.start(4)
    cluster.run(3_000)
    gate = cluster.node(4).gate
    frames: dict[str, tuple[str, NodeGate, bytes]] = {}
    for _, sent in cluster.sent:
        name = f"{Frame.FromString(sent.frame).WhichOneof('content')}: {sent.kind}"
        frames[name] = (sent.kind, gate, sent.frame)
    ids = tuple(sha256(b"item %d" % number) for number in range(3))
    for verb in Verb:
        frames[verb.name] = (verb.name, gate, wire.encode_announcement(verb, Topic.BLOCKS, ids))
    other = miner(EverySealHolds())
    frames["block"] = ("block", other.gate, mined(other))
    return tuple(frames.values())


def opens(gate: NodeGate, frame: bytes) -> bool:
    """Does it pass? Raises what is not a PeerFault, and AssertionError if it takes too long."""
    begin = time.perf_counter()
    try:
        gate.open(frame, VERIFIER)
    except PeerFault:
        return False
    finally:
        assert time.perf_counter() - begin < SECONDS_MAX
    return True


# Bytes


def test_there_is_a_valid_frame_of_every_kind() -> None:
    contents = {Frame.FromString(frame).WhichOneof("content") for _, _, frame in valid_frames()}
    assert contents == {field.name for field in Frame.DESCRIPTOR.oneofs_by_name["content"].fields}
    kinds = {kind for kind, _, _ in valid_frames()}
    assert {"pre-prepare", "prepare", "commit", "view-change", "new-view", "checkpoint", "block"} <= kinds
    assert all(opens(gate, frame) for _, gate, frame in valid_frames())


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=600))
def test_arbitrary_bytes_raise_nothing_but_faults(frame: bytes) -> None:
    for _, gate, _ in valid_frames()[-2:]:
        opens(gate, frame)


@settings(max_examples=1_500, deadline=None)
@given(st.data())
def test_mutated_frames_raise_nothing_but_faults(data: st.DataObject) -> None:
    kind, gate, frame = data.draw(st.sampled_from(valid_frames()), "frame")
    damaged = bytearray(frame)
    for _ in range(data.draw(st.integers(1, 4), "mutations")):
        place = data.draw(st.integers(0, len(damaged)), f"place in {kind}")
        match data.draw(st.sampled_from(("flip", "cut", "insert", "repeat", "splice"))):
            case "flip" if place < len(damaged):
                damaged[place] ^= data.draw(st.integers(1, 255))
            case "cut":
                del damaged[place : place + data.draw(st.integers(1, 64))]
            case "insert":
                damaged[place:place] = data.draw(st.binary(min_size=1, max_size=16))
            case "repeat":
                damaged += damaged[place : place + data.draw(st.integers(1, 200))]
            case "splice":
                damaged[place:] = data.draw(st.sampled_from(valid_frames()))[2][place:]
    opens(gate, bytes(damaged))


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_the_right_shape_with_the_wrong_content_raises_nothing_but_faults(data: st.DataObject) -> None:
    """Protobuf's own rules hold; every field is somebody else's."""
    frame = Frame()
    number = st.integers(0, 2**32 - 1)
    many = st.lists(st.one_of(st.binary(max_size=40), st.binary(min_size=32, max_size=32), rlp_items()), max_size=5)
    field: Any = data.draw(st.sampled_from(list(Frame.DESCRIPTOR.fields)), "content")
    content = getattr(frame, field.name)
    content.SetInParent()
    for part in field.message_type.fields:
        if part.type == part.TYPE_MESSAGE:
            content.body.short_ids = data.draw(st.binary(max_size=40))
        elif part.is_repeated and part.type == part.TYPE_BYTES:
            getattr(content, part.name).extend(data.draw(many))
        elif part.is_repeated:
            getattr(content, part.name).extend(data.draw(st.lists(number, max_size=5)))
        elif part.type == part.TYPE_BYTES:
            setattr(content, part.name, data.draw(st.one_of(st.binary(max_size=40), payloads())))
        elif part.type == part.TYPE_ENUM:
            setattr(content, part.name, data.draw(st.integers(0, 7)))
        else:
            setattr(content, part.name, data.draw(number))
    for gate in (valid_frames()[0][1], valid_frames()[-1][1]):
        opens(gate, frame.SerializeToString())


def rlp_items() -> st.SearchStrategy[bytes]:
    leaves = st.one_of(st.binary(max_size=70), st.sampled_from([bytes(32), bytes(20), bytes(64), bytes(256), b""]))
    return st.recursive(leaves, lambda inner: st.lists(inner, max_size=17), max_leaves=20).map(rlp.encode)


def payloads() -> st.SearchStrategy[bytes]:
    """An engine's kind byte and some RLP."""
    return st.builds(lambda kind, item: bytes((kind,)) + item, st.integers(0, 9), rlp_items())


def largest() -> list[tuple[str, bytes]]:
    """As large as a frame may be, and as expensive as the format allows."""
    room = FRAME_BYTES_MAX - 64
    strings, lists = rlp.wrap_list([bytes(room)]), rlp.wrap_list([b"\xc0" * room])
    deep = b""
    for _ in range(2_000):
        deep = rlp.wrap_list([deep])
    out: list[tuple[str, Frame]] = []
    for name, junk in (("strings", strings), ("lists", lists), ("deep", deep)):
        out += [
            (f"a header of {name}", Frame(headers={"headers": [junk], "certificates": [b""]})),
            (f"a body of {name}", Frame(bodies={"hashes": [bytes(32)], "bodies": [junk]})),
            (f"a transaction of {name}", Frame(transactions={"raw": [junk]})),
            (f"a typed transaction of {name}", Frame(transactions={"raw": [b"\x02" + junk]})),
        ]
        out += [(f"message {k} of {name}", Frame(engine={"payload": bytes((k,)) + junk})) for k in range(10)]
    nothing = [b""] * (room // 2)
    out += [
        ("empty transactions", Frame(transactions={"raw": nothing})),
        ("empty ids", Frame(announcement={"ids": nothing})),
        ("empty headers", Frame(headers={"headers": nothing})),
        ("empty hashes", Frame(get_bodies={"hashes": nothing})),
        ("empty bodies", Frame(bodies={"bodies": nothing})),
        ("a long locator", Frame(get_headers={"locator": nothing})),
        ("indexes", Frame(get_block_transactions={"block_hash": bytes(32), "indexes": [1] * (room - 64)})),
        ("short ids", Frame(public_message={"payload": b"\x01", "body": {"short_ids": bytes(room // 8 * 8)}})),
    ]
    plain = [
        ("unknown numbers", b"\xf8\x07\x01" * (room // 3)),
        ("unknown groups", b"\xfb\x07" * (room // 4) + b"\xfc\x07" * (room // 4)),
        ("contents that replace each other", (b"\x0a\x02\x10\x01" + b"\x12\x02\x0a\x00") * (room // 8)),
        ("more than a frame", bytes(FRAME_BYTES_MAX + 1)),
    ]
    return [(name, frame.SerializeToString()) for name, frame in out] + plain


def test_the_largest_frames_are_refused_before_they_cost_anything() -> None:
    gates = {gate: None for _, gate, _ in valid_frames()}
    for name, frame in largest():
        for gate in gates:
            assert not opens(gate, frame), name


# Lies in valid frames


class Scene:
    """Four replicas at work, and a stranger linked to the first."""

    def __init__(self) -> None:
        self.cluster = Cluster(replicas=4, observers=1, accounts=20).start(0, 1, 2, 3)
        self.node = self.cluster.node(0)
        self.stranger = self.cluster.signers[STRANGER].public_key
        self.random = Random(7)
        self.node.handle(Connected(self.cluster.now, self.stranger))
        self.raws = sample_transfers(20, 1, self.cluster.genesis.chain_id, accounts=20)
        for raw in self.raws:
            self.cluster.submit(1, raw)
        self.cluster.run_until(lambda: all(self.node.view.locate(keccak256(raw)) for raw in self.raws))
        self.cluster.run(500)

    def say(self, frame: bytes) -> list[Transmit]:
        """The stranger's frame, through gate and node; what the stranger is sent for it."""
        self.cluster.now += MILLISECOND
        before = len(self.cluster.sent)
        self.cluster.inject(0, STRANGER, frame)
        return [sent for _, sent in self.cluster.sent[before:] if self.stranger in sent.peers]

    def invented(self, count: int) -> tuple[bytes, ...]:
        return tuple(self.random.bytes(32) for _ in range(count))

    def check(self, *, guilty: bool) -> None:
        """The network goes on; nobody honest is blamed; nothing has grown beyond its bounds."""
        node = self.node
        honest = [signer.public_key for signer in self.cluster.signers[1:STRANGER]]
        assert [node.conduct.score(peer) for peer in honest] == [0, 0, 0]
        assert (node.conduct.score(self.stranger) < 0 or node.conduct.banned_for(self.stranger) > 0) is guilty
        before = node.chain.head.number
        later = sample_transfers(20, 3, self.cluster.genesis.chain_id, accounts=20, first_nonce=1)
        for raw in later:
            self.cluster.submit(2, raw)
        self.cluster.run_until(lambda: node.chain.head.number > before and len(self.cluster.heads()) == 1)
        self.cluster.run_until(lambda: all(node.view.locate(keccak256(raw)) is not None for raw in later))
        assert [node.conduct.score(peer) for peer in honest] == [0, 0, 0]
        assert_bounded(node)


def assert_bounded(node: Node) -> None:
    sync, gossip = node.sync.stats(), node.spread._gossip.stats()
    assert sync["requests"] <= 16
    assert sync["fetches"] <= 8
    assert sync["orphans"] == sync["held"] == 0
    assert len(node.blocks._assemblies) <= 2 * ASSEMBLIES_PER_PEER_MAX
    assert all(topic["missing"] <= GossipLimits().missing_peer_max for topic in gossip.values())
    assert not node.blocks._judging


def unsolicited_transactions(scene: Scene) -> bool:
    items = [(index, raw) for index, raw in enumerate(scene.raws)]
    for name in (bytes(32), scene.node.chain.head.hash):
        scene.say(wire.encode_block_transactions(name, items))
    return True


def wrong_indexes(scene: Scene) -> bool:
    for indexes in ((2**32 - 1,), (10_000, 0), tuple(range(BLOCK_TRANSACTIONS_MAX))):
        ask = wire.GetBlockTransactions(scene.node.chain.head.hash, indexes)
        assert not scene.say(wire.encode_get_block_transactions(ask))
    return True


def questions_about_nothing(scene: Scene) -> bool:
    for name in scene.invented(50):
        assert not scene.say(wire.encode_get_block_transactions(wire.GetBlockTransactions(name, ())))
        scene.say(wire.encode_get_headers(GetHeaders(1, (name,), 512, name)))
        scene.say(wire.encode_get_bodies(GetBodies(2**64 - 1, (name,) * 32)))
    return False


def answers_that_nobody_asked_for(scene: Scene) -> bool:
    node = scene.node
    raws = node.chain.block(node.chain.head.hash)
    assert raws is not None
    for request in (0, 1, 2, 2**64 - 1):
        scene.say(wire.encode_bodies(Bodies(request, ((node.chain.head.hash, raws.transactions),))))
        scene.say(wire.encode_headers(Headers(request, ((node.chain.head, b""),))))
    return True


def announcements_of_thousands(scene: Scene) -> bool:
    for _ in range(8):
        for topic in Topic:
            scene.say(wire.encode_announcement(Verb.IHAVE, topic, scene.invented(2_000)))
    missing = scene.node.spread._gossip.stats()
    assert missing["transactions"]["missing"] == GossipLimits().missing_peer_max
    return False


def grafts_and_prunes(scene: Scene) -> bool:
    """What is held is sent once a graft, however often a graft names it."""
    known = tuple(keccak256(raw) for raw in scene.raws)
    for topic in Topic:
        for _ in range(20):
            scene.say(wire.encode_announcement(Verb.GRAFT, topic, (known * 200)[:4_000]))
            scene.say(wire.encode_announcement(Verb.PRUNE, topic, scene.invented(100) + known))
    waiting = sample_transfers(1, 9, scene.cluster.genesis.chain_id, accounts=20, first_nonce=5)[0]
    scene.cluster.submit(0, waiting)
    graft = wire.encode_announcement(Verb.GRAFT, Topic.TRANSACTIONS, (keccak256(waiting),) * 4_000)
    assert 0 < sum(len(sent.frame) for sent in scene.say(graft)) < 1_000
    return False


def absurd_claims(scene: Scene) -> bool:
    for head in scene.invented(30):
        scene.say(wire.encode_status(wire.Status(head, 2**64 - 1, 2**319, 2**64 - 1)))
    progress = scene.node.sync.progress()
    assert progress is not None
    assert progress.highest == 2**64 - 1, "a claim is shown as what it is until it is looked into"
    scene.cluster.run(60_000)
    assert scene.node.sync.progress() is None
    return True


@pytest.mark.parametrize(
    "lie",
    [
        unsolicited_transactions,
        wrong_indexes,
        questions_about_nothing,
        answers_that_nobody_asked_for,
        announcements_of_thousands,
        grafts_and_prunes,
        absurd_claims,
    ],
)
def test_a_lying_stranger_costs_itself_and_nobody_else(lie: Callable[[Scene], bool]) -> None:
    scene = Scene()
    scene.check(guilty=lie(scene))


def test_proposals_full_of_unknown_ids_push_out_only_their_senders_own() -> None:
    """A replica that lies in its own views: a hundred proposals, each promising transactions that nobody has."""
    scene = Scene()
    node, cluster = scene.node, scene.cluster
    liar = cluster.signers[3]
    committee = Committee(node.engine.validators(), cluster.genesis.chain_id)
    for number in range(100):
        header = replace(node.chain.head, number=node.chain.head.number + 1 + number % 5, extra_data=bytes((number,)))
        view = 3 + 4 * (number % 3)
        digest = committee.prepare_digest(view, header.number, header.hash)
        claim = Claim(liar.public_key, digest, liar.sign(digest))
        payload = node.engine.encode(PrePrepare(view, header, 3, claim))
        scene.say(wire.encode_engine(payload, encode_short_ids(scene.invented(number % 7 + 1)), public=False))
    assert len(node.blocks._assemblies) == ASSEMBLIES_PER_PEER_MAX
    scene.check(guilty=False)
    cluster.run(60_000)
    assert not node.blocks.waits


def test_blocks_without_work_are_refused_before_anything_is_kept_for_them() -> None:
    honest, node, peer = miner(EverySealHolds()), miner(NoSealHolds()), sha256(b"peer")
    node.handle(NodeStarted(START))
    node.handle(Connected(START, peer))
    banned = False
    for number in range(1, 20):
        frame = Frame.FromString(mined(honest, number))
        frame.public_message.body.short_ids = encode_short_ids([sha256(b"%d" % number)])
        parcel = node.gate.open(frame.SerializeToString(), VERIFIER)
        effects = node.handle(Delivered(START + 100 * SECOND, peer, parcel))
        assert not any(isinstance(effect, Transmit) for effect in effects)
        banned = banned or any(isinstance(effect, Drop) and effect.ban > 0 for effect in effects)
    assert banned
    assert not node.blocks.waits


def test_a_false_list_beside_a_true_proposal_delays_nothing_and_blames_nobody_else() -> None:
    """Replica 3 is faster than the primary: its copy of the proposal, with a false list, arrives first."""
    cluster = Cluster(accounts=20).start()
    cluster.run(50)
    false = encode_short_ids([sha256(b"false")])
    lied: list[int] = []

    def race(sender: int, receiver: int, sent: Transmit) -> bool:
        if sent.kind == "pre-prepare" and sender != 3 and receiver != 3:
            frame = Frame.FromString(sent.frame)
            frame.engine.body.short_ids = false
            lied.append(receiver)
            cluster.inject(receiver, 3, frame.SerializeToString())
        return not (sender == 3 and sent.kind == "block-transactions")

    cluster.keep = race
    raws = sample_transfers(20, 1, cluster.genesis.chain_id, accounts=20)
    for raw in raws:
        cluster.submit(0, raw)
    cluster.run_until(lambda: all(cluster.node(0).view.locate(keccak256(raw)) for raw in raws), ms=400)
    assert lied
    liar = cluster.signers[3].public_key
    for index in range(3):
        node = cluster.node(index)
        assert all(
            node.conduct.score(signer.public_key) == 0 for signer in cluster.signers if signer.public_key != liar
        )
        assert node.view.consensus()["view"] == 0
