"""The registry of planting methods. A new method is a new file and one line here, or a plugin's.

Plugins' methods are handed over by `plantkit.plugins.load_plantings`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plantkit.errors import UnknownNameError, UsageError
from plantkit.planting.family import Family
from plantkit.planting.methods.anchored import AnchoredMethod
from plantkit.planting.methods.faithful import AsPublishedMethod, FaithfulMethod
from plantkit.planting.methods.method import PlantingMethod
from plantkit.planting.methods.selected import SelectedMethod
from plantkit.planting.methods.trained import TrainedMethod

_ALL: tuple[PlantingMethod[Any], ...] = (  # the first one that fits a family is its default
    SelectedMethod(),
    FaithfulMethod(),
    AnchoredMethod(),
    AsPublishedMethod(),
    TrainedMethod(),
)

METHODS: Mapping[str, PlantingMethod[Any]] = {method.name: method for method in _ALL}


_added: dict[str, PlantingMethod[Any]] = {}


def add_methods(methods: Mapping[str, PlantingMethod[Any]]) -> None:
    """Makes methods known in this process besides the kit's own, which keep their names."""
    _added.update(methods)


def known_methods() -> dict[str, PlantingMethod[Any]]:
    """Returns the kit's methods, then those that were added, by name."""
    return {**METHODS, **{name: one for name, one in _added.items() if name not in METHODS}}


def find_method(name: str) -> PlantingMethod[Any]:
    """Returns the planting method of this name.

    Raises:
        UnknownNameError: there is none; the message suggests the nearest names.
    """
    known = known_methods()
    try:
        return known[name]
    except KeyError:
        hint = f"plantings: {', '.join(known)}"
        raise UnknownNameError("planting", name, known, hint=hint) from None


def default_method(family: Family) -> PlantingMethod[Any]:
    """Returns the method that `family` is planted with unless another is asked for.

    Raises:
        UsageError: none fits.
    """
    for method in known_methods().values():
        if method.fits(family):
            return method
    raise UsageError(
        f"no planting method fits family {family.name!r}; its class says which do: expected a "
        "subclass of TargetFamily, AnchoredFamily or SelectedFamily, or a plugin's method that "
        "fits it"
    )
