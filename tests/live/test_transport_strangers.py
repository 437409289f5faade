"""What strangers can try on a transport, and what it costs us: nothing but a counter."""

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st
from live_stubs import CHAIN, address_of, transport_for, until

from raclette.live import tls
from raclette.live.contract import ChainIdentity, PeerAddress, PeerHello, Role
from raclette.live.controls import decode_control, encode_goodbye, encode_hello, encode_ping
from raclette.live.exam import Listener
from raclette.live.frames import FRAME_OVERHEAD_BYTES, FrameReader, frame_head
from raclette.live.limits import HELLO_BYTES_MAX, TransportLimits
from raclette.live.tls import context_for, node_id_of
from raclette.live.transport import TlsTransport
from raclette.node.host import Lane
from raclette.primitives.errors import ConfigError, PeerFault
from raclette.primitives.signing import Ed25519Signer
from raclette.primitives.units import SECOND

MALLORY = b"m" * 32


def run(story: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await story()

    uvloop.run(bounded())


def hello_of(seed: bytes, **changes: object) -> PeerHello:
    hello = PeerHello(Ed25519Signer(seed).public_key, "", 0, "mallory", Role.NODE, b"instance")
    return replace(hello, **changes)  # type: ignore[arg-type]


def private_pem(seed: bytes) -> bytes:
    key = Ed25519PrivateKey.from_private_bytes(seed)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def strange_context(pem: bytes = b"") -> ssl.SSLContext:
    """A client that trusts everybody and shows this certificate (or none)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if pem:
        tls._load(context, pem)
    return context


async def is_shut_out(port: int, context: ssl.SSLContext) -> bool:
    """True if the other side closes before saying anything."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        heard = await reader.read(1)
        writer.close()
    except (OSError, ssl.SSLError):
        return True
    return heard == b""


class RawPeer:
    """A TLS client that says whatever the test wants."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def dial(cls, port: int, seed: bytes = MALLORY) -> "RawPeer":
        return cls(*await asyncio.open_connection("127.0.0.1", port, ssl=context_for(seed, server=False)))

    def say(self, payload: bytes, tag: int = 0) -> None:
        self.writer.write(frame_head(tag, len(payload)) + payload)

    async def answers(self) -> list[str]:
        """Kinds of the control frames until the other side closes; a goodbye by its reason."""
        said = []
        reader = FrameReader(HELLO_BYTES_MAX)
        while data := await self._read():
            for tag, payload in reader.feed(data):
                control = decode_control(payload) if tag == 0 else tag
                said.append(getattr(control, "reason", type(control).__name__))
        self.writer.close()
        return said

    async def _read(self) -> bytes:
        try:
            return await self.reader.read(65536)
        except ConnectionError:
            return b""


async def refusal(first_frame: bytes, tag: int = 0, limits: TransportLimits | None = None) -> list[str]:
    """What a stranger hears that opens with this frame."""
    bob, listener = transport_for(2, limits=limits), Listener()
    await bob.start(listener)
    stranger = await RawPeer.dial(bob.port)
    stranger.say(first_frame, tag)
    said = await stranger.answers()
    assert not listener.up
    assert sum(bob.counters.refusals.values()) == 1
    await bob.stop()
    return said


@pytest.mark.parametrize(
    ("hello", "chain", "reason"),
    [
        (hello_of(MALLORY), ChainIdentity(1, CHAIN.genesis_hash), "wrong-chain"),
        (hello_of(MALLORY), ChainIdentity(CHAIN.chain_id, b"x" * 32), "wrong-genesis"),
        (hello_of(b"v" * 32), CHAIN, "wrong-key"),
        (hello_of(MALLORY, instance=b"short"), CHAIN, "bad-hello"),
        (hello_of(MALLORY, node_id=b"short"), CHAIN, "bad-hello"),
        (hello_of(MALLORY, name="a\x1b[2J"), CHAIN, "bad-name"),
        (hello_of(MALLORY, name="n" * 65), CHAIN, "bad-name"),
        (hello_of(MALLORY, host="h", port=70000), CHAIN, "bad-address"),
        (hello_of(MALLORY, role=7), CHAIN, "bad-hello"),
    ],
)
def test_a_hello_that_does_not_fit_is_refused_with_its_reason(
    hello: PeerHello, chain: ChainIdentity, reason: str
) -> None:
    async def story() -> None:
        assert await refusal(encode_hello(hello, chain)) == [reason]

    run(story)


def test_another_version_is_refused_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        with monkeypatch.context() as patch:
            patch.setattr("raclette.live.controls.TRANSPORT_VERSION", 99)
            hello = encode_hello(hello_of(MALLORY), CHAIN)
        assert await refusal(hello) == ["wrong-version"]

    run(story)


@pytest.mark.parametrize(
    ("frame", "tag", "reason"),
    [
        (b"vote", 0x10, "no-hello"),
        (encode_ping(1), 0, "no-hello"),
        (b"\xff\xff\xff", 0, "control-encoding"),
        (b"", 0, "control-kind"),
        (bytes(HELLO_BYTES_MAX + 1), 0, "frame-too-large"),
    ],
)
def test_who_does_not_begin_with_a_hello_is_refused(frame: bytes, tag: int, reason: str) -> None:
    async def story() -> None:
        assert await refusal(frame, tag) == [reason]

    run(story)


def test_a_stranger_that_hangs_up_politely_is_no_peer() -> None:
    async def story() -> None:
        assert await refusal(encode_goodbye("shutdown")) == []

    run(story)


def test_a_dialler_never_believes_in_a_link_that_was_refused() -> None:
    """A TLS 1.3 client has finished its handshake before the server looks at its certificate; the hello has not."""

    async def story() -> None:
        limits = TransportLimits(redial_first=SECOND // 100, redial_last=SECOND // 50)
        alice, at_alice = transport_for(1, chain=ChainIdentity(1, b"x" * 32), limits=limits), Listener()
        bob, at_bob = transport_for(2), Listener()
        await alice.start(at_alice)
        await bob.start(at_bob)
        alice.want(address_of(bob))
        await until(lambda: bob.counters.refusals["wrong-chain"] >= 3, "alice tries again and again")
        assert not at_alice.up
        assert not at_alice.downs
        assert alice.counters.refusals["refused-wrong-chain"] >= 2
        await alice.stop()
        await bob.stop()

    run(story)


def test_whoever_answers_with_another_key_is_not_the_one_we_dialled() -> None:
    async def story() -> None:
        alice, at_alice = transport_for(1), Listener()
        bob, at_bob = transport_for(2), Listener()
        await alice.start(at_alice)
        await bob.start(at_bob)
        alice.want(PeerAddress(b"c" * 32, "127.0.0.1", bob.port))
        await until(lambda: alice.counters.refusals["wrong-peer"] >= 1, "alice hangs up")
        assert not at_alice.up
        assert not at_bob.up
        await alice.stop()
        await bob.stop()

    run(story)


def test_a_certificate_for_a_key_that_is_not_held_cannot_even_be_loaded() -> None:
    """The thief of an identity can have the victim's leaf, properly signed by the public authority; not the key."""
    victim = Ed25519PrivateKey.from_private_bytes(b"v" * 32).public_key()
    leaf = tls._certificate("raclette node", victim, authority=False)
    leaf.verify_directly_issued_by(tls.authority_certificate())
    with pytest.raises(ssl.SSLError, match="KEY_VALUES_MISMATCH"):
        strange_context(leaf.public_bytes(Encoding.PEM) + private_pem(MALLORY))


def test_a_certificate_that_its_maker_signed_himself_is_refused() -> None:
    """Not that the authority proves anything: but one way in is enough."""
    key = Ed25519PrivateKey.from_private_bytes(MALLORY)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "raclette node")])
    leaf = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(3)
        .not_valid_before(tls._VALID_FROM)
        .not_valid_after(tls._VALID_UNTIL)
        .sign(key, None)
    )

    async def story() -> None:
        bob, listener = transport_for(2), Listener()
        await bob.start(listener)
        assert await is_shut_out(bob.port, strange_context(leaf.public_bytes(Encoding.PEM) + private_pem(MALLORY)))
        await until(lambda: sum(bob.counters.refusals.values()) == 1, "bob refuses")
        assert not listener.up
        await bob.stop()

    run(story)


