"""The coins ledger: money as outputs of transactions, each spent once and whole.

There are no accounts to keep: whoever satisfies an output's script has the money. What an address owns is the sum of
the unspent outputs locked to it, of which the state keeps an index (`records`). Scripts are in `script`, the format in
`transaction`.

What a transaction costs is the difference of its sums; per gas, of which a byte, a signature and an output cost fixed
amounts, it is what the mempool ranks by. Whatever follows from a transaction alone is checked once, in `decode`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from raclette.chain.dict_state import DictState
from raclette.chain.genesis import GAS_LIMIT_DEFAULT, address, quantity
from raclette.chain.ledger import BlockContext, Early, Execution, Standing, StateReader, StateWriter, Transaction
from raclette.chain.ledger_loop import run_in_order
from raclette.chain.roll import GAS_PER_ENTRY, genesis_roll
from raclette.ledgers.bank import directory
from raclette.ledgers.coins.execution import Execute, find_obstacle, genesis_hash
from raclette.ledgers.coins.limits import (
    AMOUNT_MAX,
    GAS_PER_BYTE,
    GAS_PER_OUTPUT,
    GAS_PER_SIGNATURE,
    OUTPUTS_SHOWN_MAX,
)
from raclette.ledgers.coins.records import Unspent, amount_of, read_coins, read_output, read_total
from raclette.ledgers.coins.script import lock_to, owner_of
from raclette.ledgers.coins.transaction import INDEX_BYTES, OUTPOINT_BYTES, Coin, Output, Spend, decode_spend
from raclette.primitives.errors import ConfigError, DecodeError, Misuse, Refused
from raclette.primitives.hashing import keccak256
from raclette.primitives.keys import ADDRESS_BYTES, checksum_address, parse_address

_ACCOUNT_KEYS = ("balance", "name", "publicKey", "node")


class Coins:
    """Unspent outputs, locked by scripts of two operations; fees; a coinbase in each block that pays.

    Implements `raclette.chain.ledger.Ledger`.
    """

    name = "coins"

    def __init__(
        self,
        chain_id: int,
        *,
        base_fee: int = 0,
        gas_limit: int = GAS_LIMIT_DEFAULT,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        """`base_fee` (per gas) and `gas_limit` (gas per block) are genesis'. There are no parameters. Raises
        ConfigError."""
        for key in parameters or {}:
            raise ConfigError(f"config.ledger.{key} is unknown; the coins ledger has no parameters")
        self.chain_id = chain_id
        self.base_fee = base_fee
        self.gas_limit = gas_limit

    def genesis(self, alloc: Mapping[str, Any]) -> dict[bytes, bytes]:
        """State from {address: {"balance", "name", "publicKey", "node"}}: each balance is one output, locked to the
        address; names and keys are shown by `query`. Raises ConfigError with the path."""
        state: dict[bytes, bytes] = {}
        seen: set[bytes] = set()
        coins: list[Coin] = []
        for text, entry in sorted(alloc.items()):
            path = f"alloc.{text}"
            owner = address(text, path)
            if owner in seen:
                raise ConfigError(f"{path}: this address stands twice in alloc")
            seen.add(owner)
            balance = _parse_balance(entry, path)
            if balance:
                coins.append(Coin(genesis_hash(owner), 0, Output(balance, lock_to(owner))))
            directory.publish_genesis(owner, entry, path, state)
        if sum(coin.output.amount for coin in coins) > AMOUNT_MAX:
            raise ConfigError(f"alloc holds more than {AMOUNT_MAX} together")
        writer = DictState(state)
        unspent = Unspent(writer)
        for coin in coins:
            unspent.add(coin)
        unspent.write()
        return writer.entries | genesis_roll(alloc)

    def decode(self, raw: bytes) -> Transaction:
        """Decode, run the scripts, and check all that needs no state. `sender` is the owner of the first input,
        `conflicts` are the outpoints it spends. Raises Refused, never anything else."""
        try:
            spend = decode_spend(raw, self.chain_id)
        except DecodeError as wrong:
            raise Refused(wrong.reason, str(wrong)) from None
        gas = gas_of(len(raw), spend)
        if gas > self.gas_limit:
            raise Refused("gas-limit", f"exceeds block gas limit: gas {gas}, limit {self.gas_limit}")
        claims = tuple(coin.outpoint for coin in spend.coins)
        return Transaction(raw, keccak256(raw), spend.owner, None, spend.fee // gas, gas, claims, spend)

    def admit(self, transaction: Transaction, state: StateReader) -> Standing:
        """Every input unspent in `state` and just as it says, the fee not under the base fee. Raises Refused; Early if
        outputs are missing, which the transactions that would make them may bring."""
        spend: Spend = transaction.detail
        obstacle = find_obstacle(spend, state, self.base_fee, transaction.gas)
        if obstacle is not None:
            missing = dict.fromkeys(coin.hash for coin in spend.coins if read_output(coin.outpoint, state) is None)
            raise Early(*obstacle, tuple(missing)) if missing else Refused(*obstacle)
        return Standing(None, spend.spent, spend.spent)

    def execute(
        self, context: BlockContext, transactions: Iterable[Transaction], state: StateWriter, *, strict: bool
    ) -> Execution:
        """Run in order, make the coinbase, write each changed record once. An invalid transaction of a `strict` run
        raises InvalidBlock before anything is written."""
        block = Execute(context, state)
        result = run_in_order(context, transactions, block.attempt, strict=strict)
        block.finish()
        return result

    def supply(self, entries: Iterable[tuple[bytes, bytes]]) -> int:
        """The sum of all unspent outputs."""
        return sum(amount_of(key, value) for key, value in entries)

    def stake(self, account: bytes, state: StateReader) -> int:
        """The sum of the account's unspent outputs."""
        return read_total(account, state)

    def query(self, path: str, arguments: Sequence[Any], state: StateReader) -> Any:
        """Reads, with an address (20 bytes or text) unless noted:

        "balance" -> the sum of its unspent outputs; "outputs" -> up to 1,000 of them as {"outpoint", "hash", "index",
        "amount", "lock", "owner"}, ordered by outpoint (a second argument: those after this outpoint); "output" (an
        outpoint, 36 bytes or 0x text) -> that, or None if it is spent or never was; "public_key" and "whois" as the
        bank's, for the names of genesis. Raises Misuse.
        """
        if path not in _QUERIES:
            raise Misuse(f"the coins ledger has no query {path!r}; accepted: {', '.join(_QUERIES)}")
        answer, most = _QUERIES[path]
        if not 1 <= len(arguments) <= most:
            raise Misuse(f"query {path!r} takes {'one argument' if most == 1 else '1 or 2'}, not {len(arguments)}")
        return answer(arguments, state)


