"""What every reference pruner must do, and the two that need no oracle of their own."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import importlib.util
import shutil
import sys
from pathlib import Path

import pytest
import torch
from builders import random_weights, tiny_problem

import plantkit
from plantkit import Mask, PerceptronSpec, Pruner, Scope
from plantkit.networks.masks import validate_mask
from plantkit.pruners.budgets import apportion, divide

#: Files of pruners that choose by one saliency of the initial network, and of the others.
SALIENCY = ("grasp", "magnitude", "random", "snip", "synflow")
OTHERS = (
    "annealing",
    "concrete_tickets",
    "continuous_sparsification",
    "edge_popup",
    "force",
    "gates",
    "gem_miner",
    "imp",
    "inverted",
    "iter_snip",
    "lamp",
    "ntk_sap",
    "phew",
    "prospr",
    "reinitialised",
    "seek",
    "shuffled",
    "supermask",
)
#: Not pruners: the search of `seek`.
PARTS_OF_SEEK = ("changes", "gauss_newton", "scale_free", "seconds", "windows")
KINDS = ("classification", "regression")
WIDTHS = (2, 5, 4, 3)  # 15 + 24 + 15 = 54 parameters
TOTAL = 54


def module_of(name):
    return importlib.import_module(f"plantkit_baselines.{name}")


#: Fewer rounds where the number of rounds is not what is tested.
QUICK = {
    "annealing": {"effort": 0.5},
    "continuous_sparsification": {"effort": 1.0},
    "force": {"iterations": 5},
    "gates": {"effort": 1.0},
    "gem_miner": {"epochs": 2, "parts": 3},
    "imp": {"rounds": 3},
    "iter_snip": {"rounds": 5},
    "ntk_sap": {"iterations": 3, "draws": 2},
    "seek": {"effort": 0.1},
    "supermask": {"effort": 1.0},
}


def pruner_of(name, **options):
    (pruner,) = module_of(name).plantkit_pruners()
    options = options or QUICK.get(name, {})
    return type(pruner)(**options) if options else pruner


def vector(mask):
    return mask.vector(PerceptronSpec(widths=WIDTHS)).tolist()


@pytest.fixture(params=SALIENCY)
def name(request):
    return request.param


@pytest.fixture(params=[*SALIENCY, *OTHERS])
def plugin(request):
    return request.param


@pytest.fixture(params=OTHERS)
def other(request):
    return request.param


# --- the shape of a submission


def test_there_is_one_file_for_each():
    folder = Path(module_of("random").__file__).parent
    assert sorted(path.stem for path in folder.glob("*.py")) == sorted(
        ["__init__", *PARTS_OF_SEEK, *SALIENCY, *OTHERS]
    )


def test_offers_one_pruner_of_its_own_name(plugin):
    pruner = pruner_of(plugin)
    assert isinstance(pruner, Pruner)
    assert pruner.name == plugin.replace("_", "-")
    assert pruner.reference.startswith("arXiv ")
    assert hasattr(module_of(plugin).plantkit_pruners, "plantkit_impl")


def test_is_registered_under_its_name(plugin):
    (point,) = importlib.metadata.entry_points(group="plantkit", name=pruner_of(plugin).name)
    assert point.value == f"plantkit_baselines.{plugin}"


def test_documents_its_paper_and_where_it_differs(plugin):
    text = module_of(plugin).__doc__
    assert "References:\n    arXiv " in text
    assert "\nDiffers from the paper: " in text
    assert plugin not in SALIENCY or "saliency(θ_i)" in text


def test_imports_only_torch_the_standard_library_and_public_names(plugin):
    tree = ast.parse(Path(module_of(plugin).__file__).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            modules = [node.module]
            if node.module.partition(".")[0] == "plantkit_baselines":
                continue  # another reference plugin, which is installed wherever plantkit is
            if node.module == "plantkit":
                assert {alias.name for alias in node.names} <= set(plantkit.__all__)
        else:
            continue
        allowed = {"plantkit", "torch", "numpy"} | sys.stdlib_module_names
        for module in modules:
            assert module == "plantkit" or module.partition(".")[0] in allowed - {"plantkit"}


def test_a_copy_loaded_by_its_path_prunes_alike(plugin, tmp_path):
    copy = shutil.copy(module_of(plugin).__file__, tmp_path / f"{plugin}.py")
    spec = importlib.util.spec_from_file_location(f"copy_of_{plugin}", copy)
    module = importlib.util.module_from_spec(spec)  # not in sys.modules, as a loader may do
    spec.loader.exec_module(module)
    (pruner,) = module.plantkit_pruners()
    pruner = type(pruner)(**QUICK.get(plugin, {}))
    problem = tiny_problem(widths=WIDTHS)
    expected = pruner_of(plugin).prune(problem, problem.density, seed=3)
    assert vector(pruner.prune(problem, problem.density, seed=3)) == vector(expected)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        *[(each, {"scope": "local"}, "local") for each in SALIENCY],
        ("synflow", {"iterations": 0}, "iterations is 0; expected at least 1"),
        ("grasp", {"temperature": 0.0}, "temperature is 0.0; expected a positive number"),
    ],
)
def test_impossible_options_are_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        pruner_of(name, **options)


# --- masks


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scope", [Scope.GLOBAL, Scope.LAYERWISE])
@pytest.mark.parametrize("budget", [1, 5, 53, 54])
def test_keeps_exactly_the_budget(name, kind, scope, budget):
    problem = tiny_problem(kind, widths=WIDTHS, density=budget / TOTAL)
    mask = pruner_of(name, scope=scope.value).prune(problem, problem.density, seed=0)
    assert validate_mask(mask, problem.network, problem.budget).kept == budget
    if scope is Scope.LAYERWISE:
        kept = [
            int(mask[f"layers.{i}.weight"].sum() + mask[f"layers.{i}.bias"].sum()) for i in range(3)
        ]
        assert kept == apportion(budget, [15, 24, 15])


@pytest.mark.parametrize("value", [0.0, 1.0, -1.0])
@pytest.mark.parametrize("scope", [Scope.GLOBAL, Scope.LAYERWISE])
def test_keeps_exactly_the_budget_among_equal_weights(name, value, scope):
    weights = {
        key: torch.full(shape, value) for key, shape in PerceptronSpec(widths=WIDTHS).shapes.items()
    }
    for budget in (1, 20, 54):
        problem = tiny_problem(widths=WIDTHS, density=budget / TOTAL, weights=weights)
        assert (
            pruner_of(name, scope=scope.value).prune(problem, problem.density, seed=0).kept
            == budget
        )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("budget", [1, 16, 53, 54])
def test_methods_that_search_or_train_keep_exactly_the_budget(other, kind, budget):
    problem = tiny_problem(kind, widths=WIDTHS, density=budget / TOTAL)
    mask = pruner_of(other).prune(problem, problem.density, seed=0)
    assert validate_mask(mask, problem.network, problem.budget).kept == budget


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_they_keep_exactly_the_budget_among_equal_weights_and_with_one_sample(other, value):
    weights = {
        key: torch.full(shape, value) for key, shape in PerceptronSpec(widths=WIDTHS).shapes.items()
    }
    problem = tiny_problem(widths=WIDTHS, density=20 / TOTAL, weights=weights, count=1)
    assert pruner_of(other).prune(problem, problem.density, seed=0).kept == 20


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_mask(plugin, kind):
    first, second = (
        pruner_of(plugin).prune(tiny_problem(kind, widths=WIDTHS), 0.3, seed=7) for _ in range(2)
    )
    assert vector(first) == vector(second)


def test_only_the_random_mask_depends_on_the_seed(name):
    problem = tiny_problem(widths=WIDTHS)
    masks = {tuple(vector(pruner_of(name).prune(problem, 0.3, seed=seed))) for seed in range(4)}
    assert len(masks) == (4 if name == "random" else 1)


@pytest.mark.parametrize("kind", KINDS)
def test_leaves_the_global_generator_and_the_problem_alone(plugin, kind):
    problem = tiny_problem(kind, widths=WIDTHS)
    weights, data = problem.weights, problem.train
    torch_state = torch.random.get_rng_state()
    pruner_of(plugin).prune(problem, problem.density, seed=0)
    assert torch.equal(torch.random.get_rng_state(), torch_state)
    assert all(torch.equal(problem.weights[key], value) for key, value in weights.items())
    assert torch.equal(problem.train.inputs, data.inputs)


@pytest.mark.parametrize("kind", KINDS)
def test_gives_a_finite_saliency_for_every_weight_and_bias(name, kind):
    problem = tiny_problem(kind, widths=WIDTHS)
    mask = pruner_of(name).prune(problem, problem.density, seed=0)
    assert isinstance(mask, Mask)
    assert {key: tuple(value.shape) for key, value in mask.saliency.items()} == (
        problem.network.shapes
    )
    assert all(bool(value.isfinite().all()) for value in mask.saliency.values())
    assert any(bool(mask.saliency[f"layers.{layer}.bias"].any()) for layer in range(3))


@pytest.mark.parametrize("scope", [Scope.ERK, Scope.BALANCED, Scope.LTH])
def test_every_budget_by_layer_is_kept(name, scope):
    problem = tiny_problem(widths=WIDTHS, density=20 / TOTAL)
    mask = pruner_of(name, scope=scope.value).prune(problem, problem.density, seed=0)
    kept = [
        sum(int(mask[f"layers.{i}.{kind}"].sum()) for kind in ("weight", "bias")) for i in range(3)
    ]
    assert kept == [share.budget for share in divide(problem.network.shapes, 20, scope)]


# --- random and magnitude


def test_random_masks_are_nested_over_densities():
    problem = tiny_problem(widths=WIDTHS)
    kept = [
        {
            index
            for index, entry in enumerate(
                vector(pruner_of("random").prune(problem, density, seed=0))
            )
            if entry
        }
        for density in (0.1, 0.3, 0.8)
    ]
    assert kept[0] < kept[1] < kept[2]


def test_random_saliencies_are_uniform_over_all_parameters():
    spec = PerceptronSpec(widths=(50, 100, 50))  # 10,150 parameters
    problem = tiny_problem(widths=spec.widths)
    values = torch.cat(
        [v.flatten() for v in pruner_of("random").saliency(problem, seed=1).values()]
    )
    assert values.min() >= 0
    assert values.max() < 1
    counts = torch.histc(values, bins=10, min=0, max=1)
    # A count is binomial with mean 1015 and standard deviation 30: five of them either way.
    assert bool(((counts - 1015).abs() < 151).all())


def test_magnitude_by_hand():
    weights = {
        "layers.0.weight": torch.tensor([[-3.0], [1.0]]),
        "layers.0.bias": torch.tensor([0.5, -2.0]),
        "layers.1.weight": torch.tensor([[0.1, -4.0]]),
        "layers.1.bias": torch.tensor([0.0]),
    }
    problem = tiny_problem("regression", widths=(1, 2, 1), density=3 / 7, weights=weights)
    mask = pruner_of("magnitude").prune(problem, problem.density, seed=0)
    assert mask["layers.0.weight"].tolist() == [[True], [False]]
    assert mask["layers.0.bias"].tolist() == [False, True]
    assert mask["layers.1.weight"].tolist() == [[False, True]]
    assert mask["layers.1.bias"].tolist() == [False]


def test_magnitude_ignores_signs_and_data():
    spec = PerceptronSpec(widths=WIDTHS)
    weights = random_weights(spec)
    negated = {key: -value for key, value in weights.items()}
    masks = [
        pruner_of("magnitude").prune(
            tiny_problem(kind, widths=WIDTHS, weights=each, count=count), 0.3, seed=0
        )
        for kind, each, count in [
            ("classification", weights, 20),
            ("regression", weights, 5),
            ("classification", negated, 20),
        ]
    ]
    assert vector(masks[0]) == vector(masks[1]) == vector(masks[2])
