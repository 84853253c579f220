"""The pruning methods of the study, each an installed pruner with options."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType

from plantkit.errors import UnknownNameError
from plantkit.plugins import Registry, configure, load_installed
from plantkit.pruners.pruner import Pruner


class Schedule(enum.StrEnum):
    """SINGLE: scored once, before training. MULTISHOT: ten rounds of five epochs, pruning and
    resetting. CONSTANT, ANNEALED: of methods that learn scores; the density stays, or falls
    from epoch to epoch. NONE: nothing is pruned."""

    SINGLE = "single"
    MULTISHOT = "multishot"
    CONSTANT = "constant"
    ANNEALED = "annealed"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A method of the paper: the installed pruner that does it, and options by schedule."""

    pruner: str
    schedules: Mapping[Schedule, Mapping[str, str]]
    options: Mapping[str, str] = field(default_factory=dict)


_MULTISHOT = {"schedule": "multishot", "rounds": "10", "epochs": "5"}
_SCORED: Mapping[Schedule, Mapping[str, str]] = {
    Schedule.SINGLE: {},
    Schedule.MULTISHOT: _MULTISHOT,
}
_LEARNT: Mapping[Schedule, Mapping[str, str]] = {
    Schedule.CONSTANT: {"annealed": "false"},
    Schedule.ANNEALED: {"annealed": "true"},
}

#: The paper's name to how it is done here. `edge-popup` keeps the same share of every layer, as
#: published; with `edge-popup-global` all parameters compete.
METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "random": Method(pruner="random", schedules={Schedule.SINGLE: {}}),
        "magnitude": Method(pruner="magnitude", schedules=_SCORED),
        "snip": Method(pruner="snip", schedules=_SCORED),
        "grasp": Method(pruner="grasp", schedules=_SCORED),
        "synflow": Method(pruner="synflow", schedules=_SCORED, options={"iterations": "1"}),
        "synflow-100": Method(
            pruner="synflow", schedules={Schedule.SINGLE: {}}, options={"iterations": "100"}
        ),
        "edge-popup": Method(
            pruner="edge-popup", schedules=_LEARNT, options={"scope": "layerwise"}
        ),
        "edge-popup-global": Method(
            pruner="edge-popup", schedules=_LEARNT, options={"scope": "global"}
        ),
    }
)

#: Not a method: the dense network, and the planted ticket.
REFERENCE = "reference"


def methods_with(schedule: Schedule) -> tuple[str, ...]:
    """Returns the methods that can follow `schedule`."""
    return tuple(name for name, method in METHODS.items() if schedule in method.schedules)


def options_of(name: str, schedule: Schedule) -> dict[str, str]:
    """Returns the options by which the installed pruner becomes this method."""
    method = METHODS[name]
    return {**method.options, **method.schedules[schedule]}


def find_pruner(name: str, schedule: Schedule) -> tuple[Pruner, str]:
    """Returns the pruner of a method, and the module of its plugin.

    Raises:
        UnknownNameError: no installed plugin has the pruner.
    """
    registry = _registry()
    wanted = METHODS[name].pruner
    found = {registered.name: registered for registered in registry.pruners()}
    if wanted not in found:
        raise UnknownNameError("pruner", wanted, found, hint="see: plantkit list pruners")
    registered = found[wanted]
    modules = {plugin.name: plugin.module for plugin in registry.plugins}
    pruner = configure(registered.pruner, options_of(name, schedule))
    return pruner, modules.get(registered.plugin, "")


@cache
def _registry() -> Registry:
    return load_installed()
