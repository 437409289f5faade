"""The bank: accounts that send each other money, in Ethereum transactions. No contracts.

Rules, all of Ethereum's (Yellow Paper, section 6; EIP-1559, EIP-161) as far as transfers go, with three differences:
- gas is known before execution (21,000, data, access list, registration), so a block counts the gas that is used, not
  the limits that senders bid, and one sender's generous limit cannot fill a block;
- the base fee is a constant of genesis, and the beneficiary gets it too instead of its being burnt: what senders lose
  others gain, and `supply` changes by block rewards only;
- creating a contract is refused; data is a memo, or a registration in the directory, and otherwise means nothing.

Whatever follows from a transaction alone is checked once, in `decode`; `execute` only compares nonce and balance.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from raclette.chain.genesis import GAS_LIMIT_DEFAULT, address, quantity
from raclette.chain.ledger import BlockContext, Execution, Standing, StateReader, StateWriter, Transaction
from raclette.chain.roll import GAS_PER_ENTRY, ROLL_ADDRESS, genesis_roll, parse_entry
from raclette.chain.transaction import NONCE_MAX, AccessList, EthereumTransaction, decode_authored, intrinsic_gas
from raclette.ledgers.bank import directory
from raclette.ledgers.bank.account import decode_account, encode_account
from raclette.ledgers.bank.execution import Execute
from raclette.primitives.errors import ConfigError, DecodeError, InvalidBlock, Misuse, Refused
from raclette.primitives.keys import ADDRESS_BYTES, checksum_address, parse_address

# Most money a genesis may hold, in wei. Rewards of 2**64 blocks at 2**128 wei still fit a balance's 256 bits.
SUPPLY_WEI_MAX = 2**192
_ACCOUNT_KEYS = ("balance", "nonce", "name", "publicKey", "node")
_PARAMETERS = ("allowUnprotected",)


class Bank:
    """Accounts with Ethereum transactions, fees, sealed memos and a directory of names.

    Implements `raclette.chain.ledger.Ledger`.
    """

    name = "bank"

    def __init__(
        self,
        chain_id: int,
        *,
        base_fee: int = 0,
        gas_limit: int = GAS_LIMIT_DEFAULT,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        """`base_fee` (wei per gas) and `gas_limit` (gas per block) are genesis'. `parameters`: `allowUnprotected`
        (default false) takes legacy transactions without a chain id. Raises ConfigError."""
        parameters = parameters or {}
        for key in parameters:
            if key not in _PARAMETERS:
                raise ConfigError(f"config.ledger.{key} is unknown; accepted: {', '.join(_PARAMETERS)}")
        allow = parameters.get("allowUnprotected", False)
        if not isinstance(allow, bool):
            raise ConfigError(f"config.ledger.allowUnprotected is {allow!r}; accepted: true, false")
        self.chain_id = chain_id
        self.base_fee = base_fee
        self.gas_limit = gas_limit
        self._allow_unprotected = allow

    def genesis(self, alloc: Mapping[str, Any]) -> dict[bytes, bytes]:
        """State from {address: {"balance", "nonce", "name", "publicKey", "node"}}. Accounts with nothing are left out
        (EIP-161). Raises ConfigError with the path."""
        state: dict[bytes, bytes] = {}
        seen: set[bytes] = set()
        total = 0
        for text, entry in sorted(alloc.items()):
            path = f"alloc.{text}"
            owner = address(text, path)
            if owner in seen:
                raise ConfigError(f"{path}: this address stands twice in alloc")
            seen.add(owner)
            nonce, balance = _parse_account(entry, path)
            total += balance
            if total > SUPPLY_WEI_MAX:
                raise ConfigError(f"alloc holds more than {SUPPLY_WEI_MAX} wei together")
            if nonce or balance:
                state[owner] = encode_account(nonce, balance)
            directory.publish_genesis(owner, entry, path, state)
        return state | genesis_roll(alloc)

    def decode(self, raw: bytes) -> Transaction:
        """Decode, prove authorship, and check all that needs no state. `gas` is what it will use, `fee` its effective
        price. Raises Refused, never anything else."""
        try:
            hash_, sender, detail = decode_authored(raw, self.chain_id, allow_unprotected=self._allow_unprotected)
        except DecodeError as wrong:
            raise Refused(wrong.reason, str(wrong)) from None
        tip, cap = detail.max_priority_fee, detail.max_fee
        if detail.to is None:
            raise Refused("no-contracts", "contract creation refused: the bank has no contracts")
        if tip > cap:
            raise Refused(
                "tip-above-cap",
                f"max priority fee per gas higher than max fee per gas: address {checksum_address(sender)}, "
                f"maxPriorityFeePerGas: {tip}, maxFeePerGas: {cap}",
            )
        gas = gas_needed(detail)
        if detail.gas < gas:
            raise Refused("intrinsic-gas", f"intrinsic gas too low: gas {detail.gas}, minimum needed {gas}")
        if detail.gas > self.gas_limit:
            raise Refused("gas-limit", f"exceeds block gas limit: gas {detail.gas}, limit {self.gas_limit}")
        if detail.to == directory.DIRECTORY_ADDRESS:
            directory.parse_registration(detail.data, sender)
            if detail.value:
                raise Refused("bad-registration", "directory: takes no money")
        if detail.to == ROLL_ADDRESS:
            parse_entry(detail.data, self.chain_id, sender)
            if detail.value:
                raise Refused("bad-roll-entry", "roll: takes no money")
        return Transaction(raw, hash_, sender, detail.nonce, min(cap, self.base_fee + tip), gas, (), detail)

    @staticmethod
    def gas_for(to: bytes | None, data: bytes, access_list: AccessList = ()) -> int:
        """Gas that such a transaction uses: the answer to `eth_estimateGas`."""
        return gas_for(to, data, access_list)

    def admit(self, transaction: Transaction, state: StateReader) -> Standing:
        """Nonce not yet used, funds for this one alone, fee cap not under the base fee. Raises Refused."""
        detail: EthereumTransaction = transaction.detail
        sender = transaction.sender
        next_nonce, balance = decode_account(state.get(sender))
        if detail.nonce < next_nonce:
            raise Refused("nonce-too-low", f"nonce too low: next nonce {next_nonce}, tx nonce {detail.nonce}")
        if detail.max_fee < self.base_fee:
            raise Refused(
                "fee-below-base",
                f"max fee per gas less than block base fee: address {checksum_address(sender)}, "
                f"maxFeePerGas: {detail.max_fee}, baseFee: {self.base_fee}",
            )
        cost = detail.gas * detail.max_fee + detail.value
        if cost > balance:
            raise Refused(
                "insufficient-funds",
                f"insufficient funds for gas * price + value: balance {balance}, tx cost {cost}, "
                f"overshot {cost - balance}",
            )
        return Standing(next_nonce, balance, cost)

    def execute(
        self, context: BlockContext, transactions: Iterable[Transaction], state: StateWriter, *, strict: bool
    ) -> Execution:
        """Run in order, pay the reward, write each changed account once. An invalid transaction of a `strict` run
        raises InvalidBlock before anything is written."""
        block = Execute(context, state, self.chain_id)
        result = Execution()
        included, receipts, gas_limit = result.included, result.receipts, context.gas_limit
        for transaction in transactions:
            if block.gas_used + transaction.gas > gas_limit:
                if strict:
                    raise InvalidBlock("gas-limit", f"transaction {len(included)} exceeds the block's {gas_limit} gas")
                break
            reason = block.obstacle(transaction)
            if reason is None:
                receipts.append(block.run(transaction))
                included.append(transaction)
            elif strict:
                raise InvalidBlock(reason, f"transaction {len(included)}, 0x{transaction.hash.hex()}")
            else:
                result.refused.append((transaction, reason))
        block.finish()
        result.gas_used = block.gas_used
        return result

    def supply(self, entries: Iterable[tuple[bytes, bytes]]) -> int:
        """The sum of all balances, in wei."""
        return sum(decode_account(value)[1] for key, value in entries if directory.is_account_key(key))

    def stake(self, account: bytes, state: StateReader) -> int:
        """The balance, in wei."""
        return decode_account(state.get(account))[1]

    def query(self, path: str, arguments: Sequence[Any], state: StateReader) -> Any:
        """Reads, with an address (20 bytes or text) unless noted:

        "balance" -> wei; "nonce" -> the next one; "account" -> {"balance", "nonce", "name", "public_key"};
        "public_key" -> 33 bytes as 0x text, or None if not published; "whois" (a name) -> {"address", "name",
        "public_key"} or None. Raises Misuse.
        """
        if path not in _QUERIES:
            raise Misuse(f"the bank has no query {path!r}; accepted: {', '.join(_QUERIES)}")
        if len(arguments) != 1:
            raise Misuse(f"query {path!r} takes one argument, not {len(arguments)}")
        return _QUERIES[path](arguments[0], state)


def gas_needed(detail: EthereumTransaction) -> int:
    """Gas that executing it uses: known from the transaction alone."""
    return gas_for(detail.to, detail.data, detail.access_list)


def gas_for(to: bytes | None, data: bytes, access_list: AccessList = ()) -> int:
    """Gas that such a transaction uses: known before it is signed, and the answer to `eth_estimateGas`."""
    gas = intrinsic_gas(data, access_list, is_creation=to is None)
    if to == directory.DIRECTORY_ADDRESS:
        return gas + directory.GAS_PER_REGISTRATION
    return gas + GAS_PER_ENTRY if to == ROLL_ADDRESS else gas


def _parse_account(entry: Any, path: str) -> tuple[int, int]:
    if not isinstance(entry, Mapping):
        raise ConfigError(f'{path} is {entry!r}; accepted: an object like {{"balance": "1000"}}')
    for key in entry:
        if key in ("code", "storage"):
            raise ConfigError(f"{path}.{key}: the bank has no contracts; accepted: {', '.join(_ACCOUNT_KEYS)}")
        if key not in _ACCOUNT_KEYS:
            raise ConfigError(f"{path}.{key} is unknown; accepted: {', '.join(_ACCOUNT_KEYS)}")
    nonce = quantity(entry.get("nonce", 0), f"{path}.nonce", high=NONCE_MAX)
    return nonce, quantity(entry.get("balance", 0), f"{path}.balance", high=SUPPLY_WEI_MAX)


def _address_argument(argument: Any) -> bytes:
    if isinstance(argument, bytes) and len(argument) == ADDRESS_BYTES:
        return argument
    if isinstance(argument, str):
        try:
            return parse_address(argument)
        except DecodeError as wrong:
            raise Misuse(str(wrong)) from None
    raise Misuse(f"an address is {ADDRESS_BYTES} bytes or hex text, not {argument!r:.60}")


def _query_balance(argument: Any, state: StateReader) -> int:
    return decode_account(state.get(_address_argument(argument)))[1]


def _query_nonce(argument: Any, state: StateReader) -> int:
    return decode_account(state.get(_address_argument(argument)))[0]


def _query_public_key(argument: Any, state: StateReader) -> str | None:
    entry = directory.read_entry(_address_argument(argument), state)
    return None if entry is None else "0x" + entry.public_key.hex()


def _query_account(argument: Any, state: StateReader) -> dict[str, Any]:
    owner = _address_argument(argument)
    nonce, balance = decode_account(state.get(owner))
    entry = directory.read_entry(owner, state)
    return {
        "balance": balance,
        "nonce": nonce,
        "name": None if entry is None else entry.name,
        "public_key": None if entry is None else "0x" + entry.public_key.hex(),
    }


def _query_whois(argument: Any, state: StateReader) -> dict[str, Any] | None:
    if not isinstance(argument, str):
        raise Misuse(f"a name is text, not {argument!r:.60}")
    owner = directory.read_owner(argument, state)
    if owner is None:
        return None
    return {"address": checksum_address(owner), "name": argument, "public_key": _query_public_key(owner, state)}


_QUERIES: Mapping[str, Callable[[Any, StateReader], Any]] = {
    "balance": _query_balance,
    "nonce": _query_nonce,
    "account": _query_account,
    "public_key": _query_public_key,
    "whois": _query_whois,
}
