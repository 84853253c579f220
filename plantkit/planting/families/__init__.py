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

_ALL: tuple[Family, ...] = (
    CircleFamily(),
    HelixFamily(),
    ReluFamily(),
    TeacherFamily(),
)

FAMILIES: Mapping[str, Family] = MappingProxyType({family.name: family for family in _ALL})

#: Those whose function is a formula.
FORMULAS: Mapping[str, FormulaFamily] = MappingProxyType(
    {family.name: family for family in _ALL if isinstance(family, FormulaFamily)}
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
