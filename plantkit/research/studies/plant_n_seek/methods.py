"""The pruning methods of the study, each an installed pruner with options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from plantkit.pruners.pruner import Pruner
from plantkit.research.studies.pruners import installed_pruner

#: The schedule of what is not pruned.
NO_SCHEDULE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A method of the paper: the installed pruner that does it, and its options by schedule."""

    pruner: str
    schedules: Mapping[str, Mapping[str, str]]
    options: Mapping[str, str] = field(default_factory=dict)

    def options_under(self, schedule: str) -> dict[str, str]:
        """Returns the options by which the installed pruner becomes this method."""
        return {**self.options, **self.schedules[schedule]}


#: Scored once, before training.
_SINGLE: Mapping[str, Mapping[str, str]] = {"single": {}}
#: Or in ten rounds of five epochs, each of which prunes and resets.
_SCORED = {**_SINGLE, "multishot": {"schedule": "multishot", "rounds": "10", "epochs": "5"}}
#: For methods that learn scores: the density stays, or falls from epoch to epoch.
_LEARNT: Mapping[str, Mapping[str, str]] = {
    "constant": {"annealed": "false"},
    "annealed": {"annealed": "true"},
}

#: The paper's name to how it is done here. `edge-popup` keeps the same share of every layer, as
#: published; with `edge-popup-global` all parameters compete.
METHODS: Mapping[str, Method] = {
    "random": Method(pruner="random", schedules=_SINGLE),
    "magnitude": Method(pruner="magnitude", schedules=_SCORED),
    "snip": Method(pruner="snip", schedules=_SCORED),
    "grasp": Method(pruner="grasp", schedules=_SCORED),
    "synflow": Method(pruner="synflow", schedules=_SCORED, options={"iterations": "1"}),
    "synflow-100": Method(pruner="synflow", schedules=_SINGLE, options={"iterations": "100"}),
    "edge-popup": Method(pruner="edge-popup", schedules=_LEARNT, options={"scope": "layerwise"}),
    "edge-popup-global": Method(
        pruner="edge-popup", schedules=_LEARNT, options={"scope": "global"}
    ),
}

#: Not a method: the dense network, and the planted ticket.
REFERENCE = "reference"


def methods_with(schedule: str) -> tuple[str, ...]:
    """Returns the methods that can follow `schedule`."""
    return tuple(name for name, method in METHODS.items() if schedule in method.schedules)


def find_pruner(name: str, schedule: str) -> tuple[Pruner, str]:
    """Returns the pruner of a method, and the module of its plugin.

    Raises:
        UnknownNameError: no installed plugin has the pruner.
    """
    method = METHODS[name]
    return installed_pruner(method.pruner, method.options_under(schedule))
