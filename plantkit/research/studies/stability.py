"""Stability of subnetworks to pruning and to the order of the data: `plantkit study stability`.

A network is pruned by iterative magnitude pruning with rewinding: after every round the weights
that are left go back to their values at step k of the first training, and training goes on from
there. The subnetwork is then trained twice from step k, under two orders of the data. Stability
to data order is the distance between the two results. Stability to pruning is the distance
between a result and the dense network trained from step k under the same order. The error
barrier is the highest error on the line between the two results, less the mean error of its ends.

References:
    arXiv 1903.01611 (stability to pruning and to data order, rewinding);
    arXiv 1912.05671 (error barrier).

Differs from the papers: `plantkit.research.studies.setups` says how the networks do. What Adam
or SGD has gathered starts at zero at step k; after every round all networks are trained to the end
of the same schedule. Networks on a line take the means of the training data that batch
normalisation needs anew.
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
from plantkit.networks.training import Run
from plantkit.reports.tables import Table
from plantkit.research.studies import tickets
from plantkit.research.studies.bench import Bench
from plantkit.research.studies.claims import Figure, Judgement, load_claims
from plantkit.research.studies.image_study import ImageStudy, shown_values
from plantkit.research.studies.records import Coordinates, Records
from plantkit.research.studies.rules import RULES, differences, judged
from plantkit.research.studies.setups import SETUPS

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


_TOO_FEW = (
    "networks on digits have thousands of weights, not hundreds of thousands: too few may be left "
    "to match, however stable they are"
)


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
    return judged(interval, (interval,), {"below": 0})


def rewinding_mends(records: Records, *, margin: float) -> Judgement:
    """Where tickets from k = 0 surely do not match the dense network, those of the latest k do.

    The latest k counts, not any: the best of several would often match by chance.
    """
    gaps = _by_rewind(records, "accuracy", "imp", "accuracy less dense, k = {k}", less="dense")
    figures = tuple(gaps.values())
    latest = max(gaps, default=0)
    if 0 not in gaps or latest == 0:
        return Judgement(holds=None, figures=figures)
    if gaps[0].high > -margin:
        doubt = "tickets from k = 0 may match the dense network, so that there is nothing to mend"
        return Judgement(holds=None, figures=figures, doubt=doubt)
    gain = _gain(records, "accuracy", latest, "accuracy, k = {k} less k = 0")
    if gain is None:
        return Judgement(holds=None, figures=figures)
    return Judgement(holds=gain.low > 0 and gaps[latest].low > -margin, figures=(*figures, gain))


def dense_stable(records: Records, *, barrier: float) -> Judgement:
    """At the latest step k > 0 the dense network's error barrier is below `barrier`."""
    found = _by_rewind(records, "barrier", "dense", "barrier, k = {k}")
    latest = max(found, default=0)
    if not latest:
        return Judgement(holds=None, figures=tuple(found.values()))
    return judged(found[latest], tuple(found.values()), {"below": barrier})


def stable_exactly_where_matching(records: Records, *, barrier: float, margin: float) -> Judgement:
    """A subnetwork's mean barrier is below `barrier` exactly where it matches the dense network.

    One that matches without being stable refutes the claim, whatever its size; one that is stable
    and does not match may have too few weights left.
    """
    figures: list[Figure] = []
    found = []
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
                found.append((barriers[step].mean < barrier, gaps[step].mean > -margin))
                figures += [barriers[step], gaps[step]]
    holds = all(stable == matches for stable, matches in found) if found else None
    refuted = any(matches and not stable for stable, matches in found)
    doubt = "" if holds or refuted or holds is None else _TOO_FEW
    return Judgement(holds=holds, figures=tuple(figures), doubt=doubt)


STABILITY_RULES: Mapping[str, Callable[..., Judgement]] = {
    **RULES,
    "falls-with-rewinding": falls_with_rewinding,
    "rewinding-mends": rewinding_mends,
    "dense-stable": dense_stable,
    "stable-exactly-where-matching": stable_exactly_where_matching,
}


