"""Whole processes, put together from configuration: four PBFT nodes, a tracker, a crash, a late joiner."""

import json
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import uvloop
from live_stubs import until

from raclette.chain.genesis import Genesis, even_alloc
from raclette.ledgers.bank.samples import sample_transfers
from raclette.live.config import NodeConfigFile, TrackerConfigFile
from raclette.live.keyfile import load_or_create_key
from raclette.live.process import NodeProcess, open_process, open_tracker, read_genesis
from raclette.live.transport import TlsTransport
from raclette.node.host import NewFinal
from raclette.primitives.errors import ConfigError, StoreRefused
from raclette.primitives.signing import Ed25519Signer
from raclette.primitives.units import ETHER


def make_chain(folder: Path, validators: int, protocol: str = "pbft", **parameters: object) -> Genesis:
    """Keys and a genesis file in `folder`."""
    for number in range(validators):
        load_or_create_key(folder / f"node{number}" / "node.key")
    if protocol == "pbft":
        keys = [load_or_create_key(folder / f"node{number}" / "node.key") for number in range(validators)]
        parameters["validators"] = ["0x" + Ed25519Signer(key).public_key.hex() for key in keys]
    genesis = Genesis(
        protocol=protocol, ledger="bank", protocol_parameters=parameters, alloc=even_alloc(50, 100 * ETHER)
    )
    (folder / "genesis.json").write_text(json.dumps(genesis.to_json()))
    return read_genesis(folder / "genesis.json")


def node_config(folder: Path, number: int, tracker: str = "", peers: tuple[str, ...] = ()) -> NodeConfigFile:
    return NodeConfigFile.model_validate(
        {
            "node": {
                "name": f"node-{number}",
                "data_dir": folder / f"node{number}",
                "genesis": folder / "genesis.json",
            },
            "network": {"listen": "127.0.0.1:0", "tracker": tracker, "peers": peers},
        }
    )


def tracker_config(folder: Path) -> TrackerConfigFile:
    return TrackerConfigFile.model_validate(
        {
            "tracker": {"data_dir": folder / "tracker", "genesis": folder / "genesis.json"},
            "network": {"listen": "127.0.0.1:0"},
        }
    )


def heads(processes: list[NodeProcess]) -> set[bytes]:
    return {process.node.view.head.hash for process in processes}


def is_done(process: NodeProcess, hashes: list[bytes]) -> bool:
    return all(process.node.view.locate(name) is not None for name in hashes)


def test_four_replicas_agree_through_a_restart_and_a_late_joiner(tmp_path: Path) -> None:
    genesis = make_chain(tmp_path, 4)

    async def story() -> None:
        async with AsyncExitStack() as stack:
            host = await stack.enter_async_context(open_tracker(tracker_config(tmp_path)))
            assert isinstance(host.transport, TlsTransport)
            tracker = f"{host.transport.node_id.hex()}@127.0.0.1:{host.transport.port}"
            nodes = [
                await stack.enter_async_context(open_process(node_config(tmp_path, number, tracker)))
                for number in range(3)
            ]
            async with open_process(node_config(tmp_path, 3, tracker)) as fourth:
                everybody = [*nodes, fourth]
                await until(lambda: all(len(one.node.view.peers()) == 3 for one in everybody), "a full mesh")
                raws = sample_transfers(200, 7, genesis.chain_id, accounts=50)
                finals = nodes[0].host.subscribe(NewFinal)
                accepted = await nodes[0].host.submit_many(raws[:100])
                hashes = [name for name in accepted if isinstance(name, bytes)]
                assert len(hashes) == 100
                await until(lambda: all(is_done(one, hashes) for one in everybody), "all have executed all")
                assert isinstance(await finals.get(), NewFinal)
            more = [name for name in await nodes[1].host.submit_many(raws[100:]) if isinstance(name, bytes)]
            assert len(more) == 100
            await until(lambda: all(is_done(one, more) for one in nodes), "three of four go on")
            again = await stack.enter_async_context(open_process(node_config(tmp_path, 3, tracker)))
            late = await stack.enter_async_context(open_process(node_config(tmp_path, 4, tracker)))
            everybody = [*nodes, again, late]
            await until(lambda: all(is_done(one, more) for one in everybody), "who was away catches up")
            await until(lambda: len(heads(everybody)) == 1, "one head")
            assert len({one.node.view.head.state_root for one in everybody}) == 1
            assert all(one.host.failure is None for one in everybody)
            assert host.machine.book.listed_count == 5

    uvloop.run(story())


def test_two_miners_agree_on_a_chain_of_work(tmp_path: Path) -> None:
    make_chain(tmp_path, 2, "nakamoto", difficulty_rule="fixed", initial_difficulty=2_000_000, mine_empty=True)

    async def story() -> None:
        async with open_process(node_config(tmp_path, 0)) as first:
            peer = str(first.address)
            async with open_process(node_config(tmp_path, 1, peers=(peer,))) as second:
                await until(lambda: first.node.view.head.number >= 3, "blocks are mined")
                await until(lambda: second.node.view.head.number >= 3, "on both sides")
                await until(
                    lambda: second.node.view.canonical(2) == first.node.view.canonical(2) is not None,
                    "and are the same",
                )

    uvloop.run(story())


def test_a_database_of_another_chain_is_refused(tmp_path: Path) -> None:
    make_chain(tmp_path, 4)

    async def story() -> None:
        async with open_process(node_config(tmp_path, 0)):
            pass
        make_chain(tmp_path, 4, view_timeout_ms=1234)
        with pytest.raises(StoreRefused, match="genesis"):
            async with open_process(node_config(tmp_path, 0)):
                raise AssertionError("opened a database of another chain")

    uvloop.run(story())


def test_a_missing_genesis_is_one_line(tmp_path: Path) -> None:
    async def story() -> None:
        with pytest.raises(
            ConfigError, match=r"genesis file .*genesis.json: cannot be read: No such file or directory"
        ):
            async with open_process(node_config(tmp_path, 0)):
                raise AssertionError("opened a node without a genesis")

    uvloop.run(story())
