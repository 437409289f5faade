"""What simulated clients send: executable in order on every ledger, the same each time, each account's in order."""

import pytest

from raclette.chain.dict_state import DictState
from raclette.chain.genesis import Genesis, even_alloc
from raclette.chain.ledger import BlockContext
from raclette.chain.presets import SAMPLE_BALANCE, sample_key
from raclette.ledgers import LEDGERS, ledger_of
from raclette.ledgers.coins.samples import random_parts
from raclette.ledgers.poll.actions import Enrol, Vote, decode_action
from raclette.ledgers.samples import Demand, sample_parameters, sample_transactions, sample_turns_of
from raclette.primitives.errors import ConfigError
from raclette.primitives.randomness import Random

ACCOUNTS, COUNT = 7, 40


def genesis_of(ledger: str, accounts: int = ACCOUNTS) -> Genesis:
    return Genesis(
        protocol="pbft",
        ledger=ledger,
        ledger_parameters=sample_parameters(ledger, accounts, COUNT),
        alloc=even_alloc(accounts, SAMPLE_BALANCE),
    )


@pytest.mark.parametrize("accounts", [1, 2, ACCOUNTS])
@pytest.mark.parametrize("ledger", LEDGERS)
def test_all_is_executed_in_order_and_the_same_each_time(ledger: str, accounts: int) -> None:
    genesis, demand = genesis_of(ledger, accounts), Demand(COUNT, 3, accounts)
    raws = sample_transactions(genesis, demand)
    assert raws == sample_transactions(genesis, demand)
    assert raws != sample_transactions(genesis, Demand(COUNT, 4, accounts))
    chain = ledger_of(genesis)
    state = DictState(chain.genesis(genesis.alloc))
    decoded = [chain.decode(raw) for raw in raws]
    context = BlockContext(1, 1, bytes(20), 0, 10**9, 0)
    assert len(chain.execute(context, decoded, state, strict=True).receipts) == COUNT
    senders = [sample_key(turn).address for turn in sample_turns_of(ledger, COUNT, accounts)]
    assert [transaction.sender for transaction in decoded] == senders


def test_coins_are_split_among_the_next_accounts_in_random_parts() -> None:
    genesis = genesis_of("coins")
    raws = sample_transactions(genesis, Demand(COUNT, 3, ACCOUNTS, 1_000_000, outputs=(4, 4)))
    spends = [ledger_of(genesis).decode(raw).detail for raw in raws]
    for number, spend in enumerate(spends):
        *paid, change = [output.lock for output in spend.outputs]
        keys = [sample_key((number + step) % ACCOUNTS) for step in range(5)]
        assert [lock.find(key.address) >= 0 for lock, key in zip([change, *paid], keys, strict=True)] == [True] * 5
        assert len({output.amount for output in spend.outputs}) == 5


def test_the_number_of_receivers_is_drawn_from_a_range() -> None:
    genesis = genesis_of("coins")
    raws = sample_transactions(genesis, Demand(COUNT, 3, ACCOUNTS, outputs=(1, 3)))
    receivers = {len(ledger_of(genesis).decode(raw).detail.outputs) - 1 for raw in raws}
    assert receivers == {1, 2, 3}


def test_parts_add_up_and_none_is_empty() -> None:
    random = Random(5)
    for amount in (1, 7, 1_000, 10**20):
        parts = random_parts(amount, 7, random)
        assert sum(parts) == max(amount, 7)
        assert min(parts) >= 1


@pytest.mark.parametrize("outputs", [(0, 1), (3, 2), (1, ACCOUNTS)])
def test_receivers_that_cannot_be_are_refused(outputs: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match=r"workload.outputs: .*; accepted are 1 to 6"):
        sample_transactions(genesis_of("coins"), Demand(COUNT, 3, ACCOUNTS, outputs=outputs))


def test_a_ledger_of_single_receivers_says_so() -> None:
    with pytest.raises(
        ConfigError, match=r"workload.outputs: means nothing with the ledger 'bank'; accepted with coins"
    ):
        sample_transactions(genesis_of("bank"), Demand(COUNT, 3, ACCOUNTS, outputs=(2, 2)))


def test_voters_register_before_they_vote() -> None:
    raws = sample_transactions(genesis_of("poll"), Demand(COUNT, 3, ACCOUNTS))
    chain = ledger_of(genesis_of("poll"))
    decoded = [chain.decode(raw) for raw in raws]
    actions = [(one.sender, decode_action(one.detail.data, one.sender)) for one in decoded]
    registered = [(voter, action.name) for _, action in actions if isinstance(action, Enrol) for voter in action.voters]
    votes = [(sender, action.name) for sender, action in actions if isinstance(action, Vote)]
    assert len(registered) > 5
    assert set(registered) & set(votes)
    assert len(votes) > 30
