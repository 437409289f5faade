"""The faucet: newcomers get money once, within limits, whatever crashes; and nobody empties it."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from rpc_world import CHAIN_ID, FakeBackend

from raclette.chain.presets import sample_key
from raclette.chain.transaction import sign_transfer
from raclette.live.config import NodeConfigFile
from raclette.live.faucet import Faucet, FaucetLimits, GrantBook, load_account_key
from raclette.live.faucet.book import DAY, REMEMBERED
from raclette.live.faucet.faucet import network_of
from raclette.live.faucet.keys import load_or_create_account_key
from raclette.primitives.errors import ConfigError, Refused
from raclette.primitives.keystore import SCRYPT_WORK_FAST, encrypt_key
from raclette.primitives.units import ETHER

T = TypeVar("T")
PAYER = sample_key(0)
NEWCOMERS = [bytes([number]) * 20 for number in range(1, 30)]


class Town(FakeBackend):
    """A node with a clock of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.time = 1_700_000_000 * 10**9
        self.refuses = ""

    def now(self) -> int:
        return self.time

    async def submit(self, raw: bytes) -> bytes:
        if self.refuses:
            raise Refused(self.refuses, "as told")
        return await super().submit(raw)

    def opened(self, **limits: int) -> Faucet:
        """The faucet as after a restart."""
        self.faucet = Faucet(self, PAYER, GrantBook(self.store), FaucetLimits(**limits))
        return self.faucet

    def balance(self, address: bytes) -> int:
        self.mine()
        found: int = self.ledger.query("balance", [address], self.chain.state(self.head.hash))
        return found


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def refusal(faucet: Faucet, address: bytes, amount: int, **words: str) -> str:
    with pytest.raises(Refused) as refused:
        run(faucet.give(address, amount, **words))
    return refused.value.reason


def test_a_newcomer_is_paid_once_however_often_it_asks() -> None:
    town = Town()
    first = run(town.opened().give(NEWCOMERS[0], 25 * ETHER))
    assert not first["again"]
    assert town.balance(NEWCOMERS[0]) == 25 * ETHER
    for faucet in (town.faucet, town.opened()):
        assert faucet is not None
        assert run(faucet.give(NEWCOMERS[0], 25 * ETHER)) == first | {"again": True}
        assert refusal(faucet, NEWCOMERS[0], 26 * ETHER) == "faucet-repeated"
    assert town.balance(NEWCOMERS[0]) == 25 * ETHER
    assert not run(town.opened().give(NEWCOMERS[0], 5 * ETHER, request="for lunch"))["again"]
    assert town.balance(NEWCOMERS[0]) == 30 * ETHER


def test_a_grant_whose_transaction_was_lost_in_a_crash_is_sent_when_it_is_asked_for_again() -> None:
    town = Town()
    for reason in ("node-failed", "node-stopping"):
        town.refuses = reason
        assert refusal(town.opened(), NEWCOMERS[0], ETHER) == reason
    town.refuses = ""
    assert run(town.opened().give(NEWCOMERS[0], ETHER))["again"]
    assert town.balance(NEWCOMERS[0]) == ETHER


def test_a_grant_whose_nonce_went_elsewhere_is_signed_anew() -> None:
    town = Town()
    town.refuses = "node-failed"
    assert refusal(town.opened(), NEWCOMERS[0], ETHER) == "node-failed"
    town.refuses = ""
    run(town.submit(sign_transfer(PAYER, chain_id=CHAIN_ID, nonce=0, to=NEWCOMERS[1], value=7, fee=10)))
    town.mine()
    assert run(town.opened().give(NEWCOMERS[0], ETHER))["again"]
    assert town.balance(NEWCOMERS[0]) == ETHER
    assert run(town.opened().give(NEWCOMERS[0], ETHER))["again"]
    assert town.balance(NEWCOMERS[0]) == ETHER


def test_what_the_ledger_refuses_is_not_counted() -> None:
    town = Town()
    town.refuses = "oversized"
    assert refusal(town.opened(), NEWCOMERS[0], ETHER) == "oversized"
    town.refuses = "insufficient-funds"
    assert refusal(town.opened(), NEWCOMERS[0], ETHER) == "faucet-empty"
    assert len(GrantBook(town.store)) == 0


