"""Masked networks trained from a later step of dense training, against plain PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from builders import random_mask, random_samples, random_weights, task_of, tiny_problem

from plantkit.networks import PerceptronSpec, build_module, flatten, training, unflatten
from plantkit.networks.masks import Mask
from plantkit.networks.training import Device, Recipe, data_order, rewinding
from plantkit.networks.training.accuracies import Accuracies
from plantkit.networks.training.accuracy import Measurement, measure_all
from plantkit.networks.training.executors import LocalExecutor
from plantkit.networks.training.rewinding import DenseTraining, dense_starts

SPEC = PerceptronSpec(widths=(2, 12, 9, 3))
RECIPE = Recipe(epochs=3, batch_size=16, learning_rate=0.01)
COUNT = 70  # five batches an epoch, the last one of six
STEPS = 15
KINDS = ("classification", "regression")
MASKS = [Mask.full(SPEC), *(random_mask(SPEC, 0.5, seed) for seed in range(4))]
SEEDS = [0, 1, 2, 0, 1]
REWINDS = [7, 0, 7, STEPS - 1, 7]


def wanted(kind: str, rewinds=REWINDS, *, masks=MASKS, seeds=SEEDS) -> Measurement:
    return Measurement(
        spec=SPEC,
        task=task_of(SPEC, kind),
        weights=random_weights(SPEC),
        masks=masks,
        seeds=seeds,
        recipe=RECIPE,
        train_data=random_samples(SPEC, kind, COUNT),
        test_data=random_samples(SPEC, kind, 40, seed=1),
        rewinds=rewinds,
    )


def measured(kind: str, rewinds=REWINDS, **options) -> list[Accuracies]:
    [found] = measure_all([wanted(kind, rewinds)], **options)
    return found


def dense_training(**changes) -> DenseTraining:
    fields = {
        "spec": SPEC,
        "task": task_of(SPEC, "regression"),
        "weights": random_weights(SPEC),
        "recipe": RECIPE,
        "data": random_samples(SPEC, "regression", COUNT),
        "seeds": [0, 3],
        "steps": [4, 7],
    }
    return DenseTraining(**(fields | changes))


def plainly_rewound(kind: str, mask: Mask, seed: int, step: int) -> dict[str, torch.Tensor]:
    """`step` steps of the dense network, then the masked one for the steps that are left, each
    with an Adam of its own, on the same run through the samples."""
    task, data = task_of(SPEC, kind), random_samples(SPEC, kind, COUNT)
    batches = [
        batch
        for epoch in range(RECIPE.epochs)
        for batch in data_order(seed, epoch, COUNT).split(RECIPE.batch_size)
    ]
    assert len(batches) == STEPS
    weights = random_weights(SPEC)
    for kept, part in ((Mask.full(SPEC), batches[:step]), (mask, batches[step:])):
        module = build_module(SPEC, {name: weights[name] * kept[name] for name in SPEC.shapes})
        optimizer = torch.optim.Adam(module.parameters(), lr=RECIPE.learning_rate)
        for batch in part:
            optimizer.zero_grad()
            task.loss(module(data.inputs[batch]), data.targets[batch]).backward()
            optimizer.step()
            with torch.no_grad():
                for name, parameter in module.named_parameters():
                    parameter.mul_(kept[name])
        weights = {name: value.detach().clone() for name, value in module.named_parameters()}
    return weights


@pytest.mark.parametrize("kind", KINDS)
def test_weak_is_that_of_a_plain_loop(kind):
    task, test = task_of(SPEC, kind), random_samples(SPEC, kind, 40, seed=1)
    found = measured(kind)
    untouched = measured(kind, rewinds=[])
    assert [one.strong for one in found] == [one.strong for one in untouched]
    for position in range(len(MASKS)):
        end = plainly_rewound(kind, MASKS[position], SEEDS[position], REWINDS[position])
        outputs = build_module(SPEC, end)(test.inputs).detach().unsqueeze(0)
        expected = float(task.accuracy(outputs, test.targets)[0])
        assert found[position].weak == pytest.approx(expected, abs=1e-4)
    changed = [one.weak != other.weak for one, other in zip(found, untouched, strict=True)]
    assert changed[1] is False
    assert sum(changed) >= (3 if kind == "regression" else 1)


@pytest.mark.parametrize("kind", KINDS)
def test_step_0_is_the_initialisation_to_the_last_bit(kind):
    assert measured(kind, rewinds=[0] * len(MASKS)) == measured(kind, rewinds=[])
    assert measured(kind)[1] == measured(kind, rewinds=[])[1]


@pytest.mark.parametrize("kind", KINDS)
def test_jobs_and_batches_change_nothing(kind, monkeypatch):
    one = measured(kind)
    monkeypatch.setitem(training.BATCH_PARAMETERS, Device.CPU, 2 * SPEC.total)
    finished: list[int] = []
    again = measured(kind, jobs=2, on_done=lambda _, runs, __: finished.extend(runs))
    assert again == one
    assert sorted(finished) == list(range(len(MASKS)))


def test_several_measurements_are_not_mixed_up():
    both = [wanted("regression"), wanted("classification", REWINDS[::-1])]
    found = measure_all(both)
    assert found == [measured("regression"), measured("classification", REWINDS[::-1])]


def test_the_dense_network_is_trained_once_for_each_seed(monkeypatch):
    trained: list[list[int]] = []
    train_group = rewinding.train_group

    def counting(spec, task, data, runs, recipe, *, steps):
        trained.append([run.seed for run in runs])
        return train_group(spec, task, data, runs, recipe, steps=steps)

    monkeypatch.setattr(rewinding, "train_group", counting)
    measured("regression", rewinds=[])
    assert trained == []
    measured("regression")
    assert sorted(seed for seeds in trained for seed in seeds) == [0, 1, 2]
    trained.clear()
    measured("regression", rewinds=[7, 0, 0, 7, 0])  # both of seed 0
    assert trained == [[0]]


def test_dense_starts_are_those_that_a_pruner_can_compute():
    [starts] = dense_starts([dense_training()], LocalExecutor())
    problem = tiny_problem(
        "regression", widths=SPEC.widths, count=COUNT, recipe=RECIPE, weights=random_weights(SPEC)
    )
    assert set(starts) == {(seed, step) for seed in (0, 3) for step in (4, 7)}
    for (seed, step), row in starts.items():
        early = problem.fit(problem.full_mask(), seed=seed, last_step=step)
        assert torch.equal(torch.from_numpy(row), flatten(SPEC, early))
        assert row.dtype == np.float32


def test_steps_that_a_training_lacks_are_refused():
    for steps in ([0], [STEPS + 1]):
        with pytest.raises(ValueError, match=f"expected numbers from 1 to {STEPS}"):
            dense_starts([dense_training(steps=steps)], LocalExecutor())


def test_a_measurement_has_a_rewind_for_each_mask_or_none():
    with pytest.raises(ValueError, match="5 masks but 1 rewinds"):
        wanted("regression", [3])


def test_what_is_kept_but_leads_nowhere_stays_as_the_dense_network_left_it():
    """Nothing of the last layer is kept, so nothing moves after the step."""
    mask = Mask.from_vector(SPEC, torch.ones(SPEC.total, dtype=torch.bool))
    kept = {name: value.clone() for name, value in mask.items()}
    kept["layers.2.weight"].zero_()
    kept["layers.2.bias"].zero_()
    problem = tiny_problem("regression", widths=SPEC.widths, count=COUNT, recipe=RECIPE)
    early = problem.fit(mask, last_step=7)
    end = problem.fit(kept, start=early, first_step=7)
    alive = [name for name in SPEC.shapes if not name.startswith("layers.2.")]
    assert all(torch.equal(end[name], early[name]) for name in alive)
    assert not torch.equal(early["layers.0.weight"], problem.weights["layers.0.weight"])
    assert unflatten(SPEC, flatten(SPEC, end))["layers.2.bias"].eq(0).all()
