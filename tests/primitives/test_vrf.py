"""The verifiable random function: the published vectors, one output for one input, and nothing else accepted."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raclette.primitives import vrf
from raclette.primitives.errors import Misuse
from raclette.primitives.signing import (
    LOT_BYTES,
    Claim,
    Ed25519Signer,
    Ed25519Verifier,
    IdealSignatures,
    Lot,
    digest_of,
)

# RFC 9381, appendix B.3, examples 16, 17 and 18: secret, public key, input, proof, output.
VECTORS = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "8657106690b5526245a92b003bb079ccd1a92130477671f6fc01ad16f26f723f26f8a57ccaed74ee1b190bed1f479d97"
        "27d2d0f9b005a6e456a35d4fb0daab1268a1b0db10836d9826a528ca76567805",
        "90cf1df3b703cce59e2a35b925d411164068269d7b2d29f3301c03dd757876ff"
        "66b71dda49d2de59d03450451af026798e8f81cd2e333de5cdf4f3e140fdd8ae",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "f3141cd382dc42909d19ec5110469e4feae18300e94f304590abdced48aed5933bf0864a62558b3ed7f2fea45c92a465"
        "301b3bbf5e3e54ddf2d935be3b67926da3ef39226bbc355bdc9850112c8f4b02",
        "eb4440665d3891d668e7e0fcaf587f1b4bd7fbfe99d0eb2211ccec90496310eb"
        "5e33821bc613efb94db5e5b54c70a848a0bef4553a41befc57663b56373a5031",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "9bc0f79119cc5604bf02d23b4caede71393cedfbb191434dd016d30177ccbf8096bb474e53895c362d8628ee9f9ea3c0"
        "e52c7a5c691b6c18c9979866568add7a2d41b00b05081ed0f58ee5e31b3a970e",
        "645427e5d00c62a23fb703732fa5d892940935942101e456ecca7bb217c61c45"
        "2118fec1219202a0edcf038bb6373241578be7217ba85a2687f7a0310b2df19f",
    ),
]
KEY = vrf.vrf_key(bytes(range(32)))
PROOF = vrf.prove(KEY, b"alpha")
# Points of small order (1, -1, and two of order 4 and 8), and y = p + 1, a second way to write 1.
SMALL = [
    (1).to_bytes(32, "little"),
    (2**255 - 20).to_bytes(32, "little"),
    bytes(32),
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    (2**255 - 18).to_bytes(32, "little"),
]


@pytest.mark.parametrize(("secret", "public", "alpha", "proof", "output"), VECTORS)
def test_the_published_vectors(secret: str, public: str, alpha: str, proof: str, output: str) -> None:
    key = vrf.vrf_key(bytes.fromhex(secret))
    assert key.public_key.hex() == public
    assert vrf.prove(key, bytes.fromhex(alpha)).hex() == proof
    shown = vrf.proof_to_hash(bytes.fromhex(proof))
    assert shown is not None
    assert shown.hex() == output
    assert vrf.verify(key.public_key, bytes.fromhex(alpha), bytes.fromhex(proof)) == shown


def test_a_proof_is_for_its_key_and_its_input_only() -> None:
    other = vrf.vrf_key(bytes(32))
    assert vrf.verify(KEY.public_key, b"alpha", PROOF) is not None
    assert vrf.verify(KEY.public_key, b"beta", PROOF) is None
    assert vrf.verify(other.public_key, b"alpha", PROOF) is None
    assert vrf.verify(KEY.public_key, b"", PROOF) is None


@settings(max_examples=40, deadline=None)
@given(place=st.integers(0, vrf.PROOF_BYTES - 1), bit=st.integers(0, 7))
def test_a_proof_with_one_bit_changed_shows_nothing(place: int, bit: int) -> None:
    damaged = bytearray(PROOF)
    damaged[place] ^= 1 << bit
    assert vrf.verify(KEY.public_key, b"alpha", bytes(damaged)) is None


@settings(max_examples=40, deadline=None)
@given(data=st.binary(max_size=100))
def test_garbage_is_no_proof(data: bytes) -> None:
    assert vrf.verify(KEY.public_key, b"alpha", data) is None


@pytest.mark.parametrize("point", SMALL)
def test_keys_and_gammas_outside_the_prime_order_group_are_refused(point: bytes) -> None:
    assert not vrf.is_valid_key(point)
    assert vrf.verify(point, b"alpha", PROOF) is None
    assert vrf.proof_to_hash(point + PROOF[32:]) is None
    assert vrf.verify(KEY.public_key, b"alpha", point + PROOF[32:]) is None


def test_a_response_written_in_a_second_way_is_refused() -> None:
    order = 2**252 + 27742317777372353535851937790883648493
    response = int.from_bytes(PROOF[48:], "little") + order
    assert vrf.verify(KEY.public_key, b"alpha", PROOF[:48] + response.to_bytes(32, "little")) is None


def test_zero_challenge_and_response_prove_nothing() -> None:
    assert vrf.verify(KEY.public_key, b"alpha", PROOF[:32] + bytes(48)) is None


def test_a_secret_of_another_length_is_misuse() -> None:
    with pytest.raises(Misuse, match="32 bytes"):
        vrf.vrf_key(b"short")


def test_outputs_of_many_inputs_are_uniform_bytes() -> None:
    """Chi-square over the first byte's four top bits, 15 degrees of freedom, 0.1 % point 37.7; a fixed seed."""
    counts = [0] * 16
    for number in range(480):
        output = vrf.proof_to_hash(vrf.prove(KEY, number.to_bytes(4, "big")))
        assert output is not None
        counts[output[0] >> 4] += 1
    assert sum((count - 30) ** 2 / 30 for count in counts) < 37.7


# --- lots at the gate -------------------------------------------------------------------------------------------------

ALPHA = digest_of("test", 1)
REAL = Ed25519Signer(bytes(range(32)))
WORLD = IdealSignatures(b"world")


@pytest.mark.parametrize(("signer", "verifier"), [(REAL, Ed25519Verifier()), (WORLD.signer(b"n" * 32), WORLD)])
def test_a_lot_holds_for_its_author_input_and_output(signer: Any, verifier: Any) -> None:
    lot = Lot(signer.public_key, ALPHA, signer.draw(ALPHA))
    assert len(lot.signature) == LOT_BYTES
    assert lot.proof + lot.output == lot.signature
    assert verifier.holds(lot)
    assert signer.draw(ALPHA) == lot.signature
    other_output = lot.signature[:-1] + bytes((lot.signature[-1] ^ 1,))
    assert not verifier.holds(lot._replace(signature=other_output))
    assert not verifier.holds(lot._replace(digest=digest_of("test", 2)))
    assert not verifier.holds(lot._replace(author=b"m" * 32))
    assert not verifier.holds(lot._replace(signature=lot.signature[:64]))


@pytest.mark.parametrize(("signer", "verifier"), [(REAL, Ed25519Verifier()), (WORLD.signer(b"n" * 32), WORLD)])
def test_a_signature_is_no_lot(signer: Any, verifier: Any) -> None:
    claim = Claim(signer.public_key, ALPHA, signer.sign(ALPHA))
    assert verifier.holds(claim)
    assert not verifier.holds(claim._replace(signature=claim.signature + bytes(80)))
