"""The judge of the hybrid: whom a fork of the log convicts, and when it is nobody's crime."""

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from raclette.chain.header import Header
from raclette.node.host import HostEffect, Parcel, Transmit
from raclette.node.node import Node
from raclette.node.wire import EngineSaid
from raclette.primitives.errors import DecodeError
from raclette.primitives.hashing import sha256
from raclette.primitives.signing import Claim
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.protocols.hybrid.almanac import Almanac, Day, End, Entry, Past
from raclette.protocols.hybrid.day import nonce_of
from raclette.protocols.hybrid.engine import HybridEngine
from raclette.protocols.hybrid.evidence import decode_inner, encode_evidence, encode_inner
from raclette.protocols.hybrid.messages import Daily, Signed
from raclette.protocols.hybrid.parameters import Parameters
from raclette.protocols.hybrid.records import Proof, encode_proof
from raclette.protocols.parameters import parse_parameters
from raclette.protocols.pbft import quorum as quorums
from raclette.protocols.simplex import statements
from raclette.sim.checkers import Accountability
from raclette.sim.checkers.fork import Fork
from raclette.sim.checkers.hybrid_forensics import HybridForensics
from raclette.sim.checkers.snail_watch import SnailWatch
from raclette.sim.config import SimConfig, Workload, make_genesis
from raclette.sim.faults import Crash, Impair, Partition
from raclette.sim.host import Host
from raclette.sim.liars import LiarSpec
from raclette.sim.liars.equivocate import Equivocate
from raclette.sim.simulate import Simulation, view_of

# One committee of four, of which three are a quorum and two sign an entry.
ONE_DAY = SimConfig(
    protocol="hybrid",
    nodes=4,
    accounts=20,
    workload=Workload(count=20, interval=100 * MILLISECOND, start=200 * MILLISECOND),
    parameters={"timeout_ms": 500, "block_interval_s": 1, "committee_size": 5, "stable_depth": 6, "patience": 10},
    duration=4 * SECOND,
    settle=SECOND,
)
# Committees that follow each other.
DAYS = replace(
    ONE_DAY,
    workload=Workload(count=40, interval=400 * MILLISECOND, start=200 * MILLISECOND),
    duration=20 * SECOND,
    settle=120 * SECOND,
)
LIES = LiarSpec.of("equivocate", lie_percent=100, open_percent=0)


def found(simulation: Simulation) -> dict[str, list[str]]:
    simulation.run()
    out: dict[str, list[str]] = {}
    for checker in simulation.checkers:
        for violation in checker.violations:
            out.setdefault(checker.name, []).append(violation.detail)
    return out


def court(simulation: Simulation) -> Accountability:
    return next(checker for checker in simulation.checkers if isinstance(checker, Accountability))


def guilty(simulation: Simulation) -> dict[int, str]:
    crimes = court(simulation).judge.culprits()
    return {host.index: crimes[host.node_id] for host in simulation.world.hosts if host.node_id in crimes}


def with_inner(config: SimConfig, inner: str) -> SimConfig:
    return replace(config, parameters={**config.parameters, "inner": inner})


# Whole nodes that lie


@pytest.mark.parametrize(("inner", "liars"), [("pbft", (0, 3)), ("simplex", (1, 2))])
def test_a_fork_by_two_of_four_is_proved_against_them_and_nobody_else(inner: str, liars: tuple[int, ...]) -> None:
    simulation = Simulation(replace(with_inner(ONE_DAY, inner), liars=dict.fromkeys(liars, LIES)))
    broken = found(simulation)
    assert "agreement" in broken
    assert not {"accountability", "no-false-accusation", "certificates"} & set(broken)
    assert set(guilty(simulation)) == set(liars)
    assert "is proved against n0" in court(simulation).verdict


