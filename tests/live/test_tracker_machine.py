"""The tracker as a pure machine: stories of peers that come, go, fall silent, lie."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raclette.engine.effects import SetTimer
from raclette.live import wire_pb2 as wire
from raclette.live.contract import PeerAddress
from raclette.live.tracker.book import PAGE_PREFIX
from raclette.live.tracker.machine import (
    Begun,
    Fault,
    Fired,
    Heard,
    LinkDown,
    LinkUp,
    Reach,
    Say,
    TrackerEvent,
    TrackerLimits,
    TrackerMachine,
)
from raclette.live.tracker.messages import encode, parse
from raclette.live.tracker.policy import THIRD_MIN, NeighbourPolicy
from raclette.live.tracker.records import PeerRecord, leave_digest
from raclette.node.outbox import OutboxLimits, Write
from raclette.primitives.errors import ConfigError, PeerFault, StoreDamaged
from raclette.primitives.keys import AccountKey
from raclette.primitives.randomness import Random
from raclette.primitives.signing import Ed25519Signer
from raclette.primitives.units import HOUR, SECOND
from raclette.store.contract import Batch, Table
from raclette.store.memory import MemoryStore

CHAIN_ID = 21057
LIMITS = TrackerLimits(outbox=OutboxLimits(retry_first=2 * SECOND, retry_max=60 * SECOND, age_max=HOUR))


class Person:
    """A peer with a key, a name and an address."""

    def __init__(self, name: str) -> None:
        self.signer = Ed25519Signer(name.encode().ljust(32, b"."))
        self.id = self.signer.public_key
        account = AccountKey(name.encode().rjust(32, b"\x01"))
        self.record = PeerRecord(CHAIN_ID, self.id, name, account.public_key, "10.0.0.1", 7000, 1).signed(self.signer)

    def renewed(self, **changes: object) -> PeerRecord:
        """A newer record, signed."""
        fields: dict[str, object] = {"sequence": self.record.sequence + 1, **changes}
        self.record = replace(self.record, **fields).signed(self.signer)  # type: ignore[arg-type]
        return self.record


class Meeting:
    """A tracker in virtual time whose writes reach the store and whose timers fire."""

    def __init__(self, policy: str = "all", limits: TrackerLimits = LIMITS) -> None:
        self.store = MemoryStore()
        self.policy = NeighbourPolicy.parse(policy)
        self.limits = limits
        self.now = SECOND
        self.reach: tuple[PeerAddress, ...] = ()
        self.restart()

    def restart(self) -> None:
        self.timers: dict[str, int] = {}
        self.said: list[tuple[bytes, wire.TrackerFrame]] = []
        self.faults: list[tuple[bytes, str]] = []
        self.machine = TrackerMachine(self.store, CHAIN_ID, self.policy, Random(7), self.limits)
        self.do(Begun(self.now))

    def do(self, event: TrackerEvent) -> None:
        for effect in self.machine.handle(event):
            match effect:
                case Write(batch):
                    self.store.write(batch)
                case Say(peer, frame):
                    self.said.append((peer, parse(frame)))
                case SetTimer(name, delay):
                    self.timers[name] = self.now + delay
                case Fault(peer, reason):
                    self.faults.append((peer, reason))
                case Reach(addresses):
                    self.reach = addresses

    def hear(self, person: Person, **body: object) -> None:
        self.do(Heard(self.now, person.id, encode(**body)))

    def join(self, person: Person, record: PeerRecord | None = None) -> wire.Joined:
        """Link, join, and the tracker's answer."""
        self.do(LinkUp(self.now, person.id))
        self.hear(person, join=wire.Join(record=(record or person.record).to_wire()))
        return self.last(person, "joined").joined

    def leave(self, person: Person) -> None:
        sequence = person.record.sequence + 1
        digest = leave_digest(CHAIN_ID, person.id, sequence)
        self.hear(person, leave=wire.Leave(sequence=sequence, signature=person.signer.sign(digest)))

    def heard_by(self, person: Person, kind: str) -> list[wire.TrackerFrame]:
        return [frame for peer, frame in self.said if peer == person.id and frame.WhichOneof("body") == kind]

    def last(self, person: Person, kind: str) -> wire.TrackerFrame:
        return self.heard_by(person, kind)[-1]

    def news(self, person: Person) -> list[tuple[str, bool]]:
        """(name, gone) of each announcement that reached this person."""
        frames = self.heard_by(person, "announce")
        return [(frame.announce.record.name, frame.announce.gone) for frame in frames]

    def acknowledge(self, person: Person) -> None:
        ids = [frame.announce.id for frame in self.heard_by(person, "announce")]
        self.hear(person, ack=wire.Ack(ids=ids))

    def run(self, seconds: int, alive: tuple[Person, ...] = ()) -> None:
        """Let timers fire; those alive answer each sweep."""
        end = self.now + seconds * SECOND
        while self.timers and min(self.timers.values()) <= end:
            name = min(self.timers, key=lambda timer: (self.timers[timer], timer))
            self.now = max(self.now, self.timers.pop(name))
            self.do(Fired(self.now, name))
            if name == "sweep":
                for person in alive:
                    self.hear(person, alive=wire.Alive(nonce=1, answer=True))
        self.now = end


