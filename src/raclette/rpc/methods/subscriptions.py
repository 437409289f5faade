"""eth_subscribe: notifications over WebSocket. Source: geth's pub/sub API."""

from raclette.rpc.errors import METHOD_NOT_FOUND, RpcError
from raclette.rpc.kinds import BOOLEAN, TEXT
from raclette.rpc.table import Context, MethodTable, Parameter, Subscriber


def _subscriber(context: Context) -> Subscriber:
    if context.subscriber is None:
        raise RpcError(METHOD_NOT_FOUND, "notifications not supported")
    return context.subscriber


def subscribe(context: Context, kind: str, full: bool) -> str:
    """Start notifications, over WebSocket only, and return their id. `newHeads`: the header of every block that comes
    to the head's branch, oldest first; after a reorganisation those of the new branch.
    `newPendingTransactions`: the hash of every transaction that enters this node's pool, or the whole transaction with
    `full`. A connection that does not read fast enough is closed."""
    return _subscriber(context).subscribe(kind, full)


def unsubscribe(context: Context, subscription: str) -> bool:
    """End notifications; true if there were any under this id."""
    return _subscriber(context).unsubscribe(subscription)


def register(table: MethodTable) -> None:
    """Add this file's methods."""
    table.add(
        "eth_subscribe",
        Parameter("kind", TEXT, about="`newHeads` or `newPendingTransactions`."),
        Parameter("full", BOOLEAN, False),
        returns="subscription id",
        example="0x9ce59a13059e417087c02d3236a0b1cc",
    )(subscribe)
    table.add(
        "eth_unsubscribe",
        Parameter("subscription", TEXT, example="0x9ce59a13059e417087c02d3236a0b1cc"),
        returns="boolean",
        example=True,
    )(unsubscribe)
