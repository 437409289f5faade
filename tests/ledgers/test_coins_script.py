"""The stack script: two operations, no loop, and a reason for everything that does not work."""

import pytest
from coins_world import ALICE, BOB, CAROL
from hypothesis import given
from hypothesis import strategies as st

from raclette.ledgers.coins.limits import (
    ITEM_BYTES_MAX,
    LOCK_SIGNATURES_MAX,
    OPERATIONS_MAX,
    SCRIPT_BYTES_MAX,
    STACK_DEPTH_MAX,
)
from raclette.ledgers.coins.script import (
    CHECK_SIG,
    DATA,
    lock_to,
    operations,
    owner_of,
    push,
    run,
    signatures_of_lock,
    unlock_with,
)
from raclette.primitives.errors import Refused

DIGEST = b"\x42" * 32
CHECK = bytes((CHECK_SIG,))


def refusal(unlock: bytes, lock: bytes) -> str:
    try:
        run(unlock, lock, DIGEST)
    except Refused as refused:
        return refused.reason
    return ""


def sign(*keys: object) -> bytes:
    return unlock_with(*(key.sign_compact(DIGEST) for key in keys))  # type: ignore[attr-defined]


def test_the_owner_of_an_address_opens_its_lock_and_nobody_else_does() -> None:
    assert run(sign(ALICE), lock_to(ALICE.address), DIGEST) == 1
    assert refusal(sign(BOB), lock_to(ALICE.address)) == "bad-signature"
    assert refusal(b"", lock_to(ALICE.address)) == "stack-underflow"


def test_as_many_as_a_lock_may_name_can_sign_for_it() -> None:
    keys = [ALICE, BOB, CAROL, BOB] * (LOCK_SIGNATURES_MAX // 4)
    lock = lock_to(*(key.address for key in keys))
    assert signatures_of_lock(lock) == run(sign(*keys), lock, DIGEST) == LOCK_SIGNATURES_MAX


@pytest.mark.parametrize("opcode", [0x00, 0x03, 0x63, 0x6A, 0xFF])
def test_a_script_that_would_loop_has_no_operation_to_do_it_with(opcode: int) -> None:
    """0x63 and its neighbours branch in Bitcoin's script; here nothing jumps, so every script ends."""
    lock = lock_to(ALICE.address)
    assert refusal(sign(ALICE), lock + bytes((opcode,))) == "script-opcode"
    assert refusal(bytes((opcode,)) + sign(ALICE), lock) == "script-opcode"


def test_a_script_that_overflows_the_stack_is_refused() -> None:
    assert refusal(push(b"\x01") * (STACK_DEPTH_MAX + 1), b"") == "stack-overflow"
    assert refusal(push(b"\x01") * STACK_DEPTH_MAX, b"") == "stack-left"


def test_a_script_that_underflows_the_stack_is_refused() -> None:
    assert refusal(b"", CHECK) == "stack-underflow"
    assert refusal(b"", push(ALICE.address) + CHECK) == "stack-underflow"


def test_a_script_that_takes_too_many_steps_is_refused() -> None:
    lock = lock_to(ALICE.address) * LOCK_SIGNATURES_MAX
    assert refusal(sign(*[ALICE] * LOCK_SIGNATURES_MAX), lock + push(b"")) == "script-operations"
    assert 3 * LOCK_SIGNATURES_MAX == OPERATIONS_MAX


def test_an_unlocking_script_only_pushes() -> None:
    """Otherwise it could satisfy itself, and be rewritten by whoever passes it on."""
    assert refusal(sign(BOB) + lock_to(BOB.address), b"") == "script-unlock"


def test_what_an_unlocking_script_leaves_over_is_refused() -> None:
    assert refusal(push(b"spare") + sign(ALICE), lock_to(ALICE.address)) == "stack-left"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (bytes((DATA,)), "script-truncated"),
        (bytes((DATA, 5)) + b"four", "script-truncated"),
        (bytes((DATA, ITEM_BYTES_MAX + 1)) + bytes(ITEM_BYTES_MAX + 1), "script-item"),
        (push(bytes(ITEM_BYTES_MAX)) * 14, "script-too-long"),
        (CHECK * (SCRIPT_BYTES_MAX + 1), "script-too-long"),
    ],
)
def test_a_malformed_script_is_refused_where_it_breaks(script: bytes, reason: str) -> None:
    assert refusal(script, b"") == reason
    with pytest.raises(Refused) as refused:
        signatures_of_lock(script)
    assert refused.value.reason == reason


def test_no_program_pushes_too_long_an_item() -> None:
    with pytest.raises(Refused, match="81 bytes, at most 80"):
        push(bytes(ITEM_BYTES_MAX + 1))


@pytest.mark.parametrize(
    "lock",
    [
        b"",
        push(b"\x01"),
        CHECK,
        push(b"\x01" * 19) + CHECK,
        lock_to(ALICE.address) + push(b""),
        push(bytes(65)) + lock_to(ALICE.address),
        lock_to(*[ALICE.address] * (LOCK_SIGNATURES_MAX + 1)),
    ],
)
def test_a_lock_that_nobody_could_open_is_refused_when_it_is_made(lock: bytes) -> None:
    with pytest.raises(Refused) as refused:
        signatures_of_lock(lock)
    assert refused.value.reason == "lock-unspendable"


def test_an_owner_is_an_address_where_the_lock_has_just_one() -> None:
    assert owner_of(lock_to(ALICE.address)) == ALICE.address
    shared = owner_of(lock_to(ALICE.address, BOB.address))
    assert len(shared) == 20
    assert shared != owner_of(lock_to(BOB.address, ALICE.address))


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_any_two_scripts_succeed_or_are_refused(unlock: bytes, lock: bytes) -> None:
    assert refusal(unlock, lock) or (unlock, lock) == (b"", b"")


pieces = st.one_of(st.binary(max_size=ITEM_BYTES_MAX).map(push), st.just(CHECK), st.just(push(ALICE.address)))


@given(st.lists(pieces, max_size=12))
def test_a_script_has_one_reading(parts: list[bytes]) -> None:
    script = b"".join(parts)
    read = [push(step.item) if step.opcode == DATA else CHECK for step in operations(script)]
    assert b"".join(read) == script


@given(st.lists(pieces, max_size=12), st.lists(pieces, max_size=12))
def test_whatever_is_pushed_and_checked_nobody_opens_a_lock_without_a_signature(
    unlock: list[bytes], lock: list[bytes]
) -> None:
    """The machine on grammatical scripts: the only ones that succeed check nothing because they do nothing."""
    if not refusal(b"".join(unlock), b"".join(lock)):
        assert unlock == lock == []
