"""Pay with web3.py, as with any Ethereum node. Usage: python examples/pay_with_web3.py http://127.0.0.1:8545

Needs a running network (`raclette up`) and web3.py. The sample accounts' keys are public knowledge.
"""

import sys

from eth_account import Account
from web3 import Web3

from raclette.chain.presets import sample_key

w3 = Web3(Web3.HTTPProvider(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8545"))
payer = Account.from_key(sample_key(11).secret)
receiver = Account.create().address
signed = payer.sign_transaction(
    {
        "type": 2,
        "chainId": w3.eth.chain_id,
        "nonce": w3.eth.get_transaction_count(payer.address, "pending"),
        "to": receiver,
        "value": w3.to_wei(1, "ether"),
        "gas": 21_000,
        "maxFeePerGas": w3.eth.gas_price,
        "maxPriorityFeePerGas": w3.eth.max_priority_fee,
    }
)
receipt = w3.eth.wait_for_transaction_receipt(w3.eth.send_raw_transaction(signed.raw_transaction))
print(f"block {receipt['blockNumber']}: {receiver} has {w3.from_wei(w3.eth.get_balance(receiver), 'ether')}")
