"""What can be read from a node's view: blocks, records, and the document in which a whole chain travels.

The document is JSON: genesis, and for every block its header (RLP in hex), its transactions and its certificate, if the
protocol has one. Nothing in it is believed: `Blockchain.load_json` gives every block to a node that starts at genesis.
"""

import json
from typing import Any, NamedTuple

import orjson

from raclette.chain.block import BLOCK_TRANSACTIONS_MAX, Block
from raclette.chain.genesis import Genesis
from raclette.chain.header import Header
from raclette.door.values import Record, as_record
from raclette.ledgers.data import Data
from raclette.node.view import NodeView
from raclette.primitives.errors import DecodeError, Misuse

FORMAT = "raclette/chain/1"
# Largest document read, in characters: about a million small records.
DOCUMENT_MAX = 1 << 30


class Chapter(NamedTuple):
    """A block and what proves it final, if anything."""

    block: Block
    certificate: bytes


def blocks(view: NodeView, first: int = 0) -> list[Block]:
    """The head's branch from block `first` up."""
    found = []
    for number in range(first, view.head.number + 1):
        header = view.canonical(number)
        block = None if header is None else view.block(header.hash)
        if block is not None:
            found.append(block)
    return found


def records(view: NodeView, number: int | None = None) -> list[Record]:
    """What the ledger `data` holds, oldest first: all of it, or what one block has. Raises Misuse for other ledgers."""
    if view.ledger.name != Data.name:
        raise Misuse(f"the ledger {view.ledger.name!r} keeps no data; ask it by `query`")
    if number is None:
        chosen = blocks(view, 1)
    else:
        header = view.canonical(number)
        block = None if header is None else view.block(header.hash)
        if block is None:
            raise Misuse(f"there is no block {number}; accepted: 0 to {view.head.number}")
        chosen = [block]
    decode = view.ledger.decode
    return [as_record(decode(raw).detail, block.number) for block in chosen for raw in block.transactions]


def write(view: NodeView, genesis: Genesis) -> str:
    """The document of the head's branch."""
    chapters: list[dict[str, Any]] = []
    for block in blocks(view, 1):
        chapter: dict[str, Any] = {
            "header": block.header.encoded.hex(),
            "transactions": [raw.hex() for raw in block.transactions],
        }
        certificate = view.certificate(block.hash)
        if certificate:
            chapter["certificate"] = certificate.hex()
        chapters.append(chapter)
    head = view.head.hash.hex()
    return json.dumps({"format": FORMAT, "genesis": genesis.to_json(), "head": head, "blocks": chapters}, indent=1)


def read(text: str) -> tuple[Genesis, list[Chapter], bytes]:
    """Genesis, blocks and the head's hash, none of them verified yet. Raises DecodeError, ConfigError."""
    if len(text) > DOCUMENT_MAX:
        raise DecodeError("document", f"{len(text)} characters, at most {DOCUMENT_MAX}")
    try:
        document = orjson.loads(text)  # bounds nesting itself: the standard parser may exhaust the stack
        if document["format"] != FORMAT:
            raise DecodeError("document", f"format {str(document['format'])[:40]!r}; accepted: {FORMAT!r}")
        genesis = Genesis.from_json(document["genesis"])
        chapters = [_chapter(entry) for entry in document["blocks"]]
        return genesis, chapters, bytes.fromhex(document["head"])
    except (KeyError, TypeError, AttributeError) as error:
        raise DecodeError("document", f"not a chain: {type(error).__name__} {error}") from None
    except json.JSONDecodeError as error:
        raise DecodeError("document", f"not JSON: {error}") from None
    except ValueError as error:
        if isinstance(error, Misuse):
            raise
        raise DecodeError("document", f"not a chain: {error}") from None


def _chapter(entry: dict[str, Any]) -> Chapter:
    raws = entry["transactions"]
    if len(raws) > BLOCK_TRANSACTIONS_MAX:
        raise DecodeError("transaction-count", f"{len(raws)}, at most {BLOCK_TRANSACTIONS_MAX}")
    header = Header.decode(bytes.fromhex(entry["header"]))
    block = Block(header, tuple(bytes.fromhex(raw) for raw in raws))
    return Chapter(block, bytes.fromhex(entry.get("certificate", "")))