def test_no_certificate_and_old_tls_are_refused() -> None:
    async def story() -> None:
        bob, listener = transport_for(2), Listener()
        await bob.start(listener)
        for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
            context = strange_context()
            context.maximum_version = version
            before = sum(bob.counters.refusals.values())
            assert await is_shut_out(bob.port, context)
            await until(lambda before=before: sum(bob.counters.refusals.values()) > before, "refused")  # type: ignore[misc]
        assert not listener.up
        await bob.stop()

    run(story)


def test_the_node_id_is_the_key_that_tls_has_proven() -> None:
    key = Ed25519PrivateKey.from_private_bytes(MALLORY)
    leaf = tls._certificate("raclette node", key.public_key(), authority=False)
    assert node_id_of(leaf.public_bytes(Encoding.DER)) == Ed25519Signer(MALLORY).public_key
    for wrong in (None, b"", b"nonsense"):
        with pytest.raises(PeerFault):
            node_id_of(wrong)


def test_slow_strangers_are_few_and_time_out() -> None:
    async def story() -> None:
        limits = TransportLimits(handshakes_max=3, handshake_timeout=SECOND // 5)
        bob, listener = transport_for(2, limits=limits), Listener()
        await bob.start(listener)
        slow = [await asyncio.open_connection("127.0.0.1", bob.port) for _ in range(3)]
        await until(lambda: bob.handshakes == 3, "three strangers say nothing")
        reader, writer = await asyncio.open_connection("127.0.0.1", bob.port)
        assert await reader.read() == b""
        writer.close()
        assert bob.counters.refusals["too-many-handshakes"] == 1
        await until(lambda: bob.handshakes == 0, "their time is up")
        muted = await RawPeer.dial(bob.port)
        await until(lambda: bob.handshakes == 0, "and the time of one that stops after TLS")
        assert await muted.reader.read() == b""
        for _, stalled in slow:
            stalled.close()
        muted.writer.close()
        await bob.stop()

    run(story)


def test_one_address_and_all_together_hold_a_bounded_number_of_links() -> None:
    async def story() -> None:
        bob, listener = transport_for(2, limits=TransportLimits(inbound_max=2, inbound_per_ip_max=3)), Listener()
        await bob.start(listener)
        peers = []
        for number in range(3):
            seed = bytes([100 + number]) * 32
            peer = await RawPeer.dial(bob.port, seed)
            peer.say(encode_hello(hello_of(seed), CHAIN))
            peers.append(peer)
            if number < 2:
                await listener.until(lambda count=number + 1: len(listener.up) == count, "linked")  # type: ignore[misc]
        assert await peers[2].answers() == ["full"]
        extra = await RawPeer.dial(bob.port, b"e" * 32)
        reader, writer = await asyncio.open_connection("127.0.0.1", bob.port)
        assert await reader.read() == b""
        assert bob.counters.refusals["too-many-from-ip"] == 1
        writer.close()
        for peer in (*peers[:2], extra):
            peer.writer.close()
        await listener.until(lambda: not listener.up, "all gone")
        await bob.stop()

    run(story)


async def linked_stranger(limits: TransportLimits | None = None) -> tuple[TlsTransport, Listener, RawPeer]:
    bob, listener = transport_for(2, limits=limits), Listener()
    await bob.start(listener)
    stranger = await RawPeer.dial(bob.port)
    stranger.say(encode_hello(hello_of(MALLORY), CHAIN))
    await listener.until(lambda: bool(listener.up), "linked")
    return bob, listener, stranger


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ((5_000_000).to_bytes(4, "big") + b"\x10", "frame-too-large"),
        (bytes(5), "frame-empty"),
        (frame_head(0x7F, 1) + b"x", "bad-tag"),
        (frame_head(0x13, 1) + b"x", "bad-tag"),
        (frame_head(0, 3) + b"\xff\xff\xff", "control-encoding"),
        (frame_head(0, len(h := encode_hello(hello_of(MALLORY), CHAIN))) + h, "second-hello"),
    ],
)
def test_a_linked_peer_that_breaks_the_framing_is_reported_and_cut(data: bytes, reason: str) -> None:
    async def story() -> None:
        bob, listener, stranger = await linked_stranger()
        stranger.writer.write(data)
        await listener.until(lambda: not listener.up, "cut")
        assert listener.faults == [(hello_of(MALLORY).node_id, reason)]
        assert (await stranger.answers())[-1] == reason
        await bob.stop()

    run(story)


