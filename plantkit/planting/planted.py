"""What planting gives, whatever the method: a network, its ticket, and its data."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from plantkit.errors import UsageError
from plantkit.networks import Network, PerceptronSpec
from plantkit.planting.family import Alternatives, Family, FormulaFamily, Samples
from plantkit.planting.targets import EntryCount, Floats, masked


class LabelSource(enum.StrEnum):
    """What the challenge's labels are, before noise."""

    FORMULA = "formula"
    """The family's formula; the ticket approximates it as its target does."""

    TICKET = "ticket"
    """The ticket's own outputs, so that the ticket is exact up to the stated noise."""

    DATA = "data"
    """Those of the real data; the ticket was trained on them."""


class PlantedNetwork(Protocol):
    """A network, its parameters and its ticket: `Planted`, or anything that has as much."""

    @property
    def spec(self) -> Network: ...
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
        alternatives: what is known of other tickets as sparse and as good.
        note: a line for people on how planting went.
        facts: what only this method knows and the manifest, which everybody sees, may say (JSON).
        decoys: name to bool each: parts of the network that were moved as the ticket was, to
            another function. They touch no entry of the ticket.
    """

    family: str
    method: str
    hidden: bool
    spec: Network
    parameters: Mapping[str, Floats]
    ticket: Mapping[str, NDArray[np.bool_]]
    output_scales: Floats
    labels: LabelSource
    alternatives: Alternatives
    note: str
    facts: Mapping[str, object] = field(default_factory=dict)
    decoys: tuple[Mapping[str, NDArray[np.bool_]], ...] = ()

    @property
    def count(self) -> EntryCount:
        """Number of ticket entries."""
        return EntryCount.of(self.ticket)

    def masked_forward(self, inputs: Floats) -> Floats:
        """Returns the untrained ticket's outputs (n, d_out) of inputs (n, d_in), in float64."""
        if isinstance(self.spec, PerceptronSpec):
            return masked(self.spec, self.parameters, self.ticket).forward(inputs)
        kept = {
            name: torch.from_numpy(np.where(self.ticket[name], value, 0.0)).unsqueeze(0)
            for name, value in self.parameters.items()
        }
        with torch.no_grad():
            outputs: Floats = self.spec.forward_runs(kept, torch.from_numpy(inputs))[0].numpy()
        return outputs


def draw_samples(
    planted: Planted,
    family: Family,
    rng: np.random.Generator,
    count: int,
    noise: float | None = None,
) -> Samples:
    """Returns `count` inputs and their noisy targets, from where `planted.labels` says.

    The function of a ticket is its outputs over `output_scales`.

    Args:
        planted: of this family.
        family: draws the inputs, and knows the default noise.
        rng: source of the inputs and of the noise.
        count: number of samples n.
        noise: standard deviation, or share of labels in [0, 1]; None is the family's.

    Returns:
        inputs (n, d_in) float32, and targets: (n, d_out) float32 or (n,) int64 classes.

    Raises:
        UsageError: the noise is negative, or a share above 1; or `family` has no formula to
            draw from.
    """
    if planted.labels is LabelSource.FORMULA:
        if not isinstance(family, FormulaFamily):
            raise UsageError(f"family {family.name!r} has no formula to draw labels from")
        return family.sample(rng, count, noise)
    inputs = family.sample_inputs(rng, count)
    outputs = planted.masked_forward(inputs.astype(np.float64)) / planted.output_scales
    return inputs, family.add_noise(outputs, rng, noise)
