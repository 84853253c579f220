"""A new family is one file: what it must say, and what it gets by default."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from plantkit.networks import PerceptronSpec
from plantkit.networks.tasks import TaskKind
from plantkit.planting import LabelSource, default_method, draw_samples, find_method
from plantkit.planting.family import AnchoredFamily, Family, LineFamily, SelectedFamily
from plantkit.planting.objectives import FARTHEST, Classes
from plantkit.planting.parts import PartPlan
from plantkit.planting.structures import TicketLayer
from plantkit.planting.targets import Floats


class Cosine(LineFamily):
    """No more than a formula: y = -2 cos(3x), whose least value is -2."""

    name = "cosine"
    title = "Cosine"
    outputs = 1

    def formula(self, inputs: Floats) -> Floats:
        return -2 * np.cos(3 * inputs)


class Bump(Cosine, AnchoredFamily):
    """The same, with parts to anchor."""

    name = "bump"
    bound = 2e-2

    def plan(self, hidden: int) -> PartPlan:
        return PartPlan(units=6, in_degree=3, inputs=1)


class Mixture(SelectedFamily):
    """A part of the untouched network."""

    name = "mixture"
    title = "Mixture"
    inputs, outputs, kind = 3, 1, TaskKind.REGRESSION

    def layers(self, hidden: int) -> tuple[TicketLayer, ...]:
        return (TicketLayer(units=8, in_degree=3, bias_share=0.0),) * hidden


def spec_of(family: Family, depth: int, width: int = 40) -> PerceptronSpec:
    return PerceptronSpec.uniform(
        depth=depth, width=width, inputs=family.inputs, outputs=family.outputs
    )


@pytest.mark.parametrize("depth", [3, 4, 5, 7])
def test_a_formula_is_enough_for_the_default_method(depth: int) -> None:
    family = Cosine()
    method = default_method(family)
    assert method.name == "faithful"
    assert not find_method("anchored").fits(family)
    planted = method.plant(family, spec_of(family, depth), seed=b"1")
    line = np.linspace(-1, 1, 500)[:, None]
    outputs = planted.masked_forward(line) / planted.output_scales
    np.testing.assert_allclose(outputs, family.formula(line), atol=0.02)
    assert planted.alternatives.count is None
    inputs, targets = draw_samples(planted, family, np.random.default_rng(0), 50, noise=0)
    np.testing.assert_array_equal(targets, family.formula(inputs.astype(float)).astype("f4"))


def test_a_structure_and_a_bound_are_enough_to_be_anchored() -> None:
    family = Bump()
    planted = find_method("anchored").plant(family, spec_of(family, 4), seed=b"1")
    assert (planted.labels, planted.hidden) == (LabelSource.TICKET, False)  # nobody audited it
    line = np.linspace(-1, 1, 500)[:, None]
    outputs = planted.masked_forward(line) / planted.output_scales
    assert np.square(outputs - family.formula(line)).mean() < 2.2e-2


def test_a_family_without_a_formula_is_selected() -> None:
    family = Mixture()
    method = default_method(family)
    assert method.name == "selected"
    planted = method.plant(family, spec_of(family, 4), seed=b"1")
    assert planted.hidden
    corners = [[a, b, c] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)]
    assert family.domain()[:8].tolist() == corners


def test_classes_are_equally_far_unless_the_family_says_more() -> None:
    class Sides(AnchoredFamily):
        inputs, outputs, kind = 2, 2, TaskKind.CLASSIFICATION

        def formula(self, inputs: Floats) -> Floats:
            return np.column_stack([-inputs[:, 0], inputs[:, 0]])

        def plan(self, hidden: int) -> PartPlan:
            return PartPlan(units=4, in_degree=2, inputs=2)

    family = Sides()
    assert family.truth(np.array([[-0.5, 0.0], [0.5, 0.0]])).tolist() == [0, 1]
    objective = Classes([family, family])
    objective.draw(np.random.default_rng(0))
    assert objective.inputs.shape == (2, objective.count, 2)
    everyone = torch.arange(2)
    off = objective.residuals(torch.zeros(2, objective.count, 2), everyone)
    assert (off == FARTHEST).all()
