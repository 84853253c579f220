"""What the studies on scikit-learn's digits share: the data, two small networks, their training.

The digits are 1,797 images of 8x8 pixels in ten classes (the test part of "Optical Recognition
of Handwritten Digits", E. Alpaydin and C. Kaynak, UCI). They need the extra `studies`.
"""

from __future__ import annotations

import itertools
import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from plantkit.errors import MissingExtraError
from plantkit.networks import ConvolutionSpec, Network, PerceptronSpec
from plantkit.networks.tasks import Classification
from plantkit.networks.training import Recipe, Run, Samples, evaluate, trace
from plantkit.reports.tables import Table
from plantkit.research.studies.calibration import Calibration
from plantkit.research.studies.plotting import Line, Panel, draw_panels
from plantkit.research.studies.records import Coordinates, Records, StudyRecord
from plantkit.research.studies.study import Plot, Study, Unit

TASK = Classification(outputs=10)

#: How many samples are held out to stop at and to test on, and how many are trained on.
VALIDATION = 297
TEST = 300
TRAIN = 1200

#: The networks by their names on the command line.
NETWORKS: Mapping[str, Network] = {
    "fc": PerceptronSpec(widths=(64, 100, 50, 10)),
    "conv": ConvolutionSpec(image=(1, 8, 8), blocks=((8,), (16,)), hidden=(32,), outputs=10),
}
#: Adam's rate and the batch size. The batch is that of arXiv 1803.03635; its rate of 0.0012 is
#: so slow here that networks still improve when training ends.
LEARNING_RATE = 0.005
BATCH_SIZE = 60

