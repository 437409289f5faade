"""Every checker can fire: a world in which its property is broken, and one in which it is not."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from types import SimpleNamespace
from typing import Any, cast

import pytest
from stub import StubNode
from test_sim_audit import GENESIS, LEDGER, REWARD, TRANSFERS, FakeView, as_view, make_chain

from raclette.chain.header import Header
from raclette.node.host import NewFinal
from raclette.node.node import Node
from raclette.node.view import NodeView
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.protocols.pbft import quorum as quorums
from raclette.protocols.pbft import views
from raclette.protocols.pbft.evidence import encode_evidence
from raclette.protocols.pbft.messages import NewView, Prepare
from raclette.protocols.pbft.ordering import Ordering
from raclette.protocols.pbft.view_change import ViewChanging
from raclette.sim.checkers import (
    Audit,
    BoundedViews,
    Checker,
    ExactlyOnce,
    Liveness,
    MemoryBounds,
    NewViews,
    NoHonestBan,
    Subject,
    Supply,
    Validity,
)
from raclette.sim.checkers.bounded_views import CALM_NS, pbft_views_max
from raclette.sim.checkers.memory import Size
from raclette.sim.config import SimConfig, Workload, make_genesis
from raclette.sim.faults import Crash, Impair, Partition
from raclette.sim.liars import LiarSpec
from raclette.sim.replay import Property, Replayer, ReplayFailed
from raclette.sim.simulate import Simulation, view_of
from raclette.sim.topology import full_mesh
from raclette.sim.world import World, WorldSetup
from raclette.store.contract import Batch, Table

QUICK = SimConfig(
    nodes=4,
    accounts=10,
    workload=Workload(count=20, interval=50 * MILLISECOND, start=200 * MILLISECOND),
    parameters={"view_timeout_ms": 300, "view_timeout_cap_ms": 1_200},
    duration=3 * SECOND,
    settle=20 * SECOND,
)


def small_world(nodes: int = 3) -> World:
    return World(WorldSetup(graph=full_mesh(nodes)), StubNode)


def fake_subject(
    view: Any, config: SimConfig = QUICK, submitted: Callable[[bytes], bool] = lambda raw: True
) -> Subject:
    """A run in which every node shows `view`."""
    replayer = Replayer(GENESIS, LEDGER, lambda number: REWARD, LEDGER.decode)
    return Subject(config, GENESIS, lambda host: cast(NodeView, view), replayer, submitted, lambda world: "")


def found(simulation: Simulation) -> dict[str, list[str]]:
    """What each checker found."""
    out: dict[str, list[str]] = {}
    for checker in simulation.checkers:
        for violation in checker.violations:
            out.setdefault(checker.name, []).append(violation.detail)
    return out


# One audit, three verdicts

GENESIS_HEAD: Header = make_chain([])[1]


@dataclass
class HeadedView(FakeView):
    """With a head."""

    head: Header = field(default_factory=lambda: GENESIS_HEAD)


def verdicts(view: FakeView, head: Header, submitted: Callable[[bytes], bool] = lambda raw: True) -> list[str]:
    audit = Audit(fake_subject(HeadedView(view.genesis, view.headers, view.blocks, head), submitted=submitted))
    checkers: list[Checker] = [Validity(audit), ExactlyOnce(audit), Supply(audit)]
    world = small_world()
    world.hosts[1].honest = False
    for checker in checkers:
        checker.finish(world)
    return [violation.checker for checker in checkers for violation in checker.violations]


def test_a_good_chain_breaks_none_of_the_three() -> None:
    assert verdicts(*make_chain([TRANSFERS[:5], TRANSFERS[5:]])) == []


def test_an_unsent_transaction_breaks_validity_and_nothing_else() -> None:
    assert verdicts(*make_chain([TRANSFERS[:5]]), submitted=lambda raw: raw != TRANSFERS[2]) == ["validity"]


def test_a_repeated_transaction_breaks_exactly_once_and_nothing_else() -> None:
    assert verdicts(*make_chain([TRANSFERS[:5], TRANSFERS[:1]])) == ["exactly-once"]


def test_money_from_nowhere_breaks_supply(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger whose state roots are right about money that should not be there."""

    def check(self: Replayer, *_: Any) -> None:
        raise ReplayFailed("supply", "5 units appeared from nowhere")

    monkeypatch.setattr(Replayer, "check", check)
    assert verdicts(*make_chain([TRANSFERS[:5]])) == ["supply"]


def test_the_audit_counts_the_money(monkeypatch: pytest.MonkeyPatch) -> None:
    view, head = make_chain([TRANSFERS[:5]])
    replayer = Replayer(GENESIS, LEDGER, lambda number: REWARD, LEDGER.decode)
    monkeypatch.setattr(replayer, "_supply", replayer._supply - 5)
    with pytest.raises(ReplayFailed, match="5 units appeared from nowhere") as caught:
        replayer.check(as_view(view), head, lambda raw: True)
    broken: Property = caught.value.broken
    assert broken == "supply"


# Liveness, in time and in views


