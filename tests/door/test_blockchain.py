"""One program keeps a chain: add, mine, verify, save, load; and nothing false gets in by any of these doors."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from raclette import Blockchain, Genesis, Identity, MemoryStore, Record, Status, even_alloc, sign_transfer
from raclette.chain.presets import sample_key
from raclette.door.values import History
from raclette.ledgers.data import sign_entry
from raclette.primitives.errors import ConfigError, DecodeError, InvalidBlock, Misuse
from raclette.store.contract import Batch, Table

ALICE = Identity(bytes(31) + b"a")
BOB = Identity(bytes(31) + b"b")


def one_each(record: Record, past: History) -> bool:
    """Everybody names one cheese."""
    return isinstance(record.value["cheese"], str) and next(past.by(record.author), None) is None


def make(identity: Identity = ALICE, **given: Any) -> Blockchain:
    options: dict[str, Any] = {"valid": one_each, "identity": identity, **given}
    return Blockchain(**options)


def grown(blocks: int = 3) -> Blockchain:
    """A chain without a rule, with one record in each block."""
    chain = Blockchain(identity=ALICE)
    for number in range(blocks):
        assert chain.add_data({"number": number})
        assert chain.mine_block() is not None
    return chain


def test_data_waits_is_mined_and_is_there() -> None:
    chain = make()
    assert chain.mine_block() is None, "nothing waits"
    answer = chain.add_data({"cheese": "gruyere"})
    assert answer.status is Status.ACCEPTED
    assert chain.get_data() == []
    block = chain.mine_block()
    assert block is not None
    assert (block.number, len(chain), chain.head) == (1, 2, block.header)
    assert chain.get_data() == chain.get_data(1) == [Record(ALICE.address, {"cheese": "gruyere"}, 1)]
    assert chain.get_data(0) == []
    assert chain.query("count") == 1
    assert chain.verify_chain()
    with pytest.raises(Misuse, match="no block 2; accepted: 0 to 1"):
        chain.get_data(2)


def test_the_rule_is_asked_about_what_waits_too() -> None:
    chain = make()
    assert chain.add_data({"cheese": "gruyere"})
    for value in ({"cheese": "vacherin"}, {"cheese": 5}, {"milk": 1}, ["cheese"], 7, None):
        answer = chain.add_data(value)
        assert (answer.status, bool(answer)) == (Status.INVALID, False)
        assert "rule" in answer.reason
    assert chain.add_data({"cheese": "gruyere"}).reason == "already-known"
    chain.mine_block()
    assert "duplicate" in chain.add_data({"cheese": "gruyere"}).reason
    assert len(chain.get_data()) == 1


def test_a_value_has_one_form() -> None:
    chain = Blockchain(valid=one_each)
    spaced = sign_entry(ALICE.account, chain_id=chain.genesis.chain_id, data=b'{"cheese": "x"}')
    assert chain.submit(spaced).status is Status.INVALID
    assert chain.submit(b"garbage").status is Status.INVALID
    for value in ({1: 2}, {1, 2}, object(), 2**64):
        with pytest.raises(Misuse, match="data is JSON"):
            chain.add_data(value)


def test_blocks_go_from_one_chain_to_another() -> None:
    ours, theirs = make(ALICE), make(BOB)
    assert ours.add_data({"cheese": "gruyere"})
    first = ours.mine_block()
    assert first is not None
    assert theirs.verify_block(first)
    assert len(theirs) == 1, "verifying takes nothing in"
    assert theirs.add_block(first)
    assert theirs.add_block(first).reason == "already-known"
    assert theirs.add_data({"cheese": "vacherin"})
    second = theirs.mine_block()
    assert second is not None
    assert make(BOB).add_block(second).status is Status.RETRY, "its parent is unknown"
    assert ours.add_block(second)
    assert ours.get_data() == theirs.get_data()
    assert ours.head == theirs.head


def test_the_longer_branch_wins_and_what_it_lacks_waits_again() -> None:
    ours, theirs = (Blockchain(identity=who) for who in (ALICE, BOB))
    ours.add_data("lonely")
    ours.mine_block()
    for value in ("one", "two"):
        theirs.add_data(value)
        theirs.mine_block()
    for block in theirs.blocks[1:]:
        assert ours.add_block(block)
    assert [record.value for record in ours.get_data()] == ["one", "two"]
    assert ours.mine_block() is not None
    assert [record.value for record in ours.get_data()] == ["one", "two", "lonely"]


def test_a_peer_with_another_rule_of_the_same_name_makes_blocks_that_are_refused() -> None:
    """Which is why the rule belongs to the program, not to the peer."""

    def anything(record: Record, past: History) -> bool:
        return True

    anything.__name__ = one_each.__name__
    cheat, honest = make(BOB, valid=anything), make(ALICE)
    assert cheat.genesis == honest.genesis
    cheat.add_data({"cheese": "gruyere"})
    fine = cheat.mine_block()
    cheat.add_data({"cheese": "and another"})
    bad = cheat.mine_block()
    assert fine is not None
    assert bad is not None
    assert honest.add_block(fine)
    for answer in (honest.verify_block(bad), honest.add_block(bad)):
        assert (answer.status, "rule" in answer.reason) == (Status.INVALID, True)
    assert honest.head == fine.header


def test_a_block_of_the_future_comes_too_early() -> None:
    chain, other = make(parameters={"future_limit_s": 15}), make(BOB, parameters={"future_limit_s": 15})
    other._now = chain._clock() + 10**9 * 3600
    other.add_data({"cheese": "x"})
    block = other.mine_block()
    assert block is not None
    assert chain.add_block(block).status is Status.RETRY
    assert chain.verify_block(block).status is Status.RETRY


def test_to_json_and_back() -> None:
    chain = grown()
    loaded = Blockchain.load_json(chain.to_json(), identity=BOB)
    assert loaded.blocks == chain.blocks
    assert loaded.get_data() == chain.get_data()
    assert loaded.to_json() == chain.to_json()
    assert loaded.add_data("and on it goes")
    assert loaded.mine_block() is not None


Twist = Callable[[dict[str, Any]], object]


def _flip(entry: dict[str, Any] | list[str], key: Any, at: int) -> None:
    text = entry[key]
    entry[key] = text[:at] + format(int(text[at], 16) ^ 1, "x") + text[at + 1 :]


TWISTS: dict[str, Twist] = {
    "a nonce": lambda file: _flip(file["blocks"][0], "header", -4),
    "a parent": lambda file: _flip(file["blocks"][1], "header", 12),
    "a signature": lambda file: _flip(file["blocks"][1]["transactions"], 0, -9),
    "a text": lambda file: _flip(file["blocks"][1]["transactions"], 0, 8),
    "a transaction twice": lambda file: file["blocks"][1]["transactions"].append(file["blocks"][1]["transactions"][0]),
    "a transaction gone": lambda file: file["blocks"][1]["transactions"].clear(),
    "a block gone": lambda file: file["blocks"].pop(1),
    "the end gone": lambda file: file["blocks"].pop(),
    "turned round": lambda file: file["blocks"].reverse(),
    "another head": lambda file: _flip(file, "head", 3),
    "another genesis": lambda file: file["genesis"]["config"].update(chainId=3),
    "an easier genesis": lambda file: file["genesis"]["config"]["protocol"].update(initial_difficulty=1),
}


@pytest.mark.parametrize("twist", TWISTS.values(), ids=TWISTS.keys())
def test_a_document_that_lies_gives_no_chain(twist: Twist) -> None:
    file = json.loads(grown().to_json())
    twist(file)
    with pytest.raises((InvalidBlock, DecodeError)):
        Blockchain.load_json(json.dumps(file))


@pytest.mark.parametrize(
    "text",
    ["", "cheese", "[]", "{}", "5", '{"format": "x"}', '{"format": ["raclette/chain/1"]}', "[" * 100_000]
    + [
        grown(1).to_json().replace(old, new)
        for old, new in (('"blocks": [', '"blocks": [5, '), ('"header": "', '"header": "zz'))
    ]
    + [grown(1).to_json().replace('"transactions": [', '"transactions": [7, ')],
)
def test_what_is_no_document_is_a_decode_error(text: str) -> None:
    with pytest.raises(DecodeError):
        Blockchain.load_json(text)


def test_a_document_of_another_rule_is_refused_by_name() -> None:
    def two_each(record: Record, past: History) -> bool:
        return True

    chain = make()
    with pytest.raises(ConfigError, match="rule of this genesis is 'one_each', the program's is 'two_each'"):
        Blockchain.load_json(chain.to_json(), valid=two_each)
    with pytest.raises(ConfigError, match="only the program that has this rule"):
        Blockchain.load_json(chain.to_json())
    with pytest.raises(ConfigError, match="a function with a name"):
        Blockchain(valid=lambda record, past: True)


def test_a_protocol_with_votes_needs_no_mining_and_its_certificates_travel() -> None:
    chain = make(protocol="pbft")
    assert chain.add_data({"cheese": "gruyere"})
    assert len(chain) == 2, "the only voter agrees with itself at once"
    assert chain.verify_chain()
    loaded = Blockchain.load_json(chain.to_json(), valid=one_each)
    assert loaded.get_data() == chain.get_data()
    block = chain.blocks[1]
    certificate = chain.view.certificate(block.hash)
    other = Blockchain(chain.genesis, valid=one_each)
    forged = certificate[:-1] + bytes((certificate[-1] ^ 1,))
    for wrong in (b"", forged):
        assert other.add_block(block, wrong).status is Status.INVALID
    assert other.add_block(block, certificate)


def test_other_ledgers_take_their_own_transactions() -> None:
    parameters = {"initial_difficulty": 1_000, "mine_empty": False, "difficulty_rule": "fixed", "reward": 0}
    genesis = Genesis("nakamoto", "bank", protocol_parameters=parameters, alloc=even_alloc(2, 10**18))
    chain = Blockchain(genesis)
    payer, receiver = sample_key(0), sample_key(1).address
    raws = [sign_transfer(payer, chain_id=genesis.chain_id, nonce=nonce, to=receiver, value=5) for nonce in range(2)]
    assert [chain.submit(raw).status for raw in raws] == [Status.ACCEPTED] * 2
    assert chain.submit(sign_transfer(payer, chain_id=genesis.chain_id, nonce=2, to=receiver, value=10**19)).reason
    assert chain.mine_block() is not None
    assert chain.query("balance", receiver) == 10**18 + 10
    for call in (lambda: chain.add_data(1), lambda: chain.get_data()):
        with pytest.raises(Misuse, match="keeps no data"):
            call()
    with pytest.raises(ConfigError, match="has rules of its own"):
        Blockchain(genesis, valid=one_each)


def test_a_hundred_blocks_in_a_row_are_no_trouble_for_the_clock() -> None:
    chain = grown(100)
    assert len(chain) == 101
    assert chain.verify_chain()


def test_damage_is_found() -> None:
    store = MemoryStore()
    chain = Blockchain(identity=ALICE, store=store)
    chain.add_data("x")
    block = chain.mine_block()
    assert block is not None
    assert chain.verify_chain()
    batch = Batch()
    batch.put(Table.BODIES, block.hash, b"\xc0")
    store.write(batch)
    answer = chain.verify_chain()
    assert (answer.status, "bodies" in answer.reason) == (Status.INVALID, True)
