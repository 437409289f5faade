"""One server for each test that asks for it."""

from collections.abc import Iterator

import pytest
from rpc_world import World, serve


@pytest.fixture
def world() -> Iterator[World]:
    yield from serve()
