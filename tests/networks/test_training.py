"""The trainer of many runs against plain loops, and the mask in every step."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from builders import random_mask, random_samples, random_weights, task_of
from torch import Tensor

from plantkit.errors import UsageError
from plantkit.networks import PerceptronSpec, build_module, flatten, training, unflatten
from plantkit.networks.masks import Mask
from plantkit.networks.tasks import Task
from plantkit.networks.training import (
    Device,
    Recipe,
    Run,
    Samples,
    Workload,
    data_order,
    engine,
    evaluate,
    plan,
    single_threaded,
    trace,
    train,
)
from plantkit.networks.training.groups import most_runs

KINDS = ("classification", "regression")
SPEC = PerceptronSpec(widths=(2, 7, 6, 3))
RECIPE = Recipe(epochs=3, batch_size=8, learning_rate=0.01)


def plain_training(
    spec: PerceptronSpec,
    task: Task,
    data: Samples,
    run: Run,
    recipe: Recipe,
    *,
    first_step: int = 0,
    last_step: int | None = None,
) -> dict[str, Tensor]:
    """One run with torch's own Adam and autograd, the mask applied after every step."""
    module = build_module(spec, {name: run.start[name] * run.mask[name] for name in spec.shapes})
    optimizer = torch.optim.Adam(module.parameters(), lr=recipe.learning_rate)
    batches = [
        batch
        for epoch in range(recipe.epochs)
        for batch in data_order(run.seed, epoch, len(data)).split(recipe.batch_size)
    ]
    for batch in batches[first_step:last_step]:
        optimizer.zero_grad()
        task.loss(module(data.inputs[batch]), data.targets[batch]).backward()
        optimizer.step()
        with torch.no_grad():
            for name, parameter in module.named_parameters():
                parameter.mul_(run.mask[name])
    return {name: value.detach() for name, value in module.named_parameters()}


def assert_same_parameters(vector: Tensor, expected: Mapping[str, Tensor], spec=SPEC) -> None:
    torch.testing.assert_close(vector, flatten(spec, expected), rtol=1e-3, atol=1e-5)


def run_of(spec=SPEC, *, density=1.0, seed=0, order=None) -> Run:
    return Run(
        start=random_weights(spec, seed),
        mask=random_mask(spec, density, seed),
        seed=seed if order is None else order,
    )


# --- against a plain loop


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [32, 29])  # whole batches, and a last one of five
def test_one_run_equals_plain_adam(kind, count):
    data, task = random_samples(SPEC, kind, count), task_of(SPEC, kind)
    trained = train(SPEC, task, data, [run_of()], RECIPE)
    expected = plain_training(SPEC, task, data, run_of(), RECIPE)
    assert_same_parameters(trained[0], expected)
    assert not torch.allclose(trained[0], flatten(SPEC, random_weights(SPEC)), atol=1e-2)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("density", [0.8, 0.5, 0.3, 0.1])
def test_masked_runs_with_idle_units_cut_equal_the_uncut_plain_loop(kind, density):
    data, task = random_samples(SPEC, kind, 29), task_of(SPEC, kind)
    runs = [run_of(density=density, seed=seed) for seed in range(4)]
    trained = train(SPEC, task, data, runs, RECIPE)
    for row, run in zip(trained, runs, strict=True):
        assert_same_parameters(row, plain_training(SPEC, task, data, run, RECIPE))


