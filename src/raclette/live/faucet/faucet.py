"""A faucet: signs transfers of the operator's account to newcomers, one request at a time, within limits.

A grant is in the book, on disk, before its transaction leaves. So a process that dies in between has lost nothing: the
same request, repeated, sends the same transaction again, and an account never pays one request twice.
"""

import asyncio
import ipaddress
from dataclasses import dataclass
from typing import Any, Protocol

from raclette.chain.transaction import GAS_PER_TRANSACTION, sign_transfer
from raclette.live.faucet.book import DAY, GRANTS_MAX, REMEMBERED, Grant, GrantBook, request_id
from raclette.node.view import NodeView
from raclette.primitives.amounts import format_amount
from raclette.primitives.errors import ConfigError, Refused
from raclette.primitives.hashing import keccak256
from raclette.primitives.keys import AccountKey, checksum_address
from raclette.primitives.units import ETHER

# Longest name of a request: a UUID has 36.
REQUEST_LENGTH_MAX = 64
# One customer of an IPv6 provider has at least this much of an address to choose from.
_IPV6_NETWORK_BITS = 64
# Refusals by a node that ends, perhaps after it has taken the transaction: the grant stays, and is sent when asked
# again.
_UNDECIDED = frozenset({"node-failed", "node-stopping"})


@dataclass(frozen=True, slots=True)
class FaucetLimits:
    """In wei, except `network_day_max`, which counts requests."""

    # What one request may ask for.
    request_max: int = 100 * ETHER
    # What one address may have in a month (`book.REMEMBERED`).
    address_max: int = 100 * ETHER
    # What all may have in a day: the most that a flood of new addresses costs the operator.
    day_max: int = 10_000 * ETHER
    # Requests that one IP address (of IPv6: its /64) may make in a day.
    network_day_max: int = 100


class FaucetHost(Protocol):
    """What a faucet needs of its process."""

    @property
    def view(self) -> NodeView:
        """The node's read side."""

    def now(self) -> int:
        """Nanoseconds since 1970."""

    async def submit(self, raw: bytes) -> bytes:
        """Take a transaction; its hash. Raises Refused."""


