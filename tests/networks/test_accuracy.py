"""Strong and weak accuracy of many masks, whatever does the work."""

from __future__ import annotations

import pickle

import pytest
import torch
from builders import random_mask, random_samples, random_weights, task_of

from plantkit.networks import PerceptronSpec, build_module, training
from plantkit.networks.masks import Mask
from plantkit.networks.tasks import make_task
from plantkit.networks.training import Device, Recipe, Run, Samples, evaluate, train
from plantkit.networks.training.accuracies import Accuracies
from plantkit.networks.training.accuracy import (
    Measurement,
    measure_all,
    strong_accuracy,
    trivial_accuracy,
)

SPEC = PerceptronSpec(widths=(2, 12, 9, 3))
RECIPE = Recipe(epochs=2, batch_size=16, learning_rate=0.01)
KINDS = ("classification", "regression")
MASKS = [
    Mask.full(SPEC),
    *(random_mask(SPEC, 0.6, seed) for seed in range(5)),
    random_mask(SPEC, 0.05, 9),
]


def measured(kind: str, masks: list[Mask] = MASKS, **named) -> list[Accuracies]:
    wanted = Measurement(
        spec=SPEC,
        task=task_of(SPEC, kind),
        weights=random_weights(SPEC),
        masks=masks,
        seeds=list(range(len(masks))),
        recipe=RECIPE,
        train_data=random_samples(SPEC, kind, 70),
        test_data=random_samples(SPEC, kind, 40, seed=1),
    )
    [found] = measure_all([wanted], **named)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_weak_is_the_trained_network_on_test_data(kind):
    task, test = task_of(SPEC, kind), random_samples(SPEC, kind, 40, seed=1)
    runs = [Run(start=random_weights(SPEC), mask=m, seed=s) for s, m in enumerate(MASKS)]
    trained = train(SPEC, task, random_samples(SPEC, kind, 70), runs, RECIPE)
    for row, found in zip(trained, measured(kind), strict=True):
        outputs = evaluate(SPEC, row.unsqueeze(0), test.inputs)
        # Idle units are cut away, so that sums may round in another order.
        accuracy = float(task.accuracy(outputs, test.targets)[0])
        assert found.weak == pytest.approx(accuracy, abs=1e-5)


def test_strong_is_the_masked_module_on_test_data():
    test = random_samples(SPEC, "classification", 40, seed=1)
    weights = random_weights(SPEC)
    for mask, found in zip(MASKS, measured("classification"), strict=True):
        module = build_module(SPEC, {name: weights[name] * mask[name] for name in SPEC.shapes})
        right = (module(test.inputs).argmax(1) == test.targets).double().mean()
        assert found.strong == float(right)


def test_strong_alone_equals_strong_with_weak():
    alone = strong_accuracy(
        SPEC,
        task_of(SPEC, "regression"),
        random_weights(SPEC),
        MASKS,
        train_data=random_samples(SPEC, "regression", 70),
        test_data=random_samples(SPEC, "regression", 40, seed=1),
    )
    assert alone == [found.strong for found in measured("regression")]


@pytest.mark.parametrize("kind", KINDS)
def test_the_number_of_jobs_changes_nothing(kind, monkeypatch):
    monkeypatch.setitem(training.BATCH_PARAMETERS, Device.CPU, 2 * SPEC.total)
    finished: list[tuple[int, ...]] = []
    one = measured(kind, on_done=lambda position, runs, found: finished.append(runs))
    assert len(finished) > 2
    assert sorted(run for runs in finished for run in runs) == list(range(len(MASKS)))
    assert measured(kind, jobs=2) == one


class Measuring:
    """An executor that keeps the size of what would be sent away, and does nothing in parallel."""

    jobs = 1

    def __init__(self) -> None:
        self.bytes: list[int] = []

    def map(self, function, items, *, on_result=None, meanwhile=None):
        if meanwhile is not None:
            meanwhile()
        self.bytes += [len(pickle.dumps(item)) for item in items]
        results = [function(pickle.loads(pickle.dumps(item))) for item in items]
        for result in results:
            on_result(result)
        return results


def test_a_unit_can_be_sent_away_and_holds_its_masks_as_bits(monkeypatch):
    monkeypatch.setitem(training.BATCH_PARAMETERS, Device.CPU, 3 * SPEC.total)
    executor = Measuring()
    assert measured("regression", executor=executor) == measured("regression")
    assert len(executor.bytes) > 2
    assert max(executor.bytes) < 16_000  # data and start; a mask is 31 bytes


