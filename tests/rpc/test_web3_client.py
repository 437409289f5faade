"""web3.py and eth-account as the clients, over real HTTP: what a wallet does works, and what it computes agrees."""

import pytest
import rlp
from eth_account import Account
from eth_account.signers.local import LocalAccount
from hexbytes import HexBytes
from rpc_world import BALANCE, BASE_FEE, CHAIN_ID, MINER, World
from trie import HexaryTrie
from web3 import HTTPProvider, Web3
from web3.exceptions import BlockNotFound, TransactionNotFound, Web3RPCError

from raclette.chain.presets import sample_key
from raclette.chain.transaction import ACCESS_LIST, LEGACY, sign_transaction
from raclette.primitives.hashing import keccak256 as keccak
from raclette.primitives.rlp import int_to_bytes
from raclette.primitives.sealed import is_sealed, open_sealed, seal

GAS = 21_000


def wallet(index: int) -> LocalAccount:
    account: LocalAccount = Account.from_key(sample_key(index).secret)
    return account


@pytest.fixture
def web3(world: World) -> Web3:
    return Web3(HTTPProvider(world.url))


def pay(web3: Web3, sender: LocalAccount, to: str, value: int, **fields: object) -> HexBytes:
    """What a wallet does: nonce, fees and gas asked from the node, signed here."""
    tip = web3.eth.max_priority_fee
    transaction = {
        "chainId": web3.eth.chain_id,
        "nonce": web3.eth.get_transaction_count(sender.address, "pending"),
        "to": to,
        "value": value,
        "maxPriorityFeePerGas": tip + 2,
        "maxFeePerGas": 2 * BASE_FEE + tip + 2,
        **fields,
    }
    transaction["gas"] = web3.eth.estimate_gas({"from": sender.address, "to": to, "value": value})
    return web3.eth.send_raw_transaction(sender.sign_transaction(transaction).raw_transaction)


def test_the_node_introduces_itself(web3: Web3) -> None:
    assert web3.is_connected()
    assert web3.client_version.startswith("Raclette/v")
    assert web3.eth.chain_id == CHAIN_ID
    assert web3.net.version == str(CHAIN_ID)
    assert web3.net.listening
    assert web3.net.peer_count == 2
    assert list(web3.eth.accounts) == []
    assert web3.eth.syncing is False
    assert web3.eth.gas_price == BASE_FEE


def test_a_transfer_is_sent_mined_and_found_by_every_method(world: World, web3: Web3) -> None:
    alice, bob = wallet(0), wallet(1)
    assert web3.eth.get_balance(bob.address) == BALANCE
    sent = pay(web3, alice, bob.address, 12345)
    assert web3.eth.get_transaction_count(alice.address) == 0
    assert web3.eth.get_transaction_count(alice.address, "pending") == 1
    waiting = web3.eth.get_transaction(sent)
    assert waiting["blockHash"] is None
    with pytest.raises(TransactionNotFound):
        web3.eth.get_transaction_receipt(sent)
    block = world.mine(final=True)
    receipt = web3.eth.wait_for_transaction_receipt(sent, timeout=5)
    assert (receipt["status"], receipt["type"], receipt["transactionIndex"]) == (1, 2, 0)
    assert (receipt["gasUsed"], receipt["cumulativeGasUsed"]) == (GAS, GAS)
    assert receipt["effectiveGasPrice"] == BASE_FEE + 2
    assert (receipt["from"], receipt["to"]) == (alice.address, bob.address)
    assert receipt["blockHash"] == HexBytes(block.hash)
    assert receipt["logs"] == []
    assert web3.eth.get_balance(bob.address, "finalized") == BALANCE + 12345
    assert web3.eth.get_balance(alice.address) == BALANCE - 12345 - GAS * (BASE_FEE + 2)
    assert web3.eth.get_balance(Web3.to_checksum_address(MINER)) == GAS * (BASE_FEE + 2)
    assert web3.eth.get_transaction_count(alice.address) == 1
    found = web3.eth.get_transaction(sent)
    assert found["blockNumber"] == 1
    assert found == web3.eth.get_transaction_by_block(1, 0)
    assert found == web3.eth.get_block(1, full_transactions=True)["transactions"][0]
    assert web3.eth.get_block_receipts(1) == [receipt]
    assert web3.eth.get_raw_transaction(sent) == HexBytes(block.transactions[0])


