"""The bank against a model of twenty lines that does one transaction at a time on plain dictionaries."""

from bank_world import CHAIN

from raclette.chain.ledger import BlockContext, Transaction
from raclette.chain.ledger_exam import ExamState
from raclette.chain.transaction import sign_transaction
from raclette.ledgers.bank import Bank
from raclette.ledgers.bank.account import encode_account
from raclette.primitives.keys import AccountKey
from raclette.primitives.randomness import Random

KEYS = [AccountKey(bytes((number,)) * 32) for number in range(1, 6)]
REWARD = 9


def candidates(random: Random, bank: Bank) -> list[Transaction]:
    """Transfers among few accounts with little money: about a quarter can be executed."""
    nonces = {key.address: 0 for key in KEYS}
    made = []
    for _ in range(12):
        sender, to = random.choice(KEYS), random.choice(KEYS)
        nonce = nonces[sender.address] + random.chance(1, 8)
        fee = random.below(4)
        raw = sign_transaction(
            sender,
            chain_id=CHAIN,
            nonce=nonce,
            to=to.address,
            value=random.below(60_000),
            max_fee=fee,
            max_priority_fee=random.below(fee + 1),
            gas=21_000 + random.below(3) * 5_000,
        )
        made.append(bank.decode(raw))
        nonces[sender.address] = nonce + random.chance(8, 9)
    return made


def test_random_blocks_do_what_the_model_does() -> None:
    executed = refused = 0
    for seed in range(120):
        random = Random(seed)
        base_fee, beneficiary = random.below(3), random.choice(KEYS).address
        balances = {key.address: random.below(200_000) for key in KEYS}
        nonces = dict.fromkeys(balances, 0)
        bank = Bank(CHAIN, base_fee=base_fee)
        state = ExamState({address: encode_account(0, wei) for address, wei in balances.items() if wei})
        transactions = candidates(random, bank)
        expected = []
        for transaction in transactions:
            detail, sender = transaction.detail, transaction.sender
            most = detail.gas * detail.max_fee + detail.value
            if detail.nonce != nonces[sender] or detail.max_fee < base_fee or most > balances[sender]:
                continue
            fee = 21_000 * min(detail.max_fee, base_fee + detail.max_priority_fee)
            balances[sender] -= fee + detail.value
            balances[beneficiary] += fee
            balances[detail.to] += detail.value
            nonces[sender] += 1
            expected.append(transaction)
        balances[beneficiary] += REWARD
        context = BlockContext(1, 1, beneficiary, base_fee, 30_000_000, REWARD)
        execution = bank.execute(context, transactions, state, strict=False)
        assert execution.included == expected, f"seed {seed}"
        records = {who: encode_account(nonces[who], balances[who]) for who in balances if nonces[who] or balances[who]}
        assert state.entries == records, f"seed {seed}"
        executed += len(expected)
        refused += len(execution.refused)
    assert executed > 200
    assert refused > 200
