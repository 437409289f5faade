"""docs/rpc.md is what the table of methods says, and its examples are requests that the server takes."""

import json
import re
from pathlib import Path

import httpx
from rpc_world import World

from raclette.rpc.methods import method_table
from raclette.rpc.reference import reference

PAGE = Path(__file__).parents[2] / "docs" / "rpc.md"
# Examples that stand for something only a signer, a subscriber, or an operator with a faucet has.
NEED_MORE = {
    *("eth_sendRawTransaction", "raclette_sendRawTransactions", "eth_subscribe", "eth_unsubscribe"),
    "raclette_faucet",
}
REQUEST = re.compile(r'^\{"jsonrpc": "2\.0", "id": 1, "method": .*$', re.MULTILINE)


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == reference(), "run: python -m raclette.rpc.reference > docs/rpc.md"


def test_every_method_explains_itself() -> None:
    for method in method_table().methods.values():
        assert method.about.endswith("."), method.name
        assert method.returns, method.name


def test_every_example_of_the_page_is_taken_by_the_server(world: World) -> None:
    requests = [json.loads(line) for line in REQUEST.findall(PAGE.read_text())]
    assert sorted(request["method"] for request in requests) == sorted(method_table().methods)
    for request in requests:
        answer = httpx.post(world.url, json=request).json()
        if request["method"] not in NEED_MORE:
            assert "result" in answer, (request, answer)
