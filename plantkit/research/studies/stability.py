"""Stability of subnetworks on scikit-learn's digits: `plantkit study stability`.

A network is pruned by iterative magnitude pruning with rewinding: after every round the weights
that are left go back to their values at step k of the first training, and training goes on from
there. The subnetwork is then trained twice from step k, under two orders of the data. Stability
to data order is the distance between the two results. Stability to pruning is the distance
between a result and the dense network trained from step k under the same order. The error
barrier is the highest error on the line between the two results, less the mean error of its ends.

References:
    arXiv 1903.01611 (stability to pruning and to data order, rewinding);
    arXiv 1912.05671 (error barrier).

Differs from the papers: digits of 8x8 pixels and far smaller networks; Adam in place of SGD, its
moments starting at zero at step k; after every round all networks are trained to the end of the
same schedule. Errors are on the 300 test images, so one image is 0.33%.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import torch
from torch import Tensor

from plantkit.networks import Network, unflatten
from plantkit.networks.masks import Mask
from plantkit.networks.training import Run, Samples
from plantkit.pruners.budgets import Scope
from plantkit.reports.tables import Table
from plantkit.research.studies import digits, tickets
from plantkit.research.studies.claims import Figure, Judgement, load_claims
from plantkit.research.studies.digits import Bench, DigitsStudy, shown_values
from plantkit.research.studies.records import Coordinates, Records
from plantkit.research.studies.rules import RULES, differences

#: 0.8^10 = 10.7% of the weights, as the first paper has it for LeNet.
_LEVEL = 10
_EPOCHS = 40
_REWINDS = (0, 10, 40, 160)
_QUICK_REWINDS = (0, 40)
#: Data orders: of the dense training and the masks, and of the second training.
_ORDERS = (0, 500_000)

#: Points on the line between two networks, both ends counted.
ALPHAS = 30

SUBNETWORKS: Mapping[str, str] = {
    "imp": "iterative pruning",
    "random": "random mask",
    "dense": "dense",
}
VALUES: Mapping[str, str] = {
    "order_l2": "distance, data order (L2)",
    "order_angle": "distance, data order (degrees)",
    "prune_l2": "distance, pruning (L2)",
    "prune_angle": "distance, pruning (degrees)",
    "barrier": "error barrier (%)",
    "accuracy": "test accuracy (%)",
}


def _by_rewind(
    records: Records, value: str, subnetwork: str, label: str, *, less: str = ""
) -> dict[int, Figure]:
    """Returns the interval of a value, or of its distance to another subnetwork's, by step k."""
    found = {}
    for step in sorted(int(rewind) for rewind in records.distinct("rewind")):
        at = records.where(rewind=step)
        here = at.where(subnetwork=subnetwork)
        values = differences(here, at.where(subnetwork=less), value) if less else here.values(value)
        figure = Figure.interval(label.format(k=step), values)
        if figure is not None:
            found[step] = figure
    return found


def _gain(records: Records, value: str, latest: int, label: str) -> Figure | None:
    """Returns the interval of how much higher a value of tickets is at the latest k than at 0."""
    tickets_ = records.where(subnetwork="imp")
    values = differences(tickets_.where(rewind=latest), tickets_.where(rewind=0), value)
    return Figure.interval(label.format(k=latest), values)


def falls_with_rewinding(records: Records, *, value: str) -> Judgement:
    """A value of tickets is lower at the latest rewinding step than at step 0."""
    steps = records.where(subnetwork="imp").distinct("rewind")
    latest = max(map(int, steps), default=0)
    interval = _gain(records, value, latest, "k = {k} less k = 0")
    if latest == 0 or interval is None:
        return Judgement(holds=None)
    return Judgement(holds=interval.high < 0, figures=(interval,))


def rewinding_mends(records: Records, *, margin: float) -> Judgement:
    """Where tickets from k = 0 surely do not match the dense network, those of the latest k do.

    The latest k counts, not any: the best of several would often match by chance.
    """
    gaps = _by_rewind(records, "accuracy", "imp", "accuracy less dense, k = {k}", less="dense")
    figures = tuple(gaps.values())
    latest = max(gaps, default=0)
    if 0 not in gaps or latest == 0 or gaps[0].high > -margin:
        return Judgement(holds=None, figures=figures)  # nothing to mend, or nothing to mend it
    gain = _gain(records, "accuracy", latest, "accuracy, k = {k} less k = 0")
    if gain is None:
        return Judgement(holds=None, figures=figures)
    return Judgement(holds=gain.low > 0 and gaps[latest].low > -margin, figures=(*figures, gain))


def dense_stable(records: Records, *, barrier: float) -> Judgement:
    """At the latest step k > 0 the dense network's error barrier is below `barrier`."""
    found = _by_rewind(records, "barrier", "dense", "barrier, k = {k}")
    latest = max(found, default=0)
    return Judgement(
        holds=found[latest].high < barrier if latest else None, figures=tuple(found.values())
    )


