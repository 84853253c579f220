"""Whatever is asked for is planted, or refused with a reason: nothing else comes of an order."""

from __future__ import annotations

import itertools

import pytest

from plantkit.errors import PlantingError, UsageError
from plantkit.networks import PerceptronSpec
from plantkit.planting import FAMILIES, METHODS, Patience, find_family
from plantkit.planting.families.sine import SineFamily

PATIENCE = Patience(seconds=0.1)
SHAPES = [*itertools.product((2, 3, 5), (1, 2, 6, 13)), (3, 31)]


def refusal(family: str, method: str, depth: int, width: int) -> str:
    """Returns why this cannot be planted, or "" if it can."""
    chosen = find_family(family)
    spec = PerceptronSpec.uniform(
        depth=depth, width=width, inputs=chosen.inputs, outputs=chosen.outputs
    )
    try:
        METHODS[method].plant(chosen, spec, seed=b"1", patience=PATIENCE)
    except UsageError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_shape_is_planted_or_refused_with_advice(family: str, method: str) -> None:
    refusals = list(filter(None, (refusal(family, method, *shape) for shape in SHAPES)))
    assert 0 < len(refusals) <= len(SHAPES)
    for words in refusals:
        assert any(word in words for word in ("use ", "needs", "leave --planting")), words


class Exact(SineFamily):
    """A wave that nothing comes near enough to."""

    bound = 1e-30


def test_the_reasons_of_a_search_are_counted() -> None:
    family = Exact(units=4)
    spec = PerceptronSpec.uniform(depth=4, width=4, inputs=2, outputs=1)
    with pytest.raises(PlantingError, match=r"passed: distance to the formula \(10\); .*larger"):
        METHODS["anchored"].plant(family, spec, seed=b"1", patience=PATIENCE)


def test_a_target_that_is_too_deep_for_its_numbers() -> None:
    family = find_family("circle")
    spec = PerceptronSpec.uniform(depth=20, width=100, inputs=2, outputs=4)
    with pytest.raises(PlantingError, match=r"changes the outputs by .*; use a smaller depth"):
        METHODS["faithful"].plant(family, spec, seed=b"1")
