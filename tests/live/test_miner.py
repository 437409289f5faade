"""The miner: vector code finds what hashlib finds, stops when told, and never runs damaged code."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from queue import Empty, Queue

import pytest

from raclette.chain.header import Header
from raclette.live.miner import HashlibKernel, Kernel, Miner, VectorKernel, kernel, make_kernel
from raclette.live.miner.bench import measure
from raclette.live.miner.sha256_ir import INITIAL_STATE, ROUND_CONSTANTS
from raclette.primitives.hashing import ZERO_HASH

EASY = (1 << 256) // 3_000
HARD = (1 << 256) // (1 << 60)
REFERENCE = HashlibKernel()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def supported(lanes: int, cache: Path) -> Kernel:
    found = make_kernel(lanes, cache)
    if found.lanes != lanes:
        pytest.skip("llvmlite cannot compile here")
    return found


def header(number: int = 1) -> Header:
    return Header(ZERO_HASH, number, 1_700_000_000)


def test_the_constants_are_those_of_fips_180_4() -> None:
    assert [hex(word) for word in (ROUND_CONSTANTS[0], ROUND_CONSTANTS[63])] == ["0x428a2f98", "0xc67178f2"]
    assert [hex(word) for word in (INITIAL_STATE[0], INITIAL_STATE[7])] == ["0x6a09e667", "0x5be0cd19"]


@pytest.mark.parametrize("lanes", [4, 8, 16])
def test_every_width_finds_the_same_nonces_as_hashlib(lanes: int, cache: Path) -> None:
    fast = supported(lanes, cache)
    for case in range(12):
        prehash = sha256(bytes([case])).digest()
        start = (case << 40) + case * 977
        expected = REFERENCE.search(prehash, EASY, start, 9_001)
        assert fast.search(prehash, EASY, start, 9_001) == expected
    assert expected is not None


def test_the_target_is_compared_in_all_256_bits(cache: Path) -> None:
    """The kernel compares 32 bits; a digest that only just counts, or only just does not, is told apart."""
    fast = supported(kernel.native_lanes(), cache)
    prehash = sha256(b"edge").digest()
    nonce = 4_321
    digest = int.from_bytes(sha256(sha256(prehash + nonce.to_bytes(8, "big")).digest()).digest(), "big")
    for search in (REFERENCE, fast):
        assert search.search(prehash, digest, nonce, 1) == nonce
        assert search.search(prehash, digest - 1, nonce, 1) is None


def test_the_search_crosses_the_low_half_of_the_nonce_and_ends_with_it(cache: Path) -> None:
    fast = supported(kernel.native_lanes(), cache)
    prehash = sha256(b"carry").digest()
    for start in ((1 << 32) - 37, (7 << 32) - 5, (1 << 64) - 50):
        for target in (EASY * 20, EASY, HARD):
            assert fast.search(prehash, target, start, 501) == REFERENCE.search(prehash, target, start, 501)
    assert fast.search(prehash, (1 << 256) - 1, 1 << 64, 10) is None
    assert fast.search(prehash, (1 << 256) - 1, 3, 0) is None


def test_nothing_outside_the_asked_range_is_reported(cache: Path) -> None:
    fast = supported(kernel.native_lanes(), cache)
    prehash = sha256(b"range").digest()
    nonce = REFERENCE.search(prehash, EASY, 0, 50_000)
    assert nonce is not None
    assert fast.search(prehash, EASY, 0, nonce) is None
    assert fast.search(prehash, EASY, 0, nonce + 1) == nonce


def test_the_kernel_is_compiled_once_and_loaded_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lanes = kernel.native_lanes()
    supported(lanes, tmp_path)
    assert [path.suffix for path in tmp_path.iterdir()] == [".o"]

    def never(source: str) -> bytes:
        raise AssertionError("compiled again")

    monkeypatch.setattr(kernel, "_compile", never)
    assert supported(lanes, tmp_path).search(ZERO_HASH, EASY, 0, 50_000) == REFERENCE.search(ZERO_HASH, EASY, 0, 50_000)


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty"])
def test_a_damaged_cache_is_replaced_and_never_run(damage: str, tmp_path: Path) -> None:
    lanes = kernel.native_lanes()
    supported(lanes, tmp_path)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    path.write_bytes({"truncated": whole[:middle], "flipped": flipped, "empty": b""}[damage])
    fast = supported(lanes, tmp_path)
    assert fast.search(ZERO_HASH, EASY, 0, 50_000) == REFERENCE.search(ZERO_HASH, EASY, 0, 50_000)
    assert path.read_bytes() != b""
    assert sha256(path.read_bytes()[32:]).digest() == path.read_bytes()[:32]


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a directory")
    assert supported(kernel.native_lanes(), blocked / "cache").search(ZERO_HASH, EASY, 0, 50_000) is not None


def test_without_a_compiler_hashlib_mines_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(source: str) -> bytes:
        raise RuntimeError("no target")

    monkeypatch.setattr(kernel, "_compile", broken)
    fallback = make_kernel(None, tmp_path)
    assert fallback.name == "hashlib"
    assert fallback.search(ZERO_HASH, EASY, 5, 50_000) == REFERENCE.search(ZERO_HASH, EASY, 5, 50_000)
    with pytest.raises(kernel.KernelUnavailable):
        VectorKernel(4, tmp_path)


@contextmanager
def mining(found: "Queue[Header]", threads: int = 1) -> Iterator[Miner]:
    miner = Miner(found.put, threads=threads)
    try:
        yield miner
    finally:
        miner.close()


def test_the_miner_reports_a_sealed_header_once() -> None:
    found: Queue[Header] = Queue()
    with mining(found, threads=2) as miner:
        miner.start(header(), EASY)
        sealed = found.get(timeout=20)
        assert sealed.prehash == header().prehash
        assert kernel.is_hit(sealed.prehash, int.from_bytes(sealed.nonce, "big"), EASY)
        assert not miner.searching
    with pytest.raises(Empty):
        found.get_nowait()


def test_a_new_header_replaces_the_search_and_the_old_one_is_never_found() -> None:
    found: Queue[Header] = Queue()
    with mining(found) as miner:
        miner.start(header(1), HARD)
        miner.start(header(2), EASY)
        assert found.get(timeout=20).number == 2


def test_stopping_takes_milliseconds() -> None:
    """Between chunks a thread looks up: close (which joins) returns soon in the middle of a hopeless search."""
    found: Queue[Header] = Queue()
    chunks = threading.Semaphore(0)

    class Watched:
        name, lanes = "watched", 1
        inner = make_kernel()

        def search(self, prehash: bytes, target: int, start_nonce: int, count: int) -> int | None:
            chunks.release()
            return self.inner.search(prehash, target, start_nonce, count)

    miner = Miner(found.put, kernel=Watched())
    miner.start(header(), HARD)
    for _ in range(30):
        assert chunks.acquire(timeout=20)
    assert miner.hashes_per_s > 0
    began = time.perf_counter()
    miner.close()
    # A chunk is 4 ms; the rest is for a machine with other things to do.
    assert time.perf_counter() - began < 1.0
    assert not miner.searching
    assert found.empty()


def test_the_bench_compares_with_hashlib() -> None:
    speed = measure(0.05)
    assert speed["hashes_per_s"] > 0
    assert speed["ratio"] == pytest.approx(speed["hashes_per_s"] / speed["reference_hashes_per_s"], rel=0.01)
    assert speed["kernel"] == ("hashlib" if speed["lanes"] == 1 else f"llvm-{speed['lanes']}x32")
