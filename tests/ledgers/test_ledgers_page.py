"""docs/ledgers.md tells the truth: its code runs, its genesis is one, and no ledger or question is missing."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from coins_world import ALICE, BOB, CAROL, CHAIN, World

from raclette.ledgers import LEDGERS
from raclette.ledgers.bank import bank
from raclette.ledgers.coins import coins
from raclette.ledgers.poll import Poll, questions
from raclette.ledgers.samples import SAMPLES
from raclette.primitives.keys import checksum_address

PAGE = (Path(__file__).parents[2] / "docs" / "ledgers.md").read_text()


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def test_every_ledger_is_on_the_page_and_has_something_to_send() -> None:
    rows = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
    assert set(LEDGERS) <= rows
    assert set(LEDGERS) == set(SAMPLES)


@pytest.mark.parametrize(
    ("ledger", "queries"), [("bank", bank._QUERIES), ("coins", coins._QUERIES), ("poll", questions.QUERIES)]
)
def test_every_question_is_on_the_page(ledger: str, queries: dict[str, Any]) -> None:
    rows = [row for row in PAGE.splitlines() if row.startswith("| `") and f"`{ledger}`" in row]
    assert [name for name in queries if not any(f"`{name}`" in row for row in rows)] == []


def test_the_payment_on_the_page_is_one() -> None:
    names: dict[str, Any] = {"alice": ALICE, "bob": BOB, "carol": CAROL, "parent_hash": bytes(32), "chain_id": CHAIN}
    exec(block("python"), names)
    spend = World().coins.decode(names["raw"]).detail
    assert (spend.fee, [output.amount for output in spend.outputs]) == (10, [400, 590])


def test_the_elections_on_the_page_make_a_genesis() -> None:
    addresses = iter([ALICE, BOB, CAROL])
    text = re.sub("0x…", lambda _: checksum_address(next(addresses).address), block("json"))
    section = json.loads("{" + text + "}")["ledger"]
    parameters = {key: value for key, value in section.items() if key != "name"}
    state = Poll(CHAIN, parameters=parameters).genesis({checksum_address(ALICE.address): {"balance": 1}})
    assert b"\x08dinner" in state
    assert b"\x08board" in state
