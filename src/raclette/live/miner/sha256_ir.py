"""LLVM IR that searches a nonce: sha256d of 40 bytes, many nonces at a time.

The message `prehash (32) || nonce (8)` and its padding fill one SHA-256 block; its 32-byte digest fills another. Each
lane of a vector tries its own nonce. In the first block only message word 9 (the nonce's low half) differs between
lanes, so most of the early rounds and schedule is the same for all: a `Value` here is known at one of three moments,
and every operation happens as early as its operands allow:

- CONSTANT: when the code is written (padding, round constants, initial state): a Python int, folded here;
- SCALAR: when a chunk begins (prehash, high half of the nonce): one 32-bit operation before the loop;
- LANES: in the loop, one vector operation for all lanes.

Source: FIPS 180-4, sections 4.1.2, 5.3.3 and 6.2.2.
"""

from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import NamedTuple, TypeAlias

from llvmlite import ir

FUNCTION = "raclette_search"
WORD_BITS = 32
_MASK = 0xFFFFFFFF


def _primes(count: int) -> list[int]:
    found: list[int] = []
    candidate = 2
    while len(found) < count:
        if all(candidate % prime for prime in found):
            found.append(candidate)
        candidate += 1
    return found


def _root(value: int, degree: int) -> int:
    """floor(value ** (1 / degree)) by bisection."""
    low, high = 0, 1 << (value.bit_length() // degree + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if middle**degree <= value else (low, middle)
    return low


# First 32 bits of the fractional parts of the cube roots of the first 64 primes, and of the square roots of 8.
ROUND_CONSTANTS = [_root(prime << 96, 3) & _MASK for prime in _primes(64)]
INITIAL_STATE = [_root(prime << 64, 2) & _MASK for prime in _primes(8)]


class Moment(IntEnum):
    """When a value is known."""

    CONSTANT = 0
    SCALAR = 1
    LANES = 2


class Value(NamedTuple):
    """A 32-bit word: a Python int (CONSTANT) or an IR value."""

    moment: Moment
    content: int | ir.Value


State: TypeAlias = Sequence[Value]


def constant(word: int) -> Value:
    """A word known now."""
    return Value(Moment.CONSTANT, word & _MASK)


class Emitter:
    """Emits 32-bit operations, each at the earliest moment."""

    def __init__(self, module: ir.Module, before: ir.IRBuilder, inside: ir.IRBuilder, lanes: int) -> None:
        self._module = module
        self._before = before
        self._inside = inside
        self._word = ir.IntType(WORD_BITS)
        self._vector = ir.VectorType(self._word, lanes)
        self._lanes = lanes
        self._splats: dict[int, ir.Value] = {}

    def add(self, *terms: Value) -> Value:
        """The sum modulo 2**32: early terms are summed early."""
        total = constant(0)
        for term in sorted(terms, key=lambda value: value.moment):
            total = self._combine(total, term, lambda a, b: a + b, "add")
        return total

    def xor(self, a: Value, b: Value) -> Value:
        """Bitwise exclusive or."""
        return self._combine(a, b, lambda x, y: x ^ y, "xor")

    def both(self, a: Value, b: Value) -> Value:
        """Bitwise and."""
        return self._combine(a, b, lambda x, y: x & y, "and_")

    def rotate(self, value: Value, bits: int) -> Value:
        """To the right, as one funnel shift."""
        if value.moment is Moment.CONSTANT:
            word = _int(value)
            return constant(word >> bits | word << (WORD_BITS - bits))
        builder, kind = self._place(value.moment)
        name = f"llvm.fshr.{'i32' if value.moment is Moment.SCALAR else f'v{self._lanes}i32'}"
        function = self._module.globals.get(name) or ir.Function(self._module, ir.FunctionType(kind, [kind] * 3), name)
        amount = self._literal(bits, kind)
        return Value(value.moment, builder.call(function, [value.content, value.content, amount]))

    def shift(self, value: Value, bits: int) -> Value:
        """To the right, filling with zeros."""
        return self._combine(value, constant(bits), lambda x, n: x >> n, "lshr")

    def lanes(self, value: Value) -> ir.Value:
        """The word in every lane."""
        if value.moment is Moment.LANES:
            return value.content
        if value.moment is Moment.CONSTANT:
            return self._literal(_int(value), self._vector)
        key = id(value.content)
        if key not in self._splats:
            undefined = ir.Constant(self._vector, ir.Undefined)
            first = self._before.insert_element(undefined, value.content, ir.Constant(self._word, 0))
            order = ir.Constant(ir.VectorType(self._word, self._lanes), [0] * self._lanes)
            self._splats[key] = self._before.shuffle_vector(first, undefined, order)
        return self._splats[key]

    def _combine(self, a: Value, b: Value, fold: Callable[[int, int], int], operation: str) -> Value:
        moment = max(a.moment, b.moment)
        if moment is Moment.CONSTANT:
            return constant(fold(_int(a), _int(b)))
        if operation == "add" and a == constant(0):
            return b
        builder, _ = self._place(moment)
        return Value(moment, getattr(builder, operation)(self._as(a, moment), self._as(b, moment)))

    def _as(self, value: Value, moment: Moment) -> ir.Value:
        if moment is Moment.LANES:
            return self.lanes(value)
        return self._literal(_int(value), self._word) if value.moment is Moment.CONSTANT else value.content

    def _place(self, moment: Moment) -> tuple[ir.IRBuilder, ir.Type]:
        return (self._inside, self._vector) if moment is Moment.LANES else (self._before, self._word)

    def _literal(self, word: int, kind: ir.Type) -> ir.Value:
        return ir.Constant(kind, [word] * self._lanes if kind == self._vector else word)


def _int(value: Value) -> int:
    if not isinstance(value.content, int):
        raise TypeError("not a constant")
    return value.content


def _sum3(emit: Emitter, value: Value, rotations: tuple[int, int], last: Value) -> Value:
    first, second = rotations
    return emit.xor(emit.xor(emit.rotate(value, first), emit.rotate(value, second)), last)


def compress(emit: Emitter, message: Sequence[Value], rounds: int = 64) -> list[Value]:
    """SHA-256's compression of one block from the initial state. Schedule and rounds alternate, so that only 16 words
    of the schedule live at a time."""
    words = list(message)
    a, b, c, d, e, f, g, h = initial = [constant(word) for word in INITIAL_STATE]
    for index in range(rounds):
        if index >= 16:
            words.append(_schedule(emit, words, index))
        big1 = _sum3(emit, e, (6, 11), emit.rotate(e, 25))
        choose = emit.xor(g, emit.both(e, emit.xor(f, g)))
        t1 = emit.add(h, big1, choose, constant(ROUND_CONSTANTS[index]), words[index])
        big0 = _sum3(emit, a, (2, 13), emit.rotate(a, 22))
        majority = emit.xor(emit.both(a, b), emit.both(c, emit.xor(a, b)))
        a, b, c, d, e, f, g, h = emit.add(t1, big0, majority), a, b, c, emit.add(d, t1), e, f, g
    return [emit.add(old, new) for old, new in zip(initial, (a, b, c, d, e, f, g, h), strict=True)]


def _schedule(emit: Emitter, words: Sequence[Value], index: int) -> Value:
    early, late = words[index - 15], words[index - 2]
    small0 = _sum3(emit, early, (7, 18), emit.shift(early, 3))
    small1 = _sum3(emit, late, (17, 19), emit.shift(late, 10))
    return emit.add(words[index - 16], small0, words[index - 7], small1)


def search_module(lanes: int) -> ir.Module:
    """`int64 raclette_search(const uint32 *words, uint32 low, uint64 groups, uint32 top)`.

    `words`: message words 0..8 (prehash and the nonce's high half) as native integers. Tries `groups` groups of
    `lanes` nonces whose low halves start at `low`; answers the index of the first group in which some digest's first
    word is at most `top`, or -1.
    """
    word, long = ir.IntType(WORD_BITS), ir.IntType(64)
    module = ir.Module(name=FUNCTION)
    kind = ir.FunctionType(long, [word.as_pointer(), word, long, word])
    function = ir.Function(module, kind, FUNCTION)
    pointer, low, groups, top = function.args
    entry, loop, again, found, missed = (
        function.append_basic_block(name) for name in ("entry", "loop", "again", "found", "missed")
    )
    before, inside = ir.IRBuilder(entry), ir.IRBuilder(loop)
    emit = Emitter(module, before, inside, lanes)
    header = [Value(Moment.SCALAR, before.load(before.gep(pointer, [ir.Constant(word, index)]))) for index in range(9)]
    vector = ir.VectorType(word, lanes)
    ramp = ir.Constant(vector, list(range(lanes)))
    first = before.add(emit.lanes(Value(Moment.SCALAR, low)), ramp)
    limit = emit.lanes(Value(Moment.SCALAR, top))

    group, nonces = inside.phi(long), inside.phi(vector)
    padding = [constant(0x80000000), *[constant(0)] * 4, constant(40 * 8)]
    inner = compress(emit, [*header, Value(Moment.LANES, nonces), *padding])
    padding = [constant(0x80000000), *[constant(0)] * 6, constant(32 * 8)]
    digest = compress(emit, [*inner, *padding])
    hits = inside.icmp_unsigned("<=", emit.lanes(digest[0]), limit)
    mask = inside.bitcast(hits, ir.IntType(lanes))
    inside.cbranch(inside.icmp_unsigned("!=", mask, ir.Constant(mask.type, 0)), found, again)

    more = ir.IRBuilder(again)
    next_group = more.add(group, ir.Constant(long, 1))
    next_nonces = more.add(nonces, ir.Constant(vector, [lanes] * lanes))
    more.cbranch(more.icmp_unsigned("<", next_group, groups), loop, missed)
    ir.IRBuilder(found).ret(group)
    ir.IRBuilder(missed).ret(ir.Constant(long, -1))

    group.add_incoming(ir.Constant(long, 0), entry)
    group.add_incoming(next_group, again)
    nonces.add_incoming(first, entry)
    nonces.add_incoming(next_nonces, again)
    before.branch(loop)
    return module
