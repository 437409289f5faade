"""The event log and the diagram show what happened, in the same words each time."""

from xml.etree import ElementTree

import pytest
from stub import StubNode, transaction

from raclette.primitives.errors import Misuse
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.sim.diagram import ARROWS_MAX, Diagram
from raclette.sim.faults import Crash, Fault, Impair, Partition, plan_faults
from raclette.sim.kernel import Kind
from raclette.sim.log import Entry, EventLog
from raclette.sim.topology import full_mesh
from raclette.sim.world import World, WorldSetup

SVG = "{http://www.w3.org/2000/svg}"


def entries_of_a_run() -> list[Entry]:
    world = World(WorldSetup(graph=full_mesh(4)), StubNode)
    entries: list[Entry] = []
    EventLog(world, entries.append)
    faults: list[Fault] = [
        Impair(at=0, lasting=SECOND, loss_ppm=100_000),
        Crash(at=300 * MILLISECOND, node=3, lasting=100 * MILLISECOND),
        Partition(at=500 * MILLISECOND, groups=((0, 1), (2, 3)), lasting=100 * MILLISECOND),
    ]
    plan_faults(world, faults)
    for number in range(10):
        item = transaction(b"%d" % number)
        world.plan(number * 90 * MILLISECOND, Kind.CLIENT, 0, number, lambda t: world.submit(0, t), item)
    world.run_until(SECOND)
    return entries


def test_the_log_is_one_stable_line_an_event() -> None:
    lines = [entry.line() for entry in entries_of_a_run()]
    assert lines == [entry.line() for entry in entries_of_a_run()]
    assert all("\n" not in line for line in lines)
    assert lines[0] == "   0.000000000 s  n00  accepted     transaction=5feceb66ffc8"
    words = {line.split()[3] for line in lines}
    assert words >= {"accepted", "receive", "lost", "crash", "restart", "partition", "heal", "link-up"}


def test_the_log_is_in_order_of_time() -> None:
    times = [entry.time for entry in entries_of_a_run()]
    assert times == sorted(times)


def test_the_diagram_is_valid_svg_with_an_arrow_a_message_and_a_mark_a_head() -> None:
    entries = entries_of_a_run()
    entries += [Entry(SECOND, node, "head", {"height": 7, "block": "abc"}) for node in range(4)]
    root = ElementTree.fromstring(Diagram(entries, 4, title="a < b").svg())
    messages = sum(1 for entry in entries if entry.what == "receive")
    arrows = [path for path in root.iter(f"{SVG}path") if path.find(f"{SVG}title") is not None]
    assert len(arrows) == messages
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert texts.count("7") == 4
    assert {"a < b", "n00", "n03", "partition", "down", "lost", "final"} <= set(texts)


def test_a_long_run_is_cut_where_a_picture_becomes_unreadable() -> None:
    detail = {"kind": "vote", "from": 1, "bytes": 1}
    entries = [Entry(i * 1000, 0, "receive", detail | {"sent": i * 1000 - 500}) for i in range(1, ARROWS_MAX + 100)]
    picture = Diagram(entries, 2).svg()
    assert f"the first {ARROWS_MAX} messages" in picture
    assert picture.count("<title>vote") == ARROWS_MAX


@pytest.mark.parametrize("nodes", [0, 41])
def test_what_cannot_be_drawn_is_refused(nodes: int) -> None:
    with pytest.raises(Misuse, match="1 to 40"):
        Diagram(entries_of_a_run(), nodes)
