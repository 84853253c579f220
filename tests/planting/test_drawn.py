"""Families that are a formula: each against values worked out by hand, and what the kit adds."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plantkit.errors import PlantingError, UsageError, WidthError
from plantkit.networks import PerceptronSpec
from plantkit.networks.tasks import TaskKind
from plantkit.planting import (
    FAMILIES,
    LabelSource,
    Planted,
    default_method,
    draw_samples,
    find_family,
    generator,
)
from plantkit.planting.drawn import LEAST_CLASS, DrawnFamily
from plantkit.planting.families.parity import ParityFamily
from plantkit.planting.families.product import ProductFamily
from plantkit.planting.families.radial import RadialFamily
from plantkit.planting.families.rings import RingsFamily
from plantkit.planting.families.sine import SineFamily
from plantkit.planting.families.spiral import SpiralFamily
from plantkit.planting.families.spline import SplineFamily
from plantkit.planting.targets import Floats

DRAWN = {name: one for name, one in FAMILIES.items() if isinstance(one, DrawnFamily)}


class FixedRandom:
    """Gives the constants that a test has worked with, in the order in which they are drawn."""

    def __init__(self, *constants: Any) -> None:
        self._left = list(constants)

    def _next(self, *_: Any, **__: Any) -> Any:
        return self._left.pop(0)

    standard_normal = uniform = choice = _next


def formula_with(
    monkeypatch: pytest.MonkeyPatch, family: DrawnFamily, points: Any, *constants: Any
) -> Floats:
    """Returns the values of the formula with these constants."""
    monkeypatch.setattr(type(family), "constants", lambda _: FixedRandom(*constants))
    return family.formula(np.array(points, dtype=float))


def plant(family: DrawnFamily, seed: bytes = b"1", depth: int = 4, width: int = 50) -> Planted:
    spec = PerceptronSpec.uniform(
        depth=depth, width=width, inputs=family.inputs, outputs=family.outputs
    )
    return default_method(family).plant(family, spec, seed=seed)


def test_products_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    reads = np.array([2, 0])
    points = [[0.5, 9, -0.4], [-1, 9, -1]]
    values = formula_with(monkeypatch, ProductFamily(inputs=3, factors=2), points, reads)
    np.testing.assert_allclose(values[:, 0], [3 * -0.2, 3])


def test_a_wave_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    # Along (0.6, 0.8) the points lie at 0, 1/4 and 1; a whole wave has the length 2 / frequency.
    points = [[0, 0], [0.15, 0.2], [0.6, 0.8]]
    family = SineFamily(frequency=2.0)
    values = formula_with(monkeypatch, family, points, np.array([3.0, 4.0]), np.pi / 2)
    np.testing.assert_allclose(values[:, 0], [1, 0, 1], atol=1e-12)


def test_a_spline_goes_through_its_heights_and_ends_straight(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heights = np.array([1.0, -2.0, 0.5])
    points = np.array([[-1.0], [0.0], [1.0], [-1 + 1e-4], [-1 + 2e-4]])
    values = formula_with(monkeypatch, SplineFamily(knots=3), points, heights)[:, 0]
    np.testing.assert_allclose(values[:3], heights)
    assert abs(values[0] - 2 * values[3] + values[4]) < 1e-10  # natural: no curvature at the end


def test_waves_around_a_point_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [[0.5, 0, 0], [0.5, 0.5, 0], [0.5, 0, -1]]
    values = formula_with(monkeypatch, RadialFamily(), points, np.array([0.5, 0.0, 0.0]))
    np.testing.assert_allclose(values[:, 0], [1, 0, -1], atol=1e-12)


def test_rings_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [[0.1 + radius, 0] for radius in (0.1, 0.3, 0.5, 0.7, 0.9)]
    scores = formula_with(monkeypatch, RingsFamily(width=0.4), points, np.array([0.1, 0.0]), 0.0)
    assert scores.argmax(axis=1).tolist() == [0, 0, 1, 1, 0]


def test_arms_of_a_spiral_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    # Half a turn up to the distance 1: at distance 1/2 the first arm has come to the angle 90°.
    family = SpiralFamily(outputs=2, turns=0.5)
    points = [[1e-9, 0], [0, 0.5], [-1, 0], [0, -0.5], [1, 0]]
    scores = formula_with(monkeypatch, family, points, 1, 0.0)
    assert scores.argmax(axis=1).tolist() == [0, 0, 0, 1, 1]


def test_parity_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    family = ParityFamily(inputs=4, bits=3)
    monkeypatch.setattr(
        ParityFamily, "constants", lambda _: FixedRandom(np.array([0, 1, 3]))
    )  # anew
    points = np.array([[1, 1, -1, 1], [1, -1, -1, 1], [-1, -1, 1, 1], [-1.0, -1, 1, -1]])
    classes = [int(family.truth(point[None])[0]) for point in points]
    assert classes == [1, 0, 1, 0]


def test_the_domain_of_parity_is_all_corners_once() -> None:
    domain = ParityFamily(inputs=4, bits=2).domain()
    assert sorted(map(tuple, domain)) == sorted(itertools.product((-1.0, 1.0), repeat=4))
    many = ParityFamily(inputs=20).domain()
    assert set(np.unique(many)) == {-1.0, 1.0}
    assert many.shape == (4096, 20)


@pytest.mark.parametrize("name", DRAWN)
def test_a_file_of_a_family_has_at_most_a_hundred_lines(name: str) -> None:
    import importlib
    import inspect

    module = importlib.import_module(type(DRAWN[name]).__module__)
    assert len(inspect.getsource(module).splitlines()) <= 100


def ranges(family: DrawnFamily) -> Mapping[str, tuple[float, float]]:
    found = {field.name: field.metadata.get("range") for field in fields(family)}
    return {name: found[name] for name in family.dials}


@settings(max_examples=30, deadline=None)
@given(data=st.data(), name=st.sampled_from(sorted(DRAWN)), seed=st.integers(0, 2**32))
def test_whatever_the_dials_a_formula_is_finite_and_constants_are_drawn_once(
    data: st.DataObject, name: str, seed: int
) -> None:
    family = DRAWN[name]
    texts: dict[str, str] = {}
    for dial, (least, most) in ranges(family).items():
        value = getattr(family, dial)
        is_whole = isinstance(value, int)
        drawn = st.integers(int(least), int(most)) if is_whole else st.floats(least, most)
        texts[dial] = str(data.draw(drawn))
    if name == "product":
        texts["factors"] = str(min(int(texts["factors"]), int(texts["inputs"])))
    if name == "parity":
        texts["bits"] = str(min(int(texts["bits"]), int(texts["inputs"])))
    changed = family.with_dials(texts)
    assert {key: str(value) for key, value in changed.dials.items()} == texts
    assert changed.with_dials({key: str(value) for key, value in changed.dials.items()}) == changed
    rng = np.random.default_rng(seed)
    drawn_family = changed.drawn(rng)
    assert drawn_family.dials == changed.dials
    inputs = drawn_family.draw_inputs(rng, 50)
    values = drawn_family.formula(inputs)
    assert values.shape == (50, drawn_family.outputs)
    assert np.isfinite(values).all()
    np.testing.assert_array_equal(values, drawn_family.formula(inputs))
    others = np.setdiff1d(np.arange(drawn_family.inputs), drawn_family.reads())
    inputs[:, others] = 0.5  # what the formula does not read makes no difference
    np.testing.assert_array_equal(values, drawn_family.formula(inputs))


@pytest.mark.parametrize("name", DRAWN)
def test_two_plantings_have_different_constants(name: str) -> None:
    family = DRAWN[name]
    inputs = family.draw_inputs(np.random.default_rng(0), 200)
    rng = np.random.default_rng(1)
    several = {family.drawn(rng).formula(inputs).tobytes() for _ in range(5)}
    assert len(several) > 1
    assert "instance" not in family.dials


@pytest.mark.parametrize(
    ("name", "dials", "message"),
    [
        ("sine", {"frequency": "0"}, "dial 'frequency' is 0.0; expected 0.25 to 8"),
        ("sine", {"frequency": "nan"}, "dial 'frequency' is nan; expected"),
        ("sine", {"instance": "3"}, "has no dial 'instance'"),
        ("sine", {"inputs": "2.5"}, "dial 'inputs' is '2.5'; expected int"),
        ("spline", {"inputs": "2"}, "has no dial 'inputs'"),
        ("product", {"inputs": "2", "factors": "3"}, "dial 'factors' is 3; expected 2 to 2"),
        ("parity", {"inputs": "4", "bits": "5"}, "dial 'bits' is 5; expected 2 to 4"),
    ],
)
def test_dials_out_of_range(name: str, dials: Mapping[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        find_family(name).with_dials(dials)


def test_distances_to_classes_are_those_of_the_plane() -> None:
    class Half(SpiralFamily):
        """Class 0 where x1 + x2 > 0, by scores that grow with the cube of the distance."""

        def formula(self, inputs: Floats) -> Floats:
            lead = inputs.sum(axis=1) ** 3 + inputs.sum(axis=1)
            return np.stack([lead, -lead], axis=1)

    points = np.array([[0.01, 0.01], [-0.02, 0.0], [0.0, 0.0]])
    found = Half().class_distances(points)
    np.testing.assert_allclose(found[0], [0, 0.02 / 2**0.5], rtol=1e-3)
    np.testing.assert_allclose(found[1], [0.02 / 2**0.5, 0], rtol=1e-3)
    near = Half().sample_near_bounds(np.random.default_rng(0), 300, 0.05)
    assert 100 < len(near) <= 300
    assert np.abs(near.sum(axis=1)).max() / 2**0.5 < 0.06


def test_no_class_of_a_drawn_formula_is_nearly_empty() -> None:
    family = find_family("rings").with_dials({"inputs": "8", "width": "2"})
    rng = np.random.default_rng(1)
    for _ in range(5):
        drawn = family.drawn(rng)
        classes = np.bincount(drawn.truth(drawn.domain()), minlength=2)
        assert classes.min() >= LEAST_CLASS * classes.sum()

    class Constant(ParityFamily):
        def formula(self, inputs: Floats) -> Floats:
            return np.tile([1.0, 0.0], (len(inputs), 1))

    with pytest.raises(PlantingError, match="use other dials"):
        Constant().drawn(rng)


def test_where_scores_are_flat_a_class_is_far() -> None:
    class Flat(ParityFamily):
        def formula(self, inputs: Floats) -> Floats:
            return np.tile([1.0, 0.0], (len(inputs), 1))

    assert Flat().class_distances(np.ones((2, 10))).tolist() == [[0, np.inf]] * 2


def test_the_other_class_of_parity_is_where_the_product_is_zero() -> None:
    # The product of two inputs at a corner falls from 1 to -1 over a slope of sqrt(2) each way.
    distances = ParityFamily(inputs=3, bits=2).class_distances(np.array([[1.0, 1.0, 1.0]]))
    assert np.sort(distances[0]).tolist() == pytest.approx([0, 1 / np.sqrt(2)])


class Audited(SineFamily):
    audited_depths = range(5, 6)
    audited_widths = range(50, 51)


class Unaudited(SineFamily):
    audited_depths = range(0)


@pytest.mark.parametrize(
    ("family", "dials", "shape", "hides"),
    [
        (Audited(), {}, (5, 50), True),
        (Audited(), {}, (5, 51), False),
        (Audited(), {}, (5, 49), False),
        (Audited(), {}, (6, 50), False),
        (Audited(), {"units": "15"}, (5, 50), False),
        (Unaudited(), {}, (5, 50), False),
    ],
)
def test_hidden_are_the_dials_and_shapes_that_were_audited(family, dials, shape, hides) -> None:
    family = family.with_dials(dials)
    spec = PerceptronSpec.uniform(
        depth=shape[0], width=shape[1], inputs=family.inputs, outputs=family.outputs
    )
    assert family.hides(spec) == hides
    assert family.drawn(np.random.default_rng(0)).hides(spec) == hides


@pytest.mark.parametrize("name", DRAWN)
def test_a_planted_ticket_is_its_formula_within_the_bound(name: str) -> None:
    family = DRAWN[name]
    planted = plant(family, depth=5)
    assert (planted.method, planted.labels) == ("anchored", LabelSource.TICKET)
    drawn = family.drawn(generator(b"1", "function"))
    inputs = drawn.draw_inputs(np.random.default_rng(5), 4000)
    outputs = planted.masked_forward(inputs) / planted.output_scales
    facts: Mapping[str, Any] = planted.facts
    stated = facts["distance"]["value"]
    if family.kind is TaskKind.CLASSIFICATION:
        agreement = (outputs.argmax(axis=1) == drawn.truth(inputs)).mean()
        assert agreement == pytest.approx(stated, abs=0.015)
        assert stated >= family.bound
    else:
        error = np.square(outputs - drawn.formula(inputs)).mean()
        assert error == pytest.approx(stated, rel=0.25)
        assert stated <= family.bound
    samples, labels = draw_samples(planted, family, np.random.default_rng(0), 200, noise=0)
    exact = planted.masked_forward(samples.astype(np.float64)) / planted.output_scales
    is_class = family.kind is TaskKind.CLASSIFICATION
    expected = exact.argmax(axis=1) if is_class else exact.astype(np.float32)
    np.testing.assert_array_equal(labels, expected)
    assert planted.count.density(planted.spec) < 0.05
    unread = np.setdiff1d(np.arange(family.inputs), drawn.reads())
    assert not planted.ticket["layers.0.weight"][:, unread].any()


def test_decoys_change_no_label() -> None:
    family = SineFamily()
    planted = plant(family)
    assert len(planted.decoys) == 4
    changed = {
        name: np.where(planted.decoys[0][name], 0.0, value)
        for name, value in planted.parameters.items()
    }
    inputs = family.draw_inputs(np.random.default_rng(0), 100)
    without = replace(planted, parameters=changed).masked_forward(inputs)
    np.testing.assert_array_equal(without, planted.masked_forward(inputs))


def test_a_part_needs_units() -> None:
    with pytest.raises(WidthError, match="target 'sine' needs 60 there"):
        plant(SineFamily(units=60))


def test_a_decoy_computes_a_wave_of_its_own() -> None:
    family = SineFamily()
    planted = plant(family, depth=5)
    line = family.draw_inputs(np.random.default_rng(0), 3000)
    decoy = replace(planted, ticket=planted.decoys[0]).masked_forward(line)[:, 0]
    # A wave in one direction: its Fourier coefficients along the best direction hold nearly all.
    angles = np.linspace(0, np.pi, 90, endpoint=False)
    shares = []
    for angle in angles:
        along = np.pi * family.frequency * (line @ [np.cos(angle), np.sin(angle)])
        design = np.stack([np.ones_like(along), np.sin(along), np.cos(along)], axis=1)
        residual = decoy - design @ np.linalg.lstsq(design, decoy, rcond=None)[0]
        shares.append(residual.var() / decoy.var())
    assert min(shares) < 0.1


def test_the_same_seed_plants_the_same() -> None:
    one, other = (plant(ParityFamily()) for _ in range(2))
    for name, value in one.parameters.items():
        np.testing.assert_array_equal(value, other.parameters[name])
        np.testing.assert_array_equal(one.ticket[name], other.ticket[name])
