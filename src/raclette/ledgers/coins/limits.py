"""The limits of coins: each with its unit and its reason. All are rules of the chain, equal on all its nodes."""

from raclette.primitives.units import KIBIBYTE

# Most money there may be in genesis, in one output, and in the sums of a transaction, in the smallest unit (10**18 to a
# coin). As the bank's: far more than anybody mints, far less than the 256 bits that an amount's encoding could hold.
AMOUNT_MAX = 2**192

# Bytes of one item of the stack. The longest that means anything is a signature (65) or a node's (64).
ITEM_BYTES_MAX = 80
# Signatures that one output may ask for: a board of directors; more are a protocol of their own.
LOCK_SIGNATURES_MAX = 16
# Items on the stack: that many signatures, and the address that one of them is compared with.
STACK_DEPTH_MAX = LOCK_SIGNATURES_MAX + 1
# Bytes of one script: that many signatures of 67 bytes each (with opcode and length).
SCRIPT_BYTES_MAX = 1_072
# Operations of the unlocking and the locking script together: each signature is pushed, met by an address, and checked.
OPERATIONS_MAX = 3 * LOCK_SIGNATURES_MAX

# Inputs of a transaction, and signatures checked for it, at about 50 us each: what a stranger sends holds a node up for
# 3 ms at most before it turns out that the inputs do not exist. A larger purse is swept together in pieces.
INPUTS_MAX = 64
SIGNATURES_MAX = 64
# Outputs of a transaction: a payroll in one piece.
OUTPUTS_MAX = 256
# Bytes of a transaction: 64 inputs of one signature each, and 256 outputs, take 25 KB; with large locks more.
TRANSACTION_BYTES_MAX = 64 * KIBIBYTE

# Gas: what a block's gas limit counts. A byte and a signature cost what Ethereum takes for them (EIP-2028; ecrecover),
# an output what its three records (output, owner, page) take to write, beside one that is deleted.
GAS_PER_BYTE = 16
GAS_PER_SIGNATURE = 3_000
GAS_PER_OUTPUT = 5_000

# Unspent outputs in one answer to `query("outputs")`; the next page is asked for with the last one's outpoint.
OUTPUTS_SHOWN_MAX = 1_000