class Stability(ImageStudy):
    """See the module."""

    name = "stability"
    title = "Stabilizing the Lottery Ticket Hypothesis"
    reference = "arXiv 1903.01611, arXiv 1912.05671"
    choices = MappingProxyType({"network": "Network to train.", "rewind": "Rewinding step k."})
    claims = load_claims(Path(__file__).with_suffix(".toml"), STABILITY_RULES)
    networks = ("fc", "resnet", "lenet-300-100", "resnet20")
    x_label, log_x = "rewinding step k", False
    shown = MappingProxyType(
        {name: VALUES[name] for name in ("order_l2", "prune_l2", "barrier", "accuracy")}
    )
    caption = (
        "Distances, error barrier and accuracy against the rewinding step; mean and range over "
        "seeds."
    )

    def settings(self, network: str, *, quick: bool) -> list[Coordinates]:
        setup = SETUPS[network]
        return [
            {"rewind": rewind, "levels": setup.level}
            for rewind in (setup.quick_rewinds if quick else setup.rewinds)
        ]

    def trainings(self, coordinates: Coordinates) -> float:
        return 1 + int(coordinates["levels"]) + 2 * len(SUBNETWORKS)

    def looks(self, coordinates: Coordinates) -> int:
        return 2  # the line between two networks is looked at after some twenty trainings

    def measured(
        self, bench: Bench, coordinates: Coordinates
    ) -> Iterator[tuple[Coordinates, Mapping[str, float | None]]]:
        network, setup, seed = bench.network, bench.setup, bench.seed
        rewind = int(coordinates["rewind"])
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
            mask = tickets.pruned(network, mask, trained, level, setup.scope, setup.rates)
        masks = {
            "imp": mask,
            "random": tickets.shuffled(network, mask, 1000 * seed + rewind),
            "dense": full,
        }
        ends = train(masks.values(), _ORDERS)
        for (which, kept), results in zip(masks.items(), ends, strict=True):
            values = measures(bench, kept, list(results), ends[-1, 0])
            if which == "dense":
                values |= {"prune_l2": None, "prune_angle": None}
            yield {"rewind": rewind, "subnetwork": which}, values

    def table(self, network: str, records: Records) -> Table:
        return Table(
            title=f"{SETUPS[network].title} ({SETUPS[network].network.label}), "
            f"{SETUPS[network].level} rounds of pruning: means over seeds",
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


def errors_along(bench: Bench, first: Tensor, second: Tensor) -> list[float]:
    """Returns the test errors of `ALPHAS` networks on the line between two (total,) vectors."""
    alphas = torch.linspace(0.0, 1.0, ALPHAS).unsqueeze(1)
    line = (1 - alphas) * first + alphas * second
    return [1.0 - accuracy for accuracy in bench.accuracies(line)]


def kept_weights(network: Network, parameters: Tensor, mask: Mapping[str, Tensor]) -> Tensor:
    """Returns the weights, biases left out, that `mask` keeps of (total,) parameters."""
    named = unflatten(network, parameters)
    return torch.cat([named[name][mask[name]] for name in tickets.weight_names(network)])


def measures(
    bench: Bench,
    mask: Mapping[str, Tensor],
    trained: Sequence[Tensor],
    dense: Tensor,
) -> dict[str, float | None]:
    """Returns the distances, error barrier and accuracy of a subnetwork trained under two orders.

    Args:
        trained: two vectors (total,). dense: the dense network, trained under the first order.
    """
    first, second, whole = (
        kept_weights(bench.network, parameters, mask) for parameters in (*trained, dense)
    )
    accuracy = bench.accuracies(torch.stack(list(trained)))
    return {
        "order_l2": distance(first, second),
        "order_angle": angle(first, second),
        "prune_l2": distance(first, whole),
        "prune_angle": angle(first, whole),
        "barrier": error_barrier(errors_along(bench, trained[0], trained[1])),
        "accuracy": sum(accuracy) / len(accuracy),
    }


def _mean(records: Records, value: str) -> str:
    found = shown_values(records, value)
    return f"{sum(found) / len(found):.1f}" if found else "-"


STUDY = Stability()
