"""The hooks of plantkit. A plugin implements any of them; a submission usually one or none.

Mark an implementation with `plantkit.hookimpl`. In a module, a function whose name begins with
`plantkit_` counts as an implementation even without the mark.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from plantkit.planting.exposed import Attacker
    from plantkit.planting.family import Family
    from plantkit.planting.methods.method import PlantingMethod
    from plantkit.pruners.pruner import Pruner
    from plantkit.reports import Reporter
    from plantkit.scoring.metrics import Metric

#: Name of the hook markers and of the entry-point group.
PROJECT = "plantkit"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def plantkit_pruners() -> Iterable[Pruner]:
    """Returns the pruners that this plugin offers."""
    raise NotImplementedError


@hookspec
def plantkit_metrics() -> Iterable[Metric]:
    """Returns metrics that are computed for every valid mask and stored in its record."""
    raise NotImplementedError


@hookspec
def plantkit_reporters() -> Iterable[Reporter]:
    """Returns output formats for `plantkit evaluate --format NAME`."""
    raise NotImplementedError


@hookspec
def plantkit_challenges() -> Iterable[Path]:
    """Returns directories that hold challenge bundles, one directory per bundle."""
    raise NotImplementedError


@hookspec
def plantkit_families() -> Iterable[Family]:
    """Returns families of challenges for `plantkit plant NAME`."""
    raise NotImplementedError


@hookspec
def plantkit_planting_methods() -> Iterable[PlantingMethod[Any]]:
    """Returns ways to plant, also other people's families: `plantkit plant --planting NAME`."""
    raise NotImplementedError


@hookspec
def plantkit_attackers() -> Iterable[Attacker]:
    """Returns attackers of planted tickets, for `plantkit audit` and `plantkit duel`."""
    raise NotImplementedError


@hookspec
def plantkit_commands(cli: Any) -> None:
    """Adds commands to `cli`, the click group of the command line."""
