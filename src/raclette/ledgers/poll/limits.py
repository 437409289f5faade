"""The limits of poll: each with its unit and its reason. All are rules of the chain, equal on all its nodes."""

# Elections of a chain. Their names are one record of the state: this bounds it to 33 KB.
ELECTIONS_MAX = 1_000
# Bytes of a question and of a choice, as UTF-8: what fits a ballot paper.
QUESTION_BYTES_MAX = 256
CHOICE_BYTES_MAX = 64
# Choices of an election; each is a number in the tally's record.
CHOICES_MAX = 32
# Voters that one transaction enrols (genesis may enrol all accounts): each is a record of its own, so this bounds what
# one transaction writes. More voters are more transactions.
VOTERS_PER_ACTION_MAX = 500
# Blocks. An election that closes at this height never does, in the life of any chain.
NEVER = 2**63 - 1
# Bytes of the salt that keeps a committed choice from being guessed.
SALT_BYTES = 32
# Gas of what stays in the state for ever (what Ethereum takes for a new storage slot), beside Ethereum's for the bytes.
GAS_PER_ELECTION = 60_000
GAS_PER_VOTER = 20_000
GAS_PER_BALLOT = 5_000
