"""HYB-24: the end of a day (the paper's stop) counts with signatures of a third of its members, and of nobody else."""

import pytest
from test_hybrid_strangers import IDS, STRANGER, WORLD, Lone, accused, block_of

from raclette.chain.block import Block
from raclette.engine.effects import Effect, Finalize
from raclette.protocols.hybrid.messages import Logged, entry_digest
from raclette.protocols.hybrid.records import Proof, claims_of, encode_proof

SHOWN_BY = IDS[3]


def show(here: Lone, end: Block, signers: tuple[bytes, ...], *, ends: bool = True) -> list[Effect]:
    """Somebody shows the block that ends day 1, with these signatures."""
    day = here.engine.snail.chain.almanac().find(1)
    assert day is not None
    entry = day.entry(1, end.hash, ends=ends)
    digest = entry_digest(here.chain.chain_id, entry)
    proof = Proof(entry, tuple((node_id, WORLD.signer(node_id).sign(digest)) for node_id in sorted(signers)))
    return here.hear(SHOWN_BY, Logged(end.header, encode_proof(proof), claims_of(here.chain.chain_id, proof), end))


@pytest.mark.parametrize(
    ("signers", "ends", "reason"),
    [
        ((STRANGER,), True, "entry-stranger"),
        ((IDS[1], STRANGER), True, "entry-stranger"),
        ((IDS[1], IDS[2], STRANGER), True, "entry-stranger"),
        ((IDS[1],), True, "entry-threshold"),
        ((IDS[1], IDS[2]), False, "entry-end"),
    ],
)
def test_a_stop_signed_by_a_non_member_or_by_too_few_ends_no_day(
    signers: tuple[bytes, ...], ends: bool, reason: str
) -> None:
    here = Lone()
    here.mine(7)
    end = block_of(here, 1, 2)
    effects = show(here, end, signers, ends=ends)
    assert accused(effects) == [reason], "whoever shows it is told apart from whoever signed"
    assert here.chain.finalized.number == 0
    later = show(here, end, (IDS[1], IDS[2]))
    assert accused(later) == []
    assert [effect.block_hash for effect in later if isinstance(effect, Finalize)] == [end.hash], "nothing is lost"
