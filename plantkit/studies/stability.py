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

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from plantkit.budgets import Scope
from plantkit.networks import Network, unflatten, weight_name
from plantkit.studies import digits, tickets
from plantkit.studies.claims import Claim, Evidence, Figure
from plantkit.studies.intervals import Interval, by_seed, differences
from plantkit.studies.plotting import Line, Panel, draw_panels
from plantkit.studies.records import Coordinate, Coordinates, Records, StudyRecord
from plantkit.studies.study import Plot, Study, Unit
from plantkit.studies.tables import Table
from plantkit.training import Run, Samples, trace

if TYPE_CHECKING:
    from plantkit.studies.calibration import Calibration

_FIRST = "arXiv 1903.01611"
_FOLLOW_UP = "arXiv 1912.05671"
#: 0.8^10 = 10.7% of the weights, as the first paper has it for LeNet.
_LEVEL = 10
_EPOCHS = 40
_REWINDS = (0, 10, 40, 160)
_QUICK_REWINDS = (0, 40)
#: Points on the line between two networks, both ends counted.
ALPHAS = 30
#: A network is stable below this error barrier (arXiv 1912.05671).
STABLE = 0.02
#: How much less accurate than the dense network a subnetwork may be that still matches.
MARGIN = 0.01
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
_NETWORKS = MappingProxyType(
    {"fc": "the fully connected network", "conv": "the convolutional network"}
)


# --- measures


def distance(first: Tensor, second: Tensor) -> float:
    """Returns the L2 distance of two vectors."""
    return float((first.double() - second.double()).norm())


def angle(first: Tensor, second: Tensor) -> float:
    """Returns the angle between two vectors in degrees, in [0, 180]; 90 if one is zero."""
    norms = first.double().norm() * second.double().norm()
    if norms == 0:
        return 90.0
    cosine = float(first.double() @ second.double() / norms)
    return math.degrees(math.acos(max(-1.0, min(1.0, cosine))))


def error_barrier(errors: Sequence[float]) -> float:
    """Returns the largest of the errors along a line, less the mean of the first and last."""
    return max(errors) - (errors[0] + errors[-1]) / 2


def errors_along(network: Network, first: Tensor, second: Tensor, data: Samples) -> list[float]:
    """Returns the test errors of `ALPHAS` networks on the line between two (total,) vectors."""
    alphas = torch.linspace(0.0, 1.0, ALPHAS).unsqueeze(1)
    line = (1 - alphas) * first + alphas * second
    return [1.0 - accuracy for accuracy in digits.accuracies(network, line, data)]


def kept_weights(network: Network, parameters: Tensor, mask: Mapping[str, Tensor]) -> Tensor:
    """Returns the weights, biases left out, that `mask` keeps of (total,) parameters."""
    named = unflatten(network, parameters)
    names = [weight_name(layer) for layer in network.layers]
    return torch.cat([named[name][mask[name]] for name in names])


def measures(
    network: Network,
    split: digits.Split,
    mask: Mapping[str, Tensor],
    trained: Sequence[Tensor],
    dense: Tensor,
) -> dict[str, float | None]:
    """Returns the values of `VALUES` for a subnetwork trained under two orders.

    Args:
        trained: two vectors (total,). dense: the dense network, trained under the first order.
    """
    first, second, whole = (
        kept_weights(network, parameters, mask) for parameters in (*trained, dense)
    )
    accuracy = digits.accuracies(network, torch.stack(list(trained)), split.test)
    return {
        "order_l2": distance(first, second),
        "order_angle": angle(first, second),
        "prune_l2": distance(first, whole),
        "prune_angle": angle(first, whole),
        "barrier": error_barrier(errors_along(network, trained[0], trained[1], split.test)),
        "accuracy": sum(accuracy) / len(accuracy),
    }


# --- claims

Judge = Callable[[Records], Evidence]


def _values(
    records: Records, network: str, subnetwork: str, rewind: Coordinate, value: str
) -> dict[Coordinate, float]:
    return by_seed(records.where(network=network, subnetwork=subnetwork, rewind=rewind), value)


def closer_than_random(network: str, value: str) -> Judge:
    """Returns a judge: from k = 0, tickets are closer than random subnetworks are."""

    def judge(records: Records) -> Evidence:
        ends = [_values(records, network, which, 0, value) for which in ("imp", "random")]
        interval = Interval.of(differences(*ends))
        if interval is None:
            return Evidence(holds=None)
        shown = [Interval.of(list(end.values())) for end in ends]
        figures = [
            found.figure(f"{label}, k = 0")
            for found, label in zip(shown, ("iterative", "random"), strict=True)
            if found is not None
        ]
        return Evidence(holds=interval.high < 0, figures=(*figures, interval.figure("difference")))

    return judge


def falls_with_rewinding(network: str, subnetwork: str, value: str) -> Judge:
    """Returns a judge: at the latest rewinding step a value is below that at step 0."""

    def judge(records: Records) -> Evidence:
        here = records.where(network=network, subnetwork=subnetwork)
        latest = max((int(rewind) for rewind in here.distinct("rewind")), default=0)
        if latest == 0:
            return Evidence(holds=None)
        late, early = (_values(records, network, subnetwork, step, value) for step in (latest, 0))
        interval = Interval.of(differences(late, early))
        if interval is None:
            return Evidence(holds=None)
        return Evidence(
            holds=interval.high < 0, figures=(interval.figure(f"k = {latest} less k = 0"),)
        )

    return judge