def test_every_transaction_type_comes_back_as_it_was_signed(world: World, web3: Web3) -> None:
    key, to = sample_key(0), sample_key(1).address
    slots = ((to, (bytes(32), b"\x01" * 32)),)
    raws = [
        sign_transaction(key, chain_id=CHAIN_ID, nonce=0, to=to, value=5, max_fee=10, kind=LEGACY),
        sign_transaction(
            key, chain_id=CHAIN_ID, nonce=1, to=to, data=b"hi", max_fee=10, kind=ACCESS_LIST, access_list=slots
        ),
        sign_transaction(key, chain_id=CHAIN_ID, nonce=2, to=to, value=7, max_fee=20, max_priority_fee=1),
    ]
    for raw in raws:
        web3.eth.send_raw_transaction(raw)
    world.mine()
    block = web3.eth.get_block("latest", full_transactions=True)
    legacy, listed, dynamic = block["transactions"]
    assert [entry["type"] for entry in (legacy, listed, dynamic)] == [0, 1, 2]
    assert legacy["v"] in (35 + 2 * CHAIN_ID, 36 + 2 * CHAIN_ID)
    assert listed["accessList"][0]["storageKeys"][1] == "0x" + "01" * 32
    assert listed["input"] == HexBytes(b"hi")
    assert (dynamic["maxFeePerGas"], dynamic["maxPriorityFeePerGas"], dynamic["gasPrice"]) == (20, 1, BASE_FEE + 1)
    assert [entry["from"] for entry in (legacy, listed, dynamic)] == [wallet(0).address] * 3
    for raw, entry in zip(raws, (legacy, listed, dynamic), strict=True):
        assert entry["hash"] == HexBytes(keccak(raw))
        assert Account.recover_transaction(raw) == entry["from"]
    receipts = web3.eth.get_block_receipts("latest")
    assert [entry["cumulativeGasUsed"] for entry in receipts][-1] == block["gasUsed"]
    assert sum(entry["gasUsed"] for entry in receipts) == block["gasUsed"]
    # Ethereum's own count of the block's size: legacy transactions stand bare in the list, typed ones as strings.
    header = rlp.decode(world.backend.head.encoded)
    assert block["size"] == len(rlp.encode([header, [rlp.decode(raws[0]), *raws[1:]], []]))


def test_a_block_hashes_again_to_its_hash(world: World, web3: Web3) -> None:
    pay(web3, wallet(0), wallet(1).address, 1)
    world.mine()
    for number in (0, 1):
        block = web3.eth.get_block(number)
        fields = [
            *(bytes(block[name]) for name in ("parentHash", "sha3Uncles")),
            bytes.fromhex(block["miner"][2:]),
            *(bytes(block[name]) for name in ("stateRoot", "transactionsRoot", "receiptsRoot", "logsBloom")),
            *(int_to_bytes(block[name]) for name in ("difficulty", "number", "gasLimit", "gasUsed", "timestamp")),
            *(bytes(block[name]) for name in ("extraData", "mixHash", "nonce")),
            int_to_bytes(block["baseFeePerGas"]),
        ]
        assert keccak(rlp.encode(fields)) == bytes(block["hash"])