def test_a_newcomer_meets_those_present_and_they_hear_of_it() -> None:
    meeting = Meeting()
    alice, bob = Person("alice"), Person("bob")
    assert list(meeting.join(alice).neighbours) == []
    neighbours = meeting.join(bob).neighbours
    assert [PeerRecord.from_wire(record, CHAIN_ID) for record in neighbours] == [alice.record]
    assert meeting.news(alice) == [("bob", False)]
    assert meeting.news(bob) == []


def test_who_leaves_is_struck_off_for_all_others() -> None:
    meeting = Meeting()
    people = [Person(name) for name in ("alice", "bob", "carol")]
    for person in people:
        meeting.join(person)
    meeting.leave(people[0])
    assert meeting.news(people[1])[-1] == meeting.news(people[2])[-1] == ("alice", True)
    assert meeting.machine.book.listed_count == 2


def test_the_silent_are_struck_off_after_three_questions_and_the_others_stay() -> None:
    meeting = Meeting()
    alice, bob = Person("alice"), Person("bob")
    meeting.join(alice)
    meeting.join(bob)
    meeting.run(89, alive=(alice,))
    assert meeting.machine.book.listed_count == 2
    meeting.run(40, alive=(alice,))
    assert meeting.machine.book.listed() == (alice.id,)
    assert meeting.news(alice)[-1] == ("bob", True)
    assert len(meeting.heard_by(bob, "alive")) >= 3


def test_an_announcement_is_repeated_until_it_is_acknowledged() -> None:
    meeting = Meeting()
    alice, bob = Person("alice"), Person("bob")
    meeting.join(alice)
    meeting.join(bob)
    meeting.run(10, alive=(alice, bob))
    repeated = len(meeting.news(alice))
    assert repeated > 1
    meeting.acknowledge(alice)
    meeting.run(60, alive=(alice, bob))
    assert len(meeting.news(alice)) == repeated
    assert len(meeting.machine.outbox) == 0


def test_what_could_not_be_delivered_survives_a_restart_and_is_delivered_on_return() -> None:
    meeting = Meeting()
    alice, bob = Person("alice"), Person("bob")
    meeting.join(alice)
    meeting.do(LinkDown(meeting.now, alice.id))
    meeting.join(bob)
    assert meeting.news(alice) == []
    meeting.restart()
    meeting.run(31)
    assert meeting.reach == (alice.record.address,)
    meeting.do(LinkUp(meeting.now, alice.id))
    assert meeting.news(alice) == [("bob", False)]
    meeting.acknowledge(alice)
    meeting.restart()
    meeting.do(LinkUp(meeting.now, alice.id))
    assert meeting.news(alice) == []


def test_old_news_about_a_peer_give_way_to_new_ones() -> None:
    meeting = Meeting()
    alice, bob = Person("alice"), Person("bob")
    meeting.join(alice)
    meeting.do(LinkDown(meeting.now, alice.id))
    meeting.join(bob)
    meeting.now += SECOND
    meeting.leave(bob)
    assert len(meeting.machine.outbox) == 1
    meeting.do(LinkUp(meeting.now, alice.id))
    assert meeting.news(alice) == [("bob", True)]