@pytest.mark.parametrize("inner", ["pbft", "simplex"])
def test_who_signs_no_two_entries_is_convicted_by_the_inner_protocol(
    monkeypatch: pytest.MonkeyPatch, inner: str
) -> None:
    """Each liar signs entries for one side only, so that no two of them contradict each other. What it tells itself it
    keeps to itself: proofs and snail blocks of its own."""
    twist = Equivocate.twist
    first: list[Equivocate] = []

    def told(self: Equivocate, now: int, effect: HostEffect) -> Sequence[HostEffect]:
        said = twist(self, now, (effect,))
        if not isinstance(effect, Transmit) or effect.kind not in ("logged", "entry"):
            return said
        if effect.kind == "logged":
            return ()
        first.append(self)
        to_right = first[0] is not self
        entry = self.forger.open(effect.frame)
        if to_right and isinstance(entry, Signed) and entry.entry.block_hash not in self._book:
            return ()  # a rival of which the right knows nothing
        return [each for each in said if isinstance(each, Transmit) and (set(each.peers) <= self.right) == to_right]

    def for_one_side(self: Equivocate, now: int, effects: tuple[HostEffect, ...]) -> tuple[HostEffect, ...]:
        return tuple(each for effect in effects for each in told(self, now, effect))

    monkeypatch.setattr(Equivocate, "twist", for_one_side)
    liars = dict.fromkeys((0, 3), LIES)
    simulation = Simulation(replace(with_inner(ONE_DAY, inner), liars=liars, hash_shares=(0, 1, 1, 0)))
    broken = found(simulation)
    assert "agreement" in broken
    assert "accountability" not in broken
    crimes = guilty(simulation)
    assert set(crimes) == {0, 3}
    assert [crime for crime in crimes.values() if "entries" in crime or "day 1" not in crime] == []


def test_the_report_of_a_run_says_who_is_to_blame() -> None:
    report = Simulation(replace(ONE_DAY, liars=dict.fromkeys((0, 3), LIES))).run()
    assert "is proved against" in report.verdict
    assert {"n00", "n03"} == {word for word in ("n00", "n01", "n02", "n03") if word in report.verdict}
    assert Simulation(ONE_DAY).run().verdict == ""


@pytest.mark.parametrize("inner", ["pbft", "simplex"])
def test_a_fork_by_too_small_an_inner_quorum_is_nobodys_crime(monkeypatch: pytest.MonkeyPatch, inner: str) -> None:
    """Two halves of an honest committee, each of which orders: the code is wrong, whatever the snail chain does."""
    kind = quorums.Committee if inner == "pbft" else statements.Committee
    make = kind.__init__

    def too_few(self: Any, *arguments: Any) -> None:
        make(self, *arguments)
        self.quorum = self.size // 2

    monkeypatch.setattr(kind, "__init__", too_few)
    halves = Partition(0, ((0, 1), (2, 3)), lasting=3 * SECOND)
    simulation = Simulation(replace(with_inner(ONE_DAY, inner), duration=3 * SECOND, faults=(halves,)))
    broken = found(simulation)
    assert "agreement" in broken
    assert broken["accountability"] == [
        "a fork at height 1 is proved against nobody, not against the owners of 2 seats of its day"
    ]


def test_a_fork_by_two_snail_chains_is_nobodys_crime_and_the_verdict_says_why() -> None:
    """A partition that lasts: each half closes the day of four that cannot order, and elects a committee of its own."""
    parameters = {**ONE_DAY.parameters, "committee_size": 4, "stable_depth": 2, "patience": 3}
    load = Workload(count=40, interval=500 * MILLISECOND, start=200 * MILLISECOND)
    halves = Partition(2 * SECOND, ((0, 1), (2, 3)), lasting=36 * SECOND)
    simulation = Simulation(
        replace(ONE_DAY, seed=2, parameters=parameters, workload=load, duration=40 * SECOND, faults=(halves,))
    )
    broken = found(simulation)
    assert "agreement" in broken
    assert "accountability" not in broken
    assert guilty(simulation) == {}
    assert "what the protocol assumes did not hold" in court(simulation).verdict
    assert "disagree about stable snail block" in court(simulation).verdict