def test_py_trie_accepts_our_proofs_of_presence_and_absence(world: World, web3: Web3) -> None:
    pay(web3, wallet(0), wallet(1).address, 99)
    world.mine()
    root = bytes(web3.eth.get_block("latest")["stateRoot"])
    stranger = Web3.to_checksum_address(b"\x77" * 20)
    for address in (wallet(0).address, wallet(1).address, stranger):
        proof = web3.eth.get_proof(address, [])
        nodes = [rlp.decode(bytes(node)) for node in proof["accountProof"]]
        record = HexaryTrie.get_from_proof(root, keccak(bytes.fromhex(address[2:])), nodes)
        if address == stranger:
            assert (record, proof["balance"], proof["nonce"]) == (b"", 0, 0)
            continue
        nonce, balance, storage_hash, code_hash = rlp.decode(record)
        assert int.from_bytes(balance, "big") == proof["balance"] == web3.eth.get_balance(address)
        assert int.from_bytes(nonce, "big") == proof["nonce"]
        assert (storage_hash, code_hash) == (bytes(proof["storageHash"]), bytes(proof["codeHash"]))


def test_blocks_are_found_by_number_hash_and_tag(world: World, web3: Web3) -> None:
    first = world.mine(final=True)
    second = world.mine()
    assert web3.eth.block_number == 2
    assert web3.eth.get_block("latest")["hash"] == HexBytes(second.hash)
    assert web3.eth.get_block("pending")["hash"] == HexBytes(second.hash)
    assert web3.eth.get_block("finalized")["hash"] == HexBytes(first.hash)
    assert web3.eth.get_block("safe")["hash"] == HexBytes(first.hash)
    assert web3.eth.get_block("earliest")["number"] == 0
    assert web3.eth.get_block(second.hash)["number"] == 2
    assert web3.eth.get_block_transaction_count(second.hash) == 0
    with pytest.raises(BlockNotFound):
        web3.eth.get_block(3)
    with pytest.raises(BlockNotFound):
        web3.eth.get_block(b"\x99" * 32)


def test_state_is_read_after_any_recent_block(world: World, web3: Web3) -> None:
    before = web3.eth.get_balance(wallet(1).address)
    pay(web3, wallet(0), wallet(1).address, 10)
    block = world.mine()
    world.mine()
    assert web3.eth.get_balance(wallet(1).address, 0) == before
    assert web3.eth.get_balance(wallet(1).address, 1) == before + 10
    by_hash = {"blockHash": "0x" + block.hash.hex(), "requireCanonical": True}
    assert web3.manager.request_blocking("eth_getBalance", [wallet(1).address, by_hash]) == hex(before + 10)
    with pytest.raises(Web3RPCError, match="header not found"):
        web3.eth.get_balance(wallet(1).address, 3)


def test_refused_transactions_are_answered_in_geths_words(world: World, web3: Web3) -> None:
    alice, bob = wallet(0), wallet(1)
    pay(web3, alice, bob.address, 1)
    world.mine()
    basics = {"chainId": CHAIN_ID, "to": bob.address, "gas": GAS, "maxFeePerGas": 100, "maxPriorityFeePerGas": 1}

    def refused(**fields: object) -> str:
        raw = alice.sign_transaction({**basics, "value": 1, "nonce": 1, **fields}).raw_transaction
        with pytest.raises(Web3RPCError) as caught:
            web3.eth.send_raw_transaction(raw)
        assert caught.value.rpc_response is not None
        assert caught.value.rpc_response["error"]["code"] == -32000
        return str(caught.value.rpc_response["error"]["message"])

    assert refused(nonce=0) == "nonce too low: next nonce 1, tx nonce 0"
    assert refused(value=10**30).startswith("insufficient funds for gas * price + value: balance ")
    assert refused(chainId=1).startswith("invalid chain id for signer: have 1 want 4242")
    assert refused(gas=20_000).startswith("intrinsic gas too low: gas 20000, minimum needed 21000")
    assert refused(maxFeePerGas=1).startswith("max fee per gas less than block base fee: address 0x")
    assert refused(maxPriorityFeePerGas=101).startswith("max priority fee per gas higher than max fee per gas")
    good = alice.sign_transaction({**basics, "value": 1, "nonce": 1}).raw_transaction
    web3.eth.send_raw_transaction(good)
    assert refused() == "already known"
    assert refused(value=2) == "replacement transaction underpriced"


