"""What no engine takes, whichever its protocol: garbage, too much of it, bad parameters, damaged records. It is refused
with our own errors only, and what was wrong is named."""

from typing import Any, Protocol

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import IDS, lone_engine

from raclette.chain.header import Header
from raclette.engine.message import Message
from raclette.primitives.errors import ConfigError, DecodeError, InvalidHeader, NotYet, StoreDamaged
from raclette.protocols.ballot.codec import Codec as BallotCodec
from raclette.protocols.pbft.codec import Codec as PbftCodec
from raclette.protocols.pbft.quorum import Committee as PbftCommittee
from raclette.protocols.senate.codec import Codec as SenateCodec
from raclette.protocols.senate.statements import Statements
from raclette.protocols.simplex.codec import Codec as SimplexCodec
from raclette.protocols.simplex.statements import Committee as SimplexCommittee
from raclette.protocols.simplex.statements import extra_data


class Codec(Protocol):
    """Bytes of messages."""

    def encode(self, message: Any) -> bytes: ...

    def decode(self, data: bytes) -> Message: ...


# Each with the last of its kinds of messages; the first is 1.
CODECS: dict[str, tuple[Codec, int]] = {
    "pbft": (PbftCodec(PbftCommittee(IDS, 7), 16), 8),
    "simplex": (SimplexCodec(SimplexCommittee(IDS, 7)), 7),
    "senate": (SenateCodec(Statements(7, bytes(32)), 10), 9),
    "ballot": (BallotCodec(7), 5),
}
each_codec = pytest.mark.parametrize("protocol", CODECS)


@each_codec
@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=400), kind=st.integers(0, 10))
def test_garbage_is_refused_with_a_decode_error(protocol: str, data: bytes, kind: int) -> None:
    codec, _ = CODECS[protocol]
    for payload in (data, bytes((kind,)) + data):
        try:
            message = codec.decode(payload)
        except DecodeError:
            continue
        assert codec.encode(message) == payload


@each_codec
def test_every_kind_has_a_largest_size(protocol: str) -> None:
    codec, last = CODECS[protocol]
    for kind in range(1, last + 1):
        with pytest.raises(DecodeError, match=f"{protocol}-size"):
            codec.decode(bytes((kind,)) + bytes(1_000_000))
    with pytest.raises(DecodeError, match=f"{protocol}-kind"):
        codec.decode(bytes((last + 1,)) + bytes(1_000_000))


BAD_PARAMETERS: dict[str, list[tuple[dict[str, Any], str]]] = {
    "pbft": [
        ({"windw": 4}, "config.protocol.windw"),
        ({"window": "12"}, "config.protocol.window"),
        ({"pipeline": 0}, "config.protocol.pipeline"),
        ({"window": 7}, "window 7 is less than twice"),
        ({"view_timeout_cap_ms": 100}, "view_timeout_cap_ms"),
        ({"validators": []}, "config.protocol.validators"),
        ({"validators": ["0x12"]}, "config.protocol.validators"),
        ({"validators": ["0x" + "11" * 32] * 2}, "listed twice"),
    ],
    "simplex": [
        ({"windw": 4}, "config.protocol.windw"),
        ({"window": "12"}, "config.protocol.window"),
        ({"delta_ms": 0}, "config.protocol.delta_ms"),
        ({"delta_cap_ms": 50}, "delta_cap_ms 50 is less than delta_ms"),
        ({"validators": []}, "config.protocol.validators"),
        ({"validators": ["0x12"]}, "config.protocol.validators"),
        ({"validators": ["0x" + "11" * 32] * 2}, "listed twice"),
    ],
    "senate": [
        ({"seats": 0}, r"config\.protocol\.seats"),
        ({"seats": 10, "malicious": 4}, r"floor\(\(seats - 1\) / 3\), which is 3"),
        ({"round_timeout_ms": 100, "entry_window_ms": 60}, "less than twice entry_window_ms"),
        ({"round_timeout_ms": 2_000, "round_timeout_cap_ms": 1_000}, "less than round_timeout_ms"),
        ({"seat": 3}, r"config\.protocol\.seat: unknown key; accepted: seats"),
        ({"seats": 7.0}, r"config\.protocol\.seats"),
    ],
}


@pytest.mark.parametrize(
    ("protocol", "changes", "said"),
    [(protocol, changes, said) for protocol, rows in BAD_PARAMETERS.items() for changes, said in rows],
)
def test_a_bad_parameter_is_refused_with_its_path(protocol: str, changes: dict[str, Any], said: str) -> None:
    assert lone_engine(protocol)
    with pytest.raises(ConfigError, match=said):
        lone_engine(protocol, **changes)


@pytest.mark.parametrize(
    ("protocol", "key", "value"),
    [
        ("pbft", b"view", b"\x01"),
        ("pbft", b"prepared", b"\xc1\x01"),
        ("simplex", b"state", b"\x01"),
        ("simplex", b"proof/x", b"\xc1\x01"),
        ("senate", b"word", b"\xc0"),
        *((protocol, b"body/x", b"") for protocol in ("pbft", "simplex", "senate")),
        *((protocol, b"what", b"\xc0") for protocol in ("pbft", "simplex", "senate")),
    ],
)
def test_a_damaged_record_stops_the_engine_and_is_named(protocol: str, key: bytes, value: bytes) -> None:
    with pytest.raises(StoreDamaged, match=key.decode()):
        lone_engine(protocol, {key: value})


@pytest.mark.parametrize("protocol", ["pbft", "simplex", "senate"])
def test_a_block_is_only_too_early_if_nothing_else_is_wrong_with_it(protocol: str) -> None:
    """Who is told `NotYet` keeps the block and asks again; a block that will never do is refused at once."""
    engine = lone_engine(protocol)
    parent = engine.core.chain.genesis

    def told(**changes: Any) -> InvalidHeader:
        header = Header(**{"number": 1, "parent_hash": parent.hash, "difficulty": 1, "timestamp": 10**9, **changes})
        with pytest.raises(InvalidHeader) as caught:
            engine.check_header(header, parent, lambda _: None, 0)
        return caught.value

    for wrong in ({"difficulty": 2}, {"number": 2}, {"extra_data": b"nobody"}):
        assert not isinstance(told(**wrong), NotYet)
    if protocol != "senate":  # whose blocks carry what only a draw can make
        author = IDS[0] if protocol == "pbft" else extra_data(IDS[engine.core.committee.leader(1)], 1)
        assert isinstance(told(extra_data=author), NotYet)