#: Values that people read in percent.
_PERCENT = frozenset({"early_accuracy", "accuracy", "barrier"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """The digits, shuffled and split."""

    train: Samples
    validation: Samples
    test: Samples


def load_split(seed: int) -> Split:
    """Returns the digits in the order of `seed`; pixels in [0, 1], float32.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    if find_spec("sklearn") is None:
        raise MissingExtraError(extra="studies", needed_for="loading the digits")
    from sklearn.datasets import load_digits

    inputs, targets = load_digits(return_X_y=True)
    order = np.random.Generator(np.random.PCG64([seed, 0])).permutation(len(inputs))
    images = torch.from_numpy(inputs[order] / 16.0).float()
    classes = torch.from_numpy(targets[order]).long()
    ends = (0, TRAIN, TRAIN + VALIDATION, TRAIN + VALIDATION + TEST)
    train, validation, test = (
        Samples(inputs=images[first:last], targets=classes[first:last])
        for first, last in itertools.pairwise(ends)
    )
    return Split(train=train, validation=validation, test=test)


def glorot(network: Network, seed: int) -> dict[str, Tensor]:
    """Returns Glorot's initial parameters: weights N(0, 2/(fan in + fan out)), biases zero."""
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name, shape in network.shapes.items():
        pixels = math.prod(shape[2:])
        fans = (shape[0] + shape[1]) * pixels if len(shape) > 1 else math.inf
        weights[name] = torch.randn(shape, generator=generator) * (2.0 / fans) ** 0.5
    return weights


def validation_losses(network: Network, parameters: Tensor, data: Samples) -> list[float]:
    """Returns the mean loss of each of the parameters (runs, total)."""
    outputs = evaluate(network, parameters, data.inputs)
    return [float(TASK.loss(run, data.targets)) for run in outputs]


def accuracies(network: Network, parameters: Tensor, data: Samples) -> list[float]:
    """Returns the accuracy in [0, 1] of each of the parameters (runs, total)."""
    return [
        float(a) for a in TASK.accuracy(evaluate(network, parameters, data.inputs), data.targets)
    ]


class Bench:
    """A network, a split of the digits, initial weights and a recipe, all of one seed."""

    def __init__(self, name: str, seed: int, epochs: int) -> None:
        self.network = NETWORKS[name]
        self.seed = seed
        self.split = load_split(seed)
        self.start = glorot(self.network, seed)
        self.recipe = _recipe(epochs)
        self.end = self.recipe.steps(len(self.split.train))

    def trace(self, runs: Sequence[Run], steps: Sequence[int], first_step: int = 0) -> Tensor:
        """Returns the parameters (steps, runs, total) after so many steps; see `training.trace`."""
        return trace(
            self.network,
            TASK,
            self.split.train,
            runs,
            self.recipe,
            steps=steps,
            first_step=first_step,
        )


class DigitsStudy(Study):
    """A study whose units train one of `NETWORKS` with one seed; its records have both.

    Attributes:
        x_label, log_x: of all plots.
        shown: names of the values to plot, each to the label of its axis.
        caption: of the one picture.
    """

    x_label: ClassVar[str]
    log_x: ClassVar[bool]
    shown: ClassVar[Mapping[str, str]]
    caption: ClassVar[str]

    @abstractmethod
    def settings(self, *, quick: bool) -> list[Coordinates]:
        """Returns the further coordinates of the units of every network and seed."""

    @abstractmethod
    def trainings(self, coordinates: Coordinates) -> int:
        """Returns how many trainings a unit takes."""

    @abstractmethod
    def measured(
        self, bench: Bench, coordinates: Coordinates
    ) -> Iterator[tuple[Coordinates, Mapping[str, float | None]]]:
        """Yields the records of a unit: coordinates besides network and seed, and values."""

    @abstractmethod
    def table(self, network: str, records: Records) -> Table:
        """Returns the table of one network's records."""

    @abstractmethod
    def curves(self, records: Records) -> dict[str, dict[float, Records]]:
        """Returns the lines to plot of one network: label to the records at every x."""

    def units(self, *, quick: bool, seeds: int | None) -> list[Unit]:
        count = (3 if quick else 5) if seeds is None else seeds
        return [
            Unit(study=self.name, coordinates={"network": network, **setting, "seed": seed})
            for seed in range(count)  # first, so that a part of the grid is of use
            for network in NETWORKS
            for setting in self.settings(quick=quick)
        ]

    def seconds(self, unit: Unit, calibration: Calibration) -> float:
        network = NETWORKS[str(unit.coordinates["network"])]
        steps = _recipe(int(unit.coordinates["epochs"])).steps(TRAIN)
        batches = BATCH_SIZE / 32  # the calibration's batches are of 32
        each = calibration.training_seconds(round(network.work * batches), steps)
        return self.trainings(unit.coordinates) * each

    def run(self, unit: Unit) -> list[StudyRecord]:
        at = unit.coordinates
        bench = Bench(str(at["network"]), int(at["seed"]), int(at["epochs"]))
        own = {name: at[name] for name in ("network", "seed")}
        return [
            StudyRecord(coordinates={**own, **where}, values=values)
            for where, values in self.measured(bench, at)
        ]

    def tables(self, records: Records) -> list[Table]:
        return [self.table(str(name), here) for name, here in records.by("network").items()]

    def draw(self, records: Records, directory: Path) -> list[Plot]:
        path = directory / f"{self.name}.svg"
        draw_panels(
            [
                [self._panel(str(network), value, self.curves(here)) for value in self.shown]
                for network, here in records.by("network").items()
            ],
            path,
        )
        return [Plot(path=path, caption=self.caption)]

    def _panel(self, title: str, value: str, curves: dict[str, dict[float, Records]]) -> Panel:
        lines = [
            Line.of(label, {x: shown_values(at, value) for x, at in line.items()})
            for label, line in curves.items()
        ]
        return Panel(
            title=title,
            lines=tuple(line for line in lines if line.points),
            x_label=self.x_label,
            y_label=self.shown[value],
            log_x=self.log_x,
        )


def shown_values(records: Records, value: str) -> list[float]:
    """Returns the values as people read them: shares in percent."""
    factor = 100.0 if value in _PERCENT else 1.0
    return [factor * found for found in records.values(value)]


def _recipe(epochs: int) -> Recipe:
    return Recipe(epochs=epochs, batch_size=BATCH_SIZE, learning_rate=LEARNING_RATE)
