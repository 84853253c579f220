"""Tasks: loss, metric and trivial predictor, for classification and for regression.

This is the one place where the two kinds of task differ. Losses are of one run: outputs are
(n, outputs). Everything else takes a leading axis of runs: outputs are (runs, n, outputs).
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional


class TaskKind(enum.StrEnum):
    """What the outputs of a network mean."""

    CLASSIFICATION = "classification"
    REGRESSION = "regression"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task(ABC):
    """What a network's outputs mean, and how good they are.

    outputs: the number of classes, or of regression targets. has_output_factors: whether
    `output_factors` are other than ones.
    """

    outputs: int
    kind: ClassVar[TaskKind]
    metric: ClassVar[str]
    has_output_factors: ClassVar[bool]

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind.value, "outputs": self.outputs, "metric": self.metric}

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Returns the mean loss () of outputs (n, outputs) against targets of n samples."""

    @abstractmethod
    def loss_gradient(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Returns d loss / d outputs (runs, n, outputs), the loss of each run a mean over n.

        `targets` are (runs, n) classes or (runs, n, outputs) values.
        """

    @abstractmethod
    def scale_free_loss(self, outputs: Tensor, targets: Tensor, *, sharpness: Tensor) -> Tensor:
        """Returns a loss () of outputs (n, outputs) that does not depend on their scale.

        It can be differentiated, and judges an untrained network as `accuracy` does after
        `output_factors` are applied. Classification: the cross entropy of the outputs
        over their root mean square, times `sharpness` (). Regression: what is left of the
        targets' power, 0 to 1, after the least-squares factor of every output.
        """

    @abstractmethod
    def accuracy(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Returns accuracy or R² (runs,) float64, at most 1, of (runs, n, outputs)."""

    @abstractmethod
    def accuracy_of_targets(self, guesses: Tensor, targets: Tensor) -> float:
        """Returns the accuracy or R² of guesses that have the form of targets."""

    @abstractmethod
    def resolution(self, count: int) -> float:
        """Returns the smallest error, 1 - accuracy, that `count` samples can tell from none."""

    @abstractmethod
    def output_factors(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Returns the factors (runs, outputs) that an untrained network's outputs need.

        They are float64: a deep ticket's outputs can be so small that they would overflow.

        Regression: the least-squares factor of every output, to be fitted on training data
        only. Classification: ones, since the plain argmax decides.
        """

    @abstractmethod
    def constant_outputs(self, targets: Tensor) -> Tensor:
        """Returns the outputs (outputs,) of the best constant predictor for `targets`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification(Task):
    """Cross entropy and accuracy; the class is the plain argmax of the outputs."""

    kind: ClassVar[TaskKind] = TaskKind.CLASSIFICATION
    metric: ClassVar[str] = "accuracy"
    has_output_factors: ClassVar[bool] = False

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return functional.cross_entropy(outputs, targets)

    def loss_gradient(self, outputs: Tensor, targets: Tensor) -> Tensor:
        # Classes before samples: a softmax over a short last axis is several times slower.
        gradient = torch.softmax(outputs.transpose(1, 2).contiguous(), dim=1)
        minus_one = outputs.new_full((), -1.0).expand(targets.shape[0], 1, targets.shape[1])
        gradient.scatter_add_(1, targets.unsqueeze(1), minus_one)
        return gradient.div_(outputs.shape[1]).transpose(1, 2)

    def scale_free_loss(self, outputs: Tensor, targets: Tensor, *, sharpness: Tensor) -> Tensor:
        outputs = _without_scale(outputs)
        power = outputs.square().mean()
        scale = torch.where(power > 0, power, torch.ones_like(power)).rsqrt()
        return functional.cross_entropy(outputs * (scale * sharpness), targets)

    def accuracy(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs.argmax(dim=-1) == targets).double().mean(dim=-1)

    def accuracy_of_targets(self, guesses: Tensor, targets: Tensor) -> float:
        return float((guesses == targets).double().mean())

    def resolution(self, count: int) -> float:
        return 0.5 / count  # half a wrong sample

    def output_factors(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return outputs.new_ones(outputs.shape[0], self.outputs, dtype=torch.float64)

    def constant_outputs(self, targets: Tensor) -> Tensor:
        return torch.bincount(targets, minlength=self.outputs).float()


@dataclass(frozen=True, slots=True, kw_only=True)
class Regression(Task):
    """Mean squared error and R² = 1 - MSE / variance, both pooled over the outputs."""

    kind: ClassVar[TaskKind] = TaskKind.REGRESSION
    metric: ClassVar[str] = "r2"
    has_output_factors: ClassVar[bool] = True

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return functional.mse_loss(outputs, targets)

    def loss_gradient(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs - targets).mul_(2.0 / (outputs.shape[1] * self.outputs))

    def scale_free_loss(self, outputs: Tensor, targets: Tensor, *, sharpness: Tensor) -> Tensor:
        outputs = _without_scale(outputs)
        power = outputs.square().sum(dim=0)  # (outputs,)
        safe = torch.where(power > 0, power, torch.ones_like(power))
        explained = (outputs * targets).sum(dim=0).square() / safe
        whole = targets.square().sum()
        return (whole - explained.sum()) / torch.where(whole > 0, whole, torch.ones_like(whole))

    def accuracy(self, outputs: Tensor, targets: Tensor) -> Tensor:
        exact = targets.double()
        variance = (exact - exact.mean(dim=-2, keepdim=True)).square().mean()
        error = (outputs.double() - exact).square().mean(dim=(-2, -1))
        return 1.0 - error / variance

    def accuracy_of_targets(self, guesses: Tensor, targets: Tensor) -> float:
        return float(self.accuracy(guesses.unsqueeze(0), targets)[0])

    def resolution(self, count: int) -> float:
        return 1e-6  # what is left by float32 arithmetic in deep networks

    def output_factors(self, outputs: Tensor, targets: Tensor) -> Tensor:
        exact = outputs.double()
        power = exact.square().sum(dim=-2)  # (runs, outputs)
        product = (exact * targets.double()).sum(dim=-2)
        return torch.where(power > 0, product / power, torch.ones_like(power))

    def constant_outputs(self, targets: Tensor) -> Tensor:
        return targets.double().mean(dim=0).float()


def _without_scale(outputs: Tensor) -> Tensor:
    """Returns outputs over their largest magnitude; squares of a deep network's would become 0."""
    largest = outputs.detach().abs().max()
    return outputs / torch.where(largest > 0, largest, torch.ones_like(largest))


_TASKS: dict[TaskKind, type[Task]] = {task.kind: task for task in (Classification, Regression)}


def make_task(kind: TaskKind | str, outputs: int) -> Task:
    """Returns the task of `kind` with `outputs` outputs.

    Raises:
        ValueError: an unknown kind.
    """
    return _TASKS[TaskKind(kind)](outputs=outputs)


def task_from_json(value: Mapping[str, Any]) -> Task:
    return make_task(value["kind"], value["outputs"])
