"""The poll ledger: elections in which each enrolled voter has one vote.

Transactions are Ethereum's, so any wallet can sign them; what they ask stands in their data (`actions`). Nothing costs
money: who may send a transaction is decided by who is enrolled, and a ballot is refused, not charged for, if it cannot
count. Balances exist only because genesis and the protocol give them (stakes, rewards); they cannot be moved.

Genesis, beside `alloc` ({address: {"balance", "name", "publicKey", "node"}}), may have in `config.ledger`:

    "organisers": [address, ...]     who may open elections (if it is not there: every account of alloc)
    "elections": [{"id": "board", "question": "Who?", "choices": ["Ann", "Bo"], "voters": [address, ...] or "alloc",
                   "opens": 1, "closes": 100, "reveals": 120, "organiser": address}, ...]

`opens` is 0 if it is not there, `closes` never; `reveals` makes an election secret; without `organiser` nobody can
enrol more voters.

The state knows its own height, so that admission, which sees a state and no block, knows what time it is.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from raclette.chain.dict_state import DictState
from raclette.chain.genesis import GAS_LIMIT_DEFAULT, address
from raclette.chain.ledger import BlockContext, Execution, Standing, StateReader, StateWriter, Transaction
from raclette.chain.ledger_loop import run_in_order
from raclette.chain.roll import ROLL_ADDRESS, ROLL_KEY, change_roll, encode_roll, genesis_roll, parse_entry, read_roll
from raclette.chain.transaction import AccessList, EthereumTransaction, decode_authored
from raclette.ledgers.bank import directory
from raclette.ledgers.bank.account import decode_account, encode_account
from raclette.ledgers.poll.actions import POLL_ADDRESS, decode_action, gas_for
from raclette.ledgers.poll.config import (
    PARAMETERS,
    SUPPLY_MAX,
    check_keys,
    read_balance,
    read_elections,
    read_organisers,
)
from raclette.ledgers.poll.execution import begin, find_obstacle, perform
from raclette.ledgers.poll.questions import QUERIES
from raclette.ledgers.poll.records import organiser_key, read_election, read_height, write_height
from raclette.primitives.errors import ConfigError, DecodeError, Misuse, Refused
from raclette.primitives.keys import checksum_address


class Poll:
    """Elections: enrolled voters, one vote each, a tally for everybody; secret until closed by commit and reveal.

    Implements `raclette.chain.ledger.Ledger`.
    """

    name = "poll"

    def __init__(
        self,
        chain_id: int,
        *,
        base_fee: int = 0,
        gas_limit: int = GAS_LIMIT_DEFAULT,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        """`parameters` as in the module's docstring. Raises ConfigError, also for a base fee: nobody could pay it."""
        parameters = parameters or {}
        check_keys(parameters, PARAMETERS, "config.ledger")
        if base_fee:
            raise ConfigError(
                f"baseFeePerGas is {base_fee}; accepted with the poll ledger: 0, since nothing costs money"
            )
        self.chain_id = chain_id
        self.base_fee = base_fee
        self.gas_limit = gas_limit
        self._organisers = read_organisers(parameters)
        self._elections = read_elections(parameters)

    def genesis(self, alloc: Mapping[str, Any]) -> dict[bytes, bytes]:
        """State from `alloc` and the elections of the parameters. Raises ConfigError with the path."""
        state = DictState({})
        accounts: dict[bytes, int] = {}
        for text, entry in sorted(alloc.items()):
            path = f"alloc.{text}"
            owner = address(text, path)
            if owner in accounts:
                raise ConfigError(f"{path}: this address stands twice in alloc")
            accounts[owner] = read_balance(entry, path)
            if accounts[owner]:
                state.set(owner, encode_account(0, accounts[owner]))
            directory.publish_genesis(owner, entry, path, state.entries)
        if sum(accounts.values()) > SUPPLY_MAX:
            raise ConfigError(f"alloc holds more than {SUPPLY_MAX} together")
        for organiser in accounts if self._organisers is None else self._organisers:
            state.set(organiser_key(organiser), b"\x01")
        for number, (election, voters) in enumerate(self._elections):
            if read_election(election.name, state) is not None:
                raise ConfigError(f"config.ledger.elections[{number}].id: {election.name.decode()!r} stands twice")
            begin(election, tuple(accounts) if voters is None else voters, state)
        write_height(state, 0)
        return state.entries | genesis_roll(alloc)

    def decode(self, raw: bytes) -> Transaction:
        """Decode, prove authorship, and check all that needs no state. `fee` is always 0. Raises Refused, never
        anything else."""
        try:
            hash_, sender, detail = decode_authored(raw, self.chain_id)
        except DecodeError as wrong:
            raise Refused(wrong.reason, str(wrong)) from None
        if detail.value:
            raise Refused("no-money", f"the poll ledger moves no money, and this transaction holds {detail.value} wei")
        gas = self._gas(detail, sender)
        if detail.gas < gas:
            raise Refused("intrinsic-gas", f"intrinsic gas too low: gas {detail.gas}, minimum needed {gas}")
        if detail.gas > self.gas_limit:
            raise Refused("gas-limit", f"exceeds block gas limit: gas {detail.gas}, limit {self.gas_limit}")
        return Transaction(raw, hash_, sender, detail.nonce, 0, gas, (), detail)

    @staticmethod
    def gas_for(to: bytes | None, data: bytes, access_list: AccessList = ()) -> int:
        """Gas that such a transaction uses: the answer to `eth_estimateGas`. Raises Refused."""
        return gas_for(to, data, access_list)

    def _gas(self, detail: EthereumTransaction, sender: bytes) -> int:
        """Gas of a transaction that asks for something. Raises Refused."""
        if detail.to == POLL_ADDRESS:
            decode_action(detail.data, sender)
        elif detail.to == ROLL_ADDRESS:
            parse_entry(detail.data, self.chain_id, sender)
        else:
            raise Refused("no-money", f"the poll ledger has ballots only, for {checksum_address(POLL_ADDRESS)}")
        return gas_for(detail.to, detail.data, detail.access_list)

    def admit(self, transaction: Transaction, state: StateReader) -> Standing:
        """Nonce not yet used, and what it asks can be done in the next block. Raises Refused."""
        detail: EthereumTransaction = transaction.detail
        next_nonce, _ = decode_account(state.get(transaction.sender))
        if detail.nonce < next_nonce:
            raise Refused("nonce-too-low", f"nonce too low: next nonce {next_nonce}, tx nonce {detail.nonce}")
        obstacle = self._obstacle(transaction, state, read_height(state) + 1)
        if obstacle is not None and not (detail.nonce > next_nonce and self._may_pass(transaction, state, obstacle[0])):
            raise Refused(*obstacle)
        return Standing(next_nonce, 0, 0)

    def _may_pass(self, transaction: Transaction, state: StateReader, obstacle: str) -> bool:
        """May an earlier transaction of the same account take it away? Only organisers open elections and vote in them
        in one go; what strangers send is not kept."""
        is_organiser = state.get(organiser_key(transaction.sender)) is not None
        return is_organiser and obstacle in ("unknown-election", "not-enrolled")

    def _obstacle(self, transaction: Transaction, state: StateReader, height: int) -> tuple[str, str] | None:
        detail: EthereumTransaction = transaction.detail
        if detail.to == ROLL_ADDRESS:
            if self.stake(transaction.sender, state):
                return None
            return "no-stake", f"{checksum_address(transaction.sender)} has no stake to enter a node with"
        action = decode_action(detail.data, transaction.sender)
        return find_obstacle(action, transaction.sender, state, height, self.chain_id)

    def execute(
        self, context: BlockContext, transactions: Iterable[Transaction], state: StateWriter, *, strict: bool
    ) -> Execution:
        """Run in order, give the reward, note the height. An invalid transaction of a `strict` run raises InvalidBlock:
        the caller reverts."""
        result = run_in_order(context, transactions, lambda one: self._run(one, state, context.number), strict=strict)
        if context.reward:
            nonce, balance = decode_account(state.get(context.beneficiary))
            state.set(context.beneficiary, encode_account(nonce, balance + context.reward))
        write_height(state, context.number)
        return result

    def _run(self, transaction: Transaction, state: StateWriter, height: int) -> bool | str:
        detail: EthereumTransaction = transaction.detail
        nonce, balance = decode_account(state.get(transaction.sender))
        if detail.nonce != nonce:
            return "nonce-too-low" if detail.nonce < nonce else "nonce-too-high"
        obstacle = self._obstacle(transaction, state, height)
        if obstacle is not None:
            return obstacle[0]
        state.set(transaction.sender, encode_account(nonce + 1, balance))
        if detail.to == ROLL_ADDRESS:
            return self._enter(transaction, state)
        perform(decode_action(detail.data, transaction.sender), transaction.sender, state)
        return True

    def _enter(self, transaction: Transaction, state: StateWriter) -> bool:
        """The roll's part, as in the bank."""
        node_id = parse_entry(transaction.detail.data, self.chain_id, transaction.sender)
        after = change_roll(read_roll(state), transaction.sender, node_id)
        if after is None:
            return False
        state.set(ROLL_KEY, encode_roll(after))
        return True

    def supply(self, entries: Iterable[tuple[bytes, bytes]]) -> int:
        """The sum of all balances."""
        return sum(decode_account(value)[1] for key, value in entries if directory.is_account_key(key))

    def stake(self, account: bytes, state: StateReader) -> int:
        """The balance, which only genesis and the protocol give."""
        return decode_account(state.get(account))[1]

    def query(self, path: str, arguments: Sequence[Any], state: StateReader) -> Any:
        """Reads:

        "elections" -> their names; "election" (name) -> what it asks, its phase and heights; "tally" (name) -> the
        votes of each choice so far, how many are enrolled, have cast, have not revealed, whether it is final, and the
        winners; "ballot" (name, address) -> what the voter has done, None if not enrolled; "balance" and "nonce" (of an
        address); "public_key" (of an address) and "whois" (of an account's name) as the bank's, for the names of
        genesis. An election nobody has heard of gives None. Raises Misuse.
        """
        if path not in QUERIES:
            raise Misuse(f"the poll ledger has no query {path!r}; accepted: {', '.join(QUERIES)}")
        answer, wanted = QUERIES[path]
        if len(arguments) != wanted:
            raise Misuse(f"query {path!r} takes {wanted} arguments, not {len(arguments)}")
        return answer(arguments, state)
