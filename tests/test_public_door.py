"""`import raclette` is the one door: light, complete, explained. And generated code is what its source says."""

import ast
import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

import raclette

SOURCE = Path(raclette.__file__).parents[1]
HEAVY = {
    *("numba", "numpy", "llvmlite", "uvicorn", "uvloop", "starlette", "rocksdict", "pydantic", "google.protobuf"),
    *("coincurve", "typer", "rich", "structlog", "asyncio"),
}


def modules_after(code: str) -> set[str]:
    """What a fresh interpreter has loaded after `code`."""
    script = f"{code}\nimport sys, json\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-I", "-c", script], check=True, capture_output=True, text=True)
    return set(json.loads(done.stdout))


def test_importing_raclette_loads_nothing_but_itself() -> None:
    loaded = modules_after("import raclette")
    assert {name for name in loaded if name.partition(".")[0] == "raclette"} == {"raclette"}
    assert not loaded & HEAVY


def test_a_program_that_simulates_loads_no_server_and_no_compiler() -> None:
    loaded = modules_after("from raclette import SimConfig, simulate")
    assert not loaded & {"numba", "llvmlite", "uvicorn", "uvloop", "starlette", "rocksdict", "typer", "rich"}


def test_every_public_name_is_there_and_comes_from_one_place() -> None:
    assert len(set(raclette.__all__)) == len(raclette.__all__)
    assert set(raclette.__all__) <= set(dir(raclette))
    for name in raclette.__all__:
        value = getattr(raclette, name)
        assert value is getattr(raclette, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert value.__module__ == raclette._HOMES[name]
    tree = ast.parse(Path(raclette.__file__).read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module != "importlib"]
    promised = {alias.name: node.module for node in imports for alias in node.names if node.module in SOURCES}
    assert promised == raclette._HOMES


SOURCES = set(raclette._HOMES.values())


@pytest.mark.parametrize("name", raclette.__all__)
def test_every_public_name_is_explained(name: str) -> None:
    value = getattr(raclette, name)
    if not (inspect.isclass(value) or inspect.isfunction(value)):
        assert f"`{name}`" in (raclette.__doc__ or "")
        return
    explanation = value.__dict__.get("__doc__") if inspect.isclass(value) else value.__doc__
    assert explanation
    assert not explanation.startswith(f"{name}("), "the dataclass's own signature explains nothing"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing_like_this"):
        raclette.nothing_like_this  # noqa: B018
    assert not hasattr(raclette, "import_everything")


def test_the_door_is_wide_enough_for_a_node_and_a_simulation() -> None:
    signer = raclette.Ed25519Signer(bytes(32))
    genesis = raclette.Genesis(
        protocol="pbft",
        ledger="bank",
        protocol_parameters={"validators": ["0x" + signer.public_key.hex()]},
        alloc=raclette.even_alloc(3, 10**18),
    )
    node = raclette.open_node(raclette.NodeConfig(genesis, signer, bytes(20)), raclette.MemoryStore())
    assert node.view.head.number == 0
    report = raclette.simulate(raclette.SimConfig(nodes=4, workload=raclette.Workload(count=3), duration=2 * 10**9))
    assert report.agreed
    assert "pbft" in raclette.PROTOCOLS
    assert "bank" in raclette.LEDGERS


@pytest.mark.parametrize("proto", sorted(path.relative_to(SOURCE) for path in SOURCE.rglob("*.proto")), ids=str)
def test_generated_protobuf_code_is_current(proto: Path, tmp_path: Path) -> None:
    """Byte for byte what `make protobuf` writes."""
    options = ["-I.", f"--python_out={tmp_path}", f"--pyi_out={tmp_path}"]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *options, str(proto)], check=True, cwd=SOURCE)
    for suffix in ("_pb2.py", "_pb2.pyi"):
        generated = proto.with_name(proto.stem + suffix)
        assert (tmp_path / generated).read_text() == (SOURCE / generated).read_text(), "run `make protobuf`"
