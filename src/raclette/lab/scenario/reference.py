"""`docs/scenarios.md`, written from the models, the kinds and the library, so that it cannot lie."""

from collections.abc import Iterable, Sequence
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo

from raclette.lab.scenario.attacker import Attacker
from raclette.lab.scenario.claims import CLAIMS
from raclette.lab.scenario.faults import fault_kinds
from raclette.lab.scenario.library import library
from raclette.lab.scenario.metrics import METRICS
from raclette.lab.scenario.model import (
    Distribution,
    Fault,
    Liars,
    Machine,
    Network,
    Protocol,
    Scenario,
    Stop,
    Topology,
    Workload,
)
from raclette.lab.scenario.values import show_duration, show_rate, show_share
from raclette.sim.liars import LIARS

EXAMPLE = """title = "Seven replicas, one of them slow, one of them lying"
nodes = 7
seeds = { first = 1, count = 3 }

[variables]
lateness = "200ms"

[protocol]
name = "pbft"
view_timeout_ms = 500

[network]
model = "constant"
latency = "10ms"

[workload]
count = 50
rate = 20
arrivals = "poisson"

[[liars]]
kind = "equivocate"
nodes = 1

[[faults]]
kind = "slow-disk"
at = "2s"
for = "1500ms"
node = 3
fsync = "$lateness"

[stop]
seconds = 5
"""

RACE = """fidelity = "instant"
protocol = "nakamoto"
checkers = ["fair-share"]
expect = "violates: fair-share"

[variables]
gamma = 0.5

[attacker]
strategy = "selfish"
share = 0.42
gamma = "$gamma"
blocks = 2500
"""

_HEAD = f"""# Scenario files

A scenario says what is run, attacked, broken and asked: topology, protocol, liars, faults on a timeline, checkers, when
to stop, under which seeds. `raclette sim FILE` runs it in the simulator; FILE may be the name of one that comes with
Raclette. `raclette scenarios` lists those, `raclette scenarios show NAME` prints one, `raclette scenarios check FILE`
validates. The same seed gives the same run, to the last event, on any machine.

```toml
{EXAMPLE}```

```console
$ raclette sim mine.toml
$ raclette sim mine.toml --seeds 20 --out report
$ raclette sim mine.toml --seed 7 --set variables.lateness=1s --set faults[0].node=0 --json
```

**Values.** Durations are written with their unit (`"250ms"`, `"1.5s"`, `"10min"`), shares as `"30%"` or `0.3`, rates as
`"20Mbit/s"`. All are exact integers inside: nanoseconds, parts per million, bits a second. Node numbers count from 0.

**Tables and short forms.** A table that is decided by one key may be written as that key's text: `network = "wan"` is
`[network] model = "wan"`.

**Which nodes.** Where `nodes` is asked for: a list of numbers, how many (drawn from the seed), a share as `"30%"` (of
the hash power or of the votes, drawn), or the name of a group of `[groups]`.

**Variables.** `[variables] share = 0.3` makes `"$share"` mean 0.3 wherever a value may stand. `--set share=0.4` and
sweeps change it by that name; keys are changed by their path (`stop.blocks`, `faults[2].node`). A variable that nothing
uses is an error, and so is one with the name of a key (`attacker` is one at instant fidelity only).

**Fidelity.** `fidelity = "engine"` runs the protocol's engine at every node over a light chain, for hundreds of voters
or thousands of miners: no clients, no ledger, no liars, and of the faults those that happen on the wires (under votes
also `crash`). Proof of work then mines `stop.blocks` blocks of `workload.block_bytes` each, relayed by announcement,
request and block; voters decide `stop.blocks` blocks of `workload.count` transactions in all.

`fidelity = "instant"` races an attacker on proof of work against the honest, as the papers pose it: three engines (the
attacker's pool, the part gamma of the honest who hear it first, the others), no network, thousands of blocks in less
than a second. Such a file has `[attacker]`, `[protocol]` and the keys before the first table, but those about nodes,
ledger and kernel; everything else is refused. Checkers: `common-prefix`, `chain-quality` and `attack-happened` (it says
*sometimes*: a run in which no block was lost shows nothing) always watch; `fair-share` (the attacker has no more of the
chain than of the hash power, by six standard deviations) and `double-spend` (no payment is taken back) ask whether the
attack paid, and watch where `checkers` names them.

```toml
{RACE}```

**What a file expects.** `expect = "violates: liveness"` says that a run is meant to break something. `raclette sim`
says whether it came out so (`as_expected`), and still ends with exit code 1 if anything was broken: no violation is
hidden.

**Mistakes** are told with file, line, path and what is accepted: `mine.toml:31: faults[0].node: 9; accepted are 0 to
6`.

This page is generated from the code (`make docs`).
"""

_SECTIONS: tuple[tuple[str, type[BaseModel], str], ...] = (
    ("[protocol]", Protocol, ""),
    ("[network]", Network, ""),
    ("[topology]", Topology, ""),
    ("[machine]", Machine, ""),
    ("[hash-power], [stake]", Distribution, ""),
    ("[workload]", Workload, ""),
    ("[[liars]]", Liars, "liars"),
    ("[[faults]]", Fault, "faults"),
    ("[stop]", Stop, ""),
    ("[attacker]", Attacker, ""),
)
_TYPES = {
    "parse_duration": "duration",
    "parse_seconds": "seconds or duration",
    "parse_share": "share",
    "_read_power": "share",
    "_read_gamma": "share",
    "parse_rate": "rate",
    "_read_outputs": "integer or list",
    "_read_nodes": "nodes",
    "_read_seeds": "seeds",
}
_SHOWN = {"duration": show_duration, "seconds or duration": show_duration, "share": show_share, "rate": show_rate}
_PLAIN = {int: "integer", str: "text", bool: "true or false", float: "number"}


