"""The registry of families. A new family is a new file and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from plantkit.errors import UnknownNameError
from plantkit.planting.families.circle import CircleFamily
from plantkit.planting.families.helix import HelixFamily
from plantkit.planting.families.relu import ReluFamily
from plantkit.planting.families.teacher import TeacherFamily
from plantkit.planting.family import Family, FormulaFamily

FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        family.name: family
        for family in (CircleFamily(), HelixFamily(), ReluFamily(), TeacherFamily())
    }
)

# Those whose function is a formula.
FORMULAS: Mapping[str, FormulaFamily] = MappingProxyType(
    {name: family for name, family in FAMILIES.items() if isinstance(family, FormulaFamily)}
)


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
