"""The Lottery Ticket Hypothesis on scikit-learn's digits: `plantkit study lottery`.

A fully connected and a convolutional network are trained, pruned by iterative magnitude pruning
and reset to their initial weights. They are compared with one-shot pruned networks, the tickets'
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

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from types import MappingProxyType

import torch
from torch import Tensor

from plantkit.networks import unflatten
from plantkit.networks.masks import Mask
from plantkit.networks.training import Run
from plantkit.pruners.budgets import Scope
from plantkit.reports.tables import Table
from plantkit.research.studies import digits, tickets
from plantkit.research.studies.claims import load_claims
from plantkit.research.studies.digits import Bench, DigitsStudy, shown_values
from plantkit.research.studies.records import Coordinates, Records
from plantkit.research.studies.rules import RULES

#: Steps between two looks at the validation data.
_EVERY = 10
#: Levels at which all methods are compared; every other level is trained for its mask only.
_COMPARED = range(1, 100, 2)
#: The methods of pruning and the controls, as tables and plots call them.
METHODS: Mapping[str, str] = {
    "imp": "iterative, layerwise",
    "imp-global": "iterative, global",
    "one-shot": "one-shot",
    "reinitialised": "ticket's mask, other weights",
    "random": "random mask",
}


class Lottery(DigitsStudy):
    """See the module."""

    name = "lottery"
    title = "The Lottery Ticket Hypothesis, on 8x8 digits"
    reference = "arXiv 1803.03635"
    choices = MappingProxyType({"network": "Network to train."})
    claims = load_claims(Path(__file__).with_suffix(".toml"), RULES)
    x_label, log_x = "weights left (%)", True
    shown = MappingProxyType(
        {"early_accuracy": "test accuracy (%)", "early_iteration": "early-stopping iteration"}
    )
    caption = (
        "Test accuracy at the early-stopping iteration, and that iteration, against the share of "
        "weights left; mean and range over seeds."
    )

    def settings(self, *, quick: bool) -> list[Coordinates]:
        return [{"levels": 9 if quick else 17, "epochs": 40}]

    def trainings(self, coordinates: Coordinates) -> int:
        levels = int(coordinates["levels"])
        return 1 + 2 * levels + 3 * len(_compared(levels))

    def measured(
        self, bench: Bench, coordinates: Coordinates
    ) -> Iterator[tuple[Coordinates, Mapping[str, float | None]]]:
        levels = int(coordinates["levels"])
        network, start, seed = bench.network, bench.start, bench.seed
        other = digits.glorot(network, 1_000_000 + seed)
        full = Mask.full(network)
        (values,), (dense,) = train(bench, [start], [full])
        yield {"method": "dense", "level": 0}, values
        scopes = {"imp": Scope.LAYERWISE, "imp-global": Scope.GLOBAL}
        masks: dict[str, Mapping[str, Tensor]] = dict.fromkeys(scopes, full)
        trained = dict.fromkeys(scopes, dense)
        found: dict[int, Mapping[str, Tensor]] = {}
        for level in range(1, levels + 1):
            masks = {
                method: tickets.pruned(network, masks[method], trained[method], level, scope)
                for method, scope in scopes.items()
            }
            results, networks = train(bench, [start] * len(masks), list(masks.values()))
            trained = dict(zip(scopes, networks, strict=True))
            for method, values in zip(scopes, results, strict=True):
                yield {"method": method, "level": level}, values
            found[level] = masks["imp"]
        compared: dict[tuple[str, int], tuple[Mapping[str, Tensor], Mapping[str, Tensor]]] = {}
        for level in _compared(levels):
            ticket = found[level]
            shot = tickets.pruned(network, full, dense, level, Scope.LAYERWISE)
            chance = tickets.shuffled(network, ticket, 1000 * seed + level)
            compared["one-shot", level] = (start, shot)
            compared["reinitialised", level] = (other, ticket)
            compared["random", level] = (start, chance)
            yield {"method": "movement", "level": level}, movement(bench, dense, ticket)
        starts, pruned = zip(*compared.values(), strict=True)
        results, _ = train(bench, starts, pruned)
        for (method, level), values in zip(compared, results, strict=True):
            yield {"method": method, "level": level}, values

    def table(self, network: str, records: Records) -> Table:
        levels = sorted({int(level) for level in records.where(method="random").distinct("level")})
        rows = []
        for level in [0, *levels]:
            shown = records.where(level=level)
            share = shown.where(method=("dense", "imp")).values("share")
            row = {"weights left": f"{100 * share[0]:.1f}%" if share else "-"}
            for method, label in METHODS.items():
                wanted = shown.where(method=method if level else "dense")
                accuracy = shown_values(wanted, "early_accuracy")
                iteration = wanted.values("early_iteration")
                row[label] = f"{fmean(accuracy):.1f} at {fmean(iteration):.0f}" if accuracy else "-"
            rows.append(row)
        return Table(
            title=f"{network} ({digits.NETWORKS[network].label}): test accuracy in % at the "
            "early-stopping iteration, means over seeds",
            rows=rows,
        )

    def curves(self, records: Records) -> dict[str, dict[float, Records]]:
        dense = records.where(method="dense")
        return {
            label: {100.0: dense}
            | {
                round(100 * at.values("share")[0], 1): at
                for at in records.where(method=method).by("level").values()
            }
            for method, label in METHODS.items()
        }


def train(
    bench: Bench, starts: Sequence[Mapping[str, Tensor]], masks: Sequence[Mapping[str, Tensor]]
) -> tuple[list[dict[str, float | None]], list[dict[str, Tensor]]]:
    """Returns the values to record of every run, and its trained parameters by name."""
    runs = [
        Run(start=start, mask=mask, seed=bench.seed)
        for start, mask in zip(starts, masks, strict=True)
    ]
    network, split = bench.network, bench.split
    steps = [*range(0, bench.end, _EVERY), bench.end]
    seen = bench.trace(runs, steps)  # (steps, runs, total)
    losses = torch.tensor([digits.validation_losses(network, at, split.validation) for at in seen])
    best = losses.argmin(dim=0)  # (runs,)
    early = digits.accuracies(network, seen[best, torch.arange(len(runs))], split.test)
    final = digits.accuracies(network, seen[-1], split.test)
    values: list[dict[str, float | None]] = [
        {
            "share": tickets.share_left(network, mask),
            "early_iteration": float(steps[int(best[run])]),
            "early_loss": float(losses[best[run], run]),
            "early_accuracy": early[run],
            "final_accuracy": final[run],
        }
        for run, mask in enumerate(masks)
    ]
    return values, [unflatten(network, parameters) for parameters in seen[-1]]


def movement(
    bench: Bench, trained: Mapping[str, Tensor], mask: Mapping[str, Tensor]
) -> dict[str, float | None]:
    """Returns how far the dense net's weights went, on average, inside the ticket and outside."""
    names = tickets.weight_names(bench.network)
    moved = torch.cat([(trained[name] - bench.start[name]).abs().reshape(-1) for name in names])
    kept = torch.cat([mask[name].reshape(-1) for name in names])
    return {
        "share": float(kept.double().mean()),
        "inside": float(moved[kept].mean()),
        "outside": float(moved[~kept].mean()),
    }


def _compared(levels: int) -> list[int]:
    return [level for level in _COMPARED if level <= levels]


STUDY = Lottery()
