"""What sync asks of the node. Timers are the engine contract's."""

from typing import NamedTuple, TypeAlias

from raclette.chain.block import Block
from raclette.engine.effects import CancelTimer, SetTimer
from raclette.node.sync.messages import GetBodies, GetHeaders


class Ask(NamedTuple):
    """Send `request` to `peer`."""

    peer: bytes
    request: GetHeaders | GetBodies


class Import(NamedTuple):
    """A block whose header is checked, whose body matches it and whose parent is in the chain, or was imported just
    before. `peer` vouched for the header (the score falls on it). Answer with `Sync.imported` or `Sync.failed`."""

    block: Block
    certificate: bytes
    peer: bytes


class Penalise(NamedTuple):
    """`peer` broke a rule of sync; `reason` is a slug of `scores.PENALTIES`."""

    peer: bytes
    reason: str


SyncEffect: TypeAlias = Ask | Import | Penalise | SetTimer | CancelTimer
