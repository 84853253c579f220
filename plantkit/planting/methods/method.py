"""What a planting method must give."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from plantkit.errors import UsageError
from plantkit.networks import PerceptronSpec
from plantkit.planting.family import Family
from plantkit.planting.planted import Planted


class PlantingMethod(ABC):
    """A way to get a ticket into a network; registered in `plantkit.planting.methods`.

    Attributes:
        name: as in `plantkit plant --planting` and in manifests.
        title: one line for people.
        hidden: whether the ticket is meant to withstand an attacker who sees the parameters.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    hidden: ClassVar[bool]

    @abstractmethod
    def fits(self, family: Family) -> bool:
        """Returns whether the method can plant this family."""

    def plant(self, family: Family, spec: PerceptronSpec, *, seed: bytes) -> Planted:
        """Returns a fresh network of `spec` with a ticket of `family`.

        Args:
            family: what to plant.
            spec: the mother network.
            seed: keys all randomness; the same seed gives the same bytes.

        Raises:
            UsageError: the method does not fit the family, inputs or outputs differ from the
                family's, or the depth is too small.
            WidthError: a hidden layer has too few units.
            PlantingError: no ticket passed the gates.
        """
        if not self.fits(family):
            raise UsageError(
                f"planting {self.name!r} cannot plant family {family.name!r}; leave --planting "
                "out for the family's own, or give another method"
            )
        if (spec.inputs, spec.outputs) != (family.inputs, family.outputs):
            raise UsageError(
                f"network {spec.label} has {spec.inputs} inputs and {spec.outputs} outputs; "
                f"target {family.name!r} needs {family.inputs} and {family.outputs}"
            )
        family.check_depth(spec.depth)
        return self._plant(family, spec, seed)

    @abstractmethod
    def _plant(self, family: Family, spec: PerceptronSpec, seed: bytes) -> Planted:
        """Returns the planting; the arguments have been checked."""