def stable_exactly_where_matching(records: Records, *, barrier: float, margin: float) -> Judgement:
    """A subnetwork's mean barrier is below `barrier` exactly where it matches the dense network."""
    figures: list[Figure] = []
    agree = []
    kinds = {
        which: (
            _by_rewind(records, "barrier", which, f"{which}, k = {{k}}: barrier"),
            _by_rewind(
                records, "accuracy", which, f"{which}, k = {{k}}: accuracy less dense", less="dense"
            ),
        )
        for which in ("imp", "random")
    }
    for step in sorted(int(rewind) for rewind in records.distinct("rewind")):
        for barriers, gaps in kinds.values():
            if step in barriers and step in gaps:
                agree.append((barriers[step].mean < barrier) == (gaps[step].mean > -margin))
                figures += [barriers[step], gaps[step]]
    return Judgement(holds=all(agree) if agree else None, figures=tuple(figures))


STABILITY_RULES: Mapping[str, Callable[..., Judgement]] = {
    **RULES,
    "falls-with-rewinding": falls_with_rewinding,
    "rewinding-mends": rewinding_mends,
    "dense-stable": dense_stable,
    "stable-exactly-where-matching": stable_exactly_where_matching,
}


class Stability(DigitsStudy):
    """See the module."""

    name = "stability"
    title = "Stabilizing the Lottery Ticket Hypothesis, on 8x8 digits"
    reference = "arXiv 1903.01611, arXiv 1912.05671"
    choices = MappingProxyType({"network": "Network to train.", "rewind": "Rewinding step k."})
    claims = load_claims(Path(__file__).with_suffix(".toml"), STABILITY_RULES)
    x_label, log_x = "rewinding step k", False
    shown = MappingProxyType(
        {name: VALUES[name] for name in ("order_l2", "prune_l2", "barrier", "accuracy")}
    )
    caption = (
        "Distances, error barrier and accuracy against the rewinding step; mean and range over "
        "seeds."
    )

    def settings(self, *, quick: bool) -> list[Coordinates]:
        return [
            {"rewind": rewind, "levels": _LEVEL, "epochs": _EPOCHS}
            for rewind in (_QUICK_REWINDS if quick else _REWINDS)
        ]

    def trainings(self, coordinates: Coordinates) -> int:
        return 1 + int(coordinates["levels"]) + 2 * len(SUBNETWORKS)

    def measured(
        self, bench: Bench, coordinates: Coordinates
    ) -> Iterator[tuple[Coordinates, Mapping[str, float | None]]]:
        network, seed, rewind = bench.network, bench.seed, int(coordinates["rewind"])
        full = Mask.full(network)
        first = Run(start=bench.start, mask=full, seed=seed + _ORDERS[0])
        early = unflatten(network, bench.trace([first], [rewind])[0, 0])

        def train(masks: Iterable[Mapping[str, Tensor]], orders: Sequence[int]) -> Tensor:
            """Returns the parameters (masks, orders, total) at the end, from step k on."""
            masks = list(masks)
            runs = [
                Run(start=early, mask=mask, seed=seed + order) for mask in masks for order in orders
            ]
            ends = bench.trace(runs, [bench.end], rewind)
            return ends.view(len(masks), len(orders), network.total)

        mask: Mapping[str, Tensor] = full
        for level in range(1, int(coordinates["levels"]) + 1):
            trained = unflatten(network, train([mask], _ORDERS[:1])[0, 0])
            mask = tickets.pruned(network, mask, trained, level, Scope.LAYERWISE)
        masks = {
            "imp": mask,
            "random": tickets.shuffled(network, mask, 1000 * seed + rewind),
            "dense": full,
        }
        ends = train(masks.values(), _ORDERS)
        for (which, kept), results in zip(masks.items(), ends, strict=True):
            values = measures(network, bench.split, kept, list(results), ends[-1, 0])
            if which == "dense":
                values |= {"prune_l2": None, "prune_angle": None}
            yield {"rewind": rewind, "subnetwork": which}, values

    def table(self, network: str, records: Records) -> Table:
        return Table(
            title=f"{network} ({digits.NETWORKS[network].label}), "
            f"{100 * 0.8**_LEVEL:.1f}% of the weights: means over seeds",
            rows=[
                {"k": str(rewind), "network": SUBNETWORKS[str(which)]}
                | {label: _mean(shown, value) for value, label in VALUES.items()}
                for rewind, at in records.by("rewind").items()
                for which, shown in at.by("subnetwork").items()
            ],
        )

    def curves(self, records: Records) -> dict[str, dict[float, Records]]:
        return {
            label: {
                float(step): at for step, at in records.where(subnetwork=which).by("rewind").items()
            }
            for which, label in SUBNETWORKS.items()
        }


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
    return torch.cat([named[name][mask[name]] for name in tickets.weight_names(network)])


def measures(
    network: Network,
    split: digits.Split,
    mask: Mapping[str, Tensor],
    trained: Sequence[Tensor],
    dense: Tensor,
) -> dict[str, float | None]:
    """Returns the distances, error barrier and accuracy of a subnetwork trained under two orders.

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


def _mean(records: Records, value: str) -> str:
    found = shown_values(records, value)
    return f"{sum(found) / len(found):.1f}" if found else "-"


STUDY = Stability()
