"""plantkit: pruning challenges whose right answer is known.

The names below are the public interface for pruners and plugins. They are imported on first
use, so that `import plantkit` stays cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from plantkit.hookspecs import hookimpl

if TYPE_CHECKING:
    from plantkit.budgets import Scope
    from plantkit.frozen import FrozenNetwork
    from plantkit.masks import Mask
    from plantkit.networks import ConvolutionSpec, Network, NetworkSpec
    from plantkit.problem import Problem
    from plantkit.pruners import Pruner, SaliencyPruner
    from plantkit.schedules import Schedule
    from plantkit.selection import narrow, select
    from plantkit.training import Recipe, Samples

__version__ = "0.1.0"

__all__ = [
    "ConvolutionSpec",
    "FrozenNetwork",
    "Mask",
    "Network",
    "NetworkSpec",
    "Problem",
    "Pruner",
    "Recipe",
    "SaliencyPruner",
    "Samples",
    "Schedule",
    "Scope",
    "__version__",
    "hookimpl",
    "narrow",
    "select",
]

_HOMES = {
    "ConvolutionSpec": "plantkit.networks",
    "FrozenNetwork": "plantkit.frozen",
    "Mask": "plantkit.masks",
    "Network": "plantkit.networks",
    "NetworkSpec": "plantkit.networks",
    "Problem": "plantkit.problem",
    "Pruner": "plantkit.pruners",
    "Recipe": "plantkit.training",
    "SaliencyPruner": "plantkit.pruners",
    "Samples": "plantkit.training",
    "Schedule": "plantkit.schedules",
    "Scope": "plantkit.budgets",
    "narrow": "plantkit.selection",
    "select": "plantkit.selection",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'plantkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
