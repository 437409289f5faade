"""The chain that all peers of one program agree on before they meet: genesis, and a ledger with the program's rule."""

from collections.abc import Mapping, Sequence
from typing import Any

from raclette.chain.genesis import Genesis, make_genesis_block
from raclette.chain.trie import root_of_mapping
from raclette.door.values import Valid, raw_rule
from raclette.ledgers import ledger_of
from raclette.ledgers.data import Data
from raclette.live.contract import ChainIdentity
from raclette.primitives.errors import ConfigError
from raclette.primitives.hashing import sha256
from raclette.primitives.keys import checksum_address
from raclette.protocols import find_protocol

# Proof of work that costs a hundredth of a second: it keeps an order, it is no defence. 2**16 expected hashes.
DIFFICULTY = 1 << 16
# Blocks of small programs come as fast as data does, and each has to be later than the median of eleven before it, in
# whole seconds: a burst of a thousand runs three minutes ahead of the clock. Two hours is the protocol's most.
FUTURE_LIMIT_S = 7_200


def make_genesis(
    valid: Valid | None, protocol: str, parameters: Mapping[str, Any] | None, members: Sequence[bytes]
) -> Genesis:
    """From what a program says; the same program makes the same genesis everywhere. Proof of work has a fixed low
    difficulty, no reward, and no empty blocks, unless `parameters` says otherwise. `members` are the ids of the nodes
    with a vote, where the protocol has votes. Raises ConfigError."""
    known = find_protocol(protocol)
    settings: dict[str, Any] = dict(parameters or {})
    alloc: dict[str, Any] = {}
    if known.seals:
        defaults = {
            "difficulty_rule": "fixed",
            "initial_difficulty": DIFFICULTY,
            "mine_empty": False,
            "refresh_ms": 10,
            "reward": 0,
            "future_limit_s": FUTURE_LIMIT_S,
        }
        taken = known.parameters.model_fields
        settings = {key: value for key, value in defaults.items() if key in taken} | settings
    if "validators" in known.parameters.model_fields and members:
        settings["validators"] = ["0x" + node_id.hex() for node_id in members]
    if known.enrolls:
        alloc = {
            checksum_address(sha256(b"raclette door member" + node_id)[:20]): {
                "balance": 1,
                "node": "0x" + node_id.hex(),
            }
            for node_id in members
        }
    ledger = {} if valid is None else {"rule": rule_name(valid)}
    return Genesis(
        protocol=protocol, ledger=Data.name, protocol_parameters=settings, ledger_parameters=ledger, alloc=alloc
    )


def rule_name(valid: Valid) -> str:
    """The function's own name: it stands in genesis, so a rule that changes gets another one. Raises ConfigError."""
    name = getattr(valid, "__name__", "")
    if not name or name == "<lambda>":
        raise ConfigError("valid: accepted: a function with a name, which genesis carries")
    return str(name)


def make_ledger(genesis: Genesis, valid: Valid | None) -> Any:
    """The genesis' ledger, with the program's rule if it is `data`. Raises ConfigError."""
    if genesis.ledger != Data.name:
        if valid is not None:
            raise ConfigError(f"valid: the ledger {genesis.ledger!r} has rules of its own; accepted: the ledger data")
        return ledger_of(genesis)
    named = genesis.ledger_parameters.get("rule")
    if valid is not None and named != rule_name(valid):
        raise ConfigError(f"the rule of this genesis is {named!r}, the program's is {rule_name(valid)!r}")
    return Data(
        genesis.chain_id,
        base_fee=genesis.base_fee,
        gas_limit=genesis.gas_limit,
        parameters=genesis.ledger_parameters,
        rule=None if valid is None else raw_rule(valid),
    )


def identity_of(genesis: Genesis, ledger: Any) -> ChainIdentity:
    """Chain id and hash of block 0."""
    block, _ = make_genesis_block(genesis, ledger, root_of_mapping)
    return ChainIdentity(genesis.chain_id, block.header.hash)
