"""`raclette_faucet`: first money for a newcomer, from the account of the node's operator."""

from typing import Any

from raclette.primitives.errors import Refused
from raclette.rpc.errors import refusal
from raclette.rpc.kinds import ADDRESS, QUANTITY, TEXT
from raclette.rpc.table import Context, MethodTable, Parameter


async def fund(context: Context, address: bytes, amount: int, name: str, request: str) -> dict[str, Any]:
    """Pay `amount` wei to a newcomer's address from the operator's faucet, within its limits: so much at a time, for
    one address a month, for all a day, and so many requests of one caller a day. With a `name`, only if the directory
    has it free or it is the address' own. A request that is repeated (same address, same `request`) is not paid twice:
    the answer names the transaction of the first time, with `again` true. Refusals carry a `reason`: `no-faucet`,
    `faucet-request-limit`, `faucet-address-limit`, `faucet-client-limit`, `faucet-day-limit`, `faucet-empty`,
    `faucet-repeated`, `name-taken`."""
    try:
        return await context.backend.fund(address, amount, name=name, request=request, client=context.client)
    except Refused as refused:
        raise refusal(refused) from None


def register(table: MethodTable) -> None:
    """Add this file's methods."""
    table.add(
        "raclette_faucet",
        Parameter("address", ADDRESS),
        Parameter("amount", QUANTITY, about="In wei.", example="0x15af1d78b58c40000"),
        Parameter("name", TEXT, "", about="The name that the newcomer is about to register.", example="alice"),
        Parameter("request", TEXT, "", about="Names the request, so that it is paid once.", example="first"),
        returns="object",
        example={"hash": "0x" + "ab" * 32, "amount": "0x15af1d78b58c40000", "again": False},
    )(fund)
