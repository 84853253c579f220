"""The Lottery Ticket Hypothesis on scikit-learn's digits: `plantkit study lottery`.

A fully connected and a convolutional network are trained, pruned by iterative magnitude pruning
and reset to their initial weights; beside them train one-shot pruned networks, the tickets'
masks on other initial weights, and random masks of the same layer sizes. All are watched on
validation data every ten steps: the early-stopping iteration is that of least loss.

References:
    arXiv 1803.03635.

Differs from the paper: digits of 8x8 pixels in place of MNIST and CIFAR-10, with far smaller
networks; Adam at 0.005 in place of 0.0012, for 40 epochs, so that the dense networks reach
their least validation loss well before training ends. All layers but the output are pruned
alike in the convolutional network, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from types import MappingProxyType
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from plantkit.networks import unflatten, weight_name
from plantkit.networks.training import Run, trace
from plantkit.pruners.budgets import Scope
from plantkit.research.studies import digits, tickets
from plantkit.research.studies.lottery_claims import LEAST, PAPER, SMALLER, claims_of
from plantkit.research.studies.plotting import Line, Panel, draw_panels
from plantkit.research.studies.records import Coordinates, Records, StudyRecord
from plantkit.research.studies.study import Plot, Study, Unit
from plantkit.research.studies.tables import Table

if TYPE_CHECKING:
    from plantkit.research.studies.calibration import Calibration

#: Steps between two looks at the validation data.
_EVERY = 10
#: Levels at which all methods are compared; every other level is trained for its mask only.
_COMPARED = range(1, 100, 2)
#: The methods of pruning and the controls, as tables and plots call them.
METHODS: Mapping[str, str] = MappingProxyType(
    {
        "imp": "iterative, layerwise",
        "imp-global": "iterative, global",
        "one-shot": "one-shot",
        "reinitialised": "ticket's mask, other weights",
        "random": "random mask",
    }
)


class Bench:
    """One network, one split of the digits, one initialisation."""

    def __init__(self, name: str, seed: int, epochs: int) -> None:
        self.network = digits.NETWORKS[name]
        self.split = digits.load_split(seed)
        self.recipe = digits.recipe_of(epochs)
        self.start = digits.glorot(self.network, seed)
        self.other = digits.glorot(self.network, 1_000_000 + seed)
        self.seed = seed
        end = self.recipe.steps(len(self.split.train))
        self.steps = [*range(0, end, _EVERY), end]

    def train(
        self, starts: Sequence[Mapping[str, Tensor]], masks: Sequence[Mapping[str, Tensor]]
    ) -> tuple[list[dict[str, float]], list[dict[str, Tensor]]]:
        """Returns the values to record of every run, and its trained parameters by name."""
        runs = [
            Run(start=start, mask=mask, seed=self.seed)
            for start, mask in zip(starts, masks, strict=True)
        ]
        seen = trace(
            self.network, digits.TASK, self.split.train, runs, self.recipe, steps=self.steps
        )  # (steps, runs, total)
        losses = torch.tensor(
            [digits.validation_losses(self.network, at, self.split.validation) for at in seen]
        )
        best = losses.argmin(dim=0)  # (runs,)
        early = digits.accuracies(
            self.network, seen[best, torch.arange(len(runs))], self.split.test
        )
        final = digits.accuracies(self.network, seen[-1], self.split.test)
        values = [
            {
                "share": tickets.share_left(self.network, mask),
                "early_iteration": float(self.steps[int(best[run])]),
                "early_loss": float(losses[best[run], run]),
                "early_accuracy": early[run],
                "final_accuracy": final[run],
            }
            for run, mask in enumerate(masks)
        ]
        named = unflatten(self.network, seen[-1])
        return values, [
            {name: value[run] for name, value in named.items()} for run in range(len(runs))
        ]

    def movement(
        self, trained: Mapping[str, Tensor], mask: Mapping[str, Tensor]
    ) -> dict[str, float]:
        """Returns how far the dense net's weights went, on average, in the ticket and beside it."""
        names = [weight_name(layer) for layer in self.network.layers]
        moved = torch.cat([(trained[name] - self.start[name]).abs().reshape(-1) for name in names])
        kept = torch.cat([mask[name].reshape(-1) for name in names])
        return {
            "share": float(kept.double().mean()),
            "inside": float(moved[kept].mean()),
            "outside": float(moved[~kept].mean()),
        }