def test_kept_parameters_of_idle_units_stay_as_they_start():
    # Nothing of the last layer is kept but its bias, so no other parameter can move.
    start = random_weights(SPEC)
    mask = {name: torch.ones(shape, dtype=torch.bool) for name, shape in SPEC.shapes.items()}
    mask["layers.2.weight"].zero_()
    data, task = random_samples(SPEC, "regression", 16), task_of(SPEC, "regression")
    (trained,) = train(SPEC, task, data, [Run(start=start, mask=mask, seed=0)], RECIPE)
    named = unflatten(SPEC, trained)
    for layer in (0, 1):
        for part in ("weight", "bias"):
            name = f"layers.{layer}.{part}"
            assert torch.equal(named[name], start[name])
    assert not bool(named["layers.2.weight"].any())
    assert not torch.equal(named["layers.2.bias"], start["layers.2.bias"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_constant_output_learns_the_best_constant(kind):
    data, task = random_samples(SPEC, kind, 24), task_of(SPEC, kind)
    mask = {name: torch.zeros(shape, dtype=torch.bool) for name, shape in SPEC.shapes.items()}
    mask["layers.2.bias"].fill_(True)
    start = random_weights(SPEC)
    recipe = Recipe(epochs=300, batch_size=24, learning_rate=0.03)
    trained = train(SPEC, task, data, [Run(start=start, mask=mask, seed=0)], recipe)
    assert int(trained.count_nonzero()) == 3
    outputs = evaluate(SPEC, trained, data.inputs)[0]
    assert torch.equal(outputs, outputs[:1].expand_as(outputs))
    constant = task.constant_outputs(data.targets)
    if kind == "classification":
        constant = (constant / constant.sum()).log()
        outputs = outputs.log_softmax(dim=-1)
    torch.testing.assert_close(outputs[0], constant, atol=0.02, rtol=0)


def test_an_empty_mask_stays_empty():
    data, task = random_samples(SPEC, "regression", 8), task_of(SPEC, "regression")
    trained = train(SPEC, task, data, [run_of(density=0.0)], RECIPE)
    assert torch.equal(trained, torch.zeros(1, SPEC.total))


@pytest.mark.parametrize("spec", [SPEC, PerceptronSpec(widths=(2, 3))])
def test_what_keeps_nothing_takes_no_step_and_changes_no_other(spec, monkeypatch):
    task, data = task_of(spec, "regression"), random_samples(spec, "regression", 40)
    step, taken = engine._Engine.step, []
    monkeypatch.setattr(
        engine._Engine,
        "step",
        lambda self, index: taken.append(len(index)) or step(self, index),
    )
    nothing, one = run_of(spec, density=0.0), run_of(spec)
    assert not train(spec, task, data, [nothing] * 2, RECIPE).any()
    assert not taken
    found = train(spec, task, data, [nothing, one, nothing], RECIPE)
    assert set(taken) == {1}
    assert torch.equal(found[1:2], train(spec, task, data, [one], RECIPE))
    assert not found[[0, 2]].any()


def test_no_runs_and_no_epochs():
    data, task = random_samples(SPEC, "regression", 8), task_of(SPEC, "regression")
    assert train(SPEC, task, data, [], RECIPE).shape == (0, SPEC.total)
    run = run_of(density=0.5)
    trained = train(SPEC, task, data, [run], Recipe(epochs=0))
    start = flatten(SPEC, {name: run.start[name] * run.mask[name] for name in SPEC.shapes})
    assert torch.equal(trained[0], start)


def test_a_network_without_hidden_layer():
    spec = PerceptronSpec(widths=(3, 2))
    data, task = random_samples(spec, "regression", 11), task_of(spec, "regression")
    runs = [run_of(spec, density=0.6, seed=seed) for seed in range(2)]
    trained = train(spec, task, data, runs, RECIPE)
    for row, run in zip(trained, runs, strict=True):
        assert_same_parameters(row, plain_training(spec, task, data, run, RECIPE), spec)


def test_training_leaves_its_arguments_and_the_global_generator_alone():
    data, task = random_samples(SPEC, "classification", 16), task_of(SPEC, "classification")
    run = run_of(density=0.5)
    before = {name: value.clone() for name, value in run.start.items()}
    inputs, targets = data.inputs.clone(), data.targets.clone()
    state, threads = torch.random.get_rng_state(), torch.get_num_threads()
    train(SPEC, task, data, [run], RECIPE)
    assert all(torch.equal(run.start[name], before[name]) for name in before)
    assert torch.equal(data.inputs, inputs)
    assert torch.equal(data.targets, targets)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.get_num_threads() == threads


# --- the mask, in every step


def pruned_in_every_step(task: Task, data: Samples, runs: list[Run], trace=trace) -> Tensor:
    """Returns what pruned parameters hold: (steps, pruned parameters of all runs)."""
    steps = range(1, RECIPE.steps(len(data)) + 1)
    masks = torch.stack([flatten(SPEC, run.mask) for run in runs])
    return trace(SPEC, task, data, runs, RECIPE, steps=steps)[:, ~masks]


@pytest.mark.parametrize("kind", KINDS)
def test_no_pruned_parameter_is_nonzero_after_any_step(kind):
    runs = [run_of(density=0.6, seed=seed) for seed in range(3)]
    pruned = pruned_in_every_step(task_of(SPEC, kind), random_samples(SPEC, kind, 29), runs)
    assert pruned.shape[0] == RECIPE.epochs * 4
    assert pruned.shape[1] > 0
    assert not bool(pruned.any())


def test_the_look_at_pruned_parameters_finds_a_trainer_that_moves_them():
    def lax(spec, task, data, runs, recipe, **named):
        """Starts from the masked networks, then lets everything move."""
        free = [
            Run(
                start={name: value * run.mask[name] for name, value in run.start.items()},
                mask=Mask.full(spec),
                seed=run.seed,
            )
            for run in runs
        ]
        return trace(spec, task, data, free, recipe, **named)

    data, task = random_samples(SPEC, "regression", 29), task_of(SPEC, "regression")
    assert bool(pruned_in_every_step(task, data, [run_of(density=0.6)], lax).any())


@pytest.mark.parametrize("density", [0.5, 0.1, 0.02])
def test_trained_parameters_are_zero_where_pruned(density):
    spec = PerceptronSpec(widths=(2, 20, 20, 4))
    data, task = random_samples(spec, "classification", 64), task_of(spec, "classification")
    runs = [run_of(spec, density=density, seed=seed) for seed in range(3)]
    trained = train(spec, task, data, runs, RECIPE)
    for row, run in zip(trained, runs, strict=True):
        assert not bool(row[~flatten(spec, run.mask)].any())


# --- many runs


def mixed_runs(spec):
    return [
        run_of(spec, density=density, seed=seed)
        for seed, density in enumerate([1.0, 0.05, 0.5, 0.2, 1.0, 0.5])
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_alone_equals_the_run_among_others(kind):
    data, task = random_samples(SPEC, kind, 29), task_of(SPEC, kind)
    runs = mixed_runs(SPEC)
    together = train(SPEC, task, data, runs, RECIPE)
    for row, run in zip(together, runs, strict=True):
        (alone,) = train(SPEC, task, data, [run], RECIPE)
        assert torch.equal(row, alone)  # to the last bit


@pytest.mark.parametrize(
    ("widths", "kind"),
    [
        ((2, 100, 100, 100, 4), "classification"),
        ((1, 100, 100, 100, 3), "regression"),
        ((1, 100, 100, 100, 1), "regression"),
        ((2, 37, 53, 41, 5), "classification"),
        ((3, 7, 5, 2), "regression"),
        ((1, 32, 32, 1), "regression"),
    ],
)
def test_neither_number_nor_place_of_the_runs_changes_a_bit(widths, kind):
    spec = PerceptronSpec(widths=widths)
    data, task = random_samples(spec, kind, 72), task_of(spec, kind)
    runs = [run_of(spec, density=0.7, seed=seed) for seed in range(9)]
    recipe = Recipe(epochs=2, batch_size=32)  # the last batch holds eight
    together = train(spec, task, data, runs, recipe)
    for count in (1, 2, 3, 6):
        for first in range(0, 9 - count + 1, count):
            some = train(spec, task, data, runs[first : first + count][::-1], recipe)
            assert torch.equal(some.flip(0), together[first : first + count])


def test_results_come_in_the_order_of_the_runs():
    data, task = random_samples(SPEC, "regression", 29), task_of(SPEC, "regression")
    runs = mixed_runs(SPEC)
    forwards = train(SPEC, task, data, runs, RECIPE)
    backwards = train(SPEC, task, data, runs[::-1], RECIPE)
    assert torch.equal(backwards.flip(0), forwards)


@pytest.mark.parametrize("kind", KINDS)
def test_the_number_of_jobs_changes_nothing_bit_for_bit(kind, monkeypatch):
    monkeypatch.setitem(training.BATCH_PARAMETERS, Device.CPU, 2 * SPEC.total)
    data, task = random_samples(SPEC, kind, 29), task_of(SPEC, kind)
    runs = mixed_runs(SPEC)
    finished: list[int] = []
    one = train(SPEC, task, data, runs, RECIPE, on_done=finished.append)
    assert len(finished) > 1  # several groups, so that two jobs have something to share
    assert sum(finished) == len(runs)
    threads = torch.get_num_threads()
    assert torch.equal(train(SPEC, task, data, runs, RECIPE, jobs=2), one)
    assert torch.get_num_threads() == threads
    assert torch.equal(train(SPEC, task, data, runs, RECIPE), one)


def test_an_error_in_a_job_is_raised(monkeypatch):
    monkeypatch.setitem(training.BATCH_PARAMETERS, Device.CPU, SPEC.total)

    def fail(count):
        raise RuntimeError("stop here")

    data, task = random_samples(SPEC, "regression", 29), task_of(SPEC, "regression")
    with pytest.raises(RuntimeError, match="stop here"):
        train(SPEC, task, data, mixed_runs(SPEC), RECIPE, jobs=2, on_done=fail)


def test_a_constant_output_is_trained_alone_as_among_others_and_as_the_plain_loop():
    # The last hidden layer keeps nothing, so only the output biases can learn: the cut network
    # has no hidden layer at all, which must not show.
    data, task = random_samples(SPEC, "classification", 29), task_of(SPEC, "classification")
    mask = {name: value.clone() for name, value in random_mask(SPEC, 0.8).items()}
    mask["layers.1.weight"].zero_()
    mask["layers.1.bias"].zero_()
    mask["layers.2.bias"].fill_(True)
    constant = Run(start=random_weights(SPEC), mask=mask, seed=3)
    rows = torch.stack([flatten(SPEC, mask), flatten(SPEC, run_of().mask)])
    assert [cut.widths for cut in SPEC.cut(rows)] == [(2, 3), (2, 8, 8, 3)]
    (alone,) = train(SPEC, task, data, [constant], RECIPE)
    assert_same_parameters(alone, plain_training(SPEC, task, data, constant, RECIPE))
    among = train(SPEC, task, data, [run_of(), constant, run_of(density=0.3)], RECIPE)
    assert torch.equal(among[1], alone)


# --- groups


def test_groups_hold_every_run_once_and_are_shared_out_among_jobs():
    spec = PerceptronSpec(widths=(2, 100, 100, 4))
    masks = [Mask.full(spec)] * 10 + [random_mask(spec, 0.001, seed) for seed in range(7)]
    for jobs in (1, 2, 3):
        work = [Workload(spec=spec, masks=masks, batch_size=32)]
        groups = [group.runs for group in plan(work, jobs=jobs)]
        assert sorted(position for group in groups for position in group) == list(range(17))
        dense = [len(group) for group in groups if group[0] < 10]
        assert len(dense) == jobs
        assert max(dense) - min(dense) <= 1
    assert plan([Workload(spec=spec, masks=[], batch_size=32)]) == []


def test_groups_of_several_networks_are_planned_together_the_dearest_first():
    small, large = PerceptronSpec(widths=(2, 16, 4)), PerceptronSpec(widths=(2, 100, 100, 4))
    work = [
        Workload(spec=small, masks=[Mask.full(small)] * 6, batch_size=32, steps=10),
        Workload(spec=large, masks=[Mask.full(large)] * 8, batch_size=32, steps=10),
        Workload(spec=large, masks=[Mask.full(large)] * 3, batch_size=32, steps=40),
    ]
    groups = plan(work, jobs=2)
    assert [group.cost for group in groups] == sorted((g.cost for g in groups), reverse=True)
    for position, workload in enumerate(work):
        runs = [run for group in groups if group.workload == position for run in group.runs]
        assert sorted(runs) == list(range(len(workload.masks)))
    # Nobody waits for six small networks: together they cost least. The large ones are shared
    # out, but three are too few for two groups.
    assert [(group.workload, len(group.runs)) for group in groups] == [
        (2, 3),
        (1, 4),
        (1, 4),
        (0, 6),
    ]
    assert [len(group.runs) for group in plan(work[:1], jobs=2)] == [3, 3]


def test_groups_stay_below_the_batch():
    spec = PerceptronSpec(widths=(2, 100, 100, 4))
    groups = plan([Workload(spec=spec, masks=[Mask.full(spec)] * 100, batch_size=32)])
    most = training.BATCH_PARAMETERS[Device.CPU]
    assert all(len(group.runs) * spec.total <= most for group in groups)
    assert len(groups) <= -(-100 // (most // spec.total))


# --- devices


def test_a_device_that_is_not_there_is_refused():
    assert Device.checked("cpu") is Device.CPU
    with pytest.raises(UsageError, match="device is 'tpu'; expected 'cpu' or 'cuda'"):
        Device.checked("tpu")
    if not torch.cuda.is_available():
        with pytest.raises(UsageError, match="finds no GPU here"):
            Device.checked("cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("kind", KINDS)
def test_a_gpu_gives_what_the_cpu_gives_up_to_rounding(kind):
    data, task = random_samples(SPEC, kind, 29), task_of(SPEC, kind)
    runs = mixed_runs(SPEC)
    on_gpu = train(SPEC, task, data, runs, RECIPE, device="cuda")
    on_cpu = train(SPEC, task, data, runs, RECIPE)
    assert on_gpu.device.type == "cpu"
    torch.testing.assert_close(on_gpu, on_cpu, rtol=1e-2, atol=1e-4)
    for row, run in zip(on_gpu, runs, strict=True):
        assert not bool(row[~flatten(SPEC, run.mask)].any())


@pytest.mark.parametrize(("gib", "most"), [(80, 3_210), (1, 653)])
def test_a_batch_fits_into_the_memory_of_a_gpu(monkeypatch, gib, most):
    spec = PerceptronSpec(widths=(2, 100, 100, 100, 4))
    card = SimpleNamespace(total_memory=gib << 30)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: card)
    assert most_runs(spec, 32, "cuda") == most


# --- data order


def test_seeds_change_the_order_and_the_result():
    data, task = random_samples(SPEC, "regression", 29), task_of(SPEC, "regression")
    first, again, other = train(
        SPEC, task, data, [run_of(order=order) for order in (1, 1, 2)], RECIPE
    )
    torch.testing.assert_close(first, again, rtol=1e-3, atol=1e-5)
    assert not torch.allclose(first, other, rtol=1e-3, atol=1e-5)


def test_an_order_goes_through_all_samples_once_and_anew_in_every_epoch():
    orders = {(seed, epoch): data_order(seed, epoch, 50) for seed in (0, 1) for epoch in (0, 1)}
    for order in orders.values():
        assert sorted(order.tolist()) == list(range(50))
    assert len({tuple(order.tolist()) for order in orders.values()}) == 4
    assert torch.equal(data_order(1, 1, 50), orders[1, 1])


def test_the_last_batch_may_be_smaller_and_is_a_mean_over_its_own_samples():
    # 9 samples in batches of 8: the ninth is a batch of one. Only the output bias b is kept,
    # and the loss of a batch is (b - mean target)² up to a constant.
    spec = PerceptronSpec(widths=(1, 1))
    data = Samples(inputs=torch.zeros(9, 1), targets=torch.arange(9.0).unsqueeze(1))
    mask = {"layers.0.weight": torch.zeros(1, 1), "layers.0.bias": torch.ones(1)}
    start = {"layers.0.weight": torch.zeros(1, 1), "layers.0.bias": torch.zeros(1)}
    run = Run(start=start, mask={name: value.bool() for name, value in mask.items()}, seed=0)
    recipe = Recipe(epochs=1, batch_size=8, learning_rate=0.1)
    assert recipe.steps(9) == 2
    trained = train(spec, task_of(spec, "regression"), data, [run], recipe)
    order = data_order(0, 0, 9).numpy()
    value = mean = square = 0.0
    for step, batch in enumerate((order[:8], order[8:]), start=1):
        gradient = 2 * (value - np.mean(batch))
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        corrected = np.sqrt(square / (1 - 0.999**step))
        value -= 0.1 * mean / (1 - 0.9**step) / (corrected + 1e-8)
    assert trained[0, 1].item() == pytest.approx(value, rel=1e-5)


# --- evaluation, samples, recipes


@pytest.mark.parametrize("count", [1, 999, 1000, 1001, 2500])
def test_evaluation_in_batches_equals_the_module(count):
    inputs = random_samples(SPEC, "regression", count).inputs
    networks = [random_weights(SPEC, seed) for seed in range(2)]
    parameters = torch.stack([flatten(SPEC, weights) for weights in networks])
    outputs = evaluate(SPEC, parameters, inputs)
    assert outputs.shape == (2, count, 3)
    for run, weights in enumerate(networks):
        with torch.no_grad():
            torch.testing.assert_close(outputs[run], build_module(SPEC, weights)(inputs))


def test_denormal_numbers_are_what_they_were_to_the_caller():
    data, task = random_samples(SPEC, "regression", 8), task_of(SPEC, "regression")
    run = Run(start=random_weights(SPEC), mask=random_mask(SPEC, 0.5), seed=0)
    try:
        for flushes in (True, False):
            if not torch.set_flush_denormal(flushes):
                pytest.skip("this processor has one way only")
            train(SPEC, task, data, [run], RECIPE)
            assert (float(torch.tensor(1e-39) * 1) == 0) is flushes
    finally:
        torch.set_flush_denormal(False)


def test_convolutions_on_a_gpu_are_of_whole_floats_and_repeat():
    def state():
        return torch.backends.cudnn.allow_tf32, torch.backends.cudnn.deterministic

    before = state()
    with single_threaded():
        assert state() == (False, True)
        assert torch.backends.cudnn.enabled
    assert state() == before


def test_threads_are_restored_also_after_an_error():
    threads = torch.get_num_threads()

    def fail():
        with single_threaded():
            assert torch.get_num_threads() == 1
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert torch.get_num_threads() == threads


def test_samples_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="3 inputs but 2 targets"):
        Samples(inputs=torch.zeros(3, 1), targets=torch.zeros(2, 1))


def test_recipe_json_round_trip_and_unknown_optimizer():
    assert Recipe.from_json(RECIPE.to_json()) == RECIPE
    assert Recipe() == Recipe(epochs=10, batch_size=32, learning_rate=0.001)
    with pytest.raises(ValueError, match="optimizer is 'sgd'; expected 'adam'"):
        Recipe.from_json(RECIPE.to_json() | {"optimizer": "sgd"})


def test_mask_of_a_run_may_be_a_mask_object():
    data, task = random_samples(SPEC, "regression", 8), task_of(SPEC, "regression")
    run = Run(start=random_weights(SPEC), mask=Mask.full(SPEC), seed=0)
    assert train(SPEC, task, data, [run], RECIPE).shape == (1, SPEC.total)


# --- parts of a training


@pytest.mark.parametrize("kind", KINDS)
def test_a_trace_passes_through_every_step_that_is_asked_for(kind):
    data, task = random_samples(SPEC, kind, 29), task_of(SPEC, kind)  # four steps an epoch
    runs = [run_of(density=density, seed=seed) for seed, density in enumerate((1.0, 0.5, 0.1))]
    steps = [0, 3, 4, 9, 12]
    traced = trace(SPEC, task, data, runs, RECIPE, steps=steps)
    assert traced.shape == (5, 3, SPEC.total)
    for run, first in zip(runs, traced[0], strict=True):
        assert torch.equal(first, flatten(SPEC, run.start) * flatten(SPEC, run.mask))
    for step, rows in zip(steps, traced, strict=True):
        for run, row in zip(runs, rows, strict=True):
            expected = plain_training(SPEC, task, data, run, RECIPE, last_step=step)
            assert_same_parameters(row, {k: v * run.mask[k] for k, v in expected.items()})
    # What else is asked for changes no bit.
    assert torch.equal(traced[-1], train(SPEC, task, data, runs, RECIPE))
    assert torch.equal(traced[3], trace(SPEC, task, data, runs, RECIPE, steps=[9])[0])


def test_a_later_first_step_goes_on_with_the_samples_that_come_next():
    data, task = random_samples(SPEC, "classification", 29), task_of(SPEC, "classification")
    run = run_of()
    (later,) = trace(SPEC, task, data, [run], RECIPE, steps=[12], first_step=6)
    expected = plain_training(SPEC, task, data, run, RECIPE, first_step=6)
    assert_same_parameters(later[0], expected)


@pytest.mark.parametrize(
    ("steps", "first_step"), [([5, 4], 0), ([3], 4), ([13], 0), ([-1], 0), ([1], -1)]
)
def test_steps_that_a_training_does_not_have_are_refused(steps, first_step):
    data, task = random_samples(SPEC, "regression", 29), task_of(SPEC, "regression")
    with pytest.raises(ValueError, match="ascending numbers from"):
        trace(SPEC, task, data, [run_of()], RECIPE, steps=steps, first_step=first_step)
