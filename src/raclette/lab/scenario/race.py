"""What a race at instant fidelity leaves: the tree of all blocks, who found which, and when each group took to it.

The record has a node for each group of miners that has hash power, and always one for the attacker, which is node 0.
Blocks have no bytes and travel in no time, so an arrival later than a birth is a block that was hidden.
"""

from hashlib import sha256

from raclette.chain.header import Header
from raclette.sim.attacks import InstantWorld
from raclette.sim.record import NEVER, UNKNOWN, BlockRecord, HeadChange, RunRecord

ATTACKER = 0
# Groups as `InstantWorld` numbers them.
GROUPS = ("attacker", "hears the attacker first", "hears the honest first")


class RaceRecorder:
    """A `sim.attacks.Watcher` that fills a record. `digest` is over every block in the order of finding."""

    def __init__(self, seed: int, powers: tuple[int, int, int]) -> None:
        """`powers`: relative hash power of the attacker and the two honest groups."""
        present = [group for group, power in enumerate(powers) if power or group == ATTACKER]
        self._nodes = {group: node for node, group in enumerate(present)}
        self._places: dict[bytes, int] = {}
        self._digest = sha256()
        self.record = RunRecord(
            protocol="nakamoto",
            seed=seed,
            nodes=len(present),
            fidelity="instant",
            regions=[GROUPS[group] for group in present],
            honest=[group != ATTACKER for group in present],
            power=[powers[group] for group in present],
        )

    @property
    def digest(self) -> str:
        """Of all that happened."""
        return self._digest.hexdigest()

    def found(self, now: int, group: int, header: Header) -> None:
        """A block more; its finder has it."""
        if not self._places:
            self._add(0, UNKNOWN, header.parent_hash, 0)
            self.record.reached[0] = [0] * self.record.nodes
        self._digest.update(b"%d" % group + header.hash)
        self._add(now, self._nodes[group], header.hash, header.difficulty, header)
        if group == ATTACKER:
            self.record.reached[-1][ATTACKER] = now

    def adopted(self, now: int, group: int, block_hash: bytes, depth: int) -> None:
        """A new head, and what lies below it."""
        node, place = self._nodes.get(group), self._places.get(block_hash)
        if node is None or place is None:
            return
        record = self.record
        record.heads.append(HeadChange(now, node, place, depth))
        while place != UNKNOWN and record.reached[place][node] == NEVER:
            record.reached[place][node] = now
            place = record.blocks[place].parent

    def finish(self, world: InstantWorld, end: int) -> RunRecord:
        """The run is over: which branch won."""
        record = self.record
        record.end = end
        place = self._places.get(world.head.hash, UNKNOWN)
        while place != UNKNOWN:
            record.blocks[place].canonical = True
            place = record.blocks[place].parent
        if record.blocks:
            record.blocks[0].final = True
        return record

    def _add(self, now: int, node: int, block_hash: bytes, work: int, header: Header | None = None) -> None:
        self._places[block_hash] = len(self.record.blocks)
        parent = self._places.get(header.parent_hash, UNKNOWN) if header is not None else UNKNOWN
        height = header.number if header is not None else 0
        self.record.blocks.append(BlockRecord("0x" + block_hash.hex(), parent, height, node, now, 0, 0, work))
        self.record.reached.append([NEVER] * self.record.nodes)