def test_news_that_are_too_old_are_given_up() -> None:
    meeting = Meeting()
    alice, bob = Person("alice"), Person("bob")
    meeting.join(alice)
    meeting.do(LinkDown(meeting.now, alice.id))
    meeting.join(bob)
    meeting.run(4000, alive=(bob,))
    # Alice fell silent meanwhile, which Bob was told; nothing waits for her any more.
    meeting.acknowledge(bob)
    assert len(meeting.machine.outbox) == 0


def test_a_restarted_tracker_remembers_everybody() -> None:
    meeting = Meeting()
    alice, bob = Person("alice"), Person("bob")
    meeting.join(alice)
    meeting.restart()
    assert [record.name for record in meeting.join(bob).neighbours] == ["alice"]


def test_a_name_belongs_to_the_first_key_that_took_it() -> None:
    meeting = Meeting()
    alice, mallory = Person("alice"), Person("mallory")
    meeting.join(alice)
    assert meeting.join(mallory, mallory.renewed(name="Alice")).refused == "name-taken"
    meeting.leave(alice)
    assert meeting.join(mallory, mallory.renewed(name="ALICE")).refused == "name-taken"
    assert meeting.join(alice, alice.renewed(sequence=9)).refused == ""
    meeting.hear(mallory, resolve=wire.Resolve(question=4, name="aLiCe"))
    answer = meeting.last(mallory, "resolved").resolved
    assert answer.question == 4
    assert PeerRecord.from_wire(answer.record, CHAIN_ID) == alice.record


def test_a_name_is_free_again_when_its_peer_is_long_gone() -> None:
    meeting = Meeting()
    alice, other = Person("alice"), Person("other")
    meeting.join(alice)
    meeting.leave(alice)
    meeting.now += LIMITS.record_age_max
    meeting.run(31)
    assert len(meeting.machine.book) == 0
    assert meeting.join(other, other.renewed(name="alice")).refused == ""


def test_an_old_record_does_not_replace_a_newer_one() -> None:
    meeting = Meeting()
    alice = Person("alice")
    old = alice.record
    meeting.join(alice, alice.renewed(port=7001))
    assert meeting.join(alice, old).refused == "stale"
    assert meeting.machine.book.record(alice.id).port == 7001


def test_joining_again_unchanged_is_no_news() -> None:
    meeting = Meeting()
    alice, bob = Person("alice"), Person("bob")
    meeting.join(alice)
    meeting.join(bob)
    meeting.do(LinkDown(meeting.now, bob.id))
    meeting.join(bob)
    assert meeting.news(alice) == [("bob", False)]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"chain_id": 1}, "wrong-chain"),
        ({"name": ""}, "bad-name"),
        ({"name": "a\nb"}, "bad-name"),
        ({"name": "x" * 65}, "bad-name"),
        ({"host": "a b"}, "bad-address"),
        ({"port": 0}, "bad-address"),
        ({"account_key": b"short"}, "bad-record"),
        ({"account_key": b"\x02" + b"\xff" * 32}, "public-key"),
    ],
)
def test_a_record_that_is_wrong_costs_the_link(change: dict[str, object], reason: str) -> None:
    meeting = Meeting()
    mallory = Person("mallory")
    meeting.do(LinkUp(meeting.now, mallory.id))
    meeting.hear(mallory, join=wire.Join(record=mallory.renewed(**change).to_wire()))
    assert meeting.faults == [(mallory.id, reason)]
    assert len(meeting.machine.book) == 0


def test_nobody_joins_or_leaves_in_the_name_of_another() -> None:
    meeting = Meeting()
    alice, mallory = Person("alice"), Person("mallory")
    meeting.join(alice)
    meeting.do(LinkUp(meeting.now, mallory.id))
    meeting.hear(mallory, join=wire.Join(record=alice.record.to_wire()))
    forged = replace(mallory.record, name="other")
    meeting.hear(mallory, join=wire.Join(record=forged.to_wire()))
    meeting.hear(mallory, leave=wire.Leave(sequence=99, signature=bytes(64)))
    assert [reason for _, reason in meeting.faults] == ["wrong-key", "bad-signature", "bad-signature"]
    assert meeting.machine.book.listed() == (alice.id,)