def test_a_peer_that_floods_pings_and_does_not_read_is_cut() -> None:
    async def story() -> None:
        bob, listener, stranger = await linked_stranger()
        ping = encode_ping(1)
        stranger.writer.write((frame_head(0, len(ping)) + ping) * 200_000)
        await listener.until(lambda: not listener.up, "cut")
        assert listener.faults[0][1] == "ping-flood"
        stranger.writer.close()
        await bob.stop()

    run(story)


def test_a_peer_that_falls_silent_is_given_up() -> None:
    async def story() -> None:
        limits = TransportLimits(ping_interval=SECOND // 20, silence_timeout=SECOND // 3)
        bob, listener, stranger = await linked_stranger(limits)
        await listener.until(lambda: not listener.up, "silent")
        assert listener.downs[0][1] == "silent"
        stranger.writer.close()
        await bob.stop()

    run(story)


def test_pings_measure_the_round_trip_and_keep_a_quiet_link_alive() -> None:
    async def story() -> None:
        limits = TransportLimits(ping_interval=SECOND // 50, silence_timeout=SECOND // 4)
        alice, at_alice = transport_for(1, limits=limits), Listener()
        bob, at_bob = transport_for(2, limits=limits), Listener()
        await alice.start(at_alice)
        await bob.start(at_bob)
        alice.want(address_of(bob))
        await at_alice.until(lambda: bool(at_alice.up), "linked")
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await until(lambda: loop.time() - begun > 0.6, "more than two silences pass")
        assert not at_alice.downs
        assert not at_bob.downs
        assert 0 < alice.links()[0].round_trip < SECOND
        await alice.stop()
        await bob.stop()

    run(story)


def test_a_peer_over_its_rate_is_read_more_slowly_and_loses_nothing() -> None:
    async def story() -> None:
        limits = TransportLimits(inbound_bytes_per_second=4_000_000)
        alice, at_alice = transport_for(1), Listener()
        bob, at_bob = transport_for(2, limits=limits), Listener()
        await alice.start(at_alice)
        await bob.start(at_bob)
        alice.want(address_of(bob))
        await at_alice.until(lambda: bool(at_alice.up), "linked")
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for _ in range(600):
            alice.send((bob.node_id,), Lane.TRANSACTIONS, bytes(10_000), "flood")
        await at_bob.until(lambda: len(at_bob.frames) == 600, "everything arrives")
        assert loop.time() - begun > 0.3  # 6 MB, of which 4 MB at once, at 4 MB/s
        await alice.stop()
        await bob.stop()

    run(story)


def test_a_restarted_peer_replaces_what_its_former_life_left_behind() -> None:
    async def story() -> None:
        bob, listener, stranger = await linked_stranger()
        again = await RawPeer.dial(bob.port)
        again.say(encode_hello(hello_of(MALLORY, instance=b"newborn!"), CHAIN))
        await listener.until(lambda: len(listener.downs) == 1 and bool(listener.up), "down and up again")
        assert listener.downs[0][1] == "restarted"
        assert listener.up[hello_of(MALLORY).node_id].instance == b"newborn!"
        for peer in (stranger, again):
            peer.writer.close()
        await bob.stop()

    run(story)


def test_many_simultaneous_dials_end_in_one_link_each_time() -> None:
    async def story() -> None:
        for attempt in range(15):
            alice, at_alice = transport_for(1), Listener()
            bob, at_bob = transport_for(2), Listener()
            await alice.start(at_alice)
            await bob.start(at_bob)
            first, second = (alice, bob) if attempt % 2 else (bob, alice)
            first.want(address_of(second))
            for _ in range(attempt):
                await asyncio.sleep(0)
            second.want(address_of(first))
            await at_alice.until(lambda at=at_alice: bool(at.up), "alice has bob")  # type: ignore[misc]
            await at_bob.until(lambda at=at_bob: bool(at.up), "bob has alice")  # type: ignore[misc]
            alice.send((bob.node_id,), Lane.CONSENSUS, b"1", "test")
            bob.send((alice.node_id,), Lane.CONSENSUS, b"2", "test")
            await at_bob.until(lambda at=at_bob: len(at.frames) == 1, "one way")  # type: ignore[misc]
            await at_alice.until(lambda at=at_alice: len(at.frames) == 1, "the other way")  # type: ignore[misc]
            assert not at_alice.downs
            assert not at_bob.downs
            await alice.stop()
            await bob.stop()

    run(story)


def test_nobody_links_with_himself() -> None:
    async def story() -> None:
        alice, listener = transport_for(1), Listener()
        await alice.start(listener)
        stranger = await RawPeer.dial(alice.port, b"\x01" * 32)
        stranger.say(encode_hello(hello_of(b"\x01" * 32), CHAIN))
        assert await stranger.answers() == ["self"]
        await alice.stop()

    run(story)


def test_a_port_in_use_is_one_clear_line() -> None:
    async def story() -> None:
        alice = transport_for(1)
        await alice.start(Listener())
        bob = TlsTransport(b"\x02" * 32, CHAIN, listen=("127.0.0.1", alice.port))
        with pytest.raises(
            ConfigError, match=r"network.listen: cannot listen on 127.0.0.1:\d+: Address already in use"
        ):
            await bob.start(Listener())
        await alice.stop()

    run(story)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0x10, 0x11, 0x22, 0]), st.binary(max_size=300))), st.randoms())
def test_frames_survive_any_cutting_of_the_stream(frames: list[tuple[int, bytes]], random) -> None:  # type: ignore[no-untyped-def]
    stream = b"".join(frame_head(tag, len(payload)) + payload for tag, payload in frames)
    reader, seen, at = FrameReader(300), [], 0
    while at < len(stream):
        step = random.randint(1, 40)
        seen += reader.feed(stream[at : at + step])
        at += step
    assert seen == frames


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_harm_the_decoders(data: bytes) -> None:
    reader = FrameReader(100)
    with contextlib.suppress(PeerFault):
        frames = reader.feed(data)
        assert all(len(payload) <= 100 for _, payload in frames)
        assert sum(len(payload) + FRAME_OVERHEAD_BYTES for _, payload in frames) <= len(data)
    with contextlib.suppress(PeerFault):
        assert decode_control(data) is not None
