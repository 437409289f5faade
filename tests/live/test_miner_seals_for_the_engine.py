"""The real loop, in one process: the engine asks, the miner hashes, the engine accepts what it found."""

from queue import Queue

from raclette.chain.header import ZERO_ADDRESS, Header
from raclette.engine.contract import EngineSetup
from raclette.engine.effects import Adopt, Publish, Seal
from raclette.engine.events import Sealed, Started, TimerFired
from raclette.engine.lightchain import LightChain
from raclette.live.miner import Miner
from raclette.primitives.hashing import ZERO_HASH
from raclette.primitives.signing import IdealSignatures
from raclette.primitives.units import SECOND
from raclette.protocols.nakamoto import make_engine
from raclette.protocols.nakamoto.mining import MINE

START = 1_700_000_000


def test_five_blocks_are_mined_with_real_work_and_accepted() -> None:
    chain = LightChain(1, Header(ZERO_HASH, 0, START))
    signer = IdealSignatures(b"test").signer(b"\x01" * 32)
    parameters = {"difficulty_rule": "fixed", "initial_difficulty": 1 << 14}
    engine = make_engine(EngineSetup(parameters, chain, signer, ZERO_ADDRESS, {}))
    found: Queue[Header] = Queue()
    miner = Miner(found.put)
    try:
        now = START * SECOND
        effects = engine.handle(Started(now))
        for number in range(1, 6):
            (seal,) = (effect for effect in effects if isinstance(effect, Seal))
            miner.start(seal.header, seal.target)
            now += SECOND
            effects = engine.handle(Sealed(now, found.get(timeout=60)))
            (adopt,) = (effect for effect in effects if isinstance(effect, Adopt))
            assert any(isinstance(effect, Publish) for effect in effects)
            chain.adopt(adopt.block_hash)
            assert chain.head.number == number
            effects = engine.handle(TimerFired(now, MINE))
    finally:
        miner.close()
