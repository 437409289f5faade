"""Liars who speak PBFT: at most f of them change nothing that matters, f+1 of them do, and the guilty are known."""

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from raclette.engine.message import Message
from raclette.node.host import Lane, Parcel, Transmit
from raclette.node.wire import EngineSaid
from raclette.primitives.errors import ConfigError, Misuse, PeerFault
from raclette.primitives.randomness import Random
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.protocols.pbft.messages import (
    CheckpointVote,
    Commit,
    NewView,
    Prepare,
    PrePrepare,
    Status,
    ViewChange,
    Vote,
)
from raclette.sim.config import SimConfig, Workload
from raclette.sim.faults import Crash, Impair
from raclette.sim.host import Host
from raclette.sim.liars import LiarSpec, find_liar
from raclette.sim.liars.equivocate import Equivocate
from raclette.sim.liars.forge import Forge
from raclette.sim.liars.forging import PbftForger, make_forger
from raclette.sim.liars.forging.pbft_forgeries import BELIEVED, REFUSED
from raclette.sim.liars.forging.steps import mutate_field, step
from raclette.sim.liars.withhold_votes import WithholdVotes
from raclette.sim.simulate import Simulation, simulate, view_of
from raclette.sim.world import World

QUICK = SimConfig(
    nodes=4,
    accounts=20,
    workload=Workload(count=40, interval=50 * MILLISECOND, start=200 * MILLISECOND),
    parameters={"view_timeout_ms": 300, "view_timeout_cap_ms": 2_000, "checkpoint_interval": 4, "window": 16},
    duration=4 * SECOND,
    settle=60 * SECOND,
)
# Losses make the primary change, so that there are VIEW-CHANGEs and NEW-VIEWs to lie about.
STORM = (
    Impair(SECOND // 2, SECOND, loss_ppm=300_000),
    Crash(SECOND, 1, lasting=SECOND),
)


@pytest.mark.parametrize("kind", ["equivocate", "withhold-votes", "forge", "mutate", "spam"])
def test_one_liar_of_four_changes_nothing_that_matters(kind: str) -> None:
    for seed, liar in ((1, 0), (2, 2)):
        report = simulate(replace(QUICK, seed=seed, faults=STORM, liars={liar: LiarSpec(kind)}))
        assert report.violations == []
        assert report.transactions == 40


def test_two_conspirators_of_four_fork_the_chain_and_are_seen_to() -> None:
    """Quorums of three that share only the two liars: the bound f is tight."""
    spec = LiarSpec.of("equivocate", lie_percent=100, open_percent=0)
    report = simulate(replace(QUICK, liars={0: spec, 2: spec}, settle=SECOND))
    assert "agreement" in {violation["checker"] for violation in report.violations}


def test_who_equivocates_openly_is_shut_out_and_leaves_evidence_against_itself_alone() -> None:
    simulation = Simulation(replace(QUICK, liars={2: LiarSpec.of("equivocate", lie_percent=100, open_percent=100)}))
    report = simulation.run()
    assert report.violations == []
    guilty = simulation.world.hosts[2].node_id
    for host in simulation.world.hosts:
        if not host.honest:
            continue
        held = view_of(host).evidence()
        assert held
        assert {record["accused"] for record in held} == {"0x" + guilty.hex()}
        assert simulation.world.network.is_up(host.index, 2) is False


class Ear:
    """Writes down every consensus message that one node hears."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.heard_messages: list[Message] = []

    def heard(self, world: World, host: Host, peer: bytes, parcel: Parcel) -> None:
        if host.index == self.index and isinstance(parcel.content, EngineSaid):
            self.heard_messages.append(parcel.content.message)


def forger_after_a_run() -> tuple[Simulation, PbftForger]:
    """Of a liar who has seen a storm."""
    simulation = Simulation(replace(QUICK, seed=3, faults=STORM, liars={3: LiarSpec("forge")}))
    simulation.run()
    liar = simulation.world.hosts[3].node
    assert isinstance(liar, Forge)
    assert isinstance(liar.forger, PbftForger)
    return simulation, liar.forger


def test_gates_refuse_what_is_false_and_let_pass_what_is_only_a_lie() -> None:
    simulation, forger = forger_after_a_run()
    world = simulation.world
    gate = world.hosts[0].node.gate
    random, outcomes = Random(1), Counter[tuple[str, bool]]()
    assert forger.me is not None
    for makers, refused in ((REFUSED, True), (BELIEVED, False)):
        for maker in makers:
            for _ in range(10):
                forged = maker(forger, forger.me, random)
                if forged is None:
                    continue
                assert forged.refused is refused
                try:
                    gate.open(forged.frame, world.verifier)
                    passed = True
                except PeerFault:
                    passed = False
                assert passed is not refused, forged.what
                outcomes[forged.what, passed] += 1
    assert len(outcomes) == len(REFUSED) + len(BELIEVED)


def test_every_small_step_is_another_message_that_the_gate_takes_for_ours() -> None:
    """A mutant that the gate refused would test the gate, and nothing behind it."""
    simulation, ear = Simulation(replace(QUICK, seed=5, faults=STORM)), Ear(0)
    simulation.world.listeners.append(ear)
    simulation.run()
    forger = make_forger("pbft", simulation.world.hosts[2].node)
    assert isinstance(forger, PbftForger)
    heard = ear.heard_messages
    forger.hashes = {message.block_hash: None for message in heard if isinstance(message, Vote)}
    random, changed = Random(2), Counter[str]()
    for message in heard:
        if getattr(message, "sender", forger.me) != forger.me:
            continue
        if isinstance(message, PrePrepare):
            block = forger.core.chain.block(message.header.hash)
            message = message if block is None else message.with_block(block)
        mutant = forger.mutate(message, random)
        if mutant is None:
            continue
        assert mutant != message
        wrapped = forger.wrap((b"somebody",), mutant)
        content = simulation.world.hosts[0].node.gate.open(wrapped.frame, simulation.world.verifier).content
        assert content.message.kind == message.kind
        changed[message.kind] += 1
    assert {kind.kind for kind in (Prepare, Commit, CheckpointVote, ViewChange, Status)} <= set(changed)


def test_a_step_is_small() -> None:
    random = Random(7)
    assert {step(5, random, ()) for _ in range(20)} == {4, 6}
    assert {step(8, random, (4,)) for _ in range(20)} == {4, 12}
    assert step(0, random, ()) == 1
    assert step(True, random, ()) is False
    assert {len(step((1, 2, 3), random, ())) for _ in range(20)} == {2, 4}
    assert step((), random, ()) == ()
    assert step(b"a", random, (b"a", b"b")) == b"b"
    assert step(b"a", random, ()) == b"a"
    with pytest.raises(TypeError):
        mutate_field(object(), {}, random)


def test_a_proposal_and_its_rival_are_both_valid_and_so_are_their_children() -> None:
    """A liar that proposes rubbish is caught at once; one that offers two good chains is not."""
    simulation = Simulation(
        replace(QUICK, liars={0: LiarSpec.of("equivocate", lie_percent=100, open_percent=0)}, settle=SECOND)
    )
    world = simulation.world
    world.run_until(SECOND)
    liar = world.hosts[0].node
    assert isinstance(liar, Equivocate)
    chain = liar.forger.core.chain if isinstance(liar.forger, PbftForger) else None
    assert chain is not None
    pairs = [(chain.header(known), rival) for known, rival in liar._book.items()]
    assert pairs
    for header, rival in pairs:
        assert header is not None
        assert header.number == rival.number
        assert header.hash != rival.hash
        assert chain.block(rival.hash) is not None


def test_votes_are_withheld_all_or_of_one_phase() -> None:
    simulation = Simulation(
        replace(QUICK, liars={1: LiarSpec("withhold-votes"), 3: LiarSpec.of("withhold-votes", phase=2)})
    )
    first, second = simulation.world.hosts[1].node, simulation.world.hosts[3].node
    assert isinstance(first, WithholdVotes)
    assert isinstance(second, WithholdVotes)
    assert first.kinds == {"prepare", "commit", "checkpoint", "view-change"}
    assert second.kinds == {"commit"}
    said = tuple(Transmit((b"x",), Lane.CONSENSUS, b"", kind) for kind in ("prepare", "commit", "pre-prepare"))
    assert [effect.kind for effect in first.twist(0, said) if isinstance(effect, Transmit)] == ["pre-prepare"]
    assert [effect.kind for effect in second.twist(0, said) if isinstance(effect, Transmit)] == [
        "prepare",
        "pre-prepare",
    ]


def test_nobody_forges_in_a_protocol_without_an_adapter() -> None:
    with pytest.raises(ConfigError, match=r"liars: 'forge' makes no sense for nakamoto"):
        find_liar("forge", "nakamoto")
    with pytest.raises(Misuse, match="accepted are pbft"):
        make_forger("nakamoto", Simulation(SimConfig(protocol="nakamoto", nodes=1)).world.hosts[0].node)


def test_a_new_view_is_mutated_only_by_its_own_primary() -> None:
    """What is passed on for somebody else bears his signature, and ours would not do."""
    _, forger = forger_after_a_run()
    assert forger.me is not None
    view = forger.committee.size * 5 + (forger.me + 1) % forger.committee.size
    change = forger.core.own_view_change(view, None, None, forger.me)
    foreign = forger.core.own_new_view(view, (change,))
    assert isinstance(foreign, NewView)
    assert forger.mutate(foreign, Random(1)) is None
    assert forger.twist(foreign, Random(1)) is None
    assert forger.rival(foreign, {}, Random(1)) is None


_DIGEST = """
from dataclasses import replace
from raclette.sim.liars import LiarSpec
from raclette.sim.simulate import simulate
from test_liars_bft import QUICK, STORM
kinds = ("equivocate", "mutate", "forge", "spam")
liars = {2 * place: LiarSpec(kind) for place, kind in enumerate(kinds)}
short = replace(QUICK.workload, count=8, start=400_000_000)
print(simulate(replace(QUICK, nodes=13, seed=9, workload=short, faults=STORM, liars=liars, duration=0)).to_text())
"""


def test_liars_tell_the_same_lies_in_every_process() -> None:
    """Whatever they choose from has an order: bytes hash differently in each process."""
    told = [
        subprocess.run(
            [sys.executable, "-c", _DIGEST],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parent)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert told[0] == told[1]
    assert json.loads(told[0])["violations"] == []


@pytest.mark.parametrize("kind", ["equivocate", "withhold-votes", "forge", "mutate", "spam"])
def test_a_liar_without_a_vote_has_little_to_say(kind: str) -> None:
    config = replace(QUICK, nodes=5, observers=1, liars={4: LiarSpec(kind)}, duration=2 * SECOND)
    report = simulate(config)
    assert report.violations == []
    assert report.evidence == 0