def test_what_is_missing_at_the_end_breaks_liveness() -> None:
    world = small_world()
    idle, busy = (
        Liveness(lambda host: as_view(FakeView(GENESIS_HEAD, {}, {})), lambda w: "3 heads"),
        Liveness(lambda host: as_view(FakeView(GENESIS_HEAD, {}, {})), lambda w: ""),
    )
    for checker in (idle, busy):
        checker.finish(world)
    assert [violation.detail for violation in idle.violations] == ["3 heads"]
    assert busy.violations == []


class Restless:
    """Shows a view number that a test sets."""

    def __init__(self) -> None:
        self.number = 0

    def consensus(self) -> dict[str, int]:
        return {"view": self.number}


def test_a_protocol_that_changes_views_for_ever_breaks_its_bound() -> None:
    config = replace(QUICK, faults=(Impair(0, SECOND, loss_ppm=1),))
    view, world = Restless(), small_world()
    checker = BoundedViews(fake_subject(view, config), views_max=3)
    world.kernel.now = SECOND - 1
    view.number = 50
    checker.look(world)
    world.kernel.now = SECOND
    for number in (100, 103):
        view.number = number
        checker.look(world)
    assert checker.violations == []
    view.number = 104
    checker.look(world)
    checker.look(world)
    assert [violation.detail for violation in checker.violations] == [
        "4 views since height 0 and no decision, at most 3"
    ]


def test_every_decision_begins_the_count_anew() -> None:
    view, world = Restless(), small_world()
    checker = BoundedViews(fake_subject(view), views_max=3)
    _, head = make_chain([[]])
    for number in (0, 3):
        view.number = number
        checker.look(world)
    checker.observe(world, world.hosts[0], NewFinal(head))
    for number in (3, 6):
        view.number = number
        checker.look(world)
    assert checker.violations == []
    assert checker.most == 3


