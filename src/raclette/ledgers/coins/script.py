"""The stack script: what must be shown to spend an output.

An output carries a *locking* script, whoever spends it an *unlocking* one. The unlocking script is run first, then the
locking one, on the same stack. There are two operations:

    DATA n <n bytes>    0x01: push the bytes (one byte of length)
    CHECK_SIG           0x02: pop an address, pop a signature; the script fails unless the one made the other

The output may be spent if everything succeeds and nothing is left on the stack. So money is sent to an address by

    locking    DATA <address> CHECK_SIG
    unlocking  DATA <signature>

and to several owners who must all sign by repeating the locking part; their signatures are pushed last one first.

There is no jump and no way to define one: a script is read once from left to right, takes at most `OPERATIONS_MAX`
steps, and each byte sequence has one reading. Nothing but pushes may stand in an unlocking script, and nothing may be
left over, so that nobody but the signers can write another one that works (Bitcoin's BIP-62, its rules 2, 3, 4, 6).

Deviations from Bitcoin's script: two operations instead of a hundred; CHECK_SIG names an address, since our signatures
give back the key that made them, and fails instead of pushing false; outputs that nobody could ever spend are refused
when they are made (`signatures_of_lock`), since they would stay in the state for ever.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from raclette.ledgers.coins.limits import (
    ITEM_BYTES_MAX,
    LOCK_SIGNATURES_MAX,
    OPERATIONS_MAX,
    SCRIPT_BYTES_MAX,
    STACK_DEPTH_MAX,
)
from raclette.primitives.errors import DecodeError, Refused
from raclette.primitives.hashing import keccak256
from raclette.primitives.keys import ADDRESS_BYTES, CURVE_ORDER, LOW_S_MAX, recover_compact

DATA = 0x01
CHECK_SIG = 0x02
NAMES = {DATA: "DATA", CHECK_SIG: "CHECK_SIG"}

# r (32), s (32), y_parity (1): fixed widths, so that a signature has one encoding.
SIGNATURE_BYTES = 65
_LOCK_HEAD = bytes((DATA, ADDRESS_BYTES))
_LOCK_TAIL = bytes((CHECK_SIG,))
_LOCK_BYTES = len(_LOCK_HEAD) + ADDRESS_BYTES + len(_LOCK_TAIL)
# Locking scripts remembered with what was found out about them: those of the accounts that pay today.
_LOCKS_REMEMBERED = 4_096


class Operation(NamedTuple):
    """One step. `item` is what DATA pushes, empty for CHECK_SIG."""

    opcode: int
    item: bytes


def push(item: bytes) -> bytes:
    """The script that pushes `item`. Raises Refused if it is too long."""
    if len(item) > ITEM_BYTES_MAX:
        raise Refused("script-item", f"script: an item of {len(item)} bytes, at most {ITEM_BYTES_MAX}")
    return bytes((DATA, len(item))) + item


def lock_to(*addresses: bytes) -> bytes:
    """The locking script of an output that all the owners of `addresses` must sign for, mostly just one."""
    return b"".join(push(address) + _LOCK_TAIL for address in addresses)


def unlock_with(*signatures: bytes) -> bytes:
    """The unlocking script, with the signatures in the order of the addresses."""
    return b"".join(map(push, reversed(signatures)))


def owner_of(lock: bytes) -> bytes:
    """The account that an output is shown under: the address, where it is one; else the last 20 bytes of the script's
    keccak256, which no key can have."""
    if len(lock) == _LOCK_BYTES and lock.startswith(_LOCK_HEAD) and lock.endswith(_LOCK_TAIL):
        return lock[len(_LOCK_HEAD) : -len(_LOCK_TAIL)]
    return keccak256(lock)[-ADDRESS_BYTES:]


def operations(script: bytes) -> Iterator[Operation]:
    """The steps of a script. Raises Refused where it is malformed, at the step that is."""
    if len(script) > SCRIPT_BYTES_MAX:
        raise Refused("script-too-long", f"script: {len(script)} bytes, at most {SCRIPT_BYTES_MAX}")
    at = 0
    while at < len(script):
        opcode = script[at]
        if opcode == CHECK_SIG:
            yield Operation(opcode, b"")
            at += 1
            continue
        if opcode != DATA:
            known = ", ".join(f"{code:#04x} {name}" for code, name in NAMES.items())
            raise Refused("script-opcode", f"script: {opcode:#04x} at byte {at} is no operation; there are {known}")
        size = script[at + 1] if at + 1 < len(script) else -1
        item = script[at + 2 : at + 2 + size] if size >= 0 else b""
        if len(item) != size:
            raise Refused("script-truncated", f"script: DATA at byte {at} goes beyond the end")
        if size > ITEM_BYTES_MAX:
            raise Refused("script-item", f"script: an item of {size} bytes at byte {at}, at most {ITEM_BYTES_MAX}")
        yield Operation(opcode, item)
        at += 2 + size


def run(unlock: bytes, lock: bytes, digest: bytes) -> int:
    """Run both on one stack; `digest` (32 bytes) is what signatures are over. Returns how many were checked. Raises
    Refused with what went wrong."""
    stack: list[bytes] = []
    checked = steps = 0
    for script, may_check in ((unlock, False), (lock, True)):
        for operation in operations(script):
            steps += 1
            if steps > OPERATIONS_MAX:
                raise Refused("script-operations", f"script: more than {OPERATIONS_MAX} operations")
            if operation.opcode == DATA:
                if len(stack) == STACK_DEPTH_MAX:
                    raise Refused("stack-overflow", f"script: more than {STACK_DEPTH_MAX} items on the stack")
                stack.append(operation.item)
                continue
            if not may_check:
                raise Refused("script-unlock", "script: an unlocking script only pushes, and this one has CHECK_SIG")
            if len(stack) < 2:
                raise Refused("stack-underflow", f"script: CHECK_SIG takes two items, the stack has {len(stack)}")
            _check_signature(stack.pop(), stack.pop(), digest)
            checked += 1
    if stack:
        raise Refused("stack-left", f"script: {len(stack)} items are left on the stack; nothing may be")
    return checked


def _check_signature(address: bytes, signature: bytes, digest: bytes) -> None:
    if len(address) != ADDRESS_BYTES:
        raise Refused("bad-signature", f"script: CHECK_SIG takes an address of 20 bytes, not {len(address)}")
    if len(signature) != SIGNATURE_BYTES:
        raise Refused("bad-signature", f"script: a signature has {SIGNATURE_BYTES} bytes, not {len(signature)}")
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:64])
    if not (0 < r < CURVE_ORDER and 0 < s <= LOW_S_MAX and signature[64] <= 1):
        raise Refused("bad-signature", "script: a signature is r, s in the lower half, and a parity of 0 or 1")
    try:
        signer = recover_compact(digest, signature)
    except DecodeError as wrong:
        raise Refused("bad-signature", f"script: {wrong}") from None
    if signer != address:
        raise Refused("bad-signature", f"script: signed by 0x{signer.hex()}, not by 0x{address.hex()}")


@lru_cache(maxsize=_LOCKS_REMEMBERED)
def signatures_of_lock(lock: bytes) -> int:
    """How many signatures spending takes, at least 1: the script is run with unknown signatures below its own items.
    Raises Refused if it is malformed, or nobody could ever spend what it locks."""
    own: list[bytes] = []
    signatures = 0
    for operation in operations(lock):
        if operation.opcode == DATA:
            own.append(operation.item)
            continue
        if not own or len(own[-1]) != ADDRESS_BYTES:
            raise Refused("lock-unspendable", "script: a locking script's CHECK_SIG follows DATA with an address")
        own.pop()
        if own:
            # What is signed contains the hash of this very output: its signature cannot be known beforehand.
            raise Refused("lock-unspendable", "script: a locking script cannot contain the signature itself")
        signatures += 1
    if own or not 0 < signatures <= LOCK_SIGNATURES_MAX:
        found = f"{signatures} CHECK_SIG and {len(own)} items left"
        raise Refused("lock-unspendable", f"script: {found}; belong 1 to {LOCK_SIGNATURES_MAX} and none")
    return signatures
