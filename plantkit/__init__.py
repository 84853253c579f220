"""plantkit: pruning challenges whose right answer is known.

The names below are the public interface: for pruners and plugins, and for scripts and notebooks.
They are imported on first use, so that `import plantkit` stays cheap.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

from plantkit.hookspecs import hookimpl
from plantkit.version import __version__

if TYPE_CHECKING:
    from plantkit.evaluation.evaluating import evaluate, load_results
    from plantkit.evaluation.library import (
        list_challenges,
        list_pruners,
        load_challenge,
        load_pruner,
        plant,
    )
    from plantkit.evaluation.results import EvaluationResult
    from plantkit.networks import ConvolutionSpec, Network, PerceptronSpec, ResidualSpec
    from plantkit.networks.masks import Mask
    from plantkit.networks.training import Recipe, Samples
    from plantkit.pruners.budgets import Scope
    from plantkit.pruners.frozen_network import FrozenNetwork
    from plantkit.pruners.problem import Problem
    from plantkit.pruners.pruner import Pruner, SaliencyPruner
    from plantkit.pruners.schedules import Schedule
    from plantkit.pruners.selection import narrow, select
    from plantkit.reports.pictures.challenges import draw_challenge
    from plantkit.reports.pictures.networks import draw_network
    from plantkit.scoring.layers import count_layers

__all__ = [
    "ConvolutionSpec",
    "EvaluationResult",
    "FrozenNetwork",
    "Mask",
    "Network",
    "NetworkSpec",
    "PerceptronSpec",
    "Problem",
    "Pruner",
    "Recipe",
    "ResidualSpec",
    "SaliencyPruner",
    "Samples",
    "Schedule",
    "Scope",
    "__version__",
    "count_layers",
    "draw_challenge",
    "draw_network",
    "evaluate",
    "hookimpl",
    "list_challenges",
    "list_pruners",
    "load_challenge",
    "load_pruner",
    "load_results",
    "narrow",
    "plant",
    "select",
]

_HOMES = {
    "ConvolutionSpec": "plantkit.networks",
    "EvaluationResult": "plantkit.evaluation.results",
    "FrozenNetwork": "plantkit.pruners.frozen_network",
    "Mask": "plantkit.networks.masks",
    "Network": "plantkit.networks",
    "NetworkSpec": "plantkit.networks",  # the name of PerceptronSpec before there were other kinds
    "PerceptronSpec": "plantkit.networks",
    "Problem": "plantkit.pruners.problem",
    "Pruner": "plantkit.pruners.pruner",
    "Recipe": "plantkit.networks.training",
    "ResidualSpec": "plantkit.networks",
    "SaliencyPruner": "plantkit.pruners.pruner",
    "Samples": "plantkit.networks.training",
    "Schedule": "plantkit.pruners.schedules",
    "Scope": "plantkit.pruners.budgets",
    "count_layers": "plantkit.scoring.layers",
    "draw_challenge": "plantkit.reports.pictures.challenges",
    "draw_network": "plantkit.reports.pictures.networks",
    "evaluate": "plantkit.evaluation.evaluating",
    "list_challenges": "plantkit.evaluation.library",
    "list_pruners": "plantkit.evaluation.library",
    "load_challenge": "plantkit.evaluation.library",
    "load_pruner": "plantkit.evaluation.library",
    "load_results": "plantkit.evaluation.evaluating",
    "narrow": "plantkit.pruners.selection",
    "plant": "plantkit.evaluation.library",
    "select": "plantkit.pruners.selection",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    # With these, Python's own message suggests the nearest name.
    message = f"module 'plantkit' has no attribute {name!r}"
    raise AttributeError(message, name=name, obj=sys.modules[__name__])


def __dir__() -> list[str]:
    return sorted(__all__)