def test_the_bound_on_views_follows_from_the_timeouts_and_the_committee() -> None:
    ids = [sha256(b"%d" % i).digest() for i in range(7)]
    genesis = make_genesis(replace(QUICK, nodes=7), ids)
    # 300 ms double twice to 1,200 ms, of which the calm takes four; two of seven may lie.
    assert -(-CALM_NS // (1_200 * MILLISECOND)) == 4
    assert pbft_views_max(genesis) == 2 + 4 + 2 + 3


# Forks, and who is to blame


def test_a_fork_by_conspirators_is_proved_against_them() -> None:
    spec = LiarSpec.of("equivocate", lie_percent=100, open_percent=0)
    simulation = Simulation(replace(QUICK, liars={0: spec, 3: spec}, settle=SECOND))
    simulation.run()
    broken = found(simulation)
    assert "agreement" in broken
    assert not {"accountability", "certificates", "no-false-accusation"} & set(broken)


def test_a_fork_by_a_wrong_quorum_is_nobodys_crime(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two halves of an honest network, each of them a quorum: no signature contradicts another."""
    make = quorums.Committee.__init__

    def too_few(self: quorums.Committee, *arguments: Any) -> None:
        make(self, *arguments)
        self.quorum = self.size // 2

    monkeypatch.setattr(quorums.Committee, "__init__", too_few)
    halves = Partition(0, ((0, 1), (2, 3)), lasting=3 * SECOND)
    simulation = Simulation(replace(QUICK, faults=(halves,), settle=SECOND))
    simulation.run()
    broken = found(simulation)
    assert "agreement" in broken
    assert broken["accountability"] == ["a fork at height 1 is proved against nobody, not against 2"]
    assert "final by 2 of 4 validators" in broken["certificates"][0]


def test_an_honest_node_that_is_convicted_breaks_accountability(monkeypatch: pytest.MonkeyPatch) -> None:
    """A replica that forgets what it committed to when the view changes: Castro & Liskov 1999, 4.4 forbids it."""
    start = ViewChanging.start

    def forgetfully(self: ViewChanging, view: int) -> None:
        held, self.core.prepared = self.core.prepared, None
        start(self, view)
        self.core.prepared = held

    monkeypatch.setattr(ViewChanging, "start", forgetfully)
    simulation = Simulation(replace(QUICK, faults=(Crash(SECOND, 0, lasting=SECOND),)))
    simulation.run()
    details = found(simulation)["accountability"]
    assert all(detail.startswith("an honest node is convicted: committed in view 0") for detail in details)


def test_a_view_that_starts_beside_what_was_prepared_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The new primary starts from genesis, whatever the VIEW-CHANGEs show: a block may be committed twice."""
    config = replace(QUICK, faults=(Crash(SECOND, 0, lasting=SECOND),), settle=SECOND)
    simulation = Simulation(config)
    simulation.run()
    assert found(simulation) == {}
    assert next(checker.seen for checker in simulation.checkers if isinstance(checker, NewViews)) >= 3

    def from_genesis(self: ViewChanging, message: NewView) -> views.Base:
        return views.Base(0, self.core.chain.genesis.hash, None)

    monkeypatch.setattr(ViewChanging, "choose", from_genesis)
    simulation = Simulation(config)
    simulation.run()
    assert "starts view 1 from height 0, prepared is height" in found(simulation)["new-views"][0]


def test_a_view_entered_by_the_word_of_one_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ViewChanging, "proves", lambda self, message: True)
    lies = {3: LiarSpec.of("forge", refused_percent=0, every_ms=50)}
    simulation = Simulation(replace(QUICK, liars=lies, settle=SECOND))
    simulation.run()
    assert any("by the word of 1 of 4" in detail for detail in found(simulation)["new-views"])


# Evidence and honour


def test_an_equivocation_that_leaves_no_evidence_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    lies = replace(QUICK, liars={2: LiarSpec.of("equivocate", lie_percent=100, open_percent=100)})
    simulation = Simulation(lies)
    simulation.run()
    assert found(simulation) == {}
    monkeypatch.setattr(Ordering, "_accuse", lambda self, earlier, later: None)
    simulation = Simulation(lies)
    simulation.run()
    assert set(found(simulation)) == {"evidence"}
    assert "heard two prepares of replica 2 for view 0, height 1" in found(simulation)["evidence"][0]


def run_with_evidence(proof: Callable[[Simulation], bytes], accused: int) -> Simulation:
    """A run at whose end node 0 finds `proof` against `accused` among its evidence."""
    simulation = Simulation(QUICK)
    for _ in simulation.steps():
        pass
    node = simulation.world.hosts[0].node
    assert isinstance(node, Node)
    batch = Batch()
    held = proof(simulation)
    key = simulation.world.hosts[accused].node_id + sha256(held).digest()
    batch.put(Table.EVIDENCE, key, b"equivocation-prepare\0" + held)
    node.store.write(batch)
    simulation.finish()
    return simulation


def two_prepares(simulation: Simulation, signer: int) -> bytes:
    """By replica 1, signed by `signer`."""
    committee = simulation._any_honest().engine.core.committee  # type: ignore[attr-defined]
    sign = simulation._signers[signer]
    votes = []
    for block in (b"\1" * 32, b"\2" * 32):
        digest = committee.prepare_digest(0, 1, block)
        claim = SimpleNamespace(signature=sign.sign(digest))
        votes.append(Prepare(0, 1, block, 1, cast(Any, claim)))
    return encode_evidence(*votes)


def test_evidence_against_an_honest_node_is_found() -> None:
    broken = found(run_with_evidence(lambda simulation: two_prepares(simulation, 1), accused=1))
    assert broken == {"no-false-accusation": ["n00 holds evidence of equivocation-prepare against an honest node"]}


def test_evidence_that_convicts_somebody_else_is_found() -> None:
    broken = found(run_with_evidence(lambda simulation: two_prepares(simulation, 1), accused=3))
    assert "evidence of equivocation-prepare convicts somebody else" in broken["no-false-accusation"]


def test_evidence_that_convicts_nobody_is_found() -> None:
    forged = found(run_with_evidence(lambda simulation: two_prepares(simulation, 2), accused=1))
    assert "evidence of equivocation-prepare rests on a false signature" in forged["no-false-accusation"]
    empty = found(run_with_evidence(lambda simulation: b"", accused=1))
    assert any("convicts nobody" in detail for detail in empty["no-false-accusation"])


def test_a_validator_that_lost_its_disk_may_be_accused() -> None:
    subject = fake_subject(None, replace(QUICK, faults=(Crash(SECOND, 1, wipe=True, lasting=SECOND),)))
    assert subject.forgetful == {1}


def test_an_honest_node_that_is_banned_by_another_is_found() -> None:
    simulation = Simulation(QUICK)
    world = simulation.world
    world.run_until(SECOND)
    node = world.hosts[0].node
    assert isinstance(node, Node)
    node.conduct.fault(world.hosts[2].node_id, "equivocation")
    checker = next(checker for checker in simulation.checkers if isinstance(checker, NoHonestBan))
    checker.look(world)
    world.run_until(2 * SECOND)
    checker.look(world)
    assert [violation.node for violation in checker.violations] == [2]
    assert "banned by n00 for 300 s (equivocation 1)" in checker.violations[0].detail


def test_every_measure_has_a_limit_and_an_excess_is_found_once() -> None:
    simulation = Simulation(QUICK)
    simulation.world.run_until(SECOND)
    subject = Subject(QUICK, simulation.genesis, view_of, cast(Any, None), lambda raw: True, lambda world: "")
    honest = MemoryBounds(subject)
    honest.look(simulation.world)
    assert honest.violations == []
    assert {"mempool.bytes", "gossip.0.seen", "pbft.slots", "gate.claims"} <= set(honest.most)
    assert all(size.limit > 0 for size in honest.most.values())
    greedy = MemoryBounds(subject, [lambda node: [Size("hoard", 11, 10)]])
    greedy.look(simulation.world)
    simulation.world.kernel.now += 2 * SECOND
    greedy.look(simulation.world)
    assert [violation.detail for violation in greedy.violations] == ["keeps 11 of hoard, at most 10"] * 4


def test_nobody_listens_who_has_nothing_to_listen_for() -> None:
    simulation = Simulation(QUICK)
    names = {cast(Checker, listener).name for listener in simulation.world.listeners}
    assert names == {"accountability", "evidence", "new-views"}