def reference() -> str:
    """The whole page, in Markdown."""
    simple = [(n, f) for n, f in Scenario.model_fields.items() if not _is_section(f)]
    parts = [_HEAD, "## The file\n\nThese keys stand before the first table.\n", _rows(simple)]
    for title, model, more in _SECTIONS:
        parts.append(f"## `{title}`\n\n{_doc(model)}\n")
        parts.append(_rows(model.model_fields.items()))
        if more == "liars":
            parts += [_claims(), _liars()]
        if more == "faults":
            parts.append(_faults())
    parts += [_metrics(), _library()]
    return "\n".join(parts)


def _doc(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split())


def _is_section(field: FieldInfo) -> bool:
    kinds = [field.annotation, *get_args(field.annotation)]
    return any(isinstance(kind, type) and issubclass(kind, BaseModel) for kind in kinds)


def _rows(fields: Iterable[tuple[str, FieldInfo]]) -> str:
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for name, field in fields:
        kind = _type(field.annotation, field.metadata)
        lines.append(f"| `{field.alias or name}` | {kind} | {_default(field, kind)} | {_cell(field.description)} |")
    return "\n".join(lines) + "\n"


def _cell(text: str | None) -> str:
    return (text or "").replace("|", "\\|")


def _default(field: FieldInfo, kind: str) -> str:
    if field.is_required():
        return "required"
    value: Any = field.get_default(call_default_factory=True)
    if value is None or value in ((), "", {}):
        return ""
    if kind in _SHOWN:
        return f"`{_SHOWN[kind](value)}`"
    if isinstance(value, tuple):
        value = value[0]
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _type(annotation: Any, metadata: Sequence[Any]) -> str:
    """What one writes there."""
    for each in metadata:
        if isinstance(each, BeforeValidator) and getattr(each.func, "__name__", "") in _TYPES:
            return _TYPES[each.func.__name__]
    if hasattr(annotation, "__metadata__"):
        return _type(annotation.__origin__, annotation.__metadata__)
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(f"`{choice}`" for choice in inner)
    if origin in (UnionType, Union):
        return " or ".join(_type(part, ()) for part in inner if part is not type(None))
    if origin is tuple:
        return f"list of {_type(inner[0], ())}"
    if origin is dict:
        return f"table of {_type(inner[1], ())}"
    return _PLAIN.get(annotation, "value")


def _claims() -> str:
    rows = "".join(f"| `{name}` | {claim.text} |\n" for name, claim in CLAIMS.items())
    return (
        "How many liars a protocol claims to bear. More are refused, unless `--beyond` (or `beyond = true`) says that "
        "they are meant; the report says so too.\n\n| protocol | claims to bear |\n|---|---|\n" + rows
    )


def _liars() -> str:
    lines = ["| kind | what it does | for | parameters |", "|---|---|---|---|"]
    for kind in LIARS.values():
        parameters = "; ".join(f"`{name}` ({p.default}): {p.meaning}" for name, p in kind.parameters.items())
        lines.append(
            f"| `{kind.name}` | {_cell(kind.summary)} | {', '.join(kind.protocols) or 'all'} | {_cell(parameters)} |"
        )
    return (
        "A parameter that ends in `_ms` or `_ppm` may be written without that ending, and then with its unit: "
        '`delay = "300ms"`.\n\n' + "\n".join(lines) + "\n"
    )


def _faults() -> str:
    words = {True: "yes", False: "no", None: "depends"}
    lines = ["| kind | what goes wrong | keys | on real processes |", "|---|---|---|---|"]
    for kind in fault_kinds().values():
        keys = ", ".join(
            f"`{key}`" + ("" if field.required else " (may be left out)") for key, field in kind.keys.items()
        )
        nodes = " or `nodes`" if kind.unfolds else ""
        lines.append(f"| `{kind.name}` | {_cell(kind.summary)} | {keys}{nodes} | {words[kind.on_processes]} |")
    return (
        "\n".join(lines)
        + '\n\n`groups` is a list of at least two: lists of node numbers, how many, shares as `"50%"`, or `"rest"`; '
        "numbers and shares take the lowest nodes that no list names.\n"
    )


def _metrics() -> str:
    rows = "".join(
        f"| `{metric.name}` | {metric.unit} | {metric.runs} | {_cell(metric.meaning)} |\n"
        for metric in METRICS.values()
    )
    return (
        "## Metrics\n\nOver several seeds: mean, half the width of the 95 % confidence interval (Student's t), least, "
        "most. `races` are runs at instant fidelity, `nodes` all others; where a closed form says what a metric of a "
        "race should be, `--json` has it as `published`.\n\n| metric | unit | of | meaning |\n|---|---|---|---|\n"
        + rows
    )


def _library() -> str:
    rows = "".join(f"| `{e.name}` | {_cell(e.title)} | {e.protocol} | {e.nodes:,} | {e.expect} |\n" for e in library())
    return "## The library\n\n| name | what it shows | protocol | nodes | expected |\n|---|---|---|---|---|\n" + rows
