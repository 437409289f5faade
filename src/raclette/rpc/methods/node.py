"""`web3_*`, `net_*` and what a client asks first."""

import platform
from importlib.metadata import version
from typing import Any

from raclette.primitives.hashing import keccak256
from raclette.rpc.kinds import DATA
from raclette.rpc.render import hex_data
from raclette.rpc.table import Context, MethodTable, Parameter


def client_version(_: Context) -> str:
    """Name and version of this software, the platform, and the Python that runs it."""
    system = f"{platform.system().lower()}-{platform.machine()}"
    return f"Raclette/v{version('raclette')}/{system}/python{platform.python_version()}"


def sha3(_: Context, data: bytes) -> str:
    """keccak256 of the bytes (not NIST's SHA3-256)."""
    return hex_data(keccak256(data))


def net_version(context: Context) -> str:
    """The chain id, in decimal."""
    return str(context.view.chain_id)


def net_listening(_: Context) -> bool:
    """Always true: a node listens as long as it lives."""
    return True


def net_peer_count(context: Context) -> str:
    """How many peers are linked."""
    return hex(len(context.view.peers()))


def chain_id(context: Context) -> str:
    """The chain id that transactions must carry (EIP-155)."""
    return hex(context.view.chain_id)


def accounts(_: Context) -> list[str]:
    """Always empty: keys never leave the wallet, so the node has none."""
    return []


def syncing(context: Context) -> bool | dict[str, Any]:
    """false, or an object with `startingBlock`, `currentBlock`, `highestBlock` while the node catches up."""
    progress = context.view.syncing()
    if progress is None:
        return False
    return {
        "startingBlock": hex(progress.starting),
        "currentBlock": hex(progress.current),
        "highestBlock": hex(progress.highest),
    }


def rpc_modules(_: Context) -> dict[str, str]:
    """The namespaces of this server."""
    return dict.fromkeys(("eth", "net", "raclette", "rpc", "txpool", "web3"), "1.0")


def register(table: MethodTable) -> None:
    """Add this file's methods."""
    table.add("web3_clientVersion", returns="text", example="Raclette/v0.1.0/linux-x86_64/python3.11.7")(client_version)
    table.add("web3_sha3", Parameter("data", DATA), returns="hash", example="0x" + keccak256(b"hello").hex())(sha3)
    table.add("net_version", returns="text", example="1337")(net_version)
    table.add("net_listening", returns="boolean", example=True)(net_listening)
    table.add("net_peerCount", returns="quantity", example="0x3")(net_peer_count)
    table.add("eth_chainId", returns="quantity", example="0x539")(chain_id)
    table.add("eth_accounts", returns="array of addresses", example=[])(accounts)
    table.add("eth_syncing", returns="false or object", example=False)(syncing)
    table.add("rpc_modules", returns="object", example={"eth": "1.0"})(rpc_modules)
