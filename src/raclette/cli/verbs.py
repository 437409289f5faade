"""The verbs of a wallet over RPC, shared by the commands, the console and the demo."""

import asyncio
from typing import Any, NamedTuple

from raclette.chain.transaction import sign_transaction
from raclette.cli.client import RpcClient
from raclette.cli.purse import Purse
from raclette.ledgers.bank import directory
from raclette.primitives.errors import ConfigError, DecodeError, RacletteError, Refused
from raclette.primitives.keys import AccountKey, checksum_address, parse_address
from raclette.primitives.sealed import open_sealed, seal

# How long a command waits for its transaction to be in a block.
INCLUSION_TIMEOUT_S = 60.0
POLL_S = 0.1


class Recipient(NamedTuple):
    """Whom to pay. The public key (33 bytes) is None if nobody has published it: then no memo can be sealed."""

    address: bytes
    public_key: bytes | None
    name: str


class Letter(NamedTuple):
    """A memo that we could open."""

    sender: str
    receiver: str
    value: int
    block: int
    text: str


class NotIncluded(RacletteError):
    """The transaction was taken but is in no block yet."""


async def chain_id(client: RpcClient) -> int:
    """Of the node's chain."""
    return int(await client.call("eth_chainId"), 16)


async def resolve(client: RpcClient, purse: Purse, who: str) -> Recipient:
    """An address, a name of our own wallet, one in the chain's directory, or a peer's that the tracker knows; the
    first of these that has it. Raises ConfigError."""
    if who.startswith("0x"):
        try:
            address = parse_address(who)
        except DecodeError as error:
            raise ConfigError(str(error)) from None
        key = await client.call("raclette_query", "public_key", [who])
        return Recipient(address, _key(key), who)
    if purse.has(who):
        account = purse.find(who)
        return Recipient(account.address, account.public_key or None, who)
    found = await client.call("raclette_resolve", who)
    if found is None:
        raise ConfigError(
            f"nobody called {who!r}: neither in {purse.folder}, nor in the chain's directory, nor among the peers"
        )
    return Recipient(parse_address(found["address"]), _key(found["publicKey"]), who)


def _key(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text[2:])


async def send(
    client: RpcClient, key: AccountKey, to: Recipient, wei: int, message: str = "", fee: int = 0
) -> dict[str, Any]:
    """Sign and hand over a transfer, with a memo that only the two can read. Returns {"hash", "nonce"}."""
    chain = await chain_id(client)
    nonce = int(await client.call("eth_getTransactionCount", checksum_address(key.address), "pending"), 16)
    data = b""
    if message:
        if to.public_key is None:
            raise Refused("no-public-key", f"{to.name} has published no public key: a memo cannot be sealed to them")
        data = seal(message.encode(), key=key, receiver_key=to.public_key, chain_id=chain, nonce=nonce)
    raw = sign_transaction(key, chain_id=chain, nonce=nonce, to=to.address, value=wei, data=data, max_fee=fee)
    return {"hash": await client.call("eth_sendRawTransaction", "0x" + raw.hex()), "nonce": nonce}


async def fund(client: RpcClient, address: bytes, wei: int, name: str = "") -> dict[str, Any]:
    """Ask the node's faucet for first money. Returns {"hash", "amount", "again"}: `again` if it had paid this before.
    Raises RpcError with the faucet's reason."""
    paid: dict[str, Any] = await client.call("raclette_faucet", checksum_address(address), hex(wei), name)
    return paid


async def is_registered(client: RpcClient, address: bytes, name: str) -> bool:
    """Is `address` called `name` in the chain's directory?"""
    account = await client.call("raclette_query", "account", [checksum_address(address)])
    return bool(account["name"] == name)


async def register(client: RpcClient, key: AccountKey, name: str, fee: int = 0) -> dict[str, Any]:
    """Publish name and public key in the chain's directory. Returns {"hash", "nonce"}. Raises Refused: the name is not
    allowed or somebody's, or the account has one."""
    account = await client.call("raclette_query", "account", [checksum_address(key.address)])
    if account["name"] is not None:
        raise Refused("has-a-name", f"this account is called {account['name']} already, and a name is for ever")
    if await client.call("raclette_query", "whois", [name]) is not None:
        raise Refused("name-taken", f"somebody is called {name!r} already")
    nonce = int(await client.call("eth_getTransactionCount", checksum_address(key.address), "pending"), 16)
    raw = directory.sign_registration(key, chain_id=await chain_id(client), nonce=nonce, name=name, fee=fee)
    return {"hash": await client.call("eth_sendRawTransaction", "0x" + raw.hex()), "nonce": nonce}


async def name_of(client: RpcClient, address: str) -> str | None:
    """What the chain's directory calls an address."""
    account = await client.call("raclette_query", "account", [address])
    found: str | None = account["name"]
    return found


async def gas_price(client: RpcClient) -> int:
    """What the node says a unit of gas costs now, in wei."""
    return int(await client.call("eth_gasPrice"), 16)


async def included(client: RpcClient, transaction_hash: str) -> dict[str, Any]:
    """The receipt, as soon as a block has it. Raises NotIncluded."""
    for _ in range(int(INCLUSION_TIMEOUT_S / POLL_S)):
        receipt: dict[str, Any] | None = await client.call("eth_getTransactionReceipt", transaction_hash)
        if receipt is not None:
            return receipt
        await asyncio.sleep(POLL_S)
    raise NotIncluded(f"{transaction_hash} is in no block after {INCLUSION_TIMEOUT_S:.0f} s; it stays in the mempool")


async def letters(client: RpcClient, key: AccountKey) -> list[Letter]:
    """Every memo to or from the key's account that it can open, oldest first."""
    chain = await chain_id(client)
    found: list[Letter] = []
    start: str | None = "earliest"
    while start is not None:
        page = await client.call("raclette_memos", checksum_address(key.address), start, "latest")
        for memo in page["memos"]:
            sender, receiver = parse_address(memo["from"]), parse_address(memo["to"])
            try:
                text = open_sealed(
                    bytes.fromhex(memo["sealed"][2:]),
                    key=key,
                    chain_id=chain,
                    sender=sender,
                    receiver=receiver,
                    nonce=int(memo["nonce"], 16),
                )
            except DecodeError:
                continue  # sealed by somebody else's rules, or damaged: not ours to read
            value, block = int(memo["value"], 16), int(memo["blockNumber"], 16)
            found.append(
                Letter(
                    checksum_address(sender), checksum_address(receiver), value, block, text.decode(errors="replace")
                )
            )
        start = page["nextBlock"]
    return found