def test_gas_is_estimated_exactly_and_calls_to_plain_accounts_are_empty(world: World, web3: Web3) -> None:
    alice, bob = wallet(0), wallet(1)
    assert web3.eth.estimate_gas({"to": bob.address}) == GAS
    with_data = {"from": alice.address, "to": bob.address, "data": "0x00ff", "value": 1}
    assert web3.eth.estimate_gas(with_data) == GAS + 4 + 16
    assert web3.eth.call({"from": alice.address, "to": bob.address, "value": 1}) == HexBytes("0x")
    assert web3.eth.get_code(bob.address) == HexBytes("0x")
    assert web3.eth.get_storage_at(bob.address, 0) == HexBytes(bytes(32))
    with pytest.raises(Web3RPCError, match="insufficient funds"):
        web3.eth.estimate_gas({"from": alice.address, "to": bob.address, "value": 2 * BALANCE})
    with pytest.raises(Web3RPCError, match="contract creation refused"):
        web3.eth.estimate_gas({"from": alice.address, "data": "0x60"})
    with pytest.raises(Web3RPCError, match=r"gas required exceeds allowance \(21000\)"):
        web3.eth.estimate_gas({"from": alice.address, "to": bob.address, "data": "0xff", "gas": GAS})


def test_fee_history_has_base_fees_fullness_and_percentiles_of_tips(world: World, web3: Web3) -> None:
    for nonce, tip in enumerate((5, 1, 3)):
        web3.eth.send_raw_transaction(
            sign_transaction(
                sample_key(nonce),
                chain_id=CHAIN_ID,
                nonce=0,
                to=sample_key(4).address,
                max_fee=BASE_FEE + tip,
                max_priority_fee=tip,
            )
        )
    world.mine()
    world.mine()
    history = web3.eth.fee_history(5, "latest", [0, 50, 100])
    assert history["oldestBlock"] == 0
    assert history["baseFeePerGas"] == [BASE_FEE] * 4
    limit = web3.eth.get_block("latest")["gasLimit"]
    assert history["gasUsedRatio"] == [0, pytest.approx(3 * GAS / limit), 0]
    assert history["reward"] == [[0, 0, 0], [1, 3, 5], [0, 0, 0]]
    assert "reward" not in web3.eth.fee_history(1, "latest")


def test_a_sealed_memo_travels_through_the_node_and_only_its_receiver_reads_it(world: World, web3: Web3) -> None:
    alice, bob = sample_key(0), sample_key(1)
    data = seal(b"meet at noon", key=alice, receiver_key=bob.public_key, chain_id=CHAIN_ID, nonce=0)
    web3.eth.send_raw_transaction(
        sign_transaction(alice, chain_id=CHAIN_ID, nonce=0, to=bob.address, data=data, max_fee=BASE_FEE)
    )
    web3.eth.send_raw_transaction(
        sign_transaction(sample_key(2), chain_id=CHAIN_ID, nonce=0, to=bob.address, data=b"memo", max_fee=BASE_FEE)
    )
    world.mine()
    page = web3.manager.request_blocking("raclette_memos", [wallet(1).address])
    assert page["nextBlock"] is None
    (memo,) = page["memos"]
    sealed = bytes.fromhex(memo["sealed"][2:])
    assert is_sealed(sealed)
    text = open_sealed(sealed, key=bob, chain_id=CHAIN_ID, sender=alice.address, receiver=bob.address, nonce=0)
    assert text == b"meet at noon"
    nobody = web3.manager.request_blocking("raclette_memos", [wallet(3).address])
    assert nobody["memos"] == []