def test_every_limit_holds_after_a_restart_and_passes_with_time() -> None:
    town = Town()
    limits = {"request_max": 10, "address_max": 15, "day_max": 40, "network_day_max": 3}
    assert refusal(town.opened(**limits), NEWCOMERS[0], 11) == "faucet-request-limit"
    for number, client in enumerate(("1.1.1.1", "1.1.1.1", "1.1.1.1", "::ffff:2.2.2.2")):
        run(town.opened(**limits).give(NEWCOMERS[number], 9, client=client))
    assert refusal(town.opened(**limits), NEWCOMERS[0], 9, request="more", client="3.3.3.3") == "faucet-address-limit"
    assert refusal(town.opened(**limits), NEWCOMERS[5], 1, client="1.1.1.1") == "faucet-client-limit"
    assert refusal(town.opened(**limits), NEWCOMERS[5], 5, client="3.3.3.3") == "faucet-day-limit"
    town.time += DAY + 1
    run(town.opened(**limits).give(NEWCOMERS[5], 5, client="1.1.1.1"))
    assert refusal(town.opened(**limits), NEWCOMERS[0], 9, request="more") == "faucet-address-limit"
    town.time += REMEMBERED + 1
    run(town.opened(**limits).give(NEWCOMERS[0], 9, request="more"))
    assert len(GrantBook(town.store)) == 1, "what is older than a month is forgotten"


def test_an_empty_faucet_says_so() -> None:
    town = Town()
    faucet = town.opened(request_max=10**30, address_max=10**30, day_max=10**30)
    assert refusal(faucet, NEWCOMERS[0], 100 * ETHER) == "faucet-empty"
    run(faucet.give(NEWCOMERS[0], 60 * ETHER))
    assert refusal(faucet, NEWCOMERS[1], 60 * ETHER) == "faucet-empty", "what is on its way is spent"
    assert refusal(faucet, NEWCOMERS[1], 0) == "faucet-amount"
    assert refusal(faucet, NEWCOMERS[1], 1, request="x" * 65) == "faucet-request"
    assert int(faucet.info()["balance"]) == 100 * ETHER


def test_a_name_that_is_somebodys_is_not_funded() -> None:
    town = Town()
    faucet = town.opened()
    assert refusal(faucet, NEWCOMERS[0], 1, name="sample-1") == "name-taken"
    run(faucet.give(sample_key(1).address, 1, name="sample-1"))
    run(faucet.give(NEWCOMERS[0], 1, name="nobody-yet"))


def test_many_at_once_get_one_transaction_each() -> None:
    town = Town()

    async def story() -> list[dict[str, Any]]:
        faucet = town.opened(network_day_max=100)
        asked = [faucet.give(newcomer, 7) for newcomer in (*NEWCOMERS[:20], *NEWCOMERS[:20])]
        return await asyncio.gather(*asked)

    answers = run(story())
    assert len({answer["hash"] for answer in answers}) == 20
    assert sum(answer["again"] for answer in answers) == 20
    assert [town.balance(newcomer) for newcomer in NEWCOMERS[:21]] == [7] * 20 + [0]


def test_who_counts_as_one_asker() -> None:
    assert network_of("10.0.0.1") == network_of("::ffff:10.0.0.1") == "10.0.0.1"
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:1") == "2001:db8::/64"
    assert network_of("2001:db8:0:1::1") != network_of("2001:db8::1")
    assert network_of("") == "unknown"


def test_keys_are_read_from_private_files_only(tmp_path: Path) -> None:
    file = tmp_path / "faucet.key"
    made = load_or_create_account_key(file)
    assert load_or_create_account_key(file).address == made.address
    assert load_account_key(file).address == made.address
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="lets others read it"):
        load_account_key(file)
    keystore, passphrase, junk = (tmp_path / name for name in ("keystore.json", "passphrase", "junk"))
    import json

    keystore.write_text(json.dumps(encrypt_key(PAYER, "fondue", work=SCRYPT_WORK_FAST)))
    passphrase.write_text("fondue\n")
    junk.write_text("no key")
    for path in (keystore, passphrase, junk):
        path.chmod(0o600)
    assert load_account_key(keystore, passphrase).address == PAYER.address
    with pytest.raises(ConfigError, match="wrong passphrase"):
        load_account_key(keystore, junk)
    with pytest.raises(ConfigError, match="has to name its passphrase"):
        load_account_key(keystore)
    with pytest.raises(ConfigError, match="64 hex digits"):
        load_account_key(junk)
    with pytest.raises(ConfigError, match="No such file"):
        load_account_key(tmp_path / "none")


def test_its_section_says_what_is_wrong_with_an_amount() -> None:
    section = NodeConfigFile.model_validate({"faucet": {"request_max": "5 gwei", "day_max": "1"}}).faucet
    assert (section.limits().request_max, section.limits().day_max) == (5 * 10**9, ETHER)
    assert NodeConfigFile().faucet.limits() == FaucetLimits()
    with pytest.raises(ValueError, match="unknown unit 'florin'"):
        NodeConfigFile.model_validate({"faucet": {"request_max": "5 florin"}})


def test_a_ledger_without_accounts_has_no_faucet() -> None:
    town = Town()
    town.ledger.name = "coins"
    with pytest.raises(ConfigError, match="no accounts to fund"):
        town.opened()
