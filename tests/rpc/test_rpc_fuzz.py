"""No body, however strange, gets anything but a well-formed answer: the dispatcher is fuzzed in place, without HTTP."""

import asyncio
import json
from functools import cache
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from rpc_world import FakeBackend

from raclette.rpc.config import RpcLimits
from raclette.rpc.dispatch import Dispatcher
from raclette.rpc.lookup import Lookup
from raclette.rpc.methods import method_table
from raclette.rpc.methods.fees import pick_percentiles
from raclette.rpc.table import Context

EXAMPLES = 150
TABLE = method_table()
LIMITS = RpcLimits(nodes_max=200, batch_max=20, memo_blocks_max=3)
CODES = {-32700, -32600, -32601, -32602, -32000, -32005}

texts = st.sampled_from(
    ["0x", "0x0", "0x1", "latest", "pending", "safe", "0x" + "11" * 20, "0x" + "22" * 32, "", "0xzz"]
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | texts
)
keys = st.sampled_from(["blockHash", "blockNumber", "requireCanonical", "to", "from", "value", "data", "accessList"])
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys | st.text(max_size=4), inner, max_size=4)
)
requests = st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0") | scalars, "method": st.sampled_from(sorted(TABLE.methods)) | scalars},
    optional={"id": scalars | values, "params": st.lists(values, max_size=4) | values},
)
good_requests = st.fixed_dictionaries(
    {
        "jsonrpc": st.just("2.0"),
        "id": st.integers(0, 9),
        "method": st.sampled_from(sorted(TABLE.methods)),
        "params": st.lists(texts | values, max_size=4),
    }
)


@cache
def context() -> Context:
    backend = FakeBackend()
    backend.mine()
    return Context(backend, LIMITS, Lookup())


def answer_to(body: bytes) -> Any:
    """The parsed answer; fails if the dispatcher raises, answers garbage, or crashes inside a method."""
    answer = asyncio.run(Dispatcher(TABLE, LIMITS).answer(body, context()))
    if not answer:
        return None
    parsed = json.loads(answer)
    for item in parsed if isinstance(parsed, list) else [parsed]:
        assert item["jsonrpc"] == "2.0"
        assert ("result" in item) != ("error" in item)
        if "error" in item:
            assert item["error"]["code"] in CODES, item
    return parsed


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_get_an_answer(body: bytes) -> None:
    assert answer_to(body) is not None


@settings(max_examples=EXAMPLES, deadline=None)
@given(values | st.lists(requests, max_size=6) | requests)
def test_any_json_gets_an_answer(body: Any) -> None:
    answer_to(json.dumps(body).encode())


@settings(max_examples=4 * EXAMPLES, deadline=None)
@given(good_requests)
def test_any_parameters_get_a_result_or_a_reason(request: Any) -> None:
    parsed = answer_to(json.dumps(request).encode())
    assert parsed["id"] == request["id"]


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(1, 100)), max_size=20).map(sorted),
    st.lists(st.floats(0, 100), max_size=5).map(sorted),
)
def test_percentiles_ascend_and_are_paid_tips(tips: list[tuple[int, int]], percentiles: list[float]) -> None:
    picked = pick_percentiles(tips, tuple(percentiles))
    assert picked == sorted(picked)
    assert set(picked) <= ({tip for tip, _ in tips} or {0})
