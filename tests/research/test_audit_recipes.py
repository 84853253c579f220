"""Planting many networks: seeds, roles, processes, the cache."""

from __future__ import annotations

import pytest

from plantkit.challenges.bundles import load
from plantkit.challenges.catalog import shipped_directory
from plantkit.errors import UnknownNameError, UsageError
from plantkit.networks import PerceptronSpec
from plantkit.research.audit.recipes import PlantingRecipe, plant_samples, sample_of
from plantkit.research.audit.samples import fingerprint

SPEC = PerceptronSpec.uniform(depth=3, width=8, inputs=1, outputs=1)


@pytest.fixture
def recipe():
    return PlantingRecipe(family="relu", spec=SPEC)


def prints(samples):
    return [fingerprint(sample) for sample in samples]


def test_seed_and_role_decide(recipe):
    first = plant_samples(recipe, 3, role="train", seed=b"a")
    assert prints(first) == prints(plant_samples(recipe, 3, role="train", seed=b"a"))
    others = plant_samples(recipe, 3, role="test", seed=b"a")
    others += plant_samples(recipe, 3, role="train", seed=b"b")
    assert len({*prints(first), *prints(others)}) == 9
    assert all(sample.ticket["layers.0.weight"].sum() == 1 for sample in first)


def test_processes_change_nothing(recipe):
    one = plant_samples(recipe, 3, role="train", seed=b"a")
    two = plant_samples(recipe, 3, role="train", seed=b"a", jobs=2)
    assert prints(one) == prints(two)


def test_the_cache_is_used_and_grows(recipe, tmp_path):
    first = plant_samples(recipe, 2, role="train", seed=b"a", cache=tmp_path)
    more = plant_samples(recipe, 4, role="train", seed=b"b", cache=tmp_path)
    assert prints(more[:2]) == prints(first)
    assert all((more[0].ticket[name] == first[0].ticket[name]).all() for name in SPEC.shapes)
    fresh = plant_samples(recipe, 4, role="train", seed=b"b")
    assert prints(more[2:]) == prints(fresh[2:])
    [shelf] = tmp_path.iterdir()
    assert len(list(shelf.iterdir())) == 4


def test_the_cache_keeps_recipes_apart(recipe, tmp_path):
    plant_samples(recipe, 1, role="train", seed=b"a", cache=tmp_path)
    wider = PerceptronSpec.uniform(depth=3, width=9, inputs=1, outputs=1)
    plant_samples(
        PlantingRecipe(family="relu", spec=wider), 1, role="train", seed=b"a", cache=tmp_path
    )
    assert len(list(tmp_path.iterdir())) == 2


def test_the_recipe_of_a_bundle(circle):
    recipe = PlantingRecipe.of(circle)
    assert (recipe.family, recipe.spec, recipe.method) == ("circle", circle.network, "faithful")
    sample = sample_of(circle)
    assert sum(int(value.sum()) for value in sample.ticket.values()) == circle.ticket_kept
    assert (sample.parameters["layers.0.bias"] == circle.weights["layers.0.bias"].numpy()).all()


def test_names_that_do_not_exist():
    with pytest.raises(UnknownNameError, match="did you mean 'relu'"):
        PlantingRecipe(family="rellu", spec=SPEC)
    with pytest.raises(UnknownNameError, match="did you mean 'faithful'"):
        PlantingRecipe(family="relu", spec=SPEC, method="faithfull")


@pytest.mark.parametrize(("count", "jobs"), [(0, 1), (1, 0)])
def test_counts_are_positive(recipe, count, jobs):
    with pytest.raises(UsageError, match="at least 1 of each"):
        plant_samples(recipe, count, role="train", seed=b"a", jobs=jobs)


def test_dials_are_part_of_a_recipe(tmp_path):
    spec = PerceptronSpec.uniform(depth=3, width=20, inputs=2, outputs=1)
    dials = {"inputs": "2", "units": "5", "in_degree": "2"}
    few = PlantingRecipe(family="teacher", spec=spec, method="selected", dials=dials)
    more = PlantingRecipe(
        family="teacher", spec=spec, method="selected", dials=dials | {"units": "8"}
    )
    assert few.to_json()["dials"]["units"] == 5
    kept = [
        int(
            plant_samples(one, 1, role="a", seed=b"a", cache=tmp_path)[0]
            .ticket["layers.1.weight"]
            .sum()
        )
        for one in (few, more)
    ]
    assert kept[0] <= 5
    assert kept[1] <= 8
    assert len(list(tmp_path.iterdir())) == 2
    with pytest.raises(UsageError, match="no dial 'unit'"):
        PlantingRecipe(family="teacher", spec=spec, method="selected", dials={"unit": "5"})


def test_a_recipe_of_an_anchored_bundle_is_its_own():
    recipe = PlantingRecipe.of(load(shipped_directory() / "circle-5x100"))
    assert (recipe.family, recipe.method, recipe.dials) == ("circle", "anchored", {})
