"""The gate: a stranger's bytes become a parcel, or a fault with a reason.

Order of work: size, shape and bounds, then decoding, then signatures, so that cheap checks refuse first. Pure and
thread-safe: it reads the engine's codec and the ledger's decoder, both pure, and fills the memo of decoded
transactions.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from raclette.chain.block import BLOCK_TRANSACTIONS_MAX, Block
from raclette.chain.header import Header
from raclette.chain.ledger import Transaction
from raclette.chain.mempool import SHORT_ID_BYTES
from raclette.engine.contract import Engine
from raclette.gossip.events import Topic, Verb
from raclette.node.host import Parcel
from raclette.node.memo import DecodeMemo
from raclette.node.sync import (
    BODIES_PER_REQUEST_MAX,
    HEADERS_PER_REQUEST_MAX,
    LOCATOR_MAX,
    Bodies,
    GetBodies,
    GetHeaders,
    Headers,
)
from raclette.node.wire import (
    IDS_PER_FRAME_MAX,
    TRANSACTIONS_PER_FRAME_MAX,
    WEIGHT_BYTES_MAX,
    Announced,
    BlockTransactions,
    EngineSaid,
    GetBlockTransactions,
    Status,
    Transactions,
    bounded,
    hashes,
    parse,
)
from raclette.primitives.errors import DecodeError, PeerFault, Refused
from raclette.primitives.signing import Claim, Verifier

# Claims known to be true, in two generations of this many: a certificate repeats votes that were checked one by one.
CLAIMS_REMEMBERED = 16_384
# Above this many bytes a frame may carry several signatures; one Ed25519 check takes 70 us.
HEAVY_FRAME_BYTES = 1_024


class NodeGate:
    """Implements `host.Gate` for one engine and one ledger."""

    def __init__(self, engine: Engine, decode_transaction: DecodeMemo) -> None:
        self._engine = engine
        self._decode_transaction = decode_transaction
        self._claims = _TrueClaims()
        self._openers: Mapping[str, Callable[[Any, Verifier], tuple[str, NamedTuple]]] = {
            "status": self._status,
            "engine": self._engine_message,
            "public_message": self._public_message,
            "transactions": self._transactions,
            "announcement": self._announcement,
            "get_headers": self._get_headers,
            "headers": self._headers,
            "get_bodies": self._get_bodies,
            "bodies": self._bodies,
            "get_block_transactions": self._get_block_transactions,
            "block_transactions": self._block_transactions,
        }

    def is_heavy(self, frame: bytes) -> bool:
        """Worth a thread?"""
        return len(frame) > HEAVY_FRAME_BYTES

    def open(self, frame: bytes, verifier: Verifier) -> Parcel:
        """Decode and verify. Raises PeerFault."""
        parsed = parse(frame)
        name = parsed.WhichOneof("content")
        if name is None:
            raise DecodeError("frame-empty", "no content we know")
        kind, content = self._openers[name](getattr(parsed, name), verifier)
        return Parcel(kind, content, len(frame))

    def _status(self, said: Any, _: Verifier) -> tuple[str, NamedTuple]:
        (head,) = hashes([said.head_hash])
        bounded("weight", len(said.weight), WEIGHT_BYTES_MAX)
        weight = int.from_bytes(said.weight, "big")
        return "status", Status(head, said.height, weight, said.finalized)

    def _engine_message(self, said: Any, verifier: Verifier) -> tuple[str, NamedTuple]:
        return self._consensus(said, verifier, public=False)

    def _public_message(self, said: Any, verifier: Verifier) -> tuple[str, NamedTuple]:
        return self._consensus(said, verifier, public=True)

    def _consensus(self, said: Any, verifier: Verifier, *, public: bool) -> tuple[str, NamedTuple]:
        short_ids: bytes | None = None
        if said.HasField("body"):
            short_ids = said.body.short_ids
            bounded("short-id", len(short_ids), BLOCK_TRANSACTIONS_MAX * SHORT_ID_BYTES)
            if len(short_ids) % SHORT_ID_BYTES:
                raise DecodeError("short-id-size", f"{len(short_ids)} bytes are not whole ids")
        message = self._engine.decode(said.payload)
        self._claims.check(message.claims(), verifier)
        return message.kind, EngineSaid(message, short_ids, public)

    def _transactions(self, said: Any, _: Verifier) -> tuple[str, NamedTuple]:
        bounded("transaction", len(said.raw), TRANSACTIONS_PER_FRAME_MAX)
        return "transactions", Transactions(tuple(self._decoded(said.raw)))

    def _announcement(self, said: Any, _: Verifier) -> tuple[str, NamedTuple]:
        bounded("id", len(said.ids), IDS_PER_FRAME_MAX)
        try:
            verb, topic = Verb(said.verb), Topic(said.topic)
        except ValueError as error:
            raise DecodeError("announcement", str(error)) from None
        return verb.name.lower(), Announced(verb, topic, hashes(said.ids))

    def _get_headers(self, said: Any, _: Verifier) -> tuple[str, NamedTuple]:
        bounded("locator", len(said.locator), LOCATOR_MAX)
        bounded("header", said.count, HEADERS_PER_REQUEST_MAX)
        target = hashes([said.target])[0] if said.target else b""
        return "get-headers", GetHeaders(said.request, hashes(said.locator), said.count, target)

    def _headers(self, said: Any, verifier: Verifier) -> tuple[str, NamedTuple]:
        bounded("header", len(said.headers), HEADERS_PER_REQUEST_MAX)
        if len(said.certificates) != len(said.headers):
            raise DecodeError("certificate-count", f"{len(said.certificates)} for {len(said.headers)} headers")
        items = []
        for encoded, certificate in zip(said.headers, said.certificates, strict=True):
            header = Header.decode(encoded)
            if certificate:
                self._claims.check(self._engine.check_certificate(header, certificate), verifier)
            items.append((header, certificate))
        return "headers", Headers(said.request, tuple(items))

    def _get_bodies(self, said: Any, _: Verifier) -> tuple[str, NamedTuple]:
        bounded("body", len(said.hashes), BODIES_PER_REQUEST_MAX)
        return "get-bodies", GetBodies(said.request, hashes(said.hashes))

    def _bodies(self, said: Any, _: Verifier) -> tuple[str, NamedTuple]:
        bounded("body", len(said.bodies), BODIES_PER_REQUEST_MAX)
        if len(said.hashes) != len(said.bodies):
            raise DecodeError("body-count", f"{len(said.bodies)} bodies for {len(said.hashes)} hashes")
        items = []
        for block_hash, body in zip(hashes(said.hashes), said.bodies, strict=True):
            raws = Block.decode_body(body)
            for _unused in self._decoded(raws):
                pass  # recovered here, in a thread, and remembered: the chain will not recover it again
            items.append((block_hash, raws))
        return "bodies", Bodies(said.request, tuple(items))

    def _get_block_transactions(self, said: Any, _: Verifier) -> tuple[str, NamedTuple]:
        bounded("index", len(said.indexes), BLOCK_TRANSACTIONS_MAX)
        (block_hash,) = hashes([said.block_hash])
        return "get-block-transactions", GetBlockTransactions(block_hash, tuple(said.indexes))

    def _block_transactions(self, said: Any, _: Verifier) -> tuple[str, NamedTuple]:
        bounded("index", len(said.indexes), BLOCK_TRANSACTIONS_MAX)
        if len(said.indexes) != len(said.raw):
            raise DecodeError("index-count", f"{len(said.indexes)} for {len(said.raw)} transactions")
        (block_hash,) = hashes([said.block_hash])
        items = tuple(zip(said.indexes, self._decoded(said.raw), strict=True))
        return "block-transactions", BlockTransactions(block_hash, items)

    def _decoded(self, raws: Iterable[bytes]) -> Iterable[Transaction]:
        for raw in raws:
            try:
                yield self._decode_transaction(raw)
            except Refused as error:
                raise PeerFault("bad-transaction", f"{error.reason}: {error}") from None


class _TrueClaims:
    """Checks claims, each once as long as it is remembered. Every step is one set operation, atomic in CPython."""

    def __init__(self) -> None:
        self._young: set[Claim] = set()
        self._old: set[Claim] = set()

    def check(self, claims: Iterable[Claim], verifier: Verifier) -> None:
        """Raises PeerFault at the first that does not hold."""
        for claim in claims:
            if claim in self._young:
                continue
            if claim not in self._old and not verifier.holds(claim):
                raise PeerFault("bad-signature", f"claimed author {claim.author.hex()[:16]}")
            if len(self._young) >= CLAIMS_REMEMBERED:
                self._old, self._young = self._young, set()
            self._young.add(claim)
