"""The registry of planting methods. A new method is a new file and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plantkit.errors import UnknownNameError
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


def find_method(name: str) -> PlantingMethod[Any]:
    """Returns the planting method of this name.

    Raises:
        UnknownNameError: there is none; the message suggests the nearest names.
    """
    try:
        return METHODS[name]
    except KeyError:
        hint = f"plantings: {', '.join(METHODS)}"
        raise UnknownNameError("planting", name, METHODS, hint=hint) from None


def default_method(family: Family) -> PlantingMethod[Any]:
    """Returns the method that `family` is planted with unless another is asked for."""
    return next(method for method in _ALL if method.fits(family))
