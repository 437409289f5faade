"""Bitcoin Cash's test vectors of aserti3-2d.

Source: the specification's test vectors (bitcoin-cash-node, qa-assets, test_vectors/aserti3-2d, run01-run10; also in
AIBlockOfficial/Network, src/test_data/asert). Anchor at height `height`, its parent's time `time`; then lines of
(height, time, bits of the block after it). Runs 4 and 5 follow a pattern, written here as a function of the line;
of runs 6 and 7 (1,000 lines each) the first ones stand here.
"""

from collections.abc import Iterator
from typing import NamedTuple

HALF_LIFE = 172_800
INTERVAL = 600
LIMIT_BITS = 0x1D00FFFF


class Run(NamedTuple):
    """One file of vectors."""

    anchor_height: int
    anchor_parent_time: int
    anchor_bits: int
    lines: tuple[tuple[int, int, int], ...]


def target_from_bits(bits: int) -> int:
    """Bitcoin's compact form: a mantissa of 23 bits and an exponent of base 256."""
    exponent, mantissa = bits >> 24, bits & 0x007FFFFF
    return mantissa << 8 * (exponent - 3) if exponent >= 3 else mantissa >> 8 * (3 - exponent)


def bits_from_target(target: int) -> int:
    """The inverse, rounding down; the mantissa's top bit is a sign and stays clear."""
    size = (target.bit_length() + 7) // 8
    mantissa = target >> 8 * (size - 3) if size >= 3 else target << 8 * (3 - size)
    if mantissa & 0x00800000:
        mantissa, size = mantissa >> 8, size + 1
    return size << 24 | mantissa


def _steady(bits: int) -> Run:
    return Run(1, 0, bits, tuple((height, 600 * height, bits) for height in range(2, 12)))


def _doubling() -> Iterator[tuple[int, int, int]]:
    """run04: each block comes a half-life late, from the smallest target to the limit."""
    for line in range(1, 226):
        yield line + 1, 174_000 + 173_400 * (line - 1), LIMIT_BITS if line >= 224 else bits_from_target(1 << line)


# run05: the first nine lines, then each mantissa again with an exponent one lower, to the smallest targets.
_HALVES = (0x7F62C0, 0x3FB160, 0x1FD8B0, 0x0FEC58, 0x07F62C, 0x03FB16, 0x01FD8B, 0x00FEC5)
_SMALLEST = (
    0x027F6200, 0x023FB100, 0x021FD800, 0x020FEC00, 0x0207F600, 0x0203FB00, 0x0201FD00, 0x0200FE00,
    0x017F0000, 0x013F0000, 0x011F0000, 0x010F0000, 0x01070000, 0x01030000, 0x01010000, 0x01010000,
)  # fmt: skip


def _halving() -> Iterator[tuple[int, int, int]]:
    """run05: 288 blocks at a time without any time passing."""
    yield 2, 0, 0x1D00FEC5
    for line in range(2, 226):
        step = line - 2
        bits = _SMALLEST[line - 210] if line >= 210 else (0x1C - step // 8) << 24 | _HALVES[step % 8]
        yield 2 + 288 * (line - 1), 0, bits


_RUN6 = (
    (2, 1200, 0x1802AEE8), (3, 1310, 0x1802AD91), (4, 1327, 0x1802ABF8), (5, 1739, 0x1802AB73),
    (6, 2219, 0x1802AB20), (7, 2604, 0x1802AA89), (8, 2746, 0x1802A94B), (9, 7099, 0x1802B39C),
    (10, 7099, 0x1802B1F2), (11, 7657, 0x1802B1D4), (12, 8626, 0x1802B2DB), (13, 8816, 0x1802B1B7),
    (40, 30824, 0x1802C203), (100, 63111, 0x1802B78D), (250, 158683, 0x1802C74E), (500, 299790, 0x1802AE55),
    (601, 370035, 0x1802C977), (620, 378438, 0x1802C0EC),
)  # fmt: skip
_RUN7 = (
    (12, 8141, 0x1802B181), (13, 8236, 0x1802B01C), (20, 11478, 0x1802AD7B), (40, 16041, 0x1802995F),
    (101, 20372, 0x18024899), (201, 24359, 0x1801D2E0), (301, 26908, 0x180172DB), (401, 28367, 0x1801253B),
    (501, 29563, 0x1800E793), (601, 30769, 0x1800B6F5), (638, 31020, 0x1800A788),
)  # fmt: skip
_RUN10 = (0x1802AFBB, 0x1802B08F, 0x1802B166, 0x1802B23A, 0x1802B30E, 0x1802B3E5, 0x1802B4BB, 0x1802B592, 0x1802B669,
          0x1802B73D)  # fmt: skip

RUNS = {
    "run01, steady at the limit": _steady(0x1D00FFFF),
    "run02, steady at an arbitrary target": _steady(0x1A2B3C4D),
    "run03, steady at the smallest target": _steady(0x01010000),
    "run04, doubling": Run(1, 0, 0x01010000, tuple(_doubling())),
    "run05, halving": Run(1, 0, 0x1D00FFFF, tuple(_halving())),
    "run06, stable hash rate": Run(1, 0, 0x1802AEE8, _RUN6),
    "run07, rising hash rate": Run(1, 0, 0x1802AEE8, _RUN7),
    "run10, across 2**63 blocks and 2**31 seconds": Run(
        2**63 - 6, 2**31 - 601, 0x1802AEE8,
        tuple((2**63 - 5 + line, 2**31 + 899 + 900 * line, bits) for line, bits in enumerate(_RUN10)),
    ),
}  # fmt: skip