class Lottery(Study):
    """See the module."""

    name = "lottery"
    title = "The Lottery Ticket Hypothesis, on 8x8 digits"
    reference = PAPER
    choices = MappingProxyType({"network": "Network to train."})
    claims = tuple(claim for network in digits.NETWORKS for claim in claims_of(network))

    def units(self, *, quick: bool, seeds: int | None) -> list[Unit]:
        count = (3 if quick else 5) if seeds is None else seeds
        levels = SMALLER if quick else LEAST
        return [
            Unit(
                study=self.name,
                coordinates={"network": network, "levels": levels, "epochs": 40, "seed": seed},
            )
            for seed in range(count)  # first, so that a part of the grid is of use
            for network in digits.NETWORKS
        ]

    def seconds(self, unit: Unit, calibration: Calibration) -> float:
        network = digits.NETWORKS[str(unit.coordinates["network"])]
        levels = int(unit.coordinates["levels"])
        trainings = 1 + 2 * levels + 3 * len(_compared(levels))
        recipe = digits.recipe_of(int(unit.coordinates["epochs"]))
        each = digits.training_seconds(network, recipe.steps(digits.TRAIN), calibration)
        return trainings * each

    def run(self, unit: Unit) -> list[StudyRecord]:
        name, seed = str(unit.coordinates["network"]), int(unit.coordinates["seed"])
        levels = int(unit.coordinates["levels"])
        bench = Bench(name, seed, int(unit.coordinates["epochs"]))
        network, start = bench.network, bench.start
        records = []

        def keep(method: str, level: int, values: Mapping[str, float]) -> None:
            where: Coordinates = {"network": name, "seed": seed, "method": method, "level": level}
            records.append(StudyRecord(coordinates=where, values=dict(values)))

        full = tickets.everything(network)
        (values,), (dense,) = bench.train([start], [full])
        keep("dense", 0, values)
        scopes = {"imp": Scope.LAYERWISE, "imp-global": Scope.GLOBAL}
        masks = dict.fromkeys(scopes, full)
        trained = dict.fromkeys(scopes, dense)
        found: dict[int, dict[str, Tensor]] = {}
        for level in range(1, levels + 1):
            masks = {
                method: tickets.pruned(network, masks[method], trained[method], level, scope)
                for method, scope in scopes.items()
            }
            results, networks = bench.train([start] * len(masks), list(masks.values()))
            trained = dict(zip(scopes, networks, strict=True))
            for method, values in zip(scopes, results, strict=True):
                keep(method, level, values)
            found[level] = masks["imp"]
        compared: list[tuple[str, int, Mapping[str, Tensor], dict[str, Tensor]]] = []
        for level in _compared(levels):
            shot = tickets.pruned(network, full, dense, level, Scope.LAYERWISE)
            chance = tickets.shuffled(network, found[level], 1000 * seed + level)
            compared += [
                ("one-shot", level, start, shot),
                ("reinitialised", level, bench.other, found[level]),
                ("random", level, start, chance),
            ]
            keep("movement", level, bench.movement(dense, found[level]))
        results, _ = bench.train([entry[2] for entry in compared], [entry[3] for entry in compared])
        for (method, level, *_), values in zip(compared, results, strict=True):
            keep(method, level, values)
        return records

    def tables(self, records: Records) -> list[Table]:
        return [_table(network, records.where(network=network)) for network in _present(records)]

    def draw(self, records: Records, directory: Path) -> list[Plot]:
        rows = [_panels(network, records.where(network=network)) for network in _present(records)]
        path = directory / "lottery.svg"
        draw_panels(rows, path)
        return [
            Plot(
                path=path,
                caption="Test accuracy at the early-stopping iteration, and that iteration, "
                "against the share of weights left; mean and range over seeds.",
            )
        ]


def _compared(levels: int) -> list[int]:
    return [level for level in _COMPARED if level <= levels]


def _present(records: Records) -> list[str]:
    return [str(network) for network in records.distinct("network")]


def _table(network: str, records: Records) -> Table:
    levels = sorted({int(level) for level in records.where(method="random").distinct("level")})
    rows = []
    for level in [0, *levels]:
        shown = records.where(level=level)
        share = shown.where(method=("dense", "imp")).values("share")
        cells = [f"{100 * share[0]:.1f}%" if share else "-"]
        for method in METHODS:
            wanted = shown.where(method=method if level else "dense")
            accuracy, iteration = (
                wanted.values("early_accuracy"),
                wanted.values("early_iteration"),
            )
            cells.append(
                f"{100 * fmean(accuracy):.1f} at {fmean(iteration):.0f}" if accuracy else "-"
            )
        rows.append(tuple(cells))
    return Table(
        title=f"{network} ({digits.NETWORKS[network].label}): test accuracy in % at the "
        "early-stopping iteration, means over seeds",
        columns=("weights left", *METHODS.values()),
        rows=tuple(rows),
    )


def _panels(network: str, records: Records) -> list[Panel]:
    panels = []
    dense = records.where(method="dense")
    for value, title, factor in (
        ("early_accuracy", "test accuracy (%)", 100.0),
        ("early_iteration", "early-stopping iteration", 1.0),
    ):
        lines = []
        for method, label in METHODS.items():
            points = {100.0: [factor * found for found in dense.values(value)]}
            for shown in records.where(method=method).by("level").values():
                share = round(100 * shown.values("share")[0], 1)
                points[share] = [factor * found for found in shown.values(value)]
            lines.append(Line.of(label, points))
        panels.append(
            Panel(title=network, lines=tuple(lines), x_label="weights left (%)", y_label=title)
        )
    return panels


STUDY = Lottery()