def gas_of(size: int, spend: Spend) -> int:
    """Gas of a transaction of `size` bytes: known from the transaction alone."""
    gas = GAS_PER_BYTE * size + GAS_PER_SIGNATURE * spend.signatures + GAS_PER_OUTPUT * len(spend.outputs)
    return gas if spend.roll is None else gas + GAS_PER_ENTRY


def _parse_balance(entry: Any, path: str) -> int:
    if not isinstance(entry, Mapping):
        raise ConfigError(f'{path} is {entry!r}; accepted: an object like {{"balance": "1000"}}')
    for key in entry:
        if key not in _ACCOUNT_KEYS:
            raise ConfigError(f"{path}.{key} is unknown; accepted: {', '.join(_ACCOUNT_KEYS)}")
    return quantity(entry.get("balance", 0), f"{path}.balance", high=AMOUNT_MAX)


def _sized(argument: Any, size: int, what: str) -> bytes:
    data = argument
    if isinstance(argument, str):
        try:
            data = parse_address(argument) if size == ADDRESS_BYTES else bytes.fromhex(argument.removeprefix("0x"))
        except (ValueError, DecodeError) as wrong:
            raise Misuse(f"{what}: {wrong}") from None
    if not isinstance(data, bytes) or len(data) != size:
        raise Misuse(f"{what} is {size} bytes or hex text, not {argument!r:.80}")
    return data


def _coin_json(coin: Coin) -> dict[str, Any]:
    return {
        "outpoint": "0x" + coin.outpoint.hex(),
        "hash": "0x" + coin.hash.hex(),
        "index": coin.place,
        "amount": coin.output.amount,
        "lock": "0x" + coin.output.lock.hex(),
        "owner": checksum_address(owner_of(coin.output.lock)),
    }


def _query_balance(arguments: Sequence[Any], state: StateReader) -> int:
    return read_total(_sized(arguments[0], ADDRESS_BYTES, "an address"), state)


def _query_outputs(arguments: Sequence[Any], state: StateReader) -> list[dict[str, Any]]:
    owner = _sized(arguments[0], ADDRESS_BYTES, "an address")
    after = _sized(arguments[1], OUTPOINT_BYTES, "an outpoint") if len(arguments) > 1 else b""
    shown: list[dict[str, Any]] = []
    for coin in read_coins(owner, state, after):
        shown.append(_coin_json(coin))
        if len(shown) == OUTPUTS_SHOWN_MAX:
            break
    return shown


def _query_output(arguments: Sequence[Any], state: StateReader) -> dict[str, Any] | None:
    outpoint = _sized(arguments[0], OUTPOINT_BYTES, "an outpoint")
    output = read_output(outpoint, state)
    if output is None:
        return None
    return _coin_json(Coin(outpoint[:-INDEX_BYTES], int.from_bytes(outpoint[-INDEX_BYTES:]), output))


def _query_public_key(arguments: Sequence[Any], state: StateReader) -> str | None:
    entry = directory.read_entry(_sized(arguments[0], ADDRESS_BYTES, "an address"), state)
    return None if entry is None else "0x" + entry.public_key.hex()


def _query_whois(arguments: Sequence[Any], state: StateReader) -> dict[str, Any] | None:
    name = arguments[0]
    if not isinstance(name, str):
        raise Misuse(f"a name is text, not {name!r:.60}")
    owner = directory.read_owner(name, state)
    if owner is None:
        return None
    return {"address": checksum_address(owner), "name": name, "public_key": _query_public_key([owner], state)}


# Name: (answer, most arguments).
_QUERIES: Mapping[str, tuple[Callable[[Sequence[Any], StateReader], Any], int]] = {
    "balance": (_query_balance, 1),
    "outputs": (_query_outputs, 2),
    "output": (_query_output, 1),
    "public_key": (_query_public_key, 1),
    "whois": (_query_whois, 1),
}
