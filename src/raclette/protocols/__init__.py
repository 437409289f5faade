"""The consensus protocols, by name. Each is a folder that knows the engine contract and no other protocol,
but for `hybrid`, which is made of others.

A protocol's folder exports `make_engine(setup)` and `Parameters` (a pydantic model of its part of the genesis file).
Folders are imported on first use, so that a protocol costs nothing where it is not chosen.
"""

from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

from raclette.engine.contract import Engine, EngineSetup, SealCheck
from raclette.primitives.errors import ConfigError
from raclette.protocols.parameters import ProtocolParameters


@dataclass(frozen=True, slots=True)
class Protocol:
    """One entry of the registry. `seals` is True where blocks carry proof of work, `enrolls` where votes are weighed
    by the stake of those on the roll (`chain.roll`)."""

    name: str
    description: str
    seals: bool = False
    enrolls: bool = False

    @property
    def module(self) -> ModuleType:
        """The protocol's folder."""
        return import_module(f"{__name__}.{self.name}")

    @property
    def parameters(self) -> type[ProtocolParameters]:
        """The model of genesis' `config.protocol` (without `name`)."""
        model: type[ProtocolParameters] = self.module.Parameters
        return model

    def make(self, setup: EngineSetup, seal_check: SealCheck | None = None) -> Engine:
        """An engine. `seal_check` replaces hashing where proof of work is drawn instead of searched (simulator); it
        is ignored by protocols without proof of work. Raises ConfigError."""
        if self.seals and seal_check is not None:
            engine: Engine = self.module.make_engine(setup, seal_check=seal_check)
        else:
            engine = self.module.make_engine(setup)
        return engine


PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol("nakamoto", "proof of work; the branch with the most work (or the heaviest subtree) wins", seals=True),
        Protocol("pbft", "Castro and Liskov's PBFT: final after three phases, survives f of 3f+1 arbitrary faults"),
        Protocol(
            "ballot",
            "proof-of-work candidates, elected by the votes of those with stake; final from a quorum of two thirds on",
            seals=True,
            enrolls=True,
        ),
        Protocol("simplex", "Chan and Pass's Simplex: final after three hops, a block every two; f of 3f+1 faults"),
        Protocol(
            "senate",
            "proof of stake; a senate drawn by stake for each block signs what a director drawn by lot writes",
            enrolls=True,
        ),
        Protocol(
            "hybrid",
            "proof of work elects a committee each day, which orders blocks by PBFT or Simplex, at the network's speed",
            seals=True,
        ),
    )
}


def find_protocol(name: str) -> Protocol:
    """The registry's entry. Raises ConfigError that lists the names."""
    try:
        return PROTOCOLS[name]
    except KeyError:
        accepted = ", ".join(PROTOCOLS)
        raise ConfigError(f"config.protocol.name: unknown protocol {name!r}; accepted: {accepted}") from None


def make_engine(name: str, setup: EngineSetup, *, seal_check: SealCheck | None = None) -> Engine:
    """The engine of the protocol `name`. Raises ConfigError: unknown name, or bad parameters (with their path)."""
    return find_protocol(name).make(setup, seal_check)


__all__ = ["PROTOCOLS", "Protocol", "find_protocol", "make_engine"]
