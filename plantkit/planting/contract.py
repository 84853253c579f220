"""What is asked of a plugin's family, planting method or attacker before it is used.

The conformance suite (`plantkit.testing`) asks for much more.
"""

from __future__ import annotations

import re
from typing import Any

from plantkit.errors import PluginError
from plantkit.networks.tasks import TaskKind
from plantkit.planting.exposed import Attacker
from plantkit.planting.families import FAMILIES
from plantkit.planting.family import Family
from plantkit.planting.methods import METHODS
from plantkit.planting.methods.method import PlantingMethod

#: As in the ids of challenges, which are also names of directories.
MOST_NAME = 40
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def check_family(plugin: str, family: Any) -> None:
    """Raises `PluginError` unless `family` is one that can be planted and named in an id."""
    _check(plugin, family, Family, "family")
    if family.name in FAMILIES:
        raise PluginError(plugin, f"family name {family.name!r} is one of plantkit's own")
    if not isinstance(family.kind, TaskKind):
        kinds = " or ".join(f"TaskKind.{kind.name}" for kind in TaskKind)
        raise PluginError(
            plugin, f"family {family.name!r} has the kind {family.kind!r}; expected {kinds}"
        )
    for size in ("inputs", "outputs"):
        found = getattr(family, size, None)
        if not isinstance(found, int) or found < 1:
            raise PluginError(
                plugin, f"family {family.name!r} has {found!r} {size}; expected an int, 1 or more"
            )
    dict(family.dials)  # whatever this raises is told as the plugin's fault


def check_method(plugin: str, method: Any) -> None:
    """Raises `PluginError` unless `method` is one that can be asked for by name."""
    _check(plugin, method, PlantingMethod, "planting method")
    if method.name in METHODS:
        raise PluginError(plugin, f"planting method {method.name!r} is one of plantkit's own")
    for family in FAMILIES.values():
        method.fits(family)  # whatever this raises is told as the plugin's fault


def check_attacker(plugin: str, attacker: Any) -> None:
    """Raises `PluginError` unless `attacker` is one that can be asked for by name."""
    _check(plugin, attacker, Attacker, "attacker")
    found = attacker.builds_on
    if not isinstance(found, tuple) or not all(isinstance(name, str) for name in found):
        raise PluginError(
            plugin, f"attacker {attacker.name!r} builds on {found!r}; expected a tuple of names"
        )


def _check(plugin: str, item: Any, wanted: type, words: str) -> None:
    """Checks the class of an item, its name and its title."""
    if isinstance(item, type):
        raise PluginError(
            plugin, f"{item.__name__} is a class; expected an instance: {item.__name__}()"
        )
    if not isinstance(item, wanted):
        raise PluginError(
            plugin,
            f"{type(item).__name__} is of another kind; expected an instance of a subclass of "
            f"{wanted.__module__}.{wanted.__name__}",
        )
    name, title = getattr(item, "name", None), getattr(item, "title", None)
    if not isinstance(name, str) or not _NAME.fullmatch(name) or len(name) > MOST_NAME:
        raise PluginError(
            plugin,
            f"{words} name is {name!r}; expected lower-case letters, digits and dashes, at most "
            f"{MOST_NAME}",
        )
    if not isinstance(title, str) or not title.isprintable():
        raise PluginError(plugin, f"{words} {name!r} has the title {title!r}; expected a line")
