"""Loss, metric and trivial predictor of both kinds of task."""

from __future__ import annotations

import math

import pytest
import torch

from plantkit.networks.tasks import Classification, Regression, TaskKind, make_task, task_from_json


def generator(seed=3):
    return torch.Generator().manual_seed(seed)


def test_classification_loss_by_hand():
    task = Classification(outputs=2)
    # Logits 0 and log 3 give probabilities 1/4 and 3/4.
    outputs = torch.tensor([[0.0, math.log(3.0)], [0.0, math.log(3.0)]])
    loss = task.loss(outputs, torch.tensor([0, 1]))
    assert loss.item() == pytest.approx((math.log(4) + math.log(4 / 3)) / 2)


def test_regression_loss_by_hand():
    task = Regression(outputs=2)
    outputs = torch.tensor([[1.0, 2.0], [0.0, 0.0]])
    targets = torch.tensor([[0.0, 0.0], [0.0, 3.0]])
    assert task.loss(outputs, targets).item() == pytest.approx((1 + 4 + 9) / 4)


@pytest.mark.parametrize("kind", list(TaskKind))
@pytest.mark.parametrize("count", [1, 6])
def test_loss_gradient_equals_autograd_run_by_run(kind, count):
    task = make_task(kind, 3)
    outputs = torch.randn(4, count, 3, generator=generator(), dtype=torch.float64)
    if kind is TaskKind.CLASSIFICATION:
        targets = torch.randint(3, (4, count), generator=generator())
    else:
        targets = torch.randn(4, count, 3, generator=generator(4), dtype=torch.float64)
    gradient = task.loss_gradient(outputs.clone(), targets)
    for run in range(4):
        leaf = outputs[run].clone().requires_grad_()
        (expected,) = torch.autograd.grad(task.loss(leaf, targets[run]), leaf)
        torch.testing.assert_close(gradient[run], expected)


@pytest.mark.parametrize("kind", list(TaskKind))
def test_loss_gradient_leaves_its_arguments_alone(kind):
    task = make_task(kind, 2)
    outputs = torch.randn(2, 3, 2, generator=generator())
    targets = torch.ones(2, 3, dtype=torch.int64) if kind == "classification" else outputs + 1
    before = outputs.clone(), targets.clone()
    task.loss_gradient(outputs, targets)
    assert torch.equal(outputs, before[0])
    assert torch.equal(targets, before[1])


def test_accuracy_by_hand():
    task = Classification(outputs=3)
    outputs = torch.tensor(
        [
            [[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]],  # classes 0 1 2 2
            [[0.0, 1, 0], [0, 1, 0], [0, 1, 0], [0, 1, 0]],  # classes 1 1 1 1
        ]
    )
    accuracy = task.accuracy(outputs, torch.tensor([0, 1, 2, 1]))
    assert accuracy.tolist() == [0.75, 0.5]
    assert accuracy.dtype == torch.float64


def test_r2_by_hand_pools_the_outputs():
    task = Regression(outputs=2)
    targets = torch.tensor([[0.0, 0.0], [2.0, 4.0]])  # means 1 and 2; variance (1+1+4+4)/4 = 2.5
    perfect = targets
    means = torch.tensor([[1.0, 2.0], [1.0, 2.0]])
    off = torch.tensor([[0.0, 0.0], [2.0, 3.0]])  # MSE 1/4
    r2 = task.accuracy(torch.stack([perfect, means, off]), targets)
    assert r2.tolist() == [1.0, 0.0, pytest.approx(1 - 0.25 / 2.5)]
    assert r2.dtype == torch.float64


def test_r2_takes_each_outputs_own_mean():
    """The three samples lie on a line, so that it matters which axis the mean is taken over."""
    task = Regression(outputs=2)
    targets = torch.tensor([[0.0, 10.0], [3.0, 10.0], [6.0, 10.0]])
    # Variances 6 and 0, pooled 3; the error is 1 in one of six numbers.
    outputs = targets.clone()
    outputs[0, 0] = 1.0
    assert task.accuracy(outputs.unsqueeze(0), targets).item() == pytest.approx(1 - (1 / 6) / 3)


