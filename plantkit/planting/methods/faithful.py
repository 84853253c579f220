"""`faithful`: the paper's planting, exact and not hidden (arXiv 2111.11153).

Layer by layer, every target unit is matched to a mother unit of its own, up to a positive
scale; the matched parameters are overwritten by the target's, and the scale is divided out
again in the layer after. The masked network then computes the target times one positive
factor an output, untrained: a strong ticket.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from plantkit.errors import UsageError
from plantkit.networks import PerceptronSpec
from plantkit.networks.tasks import TaskKind
from plantkit.planting.alternatives import UNKNOWN, count_relu_paths
from plantkit.planting.families.relu import ReluFamily
from plantkit.planting.family import Family, FormulaFamily
from plantkit.planting.gates import check_ticket, subnetwork
from plantkit.planting.initialization import draw_parameters
from plantkit.planting.matching import (
    OutputScaler,
    UnitMatcher,
    least_squares_matcher,
    norm_output_scales,
    published_matcher,
    published_output_scales,
)
from plantkit.planting.methods.method import PlantingMethod
from plantkit.planting.placement import place
from plantkit.planting.planted import LabelSource, Planted
from plantkit.planting.simplify import Simplification, simplify
from plantkit.planting.streams import generator
from plantkit.planting.targets import Target


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FaithfulDetails:
    """The target as planted, in its own coordinates, and what was left out of the nominal one."""

    target: Target
    simplification: Simplification
    spec: PerceptronSpec

    def lines(self) -> list[str]:
        nominal = self.simplification.nominal
        return [
            "as published, idle entries counted: "
            f"density {nominal.density(self.spec):.4g}, "
            f"weights only {nominal.weight_density(self.spec):.4g}"
        ]

    def to_json(self) -> dict[str, object]:
        return {}


class FaithfulMethod(PlantingMethod):
    """The paper's planting with another choice of units and scales, or the published one.

    Args:
        matcher: chooses the units and scales of the hidden layers.
        output_scaler: chooses the scales of the outputs.
    """

    name: ClassVar[str] = "faithful"
    title: ClassVar[str] = "the paper's: a target is written into the network; not hidden"
    hidden: ClassVar[bool] = False
    write_zero_biases: ClassVar[bool] = False

    def __init__(
        self,
        *,
        matcher: UnitMatcher = least_squares_matcher,
        output_scaler: OutputScaler = norm_output_scales,
    ) -> None:
        self._matcher = matcher
        self._output_scaler = output_scaler

    def fits(self, family: Family) -> bool:
        return isinstance(family, FormulaFamily)

    def _plant(self, family: Family, spec: PerceptronSpec, seed: bytes) -> Planted:
        if not isinstance(family, FormulaFamily):
            raise UsageError(f"family {family.name!r} has no formula to plant")
        domain = family.domain()
        nominal = family.build(spec.depth)
        target, simplification = simplify(nominal, domain)
        placement = place(
            target,
            spec,
            draw_parameters(spec, generator(seed, "initialization")),
            generator(seed, "matching"),
            name=family.name,
            common_scale=family.kind is TaskKind.CLASSIFICATION,
            matcher=self._matcher,
            output_scaler=self._output_scaler,
            write_zero_biases=self.write_zero_biases,
        )
        parameters, ticket = placement.parameters, placement.ticket
        network = subnetwork(spec, parameters, ticket)
        is_path = isinstance(family, ReluFamily)
        return Planted(
            family=family.name,
            method=self.name,
            hidden=self.hidden,
            spec=spec,
            parameters=parameters,
            ticket=ticket,
            output_scales=placement.output_scales,
            labels=LabelSource.FORMULA,
            gates=check_ticket(network, placement.output_scales, nominal, domain),
            alternatives=count_relu_paths(spec, parameters) if is_path else UNKNOWN,
            details=FaithfulDetails(target=target, simplification=simplification, spec=spec),
        )


class AsPublishedMethod(FaithfulMethod):
    """`faithful` with the slips of the published implementation, for comparison.

    Units by L1 distance, the lowest free index on a collision, unit 0 never free; a factor of
    its own for every output, classes too; exact zeros written as biases of planted units.
    """

    name: ClassVar[str] = "as-published"
    title: ClassVar[str] = "faithful with the slips of the published implementation"
    write_zero_biases: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__(matcher=published_matcher, output_scaler=published_output_scales)