def test_no_masks_and_uneven_seeds():
    assert measured("regression", []) == []
    with pytest.raises(ValueError, match="1 masks but 2 seeds"):
        Measurement(
            spec=SPEC,
            task=task_of(SPEC, "regression"),
            weights=random_weights(SPEC),
            masks=[Mask.full(SPEC)],
            seeds=[0, 1],
            recipe=RECIPE,
            train_data=random_samples(SPEC, "regression", 8),
            test_data=random_samples(SPEC, "regression", 8),
        )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("kind", KINDS)
def test_a_gpu_measures_what_the_cpu_measures(kind):
    for here, there in zip(measured(kind), measured(kind, device="cuda"), strict=True):
        assert there.strong == pytest.approx(here.strong, abs=0.03)
        assert there.weak == pytest.approx(here.weak, abs=0.03)


def test_the_factor_is_fitted_on_training_data_alone():
    """The network gives x; training targets are 2x, test targets 3x: the factor must be 2."""
    spec = PerceptronSpec(widths=(1, 1))
    weights = {"layers.0.weight": torch.ones(1, 1), "layers.0.bias": torch.zeros(1)}
    x = torch.linspace(-1, 1, 21).unsqueeze(1)
    [found] = strong_accuracy(
        spec,
        make_task("regression", 1),
        weights,
        [Mask.full(spec)],
        train_data=Samples(inputs=x, targets=2 * x),
        test_data=Samples(inputs=x, targets=3 * x),
    )
    assert found == pytest.approx(1 - 1 / 9)  # error x² over variance 9x²


def test_the_constant_is_fitted_on_training_data_alone():
    x = torch.zeros(10, 1)
    train_classes = torch.tensor([0] * 7 + [1] * 3)
    test_classes = torch.tensor([0] * 2 + [1] * 8)
    found = trivial_accuracy(
        make_task("classification", 2),
        train_data=Samples(inputs=x, targets=train_classes),
        test_data=Samples(inputs=x, targets=test_classes),
    )
    assert found == pytest.approx(0.2)
    values = trivial_accuracy(
        make_task("regression", 1),
        train_data=Samples(inputs=x, targets=torch.full((10, 1), 2.0)),
        test_data=Samples(inputs=x, targets=torch.tensor([[-1.0], [1.0]] * 5)),
    )
    assert values == pytest.approx(1 - 5)  # mean of (±1 - 2)² is 5, the variance is 1


def one_of_several(seed: int, kind: str = "classification", count: int = 70) -> Measurement:
    masks = [*MASKS[:4], random_mask(SPEC, 0.6, 20 + seed), random_mask(SPEC, 0.0)]
    return Measurement(
        spec=SPEC,
        task=task_of(SPEC, kind),
        weights=random_weights(SPEC, seed),
        masks=masks,
        seeds=[seed * index % 4 for index in range(len(masks))],
        recipe=RECIPE,
        train_data=random_samples(SPEC, kind, count, seed=2 * seed),
        test_data=random_samples(SPEC, kind, 40, seed=2 * seed + 1),
    )


class Listing:
    """An executor that does the work here and keeps what it was given."""

    jobs = 1

    def __init__(self) -> None:
        self.items: list = []

    def map(self, function, items, *, on_result=None, meanwhile=None):
        self.items += items
        found = [function(item) for item in items]
        for result in found:
            on_result(result)
        return found


@pytest.mark.parametrize("kind", KINDS)
def test_networks_of_several_challenges_train_together_and_come_out_as_alone(kind):
    several = [one_of_several(seed, kind) for seed in range(3)]
    together, apart = Listing(), Listing()
    found = measure_all(several, executor=together)
    assert found == [measure_all([one], executor=apart)[0] for one in several]
    assert len(together.items) < len(apart.items)
    assert max(len(unit.parts) for unit in together.items) == 3


def test_challenges_with_other_numbers_of_samples_train_apart():
    several = [one_of_several(0), one_of_several(1, count=64)]
    listing = Listing()
    measure_all(several, executor=listing)
    assert {len(unit.parts) for unit in listing.items} == {1}


def test_what_is_found_is_told_of_every_challenge_with_its_own_networks():
    several, told = [one_of_several(seed) for seed in range(3)], [{}, {}, {}]
    found = measure_all(
        several, on_done=lambda place, runs, new: told[place].update(zip(runs, new, strict=True))
    )
    assert [[one[run] for run in sorted(one)] for one in told] == found
