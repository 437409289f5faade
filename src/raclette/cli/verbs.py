"""The verbs of a wallet over RPC, shared by the commands, the console and the demo."""

import asyncio
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from raclette.chain.transaction import sign_transaction
from raclette.cli.client import RpcClient
from raclette.cli.purse import Purse
from raclette.ledgers.bank import directory
from raclette.primitives.errors import ConfigError, DecodeError, RacletteError, Refused
from raclette.primitives.keys import AccountKey, checksum_address, parse_address
from raclette.primitives.sealed import open_sealed, seal
from raclette.primitives.units import ETHER

# How long a command waits for its transaction to be in a block.
INCLUSION_TIMEOUT_S = 60.0
POLL_S = 0.1
DECIMALS = 18


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


def parse_amount(text: str) -> int:
    """Wei from a decimal number of coins. Raises ConfigError."""
    try:
        amount = Decimal(text)
        wei = int(amount.scaleb(DECIMALS))
        if not amount.is_finite() or amount < 0 or Decimal(wei) != amount.scaleb(DECIMALS):
            raise ValueError(text)
    except (InvalidOperation, ValueError, OverflowError):
        raise ConfigError(f"{text!r} is no amount; accepted: a number like 1.5, at most {DECIMALS} decimals") from None
    return wei


def format_amount(wei: int) -> str:
    """Coins, without trailing zeros."""
    whole, rest = divmod(wei, ETHER)
    decimals = f"{rest:0{DECIMALS}d}".rstrip("0")
    return f"{whole}.{decimals}" if decimals else str(whole)


async def chain_id(client: RpcClient) -> int:
    """Of the node's chain."""
    return int(await client.call("eth_chainId"), 16)


async def resolve(client: RpcClient, purse: Purse, who: str) -> Recipient:
    """An address, a name of our own wallet, or one in the chain's directory. Raises ConfigError."""
    if who.startswith("0x"):
        try:
            address = parse_address(who)
        except DecodeError as error:
            raise ConfigError(str(error)) from None
        key = await client.call("raclette_query", "public_key", [who])
        return Recipient(address, _key(key), who)
    for account in purse.accounts():
        if account.name == who:
            return Recipient(account.address, account.public_key or None, who)
    found = await client.call("raclette_query", "whois", [who])
    if found is None:
        raise ConfigError(f"nobody called {who!r}: neither in {purse.folder} nor in the chain's directory")
    return Recipient(parse_address(found["address"]), _key(found["public_key"]), who)


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


async def register(client: RpcClient, key: AccountKey, name: str) -> str:
    """Publish name and public key in the chain's directory. Returns the transaction's hash."""
    nonce = int(await client.call("eth_getTransactionCount", checksum_address(key.address), "pending"), 16)
    data = directory.registration(name, key.public_key)
    call = {
        "from": checksum_address(key.address),
        "to": "0x" + directory.DIRECTORY_ADDRESS.hex(),
        "data": "0x" + data.hex(),
    }
    gas = int(await client.call("eth_estimateGas", call), 16)
    raw = sign_transaction(
        key, chain_id=await chain_id(client), nonce=nonce, to=directory.DIRECTORY_ADDRESS, data=data, gas=gas
    )
    return str(await client.call("eth_sendRawTransaction", "0x" + raw.hex()))


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
