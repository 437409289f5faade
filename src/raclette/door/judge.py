"""Giving data and blocks to a node, as every host does, with the answer a program understands. Used on the node's own
thread only."""

from collections.abc import Callable
from itertools import islice

from raclette.chain.block import Block
from raclette.chain.ledger import BlockContext, Transaction
from raclette.chain.state import StateJournal, StateLayer
from raclette.door.answer import Answer, Status
from raclette.node.host import HostEffect
from raclette.node.node import Node
from raclette.primitives.errors import InvalidCertificate, PeerFault, Refused, UnknownParent
from raclette.primitives.signing import Ed25519Verifier

_VERIFIER = Ed25519Verifier()
# Waiting transactions that a new one is tried after: what a second of a small program brings.
WAITING_TRIED_MAX = 1_000


def objection_to(node: Node, raw: bytes) -> Answer | None:
    """Why these bytes cannot be added after what waits already, if so. A rule may allow either of two entries but not
    both: the second is told at once, not when a block leaves it out."""
    try:
        transaction = node.decode(raw)
    except Refused as refusal:
        return Answer.refused(refusal)
    if transaction.hash in node.mempool:
        return Answer(Status.ACCEPTED, "already-known", transaction.hash)
    state = node.chain.state(node.chain.head.hash)
    waiting = list(islice(node.mempool.candidates(), WAITING_TRIED_MAX))
    if not waiting or not isinstance(state, StateLayer):
        return None
    head = node.chain.head
    context = BlockContext(head.number + 1, head.timestamp, head.beneficiary, head.base_fee, head.gas_limit)
    journal = StateJournal(state)
    return _after(node, context, waiting, journal, transaction)


def _after(
    node: Node, context: BlockContext, waiting: list[Transaction], journal: StateJournal, transaction: Transaction
) -> Answer | None:
    node.ledger.execute(context, waiting, journal, strict=False)
    try:
        node.ledger.admit(transaction, journal)
    except Refused as refusal:
        return Answer.refused(refusal, transaction.hash)
    return None


def verify(node: Node, block: Block, certificate: bytes, now: int) -> Answer:
    """Everything that a block must be, checked without taking it in: seal or certificate, header, body, every
    signature, the rule, and all roots."""
    try:
        parent = node.chain.header(block.parent_hash)
        if block.hash == node.chain.genesis.hash:
            return Answer(Status.ACCEPTED, "already-known", block.hash)
        if parent is None:
            raise UnknownParent("unknown-parent", block.parent_hash.hex())
        if node.engine.needs_certificate:
            for claim in node.engine.check_certificate(block.header, certificate):
                if not _VERIFIER.holds(claim):
                    raise InvalidCertificate("bad-signature", f"of {claim.author.hex()[:16]}")
        node.engine.check_header(block.header, parent, node.chain.header, now)
        node.chain.examine(block)
    except PeerFault as fault:
        return Answer.fault(fault, block.hash)
    return Answer(Status.ACCEPTED, "", block.hash)


def offer(
    node: Node, block: Block, certificate: bytes, now: int, carry: Callable[[tuple[HostEffect, ...]], None]
) -> Answer:
    """Verify, and give it to the engine, which decides whether it becomes the head."""
    if node.chain.header(block.hash) is not None:
        return Answer(Status.ACCEPTED, "already-known", block.hash)
    answer = verify(node, block, certificate, now)
    if not answer:
        return answer
    carry(node.offer(now, block, certificate))
    if node.chain.header(block.hash) is None:
        return Answer(Status.RETRY, "not-taken: the engine has no use for it now", block.hash)
    return answer
