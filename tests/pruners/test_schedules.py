"""Schedules of several rounds: what is trained, scored and dropped in which round."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch
from builders import random_weights, tiny_problem
from hypothesis import given, settings
from hypothesis import strategies as st

from plantkit import Mask, PerceptronSpec, Recipe, SaliencyPruner, Schedule, Scope, narrow, select
from plantkit.networks import flatten, unflatten
from plantkit.networks.budget import budget_of
from plantkit.pruners.schedules import follow

WIDTHS = (2, 5, 4, 3)
SPEC = PerceptronSpec(widths=WIDTHS)
RECIPE = Recipe(epochs=2, batch_size=8, learning_rate=0.01)


@dataclass(frozen=True, kw_only=True)
class Magnitude(SaliencyPruner):
    name = "test-magnitude"
    saliency_is_seeded = False

    def saliency(self, problem, *, seed):
        return {name: value.abs() for name, value in problem.weights.items()}


def vector(mask):
    return mask.vector(SPEC)


def test_single_shot_is_select():
    problem = tiny_problem(widths=WIDTHS)
    mask = Magnitude().prune(problem, 0.3, seed=0)
    expected = select({name: value.abs() for name, value in problem.weights.items()}, 16)
    assert torch.equal(vector(mask), vector(expected))


def test_multishot_by_its_steps():
    """Two rounds written out: train, score, keep sqrt(density); train that, score, keep all."""
    problem = tiny_problem(widths=WIDTHS, density=0.25, recipe=RECIPE, seed=4)
    dense = problem.fit(problem.full_mask(), epochs=3)
    first = select({name: value.abs() for name, value in dense.items()}, 27)  # half of 54
    again = problem.fit(first, epochs=3)
    left = flatten(SPEC, again).abs()
    expected = torch.zeros(54, dtype=torch.bool)
    expected[left.argsort(descending=True)[:13]] = True  # a quarter of 54, rounded down
    pruner = Magnitude(schedule="multishot", rounds=2, epochs=3)
    mask = pruner.prune(problem, 0.25, seed=4)
    assert torch.equal(vector(mask), expected)
    assert int((vector(mask) & ~vector(first)).sum()) == 0


def test_multishot_trains_and_scores_the_masked_network_from_the_initial_weights():
    problem = tiny_problem(widths=WIDTHS, density=0.1, recipe=RECIPE)
    seen = []

    def saliency(scored):
        seen.append((scored.density, scored.weights))
        return {name: value.abs() for name, value in scored.weights.items()}

    follow("multishot", problem, saliency, rounds=3, epochs=2)
    assert [density for density, _ in seen] == pytest.approx([0.1 ** (1 / 3), 0.1 ** (2 / 3), 0.1])
    mask = problem.full_mask()
    for density, weights in seen:
        expected = problem.fit(mask, epochs=2)
        assert all(torch.equal(weights[name], expected[name]) for name in expected)
        magnitudes = {name: value.abs() for name, value in weights.items()}
        mask = narrow(mask, magnitudes, budget_of(density, 54), final=5)
    assert all(
        torch.equal(value, random_weights(SPEC)[name]) for name, value in problem.weights.items()
    )


def test_iterated_scores_the_masked_initial_weights():
    problem = tiny_problem(widths=WIDTHS, density=0.25)
    seen = []

    def saliency(scored):
        seen.append(scored.weights)
        return {name: value.abs() for name, value in scored.weights.items()}

    mask = follow("iterated", problem, saliency, rounds=2, epochs=7)
    kept = [int((flatten(SPEC, weights) != 0).sum()) for weights in seen]
    assert kept == [54, 27]
    # Magnitudes do not change, so rounds change nothing.
    assert torch.equal(vector(mask), vector(Magnitude().prune(problem, 0.25, seed=0)))


def test_what_is_dropped_does_not_come_back():
    """Saliencies that turn round after the first round: the dropped ones are the highest then."""
    problem = tiny_problem(widths=WIDTHS, density=0.25)
    ranks = torch.arange(54, dtype=torch.float64)
    calls = iter([ranks, -ranks])
    mask = follow("iterated", problem, lambda _: unflatten(SPEC, next(calls)), rounds=2, epochs=0)
    assert vector(mask).nonzero().flatten().tolist() == list(range(27, 40))


def test_the_saliency_of_a_mask_ranks_the_dropped_by_their_rounds():
    problem = tiny_problem(widths=WIDTHS, density=0.125)
    ranks = torch.arange(54, dtype=torch.float64) - 60  # all below zero
    mask = follow("iterated", problem, lambda _: unflatten(SPEC, ranks), rounds=3, epochs=0)
    order = flatten(SPEC, mask.saliency)
    assert torch.equal(vector(select(mask.saliency, mask.kept)), vector(mask))
    # 54, 27 and 13 were scored: who went first is last.
    assert order[:27].max() < order[27:41].min()
    assert order[27:41].max() < order[41:].min()


@settings(max_examples=40, deadline=None)
@given(
    budget=st.integers(1, 54),
    rounds=st.integers(1, 6),
    scope=st.sampled_from(list(Scope)),
    schedule=st.sampled_from(list(Schedule)),
    seed=st.integers(0, 100),
)
def test_every_schedule_keeps_exactly_the_budget(budget, rounds, scope, schedule, seed):
    problem = tiny_problem(widths=WIDTHS, density=budget / 54, count=8, recipe=RECIPE)
    generator = torch.Generator().manual_seed(seed)

    def saliency(_):  # few values, so that there are ties
        return unflatten(SPEC, torch.randint(0, 4, (54,), generator=generator).double())

    mask = follow(schedule, problem, saliency, rounds=rounds, epochs=0, scope=scope)
    assert mask.kept == budget


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(0, 54), min_size=2, max_size=5),
    scope=st.sampled_from(list(Scope)),
    seed=st.integers(0, 100),
)
def test_narrowing_is_nested_and_ends_exactly(counts, scope, seed):
    counts = sorted(counts, reverse=True)
    generator = torch.Generator().manual_seed(seed)
    mask = Mask.full(SPEC)
    for count in counts:
        saliency = unflatten(SPEC, torch.randint(0, 9, (54,), generator=generator).double())
        narrower = narrow(mask, saliency, count, final=counts[-1], scope=scope)
        assert not bool((vector(narrower) & ~vector(mask)).any())
        mask = narrower
    assert mask.kept == counts[-1]


def test_a_round_keeps_what_a_later_one_needs():
    """Of three parameters the last layer is owed one, of four none: see `test_budgets`."""
    shapes = {"a.weight": (6,), "b.weight": (6,), "c.weight": (2,)}
    saliency = {name: torch.ones(shape) for name, shape in shapes.items()}
    full = {name: torch.ones(shape, dtype=torch.bool) for name, shape in shapes.items()}
    mask = narrow(full, saliency, 4, final=3, scope="layerwise")
    assert [int(value.sum()) for value in mask.values()] == [2, 2, 1]
    assert [
        int(value.sum()) for value in narrow(mask, saliency, 3, final=3, scope="layerwise").values()
    ] == [1, 1, 1]


def test_narrowing_refuses_what_it_cannot_keep():
    saliency = {"a.weight": torch.ones(3), "b.weight": torch.ones(3)}
    mask = {"a.weight": torch.zeros(3, dtype=torch.bool), "b.weight": torch.ones(3).bool()}
    with pytest.raises(ValueError, match=r"keeps 0 of a\.weight; expected at least 1"):
        narrow(mask, saliency, 2, final=2, scope="layerwise")
    with pytest.raises(ValueError, match="final is 3; expected 0 to the budget, 2"):
        narrow(mask, saliency, 2, final=3)
    with pytest.raises(ValueError, match="holds NaN"):
        narrow(mask, saliency | {"a.weight": torch.full((3,), float("nan"))}, 2, final=2)


def test_only_training_makes_a_mask_depend_on_the_seed():
    assert not Magnitude().is_seeded
    assert not replace(Magnitude(), schedule="iterated").is_seeded
    multishot = replace(Magnitude(), schedule="multishot", rounds=2)
    assert multishot.is_seeded
    problem = tiny_problem(widths=WIDTHS, recipe=RECIPE, count=40)
    masks = {tuple(vector(multishot.prune(problem, 0.3, seed=s)).tolist()) for s in range(5)}
    assert len(masks) > 1
    once, again = (vector(multishot.prune(problem, 0.3, seed=1)) for _ in range(2))
    assert torch.equal(once, again)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"schedule": "oneshot"}, "oneshot"),
        ({"rounds": 0}, "rounds is 0; expected at least 1"),
        ({"epochs": -1}, "epochs is -1; expected 0 or more"),
    ],
)
def test_impossible_schedules_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Magnitude(**options)


def test_a_wrong_schedule_or_scope_is_told_with_what_there_is():
    with pytest.raises(ValueError, match="schedule is 'twice'; expected one of single, multishot"):
        Schedule("twice")
    with pytest.raises(ValueError, match="scope is 'local'; expected one of global, layerwise"):
        Scope("local")


# --- rewinding


def early_weights(problem, step):
    return problem.fit(problem.full_mask(), last_step=step)


@pytest.mark.parametrize("schedule", ["single", "iterated"])
def test_rewound_pruners_score_the_dense_network_after_so_many_steps(schedule):
    far = replace(RECIPE, learning_rate=0.3)
    problem = tiny_problem(widths=WIDTHS, density=0.25, recipe=far, seed=4)
    mask = Magnitude(schedule=schedule, rounds=2, rewind=4).prune(problem, 0.25, seed=4)
    moved = problem.with_weights(early_weights(problem, 4))
    same = Magnitude(schedule=schedule, rounds=2).prune(moved, 0.25, seed=4)
    assert torch.equal(vector(mask), vector(same))
    other = Magnitude(schedule=schedule, rounds=2).prune(problem, 0.25, seed=4)
    assert not torch.equal(vector(mask), vector(other))


def test_rewound_multishot_by_its_steps():
    """Each round trains from step 2 of the dense network to the end of 3 epochs."""
    problem = tiny_problem(widths=WIDTHS, density=0.25, recipe=RECIPE, seed=4)
    start = early_weights(problem, 2)
    dense = problem.fit(problem.full_mask(), start=start, epochs=3, first_step=2)
    first = select({name: value.abs() for name, value in dense.items()}, 27)
    again = problem.fit(first, start=start, epochs=3, first_step=2)
    expected = torch.zeros(54, dtype=torch.bool)
    expected[flatten(SPEC, again).abs().argsort(descending=True)[:13]] = True
    pruner = Magnitude(schedule="multishot", rounds=2, epochs=3, rewind=2)
    assert torch.equal(vector(pruner.prune(problem, 0.25, seed=4)), expected)


def test_a_step_beyond_the_training_is_its_end():
    problem = tiny_problem(widths=WIDTHS, density=0.25, recipe=RECIPE)
    last = RECIPE.steps(len(problem.train))
    for schedule in ("single", "multishot"):
        far, end = (
            Magnitude(schedule=schedule, rounds=1, epochs=1, rewind=step).prune(
                problem, 0.25, seed=0
            )
            for step in (10**6, last)
        )
        assert torch.equal(vector(far), vector(end))


def test_a_rewound_pruner_is_seeded():
    assert [Magnitude(rewind=step).is_seeded for step in (0, 1)] == [False, True]


@pytest.mark.parametrize("step", [-1, 1.0, True, None, "4"])
def test_a_rewind_that_is_no_step_is_refused(step):
    with pytest.raises(ValueError, match="expected a step of the dense network's training"):
        Magnitude(rewind=step)
