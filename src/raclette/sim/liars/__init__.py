"""Liars: one behaviour a file. None can forge a signature; see `contract` for what one gets to lie with."""

from collections.abc import Mapping

from raclette.node.host import HostedNode
from raclette.primitives.errors import ConfigError
from raclette.sim.liars import (
    balance,
    bodies,
    delay,
    eclipse,
    equivocate,
    false_headers,
    forge,
    long_range,
    mutate,
    nothing_at_stake,
    private_chain,
    selective,
    selfish,
    silent,
    spam,
    stubborn,
    time_warp,
    twins,
    withhold,
    withhold_votes,
)
from raclette.sim.liars.contract import LiarKind, LiarSpec, Parameter, Scene
from raclette.sim.liars.delay import Delay
from raclette.sim.liars.liar import Liar
from raclette.sim.liars.selective import SelectiveSilence
from raclette.sim.liars.silent import Silent
from raclette.sim.liars.twins import Twins

# A new kind is one file with a `KIND`, and one entry here.
_KINDS = (
    silent.KIND,
    selective.KIND,
    delay.KIND,
    twins.KIND,
    equivocate.KIND,
    withhold_votes.KIND,
    forge.KIND,
    mutate.KIND,
    spam.KIND,
    selfish.KIND,
    stubborn.KIND,
    private_chain.KIND,
    withhold.KIND,
    time_warp.KIND,
    eclipse.KIND,
    balance.KIND,
    nothing_at_stake.KIND,
    long_range.KIND,
    false_headers.KIND,
    bodies.KIND,
)
LIARS: Mapping[str, LiarKind] = {kind.name: kind for kind in _KINDS}


def find_liar(name: str, protocol: str = "", path: str = "liars") -> LiarKind:
    """The kind called `name`. Raises ConfigError if there is none, or it makes no sense for `protocol`."""
    kind = LIARS.get(name)
    fitting = [k.name for k in _KINDS if not (protocol and k.protocols) or protocol in k.protocols]
    if kind is None:
        raise ConfigError(f"{path}: {name!r} is unknown; accepted are {', '.join(fitting)}")
    if name not in fitting:
        raise ConfigError(f"{path}: {name!r} makes no sense for {protocol}; accepted are {', '.join(fitting)}")
    return kind


def make_liar(spec: LiarSpec, scene: Scene) -> HostedNode:
    """A liar in the place of node `scene.index`. Raises ConfigError for an unknown kind or parameter."""
    kind = find_liar(spec.name, scene.protocol)
    parameters = kind.read(dict(spec.parameters), f"liars.{scene.index}")
    return kind.make(
        Scene(
            make=scene.make,
            index=scene.index,
            ids=scene.ids,
            signer=scene.signer,
            protocol=scene.protocol,
            random=scene.random,
            accomplices=scene.accomplices,
            plot=scene.plot,
            parameters=parameters,
        )
    )


__all__ = [
    "LIARS",
    "Delay",
    "Liar",
    "LiarKind",
    "LiarSpec",
    "Parameter",
    "Scene",
    "SelectiveSilence",
    "Silent",
    "Twins",
    "find_liar",
    "make_liar",
]
