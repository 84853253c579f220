"""What planting gives, whatever the method: a network, its ticket, and where labels come from."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from plantkit.networks import PerceptronSpec, bias_name, weight_name
from plantkit.planting.alternatives import Alternatives
from plantkit.planting.gates import GateReport
from plantkit.planting.targets import EntryCount, Floats, Target


class LabelSource(enum.StrEnum):
    """What the challenge's labels are, before noise."""

    FORMULA = "formula"
    """The family's formula; the ticket approximates it as its target does."""

    TICKET = "ticket"
    """The ticket's own outputs, so that the ticket is exact up to the stated noise."""


class PlantedNetwork(Protocol):
    """A network, its parameters and its ticket: `Planted`, or anything that has as much."""

    @property
    def spec(self) -> PerceptronSpec: ...
    @property
    def parameters(self) -> Mapping[str, Any]: ...
    @property
    def ticket(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Planted:
    """A mother network with a planted ticket that has passed the gates.

    Attributes:
        family: name of the family.
        method: name of the planting method.
        hidden: whether the method is meant to withstand an attacker who sees the parameters.
        spec: the mother network.
        parameters: name to float64, every parameter.
        ticket: name to bool, True at the ticket's entries.
        output_scales: (d_out,) not zero, for classes positive; masked output i = scale i
            times the function that labels come from (of classes only the argmax matters).
        labels: where labels come from.
        gates: what the gates measured.
        alternatives: what is known of other tickets as sparse and as good.
        facts: what only this method knows and the manifest, which everybody sees, may say (JSON).
        note: a line for people on how planting went.
    """

    family: str
    method: str
    hidden: bool
    spec: PerceptronSpec
    parameters: Mapping[str, Floats]
    ticket: Mapping[str, NDArray[np.bool_]]
    output_scales: Floats
    labels: LabelSource
    gates: GateReport
    alternatives: Alternatives
    note: str
    facts: Mapping[str, object] = field(default_factory=dict)

    @property
    def count(self) -> EntryCount:
        """Number of ticket entries."""
        return EntryCount(
            weights=sum(int(self.ticket[weight_name(layer)].sum()) for layer in self.spec.layers),
            biases=sum(int(self.ticket[bias_name(layer)].sum()) for layer in self.spec.layers),
        )

    def masked_forward(self, inputs: Floats) -> Floats:
        """Returns the untrained ticket's outputs (n, d_out) of inputs (n, d_in), in float64."""
        return masked(self.spec, self.parameters, self.ticket).forward(inputs)


def masked(
    spec: PerceptronSpec, parameters: Mapping[str, Floats], ticket: Mapping[str, NDArray[np.bool_]]
) -> Target:
    """Returns the network with everything outside of the ticket set to zero."""
    values = {name: np.where(ticket[name], parameters[name], 0) for name in spec.shapes}
    return Target.from_parameters(spec, values)


def rescaled(target: Target, scales: Floats) -> Target:
    """Returns the target with output i divided by scale i, (d_out,)."""
    return Target(
        weights=(*target.weights[:-1], target.weights[-1] / scales[:, None]),
        biases=(*target.biases[:-1], target.biases[-1] / scales),
    )
