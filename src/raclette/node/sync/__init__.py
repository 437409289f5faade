"""Headers-first sync: messages, the asking machine, the answering side, orphans."""

from raclette.node.sync.effects import Ask, Import, Penalise, SyncEffect
from raclette.node.sync.limits import SyncLimits
from raclette.node.sync.machine import Sync
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
from raclette.node.sync.serve import make_locator, serve_bodies, serve_headers

__all__ = [
    "ANSWER_BYTES_MAX",
    "BODIES_PER_REQUEST_MAX",
    "HEADERS_PER_REQUEST_MAX",
    "LOCATOR_MAX",
    "Ask",
    "Bodies",
    "GetBodies",
    "GetHeaders",
    "Headers",
    "Import",
    "Penalise",
    "Sync",
    "SyncEffect",
    "SyncLimits",
    "make_locator",
    "serve_bodies",
    "serve_headers",
]