def mends(network: str) -> Judge:
    """Returns a judge: where tickets from k = 0 do not match, those of some k > 0 do."""

    def judge(records: Records) -> Evidence:
        rewinds = sorted(
            int(rewind) for rewind in records.where(network=network).distinct("rewind")
        )
        found: dict[int, Interval] = {}
        for rewind in rewinds:
            interval = Interval.of(
                differences(
                    _values(records, network, "imp", rewind, "accuracy"),
                    _values(records, network, "dense", rewind, "accuracy"),
                )
            )
            if interval is not None:
                found[rewind] = interval
        figures = tuple(
            interval.figure(f"accuracy less dense, k = {rewind}")
            for rewind, interval in found.items()
        )
        if 0 not in found or len(found) == 1 or found[0].low > -MARGIN:
            return Evidence(holds=None, figures=figures)  # nothing to mend, or nothing to mend it
        mended = any(found[rewind].low > -MARGIN for rewind in found if rewind)
        return Evidence(holds=mended, figures=figures)

    return judge


def stable_when_matching(network: str) -> Judge:
    """Returns a judge: subnetworks match the dense accuracy where, and only where, stable."""

    def judge(records: Records) -> Evidence:
        here = records.where(network=network)
        figures: list[Figure] = []
        agree = []
        for rewind in sorted(int(step) for step in here.distinct("rewind")):
            for which in ("imp", "random"):
                barrier = Interval.of(
                    list(_values(records, network, which, rewind, "barrier").values())
                )
                gap = Interval.of(
                    differences(
                        _values(records, network, which, rewind, "accuracy"),
                        _values(records, network, "dense", rewind, "accuracy"),
                    )
                )
                if barrier is None or gap is None:
                    continue
                agree.append((barrier.mean < STABLE) == (gap.mean > -MARGIN))
                figures.append(barrier.figure(f"{which}, k = {rewind}: barrier"))
                figures.append(gap.figure(f"{which}, k = {rewind}: accuracy less dense"))
        return Evidence(holds=all(agree) if agree else None, figures=tuple(figures))

    return judge


def stable_early(network: str) -> Judge:
    """Returns a judge: the dense network is stable from a step k > 0 on."""

    def judge(records: Records) -> Evidence:
        here = records.where(network=network, subnetwork="dense")
        found = {
            rewind: interval
            for rewind in sorted(int(step) for step in here.distinct("rewind"))
            if (
                interval := Interval.of(
                    list(_values(records, network, "dense", rewind, "barrier").values())
                )
            )
        }
        later = [interval for rewind, interval in found.items() if rewind]
        figures = tuple(found[rewind].figure(f"barrier, k = {rewind}") for rewind in found)
        return Evidence(
            holds=any(interval.high < STABLE for interval in later) if later else None,
            figures=figures,
        )

    return judge


def claims_of(network: str) -> list[Claim]:
    """Returns the papers' claims as they are judged on one of the study's networks."""

    def claim(id_: str, text: str, source: str, criterion: str, judge: Judge) -> Claim:
        return Claim(
            id=f"{network}-{id_}",
            claim=f"{_NETWORKS[network].capitalize()}: {text}",
            source=source,
            criterion=criterion,
            judge=judge,
        )

    below = "paired over seeds, the 95% interval of the difference is below 0"
    return [
        claim("pruning", "winning tickets are more stable to pruning than random subnetworks",
              _FIRST, f"L2 distance at k = 0: {below}", closer_than_random(network, "prune_l2")),
        claim("order", "winning tickets are more stable to data order than random subnetworks",
              _FIRST, f"L2 distance at k = 0: {below}", closer_than_random(network, "order_l2")),
        claim("rewinding-order", "rewinding makes subnetworks more stable to data order", _FIRST,
              f"L2 distance, latest k less k = 0: {below}",
              falls_with_rewinding(network, "imp", "order_l2")),
        claim("rewinding-pruning", "rewinding makes subnetworks more stable to pruning", _FIRST,
              f"L2 distance, latest k less k = 0: {below}",
              falls_with_rewinding(network, "imp", "prune_l2")),
        claim("rewinding-mends", "rewinding past a small k finds subnetworks that match where "
              "k = 0 does not", _FIRST, f"accuracy less dense, 95% interval above -{MARGIN}: not "
              "at k = 0 but at a later k; not tested where k = 0 matches already",
              mends(network)),
        claim("dense-stable", "dense networks are stable from early in training on", _FOLLOW_UP,
              f"at some k > 0 the 95% interval of the error barrier is below {100 * STABLE:g}%",
              stable_early(network)),
        claim("rewinding-barrier", "rewinding lowers a ticket's error barrier", _FOLLOW_UP,
              f"error barrier, latest k less k = 0: {below}",
              falls_with_rewinding(network, "imp", "barrier")),
        claim("stable-match", "subnetworks match the dense network's accuracy when, and only "
              "when, they are stable", _FOLLOW_UP,
              f"for every k and both subnetworks: mean barrier below {100 * STABLE:g}% exactly "
              f"where the mean accuracy is above the dense one less {MARGIN}",
              stable_when_matching(network)),
    ]  # fmt: skip


class Stability(Study):
    """See the module."""

    name = "stability"
    title = "Stabilizing the Lottery Ticket Hypothesis, on 8x8 digits"
    reference = f"{_FIRST}, {_FOLLOW_UP}"
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
