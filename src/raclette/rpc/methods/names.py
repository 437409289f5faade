"""`raclette_resolve`: whom a name means."""

from typing import Any

from raclette.primitives.errors import Misuse
from raclette.rpc.kinds import TEXT
from raclette.rpc.table import Context, MethodTable, Parameter


async def resolve(context: Context, name: str) -> dict[str, Any] | None:
    """Whom a name means: the account that the chain's directory has under it, else the account that the peer of that
    name has told the tracker. `address`, `publicKey` (null if unknown) and `source`, "directory" or "tracker"; null if
    nobody is called so, or the peer has named no account. The directory is agreed on by all and its names are for
    ever; a tracker's names are the peers' own word, kept by the tracker: pay them if you trust it."""
    view = context.view
    state = view.state(view.head.hash)
    try:
        known = None if state is None else view.ledger.query("whois", [name], state)
    except Misuse:
        known = None  # a ledger without a directory
    if known is not None:
        return {"address": known["address"], "publicKey": known["public_key"], "source": "directory"}
    peer = await context.backend.find_peer(name)
    if peer is None or peer["account"] is None:
        return None
    return {"address": peer["account"], "publicKey": peer["account_key"], "source": "tracker"}


def register(table: MethodTable) -> None:
    """Add this file's methods."""
    table.add(
        "raclette_resolve",
        Parameter("name", TEXT, about="Of an account, or of a peer.", example="sample-1"),
        returns="object or null",
        example={"address": "0x" + "ab" * 20, "publicKey": "0x02" + "cd" * 32, "source": "directory"},
    )(resolve)
