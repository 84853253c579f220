"""The one trainer and the one evaluation, for many runs of one network at once.

All runs share a leading axis. Masks are enforced in every step: a pruned parameter starts at
zero, its gradient is set to zero, and so it never moves. Runs are independent: on one machine
a run's result on the CPU, to the last bit, depends on its own start, mask and seed only, not
on the runs that train with it. On a GPU this holds up to rounding.

`recipe` holds what goes in, `groups` says which runs train in one batch, `engine` takes the
steps, `trainer` does the rest; `accuracy` measures masks, in the processes of `executors`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plantkit.networks.training.engine import snapshots, train_group
    from plantkit.networks.training.groups import (
        BATCH_ACTIVATIONS,
        BATCH_PARAMETERS,
        Device,
        Workload,
        plan,
    )
    from plantkit.networks.training.recipe import Descent, Recipe, Run, Samples, data_order
    from plantkit.networks.training.trainer import evaluate, single_threaded, trace, train

__all__ = [
    "BATCH_ACTIVATIONS",
    "BATCH_PARAMETERS",
    "Descent",
    "Device",
    "Recipe",
    "Run",
    "Samples",
    "Workload",
    "data_order",
    "evaluate",
    "plan",
    "single_threaded",
    "snapshots",
    "trace",
    "train",
    "train_group",
]

_MODULES = {
    "engine": ("snapshots", "train_group"),
    "groups": ("BATCH_ACTIVATIONS", "BATCH_PARAMETERS", "Device", "Workload", "plan"),
    "recipe": ("Descent", "Recipe", "Run", "Samples", "data_order"),
}


def __getattr__(name: str) -> Any:
    """Imports a name when it is used; see `plantkit.networks`."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = next((module for module, names in _MODULES.items() if name in names), "trainer")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
