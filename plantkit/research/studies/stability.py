"""Stability of subnetworks on scikit-learn's digits: `plantkit study stability`.

A network is pruned by iterative magnitude pruning with rewinding: after every round the weights
that are left go back to their values at step k of the first training, and training goes on from
there. The subnetwork is then trained twice from step k, under two orders of the data. Stability
to data order is the distance between the two results; stability to pruning the distance between
a result and the dense network trained from step k under the same order. The error barrier is
the most error along the line between the two results less the mean error of its ends.

References:
    arXiv 1903.01611 (stability to pruning and to data order, rewinding);
    arXiv 1912.05671 (error barrier).

Differs from the papers: digits of 8x8 pixels and far smaller networks; Adam in place of SGD, its
moments starting at zero at step k; after every round all networks are trained to the end of the
same schedule. Errors are on the 300 test images, so one image is 0.33%.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from torch import Tensor

from plantkit.networks import unflatten
from plantkit.networks.training import Run, trace
from plantkit.pruners.budgets import Scope
from plantkit.research.studies import digits, tickets
from plantkit.research.studies.instability import measures
from plantkit.research.studies.plotting import Line, Panel, draw_panels
from plantkit.research.studies.records import Coordinates, Records, StudyRecord
from plantkit.research.studies.stability_claims import FIRST, FOLLOW_UP, claims_of
from plantkit.research.studies.study import Plot, Study, Unit
from plantkit.research.studies.tables import Table

if TYPE_CHECKING:
    from plantkit.research.studies.calibration import Calibration

#: 0.8^10 = 10.7% of the weights, as the first paper has it for LeNet.
_LEVEL = 10
_EPOCHS = 40
_REWINDS = (0, 10, 40, 160)
_QUICK_REWINDS = (0, 40)
#: Data orders: of the dense training and the masks, and of the second training.
_ORDERS = (0, 500_000)

SUBNETWORKS: Mapping[str, str] = MappingProxyType(
    {"imp": "iterative pruning", "random": "random mask", "dense": "dense"}
)
VALUES: Mapping[str, str] = MappingProxyType(
    {
        "order_l2": "distance, data order (L2)",
        "order_angle": "distance, data order (degrees)",
        "prune_l2": "distance, pruning (L2)",
        "prune_angle": "distance, pruning (degrees)",
        "barrier": "error barrier (%)",
        "accuracy": "test accuracy (%)",
    }
)
_PERCENT = frozenset({"barrier", "accuracy"})


class Stability(Study):
    """See the module."""

    name = "stability"
    title = "Stabilizing the Lottery Ticket Hypothesis, on 8x8 digits"
    reference = f"{FIRST}, {FOLLOW_UP}"
    choices = MappingProxyType({"network": "Network to train.", "rewind": "Rewinding step k."})
    claims = tuple(claim for network in digits.NETWORKS for claim in claims_of(network))

    def units(self, *, quick: bool, seeds: int | None) -> list[Unit]:
        count = (3 if quick else 5) if seeds is None else seeds
        return [
            Unit(
                study=self.name,
                coordinates={
                    "network": network,
                    "rewind": rewind,
                    "levels": _LEVEL,
                    "epochs": _EPOCHS,
                    "seed": seed,
                },
            )
            for seed in range(count)  # first, so that a part of the grid is of use
            for network in digits.NETWORKS
            for rewind in (_QUICK_REWINDS if quick else _REWINDS)
        ]

    def seconds(self, unit: Unit, calibration: Calibration) -> float:
        network = digits.NETWORKS[str(unit.coordinates["network"])]
        trainings = 1 + int(unit.coordinates["levels"]) + 2 * len(SUBNETWORKS)
        recipe = digits.recipe_of(int(unit.coordinates["epochs"]))
        each = digits.training_seconds(network, recipe.steps(digits.TRAIN), calibration)
        return trainings * each

    def run(self, unit: Unit) -> list[StudyRecord]:
        name, seed = str(unit.coordinates["network"]), int(unit.coordinates["seed"])
        rewind = int(unit.coordinates["rewind"])
        network, split = digits.NETWORKS[name], digits.load_split(seed)
        recipe = digits.recipe_of(int(unit.coordinates["epochs"]))
        end = recipe.steps(len(split.train))
        full = tickets.everything(network)

        def train(
            masks: Sequence[Mapping[str, Tensor]],
            orders: Sequence[int],
            start: Mapping[str, Tensor],
            first: int,
            last: int,
        ) -> Tensor:
            """Returns the parameters (runs, total) after step `last`."""
            runs = [
                Run(start=start, mask=mask, seed=seed + order)
                for mask, order in zip(masks, orders, strict=True)
            ]
            return trace(
                network, digits.TASK, split.train, runs, recipe, steps=[last], first_step=first
            )[0]

        start = digits.glorot(network, seed)
        early = unflatten(network, train([full], _ORDERS[:1], start, 0, rewind)[0])
        mask = full
        for level in range(1, int(unit.coordinates["levels"]) + 1):
            trained = unflatten(network, train([mask], _ORDERS[:1], early, rewind, end)[0])
            mask = tickets.pruned(network, mask, trained, level, Scope.LAYERWISE)
        masks = {
            "imp": mask,
            "random": tickets.shuffled(network, mask, 1000 * seed + rewind),
            "dense": full,
        }
        each = [kept for kept in masks.values() for _ in _ORDERS]
        ends = train(each, [*_ORDERS] * len(masks), early, rewind, end).view(
            len(masks), len(_ORDERS), network.total
        )
        records = []
        for (which, kept), results in zip(masks.items(), ends, strict=True):
            values = measures(network, split, kept, list(results), ends[-1, 0])
            if which == "dense":
                values |= {"prune_l2": None, "prune_angle": None}
            where: Coordinates = {
                "network": name,
                "seed": seed,
                "rewind": rewind,
                "subnetwork": which,
            }
            records.append(StudyRecord(coordinates=where, values=values))
        return records

    def tables(self, records: Records) -> list[Table]:
        return [
            Table(
                title=f"{network} ({digits.NETWORKS[str(network)].label}), "
                f"{100 * 0.8**_LEVEL:.1f}% of the weights: means over seeds",
                columns=("k", "network", *VALUES.values()),
                rows=tuple(
                    (str(rewind), SUBNETWORKS[str(which)], *_means(shown))
                    for rewind, at in shown_here.by("rewind").items()
                    for which, shown in at.by("subnetwork").items()
                ),
            )
            for network, shown_here in records.by("network").items()
        ]

    def draw(self, records: Records, directory: Path) -> list[Plot]:
        rows = []
        for network, here in records.by("network").items():
            panels = []
            for value in ("order_l2", "prune_l2", "barrier", "accuracy"):
                lines = []
                for which, label in SUBNETWORKS.items():
                    by_step = here.where(subnetwork=which).by("rewind")
                    points = {
                        float(step): [_shown(value, found) for found in shown.values(value)]
                        for step, shown in by_step.items()
                    }
                    if any(points.values()):
                        lines.append(Line.of(label, points))
                panels.append(
                    Panel(
                        title=str(network),
                        lines=tuple(lines),
                        x_label="rewinding step k",
                        y_label=VALUES[value],
                        log_x=False,
                    )
                )
            rows.append(panels)
        path = directory / "stability.svg"
        draw_panels(rows, path)
        return [
            Plot(
                path=path,
                caption="Distances, error barrier and accuracy against the rewinding step; mean "
                "and range over seeds.",
            )
        ]


def _shown(value: str, found: float) -> float:
    return 100 * found if value in _PERCENT else found


def _means(records: Records) -> list[str]:
    cells = []
    for value in VALUES:
        found = records.values(value)
        cells.append(f"{_shown(value, sum(found) / len(found)):.1f}" if found else "-")
    return cells


STUDY = Stability()