@pytest.mark.parametrize("inner", ["pbft", "simplex"])
def test_nobody_is_guilty_of_storms_and_restarts_while_committees_change(inner: str) -> None:
    storm = (
        Impair(SECOND // 2, 2 * SECOND, loss_ppm=300_000, duplicate_ppm=200_000),
        Crash(3 * SECOND, 1, lasting=2 * SECOND),
        Crash(9 * SECOND, 2, lasting=4 * SECOND),
    )
    simulation = Simulation(replace(with_inner(DAYS, inner), seed=4, faults=storm))
    assert found(simulation) == {}
    judge = court(simulation).judge
    assert isinstance(judge, HybridForensics)
    assert len(judge.snail.days) >= 2
    assert judge.snail.broken == ""
    assert judge.snail.late == {}
    assert judge._entries
    assert guilty(simulation) == {}


def test_what_a_node_without_memory_takes_for_stable_proves_no_assumption_wrong() -> None:
    """With an empty disk it mines on genesis until it has caught up."""
    wiped = Crash(2 * SECOND, 0, wipe=True, lasting=SECOND)
    simulation = Simulation(replace(ONE_DAY, faults=(wiped,), settle=20 * SECOND))
    assert found(simulation) == {}
    judge = court(simulation).judge
    assert isinstance(judge, HybridForensics)
    assert set(judge.snail._looks) == {1, 2, 3}


def test_evidence_of_the_inner_protocol_convicts_whom_it_accuses_by_the_rules_of_its_day() -> None:
    """It names the day's election (HYB-39); with another's it convicts nobody."""
    liar = LiarSpec.of("equivocate", lie_percent=100, open_percent=100)
    simulation = Simulation(replace(DAYS, seed=1, liars={3: liar}))
    assert found(simulation) == {}
    records = [one for host in simulation.world.hosts if host.honest for one in view_of(host).evidence()]
    proofs = {one["reason"]: bytes.fromhex(one["proof"][2:]) for one in records}
    inner_reasons = [
        reason for reason in proofs if reason.startswith("equivocation-") and reason != "equivocation-entry"
    ]
    judge = court(simulation).judge
    assert isinstance(judge, HybridForensics)
    verifier = simulation.world.verifier
    for proof in proofs.values():
        readings = judge.convict(proof)
        assert sum(all(verifier.holds(claim) for claim in reading) for reading in readings) == 1
    with pytest.raises(DecodeError, match="5 belong"):
        judge.convict(b"\xc0")
    election, inner = decode_inner(proofs[inner_reasons[0]])
    assert election in judge.snail.days
    with pytest.raises(DecodeError, match="nobody ran an inner engine"):
        judge.convict(encode_inner(bytes(32), inner))


def test_a_message_that_one_node_cannot_read_is_opened_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an inner engine says is closed to those who do not run it; the world must not remember that for others."""
    parameters = {**ONE_DAY.parameters, "validators": 3}
    simulation = Simulation(replace(ONE_DAY, parameters=parameters))
    world = simulation.world
    world.run_until(SECOND)
    member, stranger = world.hosts[1].node, world.hosts[3].node
    assert isinstance(member, Node)
    assert isinstance(member.engine, HybridEngine)
    run = member.engine.run
    assert run is not None
    said: list[bytes] = []
    transmit = world.transmit

    def overheard(host: Host, effect: Transmit) -> None:
        said.append(effect.frame)
        transmit(host, effect)

    monkeypatch.setattr(world, "transmit", overheard)
    world.run_until(2 * SECOND)

    def inner_of(node: Any, frame: bytes) -> Any:
        parcel = world.open_frame(node, frame)
        content = parcel.content if isinstance(parcel, Parcel) else None
        return content.message if isinstance(content, EngineSaid) else None

    world._opened.clear()
    read = [(inner_of(stranger, frame), inner_of(member, frame)) for frame in dict.fromkeys(said)]
    daily = [pair for pair in read if isinstance(pair[0], Daily)]
    assert daily
    assert all(first.inner is None and second.inner is not None for first, second in daily)


# What the judge makes of statements

NAMES = [sha256(b"member %d" % number) for number in range(4)]
ELECTION, NEXT_ELECTION = sha256(b"election"), sha256(b"the next one")
FIRST = Day(1, 0, ELECTION, tuple(NAMES))
SECOND_DAY = Day(2, 9, NEXT_ELECTION, tuple(NAMES))


def judge_of_two_days() -> HybridForensics:
    judge = HybridForensics(make_genesis(ONE_DAY, NAMES))
    judge.snail.days |= {day.snail_hash: day for day in (FIRST, SECOND_DAY)}
    return judge


def block(number: int, day: Day, beneficiary: int, mark: bytes = b"") -> Header:
    return Header(
        parent_hash=bytes(32),
        number=number,
        timestamp=0,
        beneficiary=bytes([beneficiary]) * 20,
        mix_hash=mark or day.snail_hash,
        nonce=nonce_of(day.number),
    )


def certificate(header: Header, day: Day, signers: list[bytes]) -> bytes:
    entry = day.entry(header.number, header.hash, ends=header.mix_hash != day.snail_hash)
    return encode_proof(Proof(entry, tuple((node_id, bytes(64)) for node_id in sorted(signers))))


def said(entry: Entry, signer: bytes) -> EngineSaid:
    return EngineSaid(Signed(entry, Claim(signer, bytes(32), bytes(64))), None, False)


def hear(judge: HybridForensics, *contents: EngineSaid) -> None:
    for content in contents:
        judge.hear(content)
    judge.looked(forked=False)


def fork_at(height: int, honest: list[bytes]) -> Fork:
    return Fork(height, lambda: (), frozenset(honest))


def test_two_entries_for_one_place_convict_and_for_two_elections_do_not() -> None:
    judge = judge_of_two_days()
    ones = [FIRST.entry(5, sha256(b"a"), ends=False), FIRST.entry(5, sha256(b"b"), ends=False)]
    hear(judge, *(said(entry, NAMES[0]) for entry in ones))
    hear(judge, said(ones[0], NAMES[1]), said(SECOND_DAY.entry(5, sha256(b"b"), ends=False), NAMES[1]))
    hear(judge, said(ones[0], NAMES[2]), said(ones[0], NAMES[2]), said(ones[1]._replace(number=6), NAMES[2]))
    assert judge.culprits() == {NAMES[0]: "two entries for block 5 of day 1"}


def test_an_end_that_is_none_convicts_and_proves_a_fork_of_two_days() -> None:
    """Two of four record a false stop behind block 4; day 2 goes on there, and the others with day 1."""
    judge = judge_of_two_days()
    parent, here, there = block(4, FIRST, 0), block(5, FIRST, 1), block(5, SECOND_DAY, 2)
    judge.certified(parent, certificate(parent, FIRST, NAMES[:3]))
    judge.certified(here, certificate(here, FIRST, NAMES[:2]))
    judge.certified(there, certificate(there, SECOND_DAY, NAMES[2:]))
    stop = FIRST.entry(4, parent.hash, ends=True)
    hear(judge, *(said(stop, name) for name in NAMES[2:]))
    assert judge.culprits() == {
        NAMES[2]: "two entries for block 4 of day 1",
        NAMES[3]: "an entry that belies block 4 of day 1",
    }
    assert judge.lacking(fork_at(5, NAMES[:2])) == ""
    assert judge.remark(fork_at(5, NAMES[:2])) == ""


def test_signers_of_what_nobody_ordered_are_suspected_and_not_convicted() -> None:
    judge = judge_of_two_days()
    here, there = block(5, FIRST, 1), block(5, FIRST, 2)
    judge.certified(here, certificate(here, FIRST, NAMES[:2]))
    judge.certified(there, certificate(there, FIRST, NAMES[2:]))
    assert judge.culprits() == {}
    assert judge.lacking(fork_at(5, NAMES[:2])) == ""
    assert "suspected, without proof" in judge.remark(fork_at(5, NAMES[:2]))
    # Had each proof an honest signer, the inner protocol would have to convict somebody.
    both = fork_at(5, NAMES[1:3])
    assert judge.lacking(both) == "against the owners of 2 seats of its day"
    assert judge.remark(both) == ""


def test_one_seat_of_four_is_too_little_and_seats_count_not_heads() -> None:
    heavy = Day(1, 0, ELECTION, (NAMES[0], NAMES[0], NAMES[1], NAMES[2]))
    for day, lacking in ((FIRST, "against the owners of 2 seats of its day"), (heavy, "")):
        judge = judge_of_two_days()
        judge.snail.days[ELECTION] = day
        here, there = block(5, day, 1), block(5, day, 2)
        judge.certified(here, certificate(here, day, [NAMES[0], NAMES[1]]))
        judge.certified(there, certificate(there, day, [NAMES[0], NAMES[2]]))
        assert set(judge.culprits()) == {NAMES[0]}
        assert judge.lacking(fork_at(5, NAMES[1:])) == lacking


def test_days_that_part_without_a_false_stop_are_an_assumptions_fault_or_the_codes() -> None:
    judge = judge_of_two_days()
    here, there = block(5, FIRST, 1), block(5, SECOND_DAY, 2)
    judge.certified(here, certificate(here, FIRST, NAMES))
    judge.certified(there, certificate(there, SECOND_DAY, NAMES))
    assert judge.culprits() == {}
    assert judge.lacking(fork_at(5, NAMES)) == ""
    assert "not recorded in time" in judge.remark(fork_at(5, NAMES))
    judge.snail.late[here.hash] = "n00 took it though day 1 was cut"
    assert judge.lacking(fork_at(5, NAMES)) == "against anybody, and n00 took it though day 1 was cut"


def test_nothing_heard_after_the_snail_chain_broke_is_held_against_anybody() -> None:
    judge = judge_of_two_days()
    ones = [FIRST.entry(5, sha256(b"a"), ends=False), FIRST.entry(5, sha256(b"b"), ends=False)]
    hear(judge, *(said(entry, NAMES[0]) for entry in ones))
    judge.hear(said(ones[0], NAMES[1]))
    judge.snail.broken = "n00 and n01 disagree about stable snail block 7"
    hear(judge, said(ones[1], NAMES[1]))
    assert set(judge.culprits()) == {NAMES[0]}


def test_two_entries_are_evidence_and_nothing_else_is() -> None:
    judge = judge_of_two_days()
    first, second = (
        Signed(FIRST.entry(5, sha256(name), ends=False), Claim(NAMES[0], bytes(32), bytes(64))) for name in (b"a", b"b")
    )
    ((one, other),) = judge.convict(encode_evidence(first, second))
    assert one.author == other.author == NAMES[0]
    assert one.digest != other.digest
    with pytest.raises(DecodeError):
        judge.convict(encode_evidence(first, first))


# The snail chain over the shoulders of the honest


class FakeSnail:
    """Hashes of a branch, and the almanacs that a test says."""

    def __init__(self, branch: list[bytes], almanac: Almanac) -> None:
        self.branch = branch
        self.now = self.stable = almanac

    @property
    def head(self) -> Any:
        return SimpleNamespace(number=len(self.branch) - 1, hash=self.branch[-1])

    def canonical(self, number: int) -> Any:
        return SimpleNamespace(hash=self.branch[number]) if number < len(self.branch) else None

    def almanac(self, depth: int = 0) -> Almanac:
        return self.stable if depth else self.now


def engine_on(snail: FakeSnail, log: dict[int, Header]) -> Any:
    final = SimpleNamespace(number=max(log, default=0))
    chain = SimpleNamespace(canonical=log.get)
    return SimpleNamespace(
        snail=SimpleNamespace(chain=snail), log=SimpleNamespace(final=final), core=SimpleNamespace(chain=chain)
    )


def watch() -> SnailWatch:
    names = ["0x" + name.hex() for name in NAMES]
    given = {"validators": names, "stable_depth": 3, "patience": 2, "committee_size": 4}
    return SnailWatch(parse_parameters(Parameters, given))


def first_almanac(number: int = 0) -> Almanac:
    return Almanac(number, FIRST, None, None, None, frozenset(), 0, None)


def branch(*names: str) -> list[bytes]:
    return [sha256(name.encode()) for name in names]


def test_a_reorganisation_of_what_was_stable_is_noticed_and_a_shallow_one_is_not() -> None:
    watched, snail = watch(), FakeSnail(branch(*"gabcd"), first_almanac())
    engine = engine_on(snail, {})
    watched.look(0, engine)
    snail.branch = branch(*"gabxyz")
    watched.look(0, engine)
    assert watched.broken == ""
    snail.branch = branch(*"gapqrst")
    watched.look(0, engine)
    assert watched.broken == "n00 and n00 disagree about stable snail block 3"


def test_two_nodes_that_disagree_about_what_is_stable_are_noticed() -> None:
    watched = watch()
    watched.look(0, engine_on(FakeSnail(branch(*"gabc"), first_almanac()), {}))
    watched.look(1, engine_on(FakeSnail(branch(*"gxy"), first_almanac()), {}))
    assert watched.broken == ""
    watched.look(2, engine_on(FakeSnail(branch(*"gxyz"), first_almanac()), {}))
    assert watched.broken == "n02 and n00 disagree about stable snail block 1"


def test_who_takes_a_block_after_the_cut_is_named_unless_it_is_recorded() -> None:
    """Day 2 is elected at snail block 9, so day 1 is cut at 9 + 3 + 2."""
    header = block(5, FIRST, 1)
    entry = FIRST.entry(5, header.hash, ends=False)

    def after(number: int, recorded: Entry | None = None, past: Past | None = None) -> Almanac:
        before = FIRST if past is None else None
        return Almanac(number, SECOND_DAY, before, None, recorded, frozenset(), 9, past)

    closed = Past(FIRST, End(1, 4, sha256(b"four"), True, 16), None)
    counted = Past(FIRST, End(1, 5, header.hash, False, 16), None)
    for almanac, late in [
        (after(13), False),
        (after(14), True),
        (after(14, entry), False),
        (after(17, None, closed), True),
        (after(17, None, counted), False),
    ]:
        watched, snail = watch(), FakeSnail(branch(*"gabc"), almanac)
        log: dict[int, Header] = {}
        watched.look(0, engine_on(snail, log))
        log[5] = header
        watched.look(0, engine_on(snail, log))
        assert (header.hash in watched.late) == late, almanac


def test_days_are_learned_from_what_is_stable() -> None:
    watched, snail = watch(), FakeSnail(branch(*"gabc"), first_almanac())
    watched.look(0, engine_on(snail, {}))
    assert list(watched.days) == [ELECTION]
    snail.branch = branch(*"gabcd")
    snail.stable = Almanac(9, SECOND_DAY, FIRST, None, None, frozenset(), 9, None)
    watched.look(0, engine_on(snail, {}))
    assert list(watched.days) == [ELECTION, NEXT_ELECTION]