def test_r2_is_negative_where_the_mean_would_be_better():
    task = Regression(outputs=1)
    targets = torch.tensor([[0.0], [2.0]])
    outputs = torch.stack([targets, targets + 1, 2 * targets])
    assert task.accuracy(outputs, targets).tolist() == [1.0, 0.0, -1.0]


# --- losses that do not depend on the outputs' scale


def test_scale_free_cross_entropy_by_hand():
    task = Classification(outputs=2)
    outputs = torch.tensor([[3.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 3.0]])
    targets = torch.tensor([0, 0, 1, 0])
    # Root mean square of the eight outputs: sqrt(18 / 8) = 1.5; so 3 becomes 2, times 0.5 is 1.
    right, even, wrong = math.log(1 + math.exp(-1)), math.log(2), math.log(1 + math.exp(1))
    expected = (right + 2 * even + wrong) / 4
    for factor in (1e-25, 0.01, 1.0, 1e25):
        loss = task.scale_free_loss(outputs * factor, targets, sharpness=torch.tensor(0.5))
        assert loss.item() == pytest.approx(expected)


def test_scale_free_regression_loss_by_hand():
    task = Regression(outputs=2)
    outputs = torch.tensor([[1.0, 2.0], [1.0, 0.0]])
    targets = torch.tensor([[3.0, 1.0], [1.0, 2.0]])
    # Factors (3 + 1) / 2 = 2 and 2 / 4 = 1/2 explain 8 of 10 and 1 of 5: 6 of 15 are left.
    for factor in (-1e-25, 0.01, 1.0, 1e25):
        loss = task.scale_free_loss(outputs * factor, targets, sharpness=torch.ones(()))
        assert loss.item() == pytest.approx(6 / 15)
        # Nor does it depend on the targets' scale, since it is a share of their power.
        small = task.scale_free_loss(outputs * factor, targets / 100, sharpness=torch.ones(()))
        assert small.item() == pytest.approx(6 / 15)


@pytest.mark.parametrize("sharpness", [0.5, 7.0])
def test_scale_free_regression_loss_has_no_sharpness(sharpness):
    outputs = torch.randn(6, 2, generator=generator())
    targets = torch.randn(6, 2, generator=generator(4))
    one, other = (
        Regression(outputs=2).scale_free_loss(outputs, targets, sharpness=torch.tensor(value))
        for value in (1.0, sharpness)
    )
    assert torch.equal(one, other)


def test_an_output_that_is_all_zero_explains_nothing():
    outputs = torch.tensor([[1.0, 0.0], [2.0, 0.0]])
    targets = torch.tensor([[2.0, 3.0], [4.0, 4.0]])
    loss = Regression(outputs=2).scale_free_loss(outputs, targets, sharpness=torch.ones(()))
    assert loss.item() == pytest.approx(25 / 45)


def test_scale_free_losses_of_dead_outputs_and_of_targets_that_are_zero():
    dead = torch.zeros(3, 2)
    classes, numbers = Classification(outputs=2), Regression(outputs=2)
    sharp = torch.tensor(2.0)
    assert classes.scale_free_loss(dead, torch.tensor([0, 1, 0]), sharpness=sharp).item() == (
        pytest.approx(math.log(2))
    )
    assert numbers.scale_free_loss(dead, torch.ones(3, 2), sharpness=sharp).item() == 1.0
    assert numbers.scale_free_loss(torch.ones(3, 2), dead, sharpness=sharp).item() == 0.0


