"""`data`: the ledger of the library interface (`raclette.door`). Accounts add signed data; a rule decides which.

The rule is a function of the entry and of those before it. It runs at admission, when a block is proposed and when one
is checked, at every peer; so it is *part of the program that all peers run*, as the protocol is: a peer whose rule
says something else about one entry sees other blocks as valid, and forks off. Genesis carries the rule's name
(`rule`), so peers with differently named rules are strangers from the first hello; who changes what a rule says
changes its name. It has to be a pure function: no clock, no randomness, no files, no floats that decide. A rule that
raises says no.

The ledger alone, made by name from a genesis without `rule`, takes everything that is signed and new.

There are no fees and no transfers: it is for groups whose members can be told apart otherwise. An account has a
balance only so that rewards go somewhere and stakes can be given in genesis: `alloc` is {address: {"balance",
"node"}}.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from raclette.chain.genesis import GAS_LIMIT_DEFAULT, address, quantity
from raclette.chain.ledger import BlockContext, Execution, Standing, StateReader, StateWriter, Transaction
from raclette.chain.receipt import Receipt
from raclette.chain.roll import genesis_roll
from raclette.chain.transaction import intrinsic_gas
from raclette.ledgers.data.entry import Entry, decode_entry
from raclette.ledgers.data.past import Past, append
from raclette.primitives.errors import ConfigError, DecodeError, InvalidBlock, Misuse, Refused
from raclette.primitives.hashing import keccak256
from raclette.primitives.keys import ADDRESS_BYTES, checksum_address, parse_address
from raclette.primitives.rlp import int_to_bytes

Rule: TypeAlias = Callable[[Entry, Past], bool]
"""May this entry follow those? See the module's docstring for what it must keep to."""

# Most that a genesis may give away; rewards of 2**64 blocks at 2**128 still fit 256 bits.
SUPPLY_MAX = 2**192
ENTRIES_SHOWN_MAX = 1_000
# The bank's "name" and "publicKey" may stand there too and mean nothing here, so that the sample accounts can be used.
_ACCOUNT_KEYS = ("balance", "node", "name", "publicKey")


