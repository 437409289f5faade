"""A world of proof-of-work engines over relayed blocks: who mines how fast, and how hard it is."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from raclette.chain.genesis import CHAIN_ID_DEFAULT
from raclette.chain.header import Header
from raclette.engine.contract import EngineSetup
from raclette.primitives.errors import ConfigError
from raclette.primitives.randomness import Random
from raclette.primitives.units import SECOND
from raclette.protocols import make_engine
from raclette.protocols.nakamoto.seal import IdealSeal
from raclette.sim.config import EPOCH_S
from raclette.sim.fast import choose_kernel
from raclette.sim.light import LightChain, Register
from raclette.sim.relay import Draws, Relay, Relayed
from raclette.sim.wires import make_wires
from raclette.sim.wiring import RelayKernel, Wiring
from raclette.sim.world import make_seal, make_signatures, node_ids

# Hashes a second of a node: normal with this mean and deviation (SimBlock).
POWER_MEAN, POWER_DEVIATION = 400_000, 100_000
_STREAM_POWER = 6
# A block's time may be as far ahead of the clock as the protocol allows: where blocks come faster than one a second,
# their timestamps (whole seconds, each after the median) run ahead of it.
FUTURE_LIMIT_S = 7_200
# A candidate's timestamp is renewed this often.
TIME_REFRESH_MS = 3_600_000


def draw_power(nodes: int, seed: int) -> list[int]:
    """Hash power of each node: normally distributed, as the sum of twelve uniform integers (Irwin-Hall)."""
    random = Random(seed, _STREAM_POWER)
    span = POWER_DEVIATION
    return [max(1, POWER_MEAN + sum(random.below(span) for _ in range(12)) - 6 * span) for _ in range(nodes)]


def difficulty_for(hash_power: Sequence[int], interval_ms: int) -> int:
    """Expected hashes of a block if all together are to find one every `interval_ms`. Raises ConfigError."""
    if interval_ms < 1 or min(hash_power, default=0) < 1:
        raise ConfigError(f"interval_ms: {interval_ms}, power: {min(hash_power, default=0)}: both are at least 1")
    return max(1, sum(hash_power) * interval_ms // 1_000)


def make_draws(nodes: int, seed: int, kernel: str) -> Draws:
    """The draws of searches, in advance on the fast kernel."""
    if kernel == "reference":
        return Draws(nodes, seed)
    from raclette.sim.fast.relay import FastDraws

    return FastDraws(nodes, seed)


def _make_relay(
    kernel: str | RelayKernel,
    wiring: Wiring,
    register: Register,
    seal: IdealSeal,
    hash_power: Sequence[int],
    *,
    share: bool,
) -> Relayed:
    """The world on the kernel of this name, or on these wires."""
    seed, epoch = wiring.seed, EPOCH_S * SECOND
    if share and isinstance(kernel, str) and choose_kernel(kernel) == "fast":
        from raclette.sim.fast.relay import FastWires
        from raclette.sim.fast.shared import SharedRelay

        return SharedRelay(FastWires(wiring), register, seal, seed=seed, hash_power=hash_power, epoch=epoch)
    wires = make_wires(wiring, kernel) if isinstance(kernel, str) else kernel
    draws = make_draws(wiring.nodes, seed, wires.name)
    return Relay(wires, register, seal, draws=draws, hash_power=hash_power, epoch=epoch)


def make_miners(
    wiring: Wiring,
    hash_power: Sequence[int],
    interval_ms: int,
    *,
    kernel: str = "auto",
    wires: RelayKernel | None = None,
    parameters: Mapping[str, Any] | None = None,
    share: bool = True,
) -> Relayed:
    """`nakamoto` engines on this wiring: node i has `hash_power[i]` hashes a second, all together find a block every
    `interval_ms` in the mean. `share`: on the fast kernel, engines that are alike are asked once (`fast.shared`).
    `wires` replaces the kernel's, and each engine is asked. `parameters` are added to the protocol's. Raises
    ConfigError."""
    nodes, seed = wiring.nodes, wiring.seed
    if len(hash_power) != nodes:
        raise ConfigError(f"power: {len(hash_power)} figures for {nodes} nodes")
    difficulty = difficulty_for(hash_power, interval_ms)
    register = Register(Header(parent_hash=bytes(32), number=0, timestamp=EPOCH_S, difficulty=difficulty), nodes)
    seal = make_seal(seed)
    relay = _make_relay(wires or kernel, wiring, register, seal, hash_power, share=share)
    settings = {
        "difficulty_rule": "fixed",
        "initial_difficulty": difficulty,
        "time_refresh_ms": TIME_REFRESH_MS,
        "future_limit_s": FUTURE_LIMIT_S,
    } | dict(parameters or {})
    signatures = make_signatures(seed)
    for node, node_id in enumerate(node_ids(nodes, seed)):
        chain = LightChain(register, node, CHAIN_ID_DEFAULT)
        setup = EngineSetup(settings, chain, signatures.signer(node_id), sha256(node_id).digest()[:20], {})
        relay.join(node_id, chain, make_engine("nakamoto", setup, seal_check=seal))
    return relay
