"""The registry of families. A new family is a new file and its name in `NAMES`.

The file defines `FAMILY`, an instance of a class of `plantkit.planting.family`.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from plantkit.errors import UnknownNameError
from plantkit.planting.family import Family, TargetFamily
from plantkit.planting.images.family import ImageFamily

NAMES: tuple[str, ...] = ("circle", "helix", "relu", "teacher")
NAMES += ("product", "sine", "spline", "radial", "rings", "spiral", "parity", "decoy")
NAMES += ("digits", "mnist", "fashion", "cifar10")

FAMILIES: Mapping[str, Family] = {
    name: importlib.import_module(f"{__name__}.{name}").FAMILY for name in NAMES
}

# Those whose function has a construction as a small network.
TARGETS: Mapping[str, TargetFamily] = {
    name: family for name, family in FAMILIES.items() if isinstance(family, TargetFamily)
}

# Those whose data are images.
IMAGES: Mapping[str, ImageFamily] = {
    name: family for name, family in FAMILIES.items() if isinstance(family, ImageFamily)
}


def find_family(name: str) -> Family:
    """Returns the family of this name, its dials as they are by default.

    Raises:
        UnknownNameError: there is none; the message suggests the nearest names.
    """
    try:
        return FAMILIES[name]
    except KeyError:
        hint = f"target families: {', '.join(sorted(FAMILIES))}"
        raise UnknownNameError("target family", name, FAMILIES, hint=hint) from None