class Data:
    """Signed data in a list, under a rule that the program brings.

    Implements `raclette.chain.ledger.Ledger`.
    """

    name = "data"

    def __init__(
        self,
        chain_id: int,
        *,
        base_fee: int = 0,
        gas_limit: int = GAS_LIMIT_DEFAULT,
        parameters: Mapping[str, Any] | None = None,
        rule: Rule | None = None,
    ) -> None:
        """`parameters`: `rule`, the name of the rule, which the program that runs the node passes as `rule`. Raises
        ConfigError where there is a name and no rule, or a rule and no name."""
        parameters = parameters or {}
        for key in parameters:
            if key != "rule":
                raise ConfigError(f"config.ledger.{key} is unknown; accepted: rule")
        name = parameters.get("rule")
        if name is not None and not (isinstance(name, str) and name):
            raise ConfigError(f"config.ledger.rule is {name!r}; accepted: the name of a rule")
        if name is not None and rule is None:
            raise ConfigError(
                f"config.ledger.rule is {name!r}: only the program that has this rule can run such a node"
            )
        if name is None and rule is not None:
            raise ConfigError("config.ledger.rule is missing: genesis has to name the rule that its peers keep to")
        if base_fee:
            raise ConfigError(f"baseFeePerGas is {base_fee}; accepted: 0, since the ledger data has no fees")
        self.chain_id = chain_id
        self.gas_limit = gas_limit
        self._rule = rule

    def genesis(self, alloc: Mapping[str, Any]) -> dict[bytes, bytes]:
        """State from {address: {"balance", "node"}}. Raises ConfigError with the path."""
        state: dict[bytes, bytes] = {}
        for text, given in sorted(alloc.items()):
            path = f"alloc.{text}"
            owner = address(text, path)
            if not isinstance(given, Mapping):
                raise ConfigError(f'{path} is {given!r}; accepted: an object like {{"balance": "1"}}')
            for key in given:
                if key not in _ACCOUNT_KEYS:
                    raise ConfigError(f"{path}.{key} is unknown; accepted: {', '.join(_ACCOUNT_KEYS)}")
            if owner in state:
                raise ConfigError(f"{path}: this address stands twice in alloc")
            balance = quantity(given.get("balance", 0), f"{path}.balance", high=SUPPLY_MAX)
            if balance:
                state[owner] = int_to_bytes(balance)
        if self.supply(state.items()) > SUPPLY_MAX:
            raise ConfigError(f"alloc holds more than {SUPPLY_MAX} together")
        return state | genesis_roll(alloc)

    def decode(self, raw: bytes) -> Transaction:
        """An entry with its proven author. Raises Refused."""
        try:
            entry = decode_entry(raw, self.chain_id)
        except DecodeError as wrong:
            raise Refused(wrong.reason, str(wrong)) from None
        gas = intrinsic_gas(entry.data)
        if gas > self.gas_limit:
            raise Refused("gas-limit", f"exceeds block gas limit: gas {gas}, limit {self.gas_limit}")
        return Transaction(raw, keccak256(raw), entry.author, None, 0, gas, (entry.id,), entry)

    def admit(self, transaction: Transaction, state: StateReader) -> Standing:
        """New, and the rule says yes. Raises Refused ("duplicate", "rule")."""
        reason = self._objection(transaction.detail, state)
        if reason is not None:
            raise Refused(reason, _EXPLAINED[reason])
        return Standing(None, 0, 0)

    def execute(
        self, context: BlockContext, transactions: Iterable[Transaction], state: StateWriter, *, strict: bool
    ) -> Execution:
        """Append in order, then pay the reward."""
        result = Execution()
        for transaction in transactions:
            if result.gas_used + transaction.gas > context.gas_limit:
                if strict:
                    raise InvalidBlock("gas-limit", f"entry {len(result.included)} exceeds {context.gas_limit} gas")
                break
            reason = self._objection(transaction.detail, state)
            if reason is None:
                append(state, transaction.detail)
                result.gas_used += transaction.gas
                result.included.append(transaction)
                result.receipts.append(Receipt(True, result.gas_used))
            elif strict:
                raise InvalidBlock(reason, f"entry {len(result.included)}: {_EXPLAINED[reason]}")
            else:
                result.refused.append((transaction, reason))
        if context.reward:
            balance = self.stake(context.beneficiary, state) + context.reward
            state.set(context.beneficiary, int_to_bytes(balance))
        return result

    def supply(self, entries: Iterable[tuple[bytes, bytes]]) -> int:
        """The sum of all balances."""
        return sum(int.from_bytes(value) for key, value in entries if len(key) == ADDRESS_BYTES)

    def stake(self, account: bytes, state: StateReader) -> int:
        """The balance."""
        return int.from_bytes(state.get(account) or b"")

    def query(self, path: str, arguments: Sequence[Any], state: StateReader) -> Any:
        """Reads: "count" -> number of entries; "entries" (first index, how many) -> [{"author", "data"}], data as 0x
        text; "by" (address) -> the author's, newest first; "balance" (address); "nonce" (address) -> 0 always. Raises
        Misuse."""
        past = Past(state)
        match path, list(arguments):
            case "count", []:
                return len(past)
            case "entries", [int(first), int(count)] if first >= 0:
                return [_shown(entry) for entry in past[first : first + max(0, min(count, ENTRIES_SHOWN_MAX))]]
            case "by", [account]:
                found = zip(range(ENTRIES_SHOWN_MAX), past.by(_address(account)), strict=False)
                return [_shown(entry) for _, entry in found]
            case "balance", [account]:
                return self.stake(_address(account), state)
            case "nonce", [_]:
                return 0
        raise Misuse(f"no query {path!r} with {len(arguments)} arguments; accepted: {', '.join(_QUERIES)}")

    def _objection(self, entry: Entry, state: StateReader) -> str | None:
        past = Past(state)
        if entry in past:
            return "duplicate"
        if self._rule is None:
            return None
        try:
            return None if self._rule(entry, past) else "rule"
        except (MemoryError, RecursionError):
            raise  # this process' trouble, of which other peers know nothing
        except Exception:
            return "rule"


_EXPLAINED = {
    "duplicate": "this author has added exactly this already",
    "rule": "the rule of this chain does not allow it",
}
_QUERIES = ("count", "entries", "by", "balance", "nonce")


def _shown(entry: Entry) -> dict[str, str]:
    return {"author": checksum_address(entry.author), "data": "0x" + entry.data.hex()}


def _address(argument: Any) -> bytes:
    if isinstance(argument, bytes) and len(argument) == ADDRESS_BYTES:
        return argument
    try:
        return parse_address(argument)
    except (DecodeError, AttributeError, TypeError) as wrong:
        raise Misuse(f"an address is 20 bytes or hex text: {wrong}") from None