@pytest.mark.parametrize("kind", list(TaskKind))
def test_scale_free_losses_have_the_gradient_of_finite_differences(kind):
    task = make_task(kind, 3)
    outputs = torch.randn(5, 3, generator=generator(), dtype=torch.float64, requires_grad=True)
    if kind is TaskKind.CLASSIFICATION:
        targets = torch.randint(3, (5,), generator=generator())
    else:
        targets = torch.randn(5, 3, generator=generator(4), dtype=torch.float64)
    sharpness = torch.tensor(1.5, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda out: task.scale_free_loss(out, targets, sharpness=sharpness), (outputs,)
    )


def test_regression_factors_by_hand():
    task = Regression(outputs=2)
    outputs = torch.tensor([[[1.0, 0.0], [2.0, 0.0]]])
    targets = torch.tensor([[2.0, 5.0], [5.0, 5.0]])
    # First output: (1*2 + 2*5) / (1 + 4); second output is all zero and keeps the factor 1.
    assert task.output_factors(outputs, targets).tolist() == [[pytest.approx(2.4), 1.0]]


def test_regression_factors_of_tiny_outputs_are_exact():
    task = Regression(outputs=1)
    outputs = torch.tensor([[[1e-30], [2e-30]]])  # squares of float32 would be 0
    targets = torch.tensor([[1.0], [2.0]])
    factors = task.output_factors(outputs, targets)
    assert factors.dtype == torch.float64
    assert factors.item() == pytest.approx(1e30, rel=1e-6)


def test_regression_factors_minimise_the_error():
    task = Regression(outputs=3)
    outputs = torch.randn(2, 20, 3, generator=generator())
    targets = torch.randn(20, 3, generator=generator(4))
    factors = task.output_factors(outputs, targets)
    best = task.accuracy(outputs * factors.unsqueeze(1), targets)
    for output in range(3):
        for change in (-0.01, 0.01):
            other = factors.clone()
            other[:, output] += change
            assert bool((task.accuracy(outputs * other.unsqueeze(1), targets) < best).all())


def test_a_planted_scale_is_undone_by_the_factors():
    task = Regression(outputs=2)
    targets = torch.randn(10, 2, generator=generator())
    outputs = (targets / torch.tensor([3.0, -0.5])).unsqueeze(0)
    factors = task.output_factors(outputs, targets)
    expected = torch.tensor([[3.0, -0.5]], dtype=torch.float64)
    torch.testing.assert_close(factors, expected, rtol=1e-6, atol=0)


def test_classification_outputs_are_not_rescaled():
    task = Classification(outputs=3)
    factors = task.output_factors(
        torch.randn(2, 5, 3, generator=generator()), torch.zeros(5, dtype=torch.int64)
    )
    assert torch.equal(factors, torch.ones(2, 3, dtype=torch.float64))
    assert factors.dtype == torch.float64


def test_best_constant_of_classification_is_the_most_frequent_class():
    task = Classification(outputs=4)
    targets = torch.tensor([2, 2, 1, 2, 0])
    constant = task.constant_outputs(targets)
    assert constant.argmax().item() == 2
    assert task.accuracy(constant.expand(1, 5, 4), targets).item() == pytest.approx(0.6)


def test_best_constant_of_regression_is_the_mean():
    task = Regression(outputs=2)
    targets = torch.tensor([[0.0, 1.0], [2.0, 5.0]])
    constant = task.constant_outputs(targets)
    assert constant.tolist() == [1.0, 3.0]
    assert task.accuracy(constant.expand(1, 2, 2), targets).item() == pytest.approx(0.0)


@pytest.mark.parametrize("kind", list(TaskKind))
def test_json_round_trip(kind):
    task = make_task(kind, 3)
    assert task_from_json(task.to_json()) == task


def test_json_by_hand():
    assert Classification(outputs=4).to_json() == {
        "kind": "classification",
        "outputs": 4,
        "metric": "accuracy",
    }
    assert Regression(outputs=2).to_json() == {"kind": "regression", "outputs": 2, "metric": "r2"}


def test_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="ranking"):
        make_task("ranking", 2)
