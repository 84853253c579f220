"""Fits of parts: slopes against finite differences, margins by hand, and what a fit comes to."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from plantkit.errors import PlantingError, UsageError
from plantkit.networks import PerceptronSpec
from plantkit.planting import METHODS
from plantkit.planting.anchoring import plant_parts
from plantkit.planting.families.circle import CircleFamily
from plantkit.planting.families.parity import ParityFamily
from plantkit.planting.families.sine import SineFamily
from plantkit.planting.family import AnchoredFamily
from plantkit.planting.fitting import fit
from plantkit.planting.initialization import draw_parameters
from plantkit.planting.objectives import FARTHEST, LEAST_VARIED, Classes, Values, objective_of
from plantkit.planting.parts import PartPlan, Parts, draw_parts

SPEC = PerceptronSpec(widths=(2, 20, 20, 4))
LINE = PerceptronSpec(widths=(2, 20, 20, 1))
PLAN = PartPlan(units=5, in_degree=3, inputs=2)
EVERYONE = torch.arange(2)


def draw(spec: PerceptronSpec) -> tuple[Parts, torch.Tensor]:
    rng = np.random.default_rng(0)
    units = [rng.permutation(20)[:10].reshape(2, 5) for _ in range(2)]
    parts = draw_parts(spec, PLAN, units, [np.arange(2)] * 2, rng)
    return parts, parts.read(draw_parameters(spec, rng))


@pytest.mark.parametrize("kind", ["values", "classes"])
def test_slopes_of_residuals_are_what_finite_differences_say(kind: str) -> None:
    rng = np.random.default_rng(1)
    parts, vector = draw(LINE if kind == "values" else SPEC)
    if kind == "values":
        sine = SineFamily()
        objective = Values([sine.drawn(rng), sine.drawn(rng)], parts, vector)
    else:
        objective = Classes([CircleFamily(), CircleFamily(axis=1.0)], factor=3.0)
    objective.draw(rng)
    residuals, slopes = objective.linearise(parts, vector, EVERYONE)

    def at(place: torch.Tensor) -> torch.Tensor:
        return objective.residuals(parts.outputs(place, objective.inputs), EVERYONE)

    assert residuals.abs().max() > 0.01
    torch.testing.assert_close(residuals, at(vector))
    for place in range(0, parts.size, 3):
        step = torch.zeros(parts.size, dtype=torch.float64)
        step[place] = 1e-7
        change = (at(vector + step) - at(vector - step)) / 2e-7
        # Where a kink lies between the two points, they disagree.
        assert (change - slopes[:, :, place]).abs().gt(1e-4).to(torch.float64).mean() < 0.01


def test_what_a_class_lacks_worked_out_by_hand() -> None:
    objective = Classes([CircleFamily()])
    objective.draw(np.random.default_rng(0))
    # Radius 0.5 is of class 1, which begins 0.053 inside of it and ends 0.207 outside.
    point = np.array([[0.3, 0.4]])
    objective.inputs = torch.from_numpy(point)[None]
    distances = np.minimum(CircleFamily().class_distances(point), FARTHEST)
    objective._margins = torch.from_numpy(distances)[None]
    objective._own = torch.tensor([[[1]]])
    outputs = torch.tensor([[[0.0, 0.1, 0.0, 0.08]]], dtype=torch.float64)
    # Class 0 is 0.1 behind and may be 0.053; classes 2 and 3 should be 0.15 behind.
    lacking = objective.residuals(outputs, torch.tensor([0]))
    assert lacking.item() == pytest.approx(FARTHEST - 0.02)


def test_scores_that_hardly_vary_are_fitted_times_a_factor() -> None:
    parts, vector = draw(SPEC)
    families = [CircleFamily()] * 2
    last = parts.layers[-1]
    faint = vector.clone()
    faint[:, last.weights] *= 1e-6
    faint[:, last.biases] = 0

    def lacking(start: torch.Tensor, scores: list[float]) -> float:
        objective = objective_of(families, parts, start)
        objective.draw(np.random.default_rng(0))
        objective._margins = torch.full((2, 1, 4), 0.1, dtype=torch.float64)
        objective._own = torch.tensor([[[1]]] * 2)
        outputs = torch.tensor([[scores]] * 2, dtype=torch.float64)
        return objective.residuals(outputs, EVERYONE)[0].item()

    assert lacking(vector, [0.0, 0.06, 0.0, 0.0]) == pytest.approx(0.04)
    domain = torch.from_numpy(CircleFamily().domain()).expand(2, -1, -1)
    varied = parts.outputs(faint, domain).std(dim=1).median().item()
    scores = [0.0, 0.06 * varied / LEAST_VARIED, 0.0, 0.0]
    assert lacking(faint, scores) == pytest.approx(0.04)


def test_a_fit_comes_within_the_bound_and_stays_near() -> None:
    rng = np.random.default_rng(3)
    parts, vector = draw(LINE)
    families = [SineFamily(frequency=0.5).drawn(rng) for _ in range(2)]
    objective = Values(families, parts, vector)
    before = objective.distances(parts, vector, EVERYONE)
    fitted = fit(families, parts, vector, rng, tolerances=(1.0, 0.06), bound=0.01)
    after = objective.distances(parts, fitted, EVERYONE)
    assert (after < 0.2 * before).all()
    assert (fitted - vector).square().mean().sqrt() < 2


def test_parts_share_no_unit_however_often_they_are_dealt_anew() -> None:
    class Hard(SineFamily):
        bound = 1e-30

    spec = PerceptronSpec(widths=(2, 20, 20, 1))
    rng = np.random.default_rng(0)
    families = [Hard(units=4).drawn(rng) for _ in range(5)]
    parts = plant_parts(families, spec, draw_parameters(spec, rng), rng)
    for layer in (0, 1):
        units = np.concatenate([one.part.layers[layer].units[0] for one in parts])
        assert sorted(units.tolist()) == list(range(20))


def test_decoys_compute_other_functions_or_planting_says_why_not() -> None:
    family = ParityFamily(inputs=4, bits=2)
    rng = np.random.default_rng(0)
    own = family.drawn(rng)
    domain = family.domain()
    for _ in range(20):
        assert (own.sibling(rng).truth(domain) != own.truth(domain)).any()
    with pytest.raises(PlantingError, match="is one function, whatever its constants"):
        ParityFamily(inputs=3, bits=3).sibling(rng)
    spec = PerceptronSpec(widths=(3, 50, 50, 2))
    with pytest.raises(PlantingError, match="is one function, whatever its constants"):
        METHODS["anchored"].plant(ParityFamily(inputs=3, bits=3), spec, seed=b"1")


def test_siblings_read_as_many_inputs() -> None:
    with pytest.raises(UsageError, match="different numbers of inputs"):
        draw_parts(
            SPEC,
            PLAN,
            [np.zeros((2, 5), dtype=int)] * 2,
            [np.arange(2), np.arange(1)],
            np.random.default_rng(0),
        )


def test_only_networks_of_one_width_are_called_hidden() -> None:
    class Wave(SineFamily):
        audited_depths = range(5, 6)
        audited_widths = range(50, 51)

        def hides(self, spec: PerceptronSpec) -> bool:
            return AnchoredFamily.hides(self, spec)

    assert Wave().hides(PerceptronSpec(widths=(2, 50, 50, 50, 1)))
    assert not Wave().hides(PerceptronSpec(widths=(2, 50, 500, 50, 1)))