class Faucet:
    """Gives within limits. All on the host's loop; requests are answered one after another."""

    def __init__(self, host: FaucetHost, key: AccountKey, book: GrantBook, limits: FaucetLimits | None = None) -> None:
        """Raises ConfigError if the chain's ledger has no transfers between accounts."""
        if host.view.ledger.name != "bank":
            raise ConfigError(f"faucet: the ledger {host.view.ledger.name!r} has no accounts to fund; accepted: bank")
        self.limits = limits or FaucetLimits()
        self._host = host
        self._key = key
        self._book = book
        self._one_at_a_time = asyncio.Lock()

    @property
    def address(self) -> bytes:
        """The account that pays."""
        return self._key.address

    def info(self) -> dict[str, Any]:
        """For people: account, balance, and what may still be given today, in wei. JSON-able."""
        given = self._book.given_since(self._host.now() - DAY)
        return {
            "address": checksum_address(self.address),
            "balance": str(self._balance()),
            "request_max": str(self.limits.request_max),
            "left_today": str(max(0, self.limits.day_max - given)),
        }

    async def give(
        self, address: bytes, amount: int, *, name: str = "", request: str = "", client: str = ""
    ) -> dict[str, Any]:
        """Pay `amount` wei to `address`. With a `name`, only if that is free or the address' own. A repeated `request`
        (for one address, all without a name of their own are the same) is not paid again; the answer says so. `client`
        is the asker's IP address. Raises Refused: "faucet-..." or "name-taken"."""
        if amount <= 0:
            raise Refused("faucet-amount", "nothing to give: the amount is 0")
        if len(request) > REQUEST_LENGTH_MAX:
            raise Refused("faucet-request", f"a request's name has at most {REQUEST_LENGTH_MAX} characters")
        async with self._one_at_a_time:
            self._book.forget_before(self._host.now() - REMEMBERED)
            named = request_id(address, request)
            known = self._book.get(named)
            if known is not None:
                if known.amount != amount:
                    raise Refused(
                        "faucet-repeated",
                        f"{checksum_address(address)} has had {format_amount(known.amount)} for this request; "
                        "another amount is another request, and has a name of its own",
                    )
                return _told(await self._send_again(named, known), known.amount, again=True)
            self._check_name(name, address)
            network = network_of(client)
            self._check_limits(address, amount, network)
            return _told(await self._pay(named, address, amount, network), amount, again=False)

    def _check_name(self, name: str, address: bytes) -> None:
        found = self._query("whois", name) if name else None
        if found is not None and found["address"] != checksum_address(address):
            raise Refused("name-taken", f"somebody is called {name!r} already")

    def _check_limits(self, address: bytes, amount: int, network: str) -> None:
        limits, book, day_ago = self.limits, self._book, self._host.now() - DAY
        if amount > limits.request_max:
            most = format_amount(limits.request_max)
            raise Refused("faucet-request-limit", f"the faucet gives at most {most} at a time")
        had = book.given_to(address)
        if had + amount > limits.address_max:
            most = format_amount(limits.address_max)
            said = f"this address has had {format_amount(had)} of at most {most} a month"
            raise Refused("faucet-address-limit", said)
        if book.asked_since(day_ago, network) >= limits.network_day_max:
            raise Refused("faucet-client-limit", f"{network} has asked {limits.network_day_max} times today")
        given = book.given_since(day_ago)
        if given + amount > limits.day_max or len(book) >= GRANTS_MAX:
            raise Refused("faucet-day-limit", "the faucet has given what it gives in a day; ask again tomorrow")
        cost = amount + self._fee()
        if cost > self._balance():
            raise Refused("faucet-empty", f"the faucet holds {format_amount(self._balance())}, less than that")

    async def _pay(self, named: bytes, address: bytes, amount: int, network: str) -> bytes:
        view = self._host.view
        raw = sign_transfer(
            self._key,
            chain_id=view.chain_id,
            nonce=view.next_nonce(self.address),
            to=address,
            value=amount,
            fee=view.head.base_fee,
        )
        self._book.keep(named, Grant(self._host.now(), address, amount, network, raw))
        await asyncio.get_running_loop().run_in_executor(None, self._book.sync)
        try:
            return await self._host.submit(raw)
        except Refused as refusal:
            if refusal.reason in _UNDECIDED:
                raise
            self._book.forget(named)
            if refusal.reason == "insufficient-funds":
                raise Refused("faucet-empty", "what the faucet holds is on its way to others") from None
            raise

    async def _send_again(self, named: bytes, grant: Grant) -> bytes:
        """The grant's transaction, sent once more if no block and no pool has it. Raises Refused."""
        view, transaction_hash = self._host.view, keccak256(grant.raw)
        if view.locate(transaction_hash) is not None or view.pooled(transaction_hash) is not None:
            return transaction_hash
        try:
            return await self._host.submit(grant.raw)
        except Refused as refusal:
            if refusal.reason != "nonce-too-low":
                raise
            # The account has paid something else with this nonce, so the old transaction can never be executed.
            return await self._pay(named, grant.address, grant.amount, grant.network)

    def _fee(self) -> int:
        return GAS_PER_TRANSACTION * self._host.view.head.base_fee

    def _balance(self) -> int:
        balance: int = self._query("balance", self.address)
        return balance

    def _query(self, path: str, argument: Any) -> Any:
        view = self._host.view
        state = view.state(view.head.hash)
        if state is None:
            raise Refused("faucet-state", "the head's state is not at hand; try again")
        return view.ledger.query(path, [argument], state)


def network_of(client: str) -> str:
    """What is counted as one asker: an IPv4 address, the /64 of an IPv6 address, or the words as they are."""
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return client[:64] or "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, _IPV6_NETWORK_BITS), strict=False))
    return str(address)


def _told(transaction_hash: bytes, amount: int, *, again: bool) -> dict[str, Any]:
    return {"hash": "0x" + transaction_hash.hex(), "amount": hex(amount), "again": again}
