"""JSON-RPC 2.0 over HTTP and WebSocket: the node's read view and its door for transactions, as wallets know them."""

from raclette.rpc.backend import Backend
from raclette.rpc.config import RpcConfig, RpcLimits
from raclette.rpc.server import RpcServer

__all__ = ["Backend", "RpcConfig", "RpcLimits", "RpcServer"]
