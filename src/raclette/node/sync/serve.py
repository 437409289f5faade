"""The answering side: headers and bodies out of our own chain, within bounds whatever was asked."""

from raclette.chain.header import Header
from raclette.engine.contract import ChainView
from raclette.node.sync.messages import (
    ANSWER_BYTES_MAX,
    BODIES_PER_REQUEST_MAX,
    HEADERS_PER_REQUEST_MAX,
    LOCATOR_MAX,
    Bodies,
    GetBodies,
    GetHeaders,
    Headers,
)

# Blocks walked back from a target that is not on our branch. Longer side branches are asked for in parts, by locator.
SIDE_BRANCH_MAX = 1_024
# A block's hash and length on the wire.
ITEM_OVERHEAD = 48


def make_locator(chain: ChainView, *first: bytes) -> tuple[bytes, ...]:
    """Hashes of our branch, newest first: ten in a row, then doubling steps, then genesis. `first` go before them."""
    hashes = list(first)
    number, step = chain.head.number, 1
    while number > 0 and len(hashes) < LOCATOR_MAX - 1:
        header = chain.canonical(number)
        if header is not None:
            hashes.append(header.hash)
        if len(hashes) >= 10:
            step *= 2
        number -= step
    hashes.append(chain.genesis.hash)
    return tuple(hashes)


def serve_headers(chain: ChainView, ask: GetHeaders) -> Headers:
    """Answer `ask`; empty if we do not know the target or share nothing (not even genesis) with the asker."""
    target = chain.header(ask.target) if ask.target else chain.head
    if target is None:
        return Headers(ask.request, ())
    wanted = set(ask.locator[:LOCATOR_MAX])
    side = _side_branch(chain, target, wanted)
    anchor = side[-1].parent_hash if side else target.hash
    number, last = 0, -1
    if anchor not in wanted:
        # From the newest block that both have on our branch, up to where the side branch (if any) leaves it.
        base = chain.header(anchor)
        fork = None if base is None or not _is_canonical(chain, base) else _fork(chain, ask.locator, base.number)
        if base is None or fork is None:
            return Headers(ask.request, ())
        number, last = fork + 1, base.number
    items: list[tuple[Header, bytes]] = []
    count = min(ask.count, HEADERS_PER_REQUEST_MAX)
    room = ANSWER_BYTES_MAX
    while len(items) < count and room > 0:
        if number <= last:
            header = chain.canonical(number)
            number += 1
        else:
            header = side.pop() if side else None
        if header is None:
            break
        certificate = chain.certificate(header.hash)
        room -= len(header.encoded) + len(certificate) + ITEM_OVERHEAD
        if room >= 0 or not items:
            items.append((header, certificate))
    return Headers(ask.request, tuple(items))


def _is_canonical(chain: ChainView, header: Header) -> bool:
    ours = chain.canonical(header.number)
    return ours is not None and ours.hash == header.hash


def _side_branch(chain: ChainView, target: Header, wanted: set[bytes]) -> list[Header]:
    """From `target` back to (not including) the first block on our branch or in `wanted`, newest first."""
    side: list[Header] = []
    header: Header | None = target
    while header is not None and len(side) < SIDE_BRANCH_MAX:
        if header.hash in wanted or _is_canonical(chain, header):
            break
        side.append(header)
        header = chain.header(header.parent_hash)
    return side


def _fork(chain: ChainView, locator: tuple[bytes, ...], most: int) -> int | None:
    """Number of the newest block of `locator` on our branch, at most `most`."""
    for block_hash in locator[:LOCATOR_MAX]:
        header = chain.header(block_hash)
        if header is not None and _is_canonical(chain, header):
            return min(header.number, most)
    return None


def serve_bodies(chain: ChainView, ask: GetBodies) -> Bodies:
    """Answer `ask` with what we have, in its order, as far as it fits."""
    items: list[tuple[bytes, tuple[bytes, ...]]] = []
    room = ANSWER_BYTES_MAX
    for block_hash in ask.hashes[:BODIES_PER_REQUEST_MAX]:
        block = chain.block(block_hash)
        if block is None:
            continue
        room -= sum(map(len, block.transactions)) + ITEM_OVERHEAD
        if room < 0 and items:
            break
        items.append((block_hash, block.transactions))
    return Bodies(ask.request, tuple(items))
