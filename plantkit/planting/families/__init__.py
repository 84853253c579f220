"""The registry of families. A new family is a new file and its name in `NAMES`, or a plugin's.

The file defines `FAMILY`, an instance of a class of `plantkit.planting.family`. Plugins' families
are handed over by `plantkit.plugins.load_plantings`.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from plantkit.errors import UnknownNameError
from plantkit.planting.family import Family, TargetFamily
from plantkit.planting.images.family import ImageFamily

NAMES: tuple[str, ...] = ("circle", "helix", "relu", "teacher")
NAMES += ("product", "sine", "spline", "radial", "rings", "spiral", "parity")
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


_added: dict[str, Family] = {}


def add_families(families: Mapping[str, Family]) -> None:
    """Makes families known in this process besides the kit's own, which keep their names."""
    _added.update(families)


def known_families() -> dict[str, Family]:
    """Returns the kit's families, and those that were added, by name."""
    return {**_added, **FAMILIES}


def find_family(name: str, *, bundle: str = "") -> Family:
    """Returns the family of this name, its dials as they are by default.

    Args:
        bundle: id of the challenge that is of this family, if any.

    Raises:
        UnknownNameError: there is none; the message suggests the nearest names.
    """
    known = known_families()
    try:
        return known[name]
    except KeyError:
        hint = f"target families: {', '.join(sorted(known))}"
        if bundle:
            hint = (
                f"{bundle} is of a plugin's family. The plugin must be installed to plant more "
                f"like it; to score {bundle} itself it is not needed"
            )
        raise UnknownNameError("target family", name, known, hint=hint) from None
