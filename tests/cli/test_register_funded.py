"""`raclette register NAME --fund 25`: a newcomer without a coin gets its first money and its name."""

import pytest

from cli.shell import Shell, World
from raclette.chain.presets import sample_key
from raclette.cli.purse import Purse
from raclette.live.faucet import Faucet, FaucetLimits, GrantBook
from raclette.primitives.units import ETHER


@pytest.fixture
def faucet(node: World) -> World:
    """The node of sample account 4, whose 100 coins are for newcomers: 30 each, 50 a day."""
    backend = node.backend
    limits = FaucetLimits(request_max=30 * ETHER, day_max=50 * ETHER)

    def open_faucet() -> None:
        backend.faucet = Faucet(backend, sample_key(4), GrantBook(backend.store), limits)

    node.do(open_faucet)
    return node


def test_a_newcomer_without_a_coin_gets_money_and_a_name(shell: Shell, people: Purse, faucet: World) -> None:
    shell("wallet", "new", "erin")
    done = shell("register", "erin", "--from", "erin", "--fund", "25", "--json").json
    assert done["succeeded"]
    assert (done["funded"]["succeeded"], done["funded"]["again"]) == (True, False)
    fee = 25 * ETHER - int(shell("balance", "erin", "--json").json["erin"])
    assert 0 < fee < 10**9, "the registration was paid from it"
    again = shell("register", "erin", "--from", "erin", "--fund", "25")
    assert again.code == 0
    assert "the faucet has paid 25 before\nerin is 0x" in again.out
    assert again.out.endswith(" already\n"), "no transaction of the faucet's is shown as if it had named erin"
    assert shell("balance", "erin", "--json").json == {"erin": str(25 * ETHER - fee)}
    assert shell("send", "bob", "1", "--from", "erin").code == 0


@pytest.mark.parametrize(
    ("amount", "code", "says"),
    [
        ("31", 5, "at most 30 at a time"),
        ("5 florin", 2, "unknown unit 'florin'; accepted: coin, coins, ether, gwei, wei"),
        ("-1", 2, "is no amount"),
        ("0", 5, "the amount is 0"),
    ],
)
def test_what_cannot_be_given_is_one_line(
    shell: Shell, people: Purse, faucet: World, amount: str, code: int, says: str
) -> None:
    assert says in shell.refusal(code, "register", "bobby", "--from", "bob", f"--fund={amount}")


def test_limits_and_taken_names_are_refused_before_anything_is_paid(shell: Shell, people: Purse, faucet: World) -> None:
    assert "somebody is called 'sample-3'" in shell.refusal(5, "register", "sample-3", "--from", "bob", "--fund", "1")
    for name in ("eve", "mallory"):
        shell("wallet", "new", name)
    assert shell("register", "eve", "--from", "eve", "--fund", "30").code == 0
    said = shell.refusal(5, "register", "mallory", "--from", "mallory", "--fund", "30")
    assert "ask again tomorrow" in said
    assert shell("balance", "mallory", "--json").json == {"mallory": "0"}


def test_a_node_without_a_faucet_says_so(shell: Shell, people: Purse, node: World) -> None:
    assert "no faucet" in shell.refusal(5, "register", "bobby", "--from", "bob", "--fund", "1")


def test_the_console_funds_too(shell: Shell, people: Purse, faucet: World) -> None:
    typed = "new erin\nregister erin --from erin --fund '20000 gwei'\nbalance erin\n"
    done = shell("console", typed=typed)
    assert (done.code, "the faucet has paid 0.00002" in done.out) == (0, True), (done.out, done.err)