def test_a_full_tracker_gives_up_who_is_away_but_nobody_who_is_present() -> None:
    meeting = Meeting(limits=replace(LIMITS, records_max=2))
    alice, bob, carol = Person("alice"), Person("bob"), Person("carol")
    meeting.join(alice)
    meeting.join(bob)
    assert meeting.join(carol).refused == "tracker-full"
    meeting.leave(alice)
    assert meeting.join(carol).refused == ""
    assert meeting.machine.book.page(alice.id) is None


def test_requests_are_rationed() -> None:
    meeting = Meeting()
    alice = Person("alice")
    meeting.join(alice)
    for number in range(LIMITS.requests_burst + 5):
        meeting.hear(alice, resolve=wire.Resolve(question=number, name="bob"))
    assert ("too-many-requests" in {reason for _, reason in meeting.faults}) is True
    meeting.faults.clear()
    meeting.now += SECOND
    meeting.hear(alice, resolve=wire.Resolve(question=0, name="bob"))
    assert meeting.faults == []


def test_the_list_comes_in_pages() -> None:
    meeting = Meeting()
    people = [Person(f"peer-{number}") for number in range(150)]
    for person in people:
        meeting.join(person)
    names: list[str] = []
    after, more = b"", True
    while more:
        meeting.hear(people[0], list=wire.List(question=1, after=after))
        listed = meeting.last(people[0], "listed").listed
        names += [record.name for record in listed.records]
        after, more = listed.records[-1].node_id, listed.more
    assert sorted(names) == sorted(person.record.name for person in people)


def test_policies_choose_all_some_or_a_third() -> None:
    others = [bytes([number]) * 32 for number in range(30)]
    assert NeighbourPolicy.parse("all").choose(others, Random(1)) == others
    fan = NeighbourPolicy.parse("fanout:8").choose(others, Random(1))
    assert len(set(fan)) == 8
    assert set(fan) <= set(others)
    assert len(NeighbourPolicy.parse("third").choose(others, Random(1))) == 10
    assert len(NeighbourPolicy.parse("third").choose(others[:5], Random(1))) == THIRD_MIN
    for text in ("none", "fanout:0", "fanout:x", "all:3", "fanout:9999"):
        with pytest.raises(ConfigError, match="accepted"):
            NeighbourPolicy.parse(text)


def test_a_linked_stranger_that_never_joins_is_let_go() -> None:
    meeting = Meeting()
    stranger = Person("stranger")
    meeting.do(LinkUp(meeting.now, stranger.id))
    meeting.run(130)
    assert (stranger.id, "not-joined") in meeting.faults


def test_a_damaged_book_is_refused_with_its_place() -> None:
    meeting = Meeting()
    meeting.join(Person("alice"))
    batch = Batch()
    batch.put(Table.PEERS, PAGE_PREFIX + b"x" * 32, b"\xc1\x80")
    meeting.store.write(batch)
    with pytest.raises(StoreDamaged, match="table peers, key 747261636b65722f78"):
        meeting.restart()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_no_frame_harms_the_tracker(frame: bytes) -> None:
    meeting = Meeting()
    alice = Person("alice")
    meeting.join(alice)
    meeting.do(Heard(meeting.now, alice.id, frame))
    try:
        parse(frame)
    except PeerFault:
        assert meeting.faults


def test_a_full_outbox_loses_announcements_and_nothing_else() -> None:
    meeting = Meeting(limits=replace(LIMITS, outbox=OutboxLimits(count_max=1)))
    people = [Person(name) for name in ("alice", "bob", "carol")]
    assert [meeting.join(person).refused for person in people] == ["", "", ""]
    assert len(meeting.machine.outbox) == 1
    assert meeting.machine.book.listed_count == 3
