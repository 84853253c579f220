"""The Lottery Ticket Hypothesis: `plantkit study lottery`.

Networks are trained, pruned by iterative magnitude pruning and reset to their initial weights.
They are compared with one-shot pruned networks, the tickets' masks on other initial weights, and
random masks of the same layer sizes. All are watched on validation data: the early-stopping
iteration is that of least loss. Tickets are also trained from one size of weight for each layer,
with the initial signs or with others.

References:
    arXiv 1803.03635;
    arXiv 1905.01067 (signs, and masks without training).

Differs from the papers: `plantkit.research.studies.setups` says how the networks do. Each seed
draws one reinitialisation and one random mask, where the paper draws three.
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
from plantkit.research.studies import tickets
from plantkit.research.studies.bench import Bench, deviation, glorot
from plantkit.research.studies.claims import load_claims
from plantkit.research.studies.image_study import ImageStudy, shown_values
from plantkit.research.studies.records import Coordinates, Records
from plantkit.research.studies.rules import RULES
from plantkit.research.studies.setups import SETUPS

#: Levels at which all methods are compared; every other level is trained for its mask only.
_COMPARED = range(1, 100, 2)
#: The methods of pruning and the controls, as tables and plots call them.
METHODS: Mapping[str, str] = {
    "imp": "iterative, layerwise",
    "imp-global": "iterative, global",
    "one-shot": "one-shot",
    "reinitialised": "ticket's mask, other weights",
    "signs": "ticket's mask, signs only",
    "other-signs": "ticket's mask, other signs",
    "random": "random mask",
}


class Lottery(ImageStudy):
    """See the module."""

    name = "lottery"
    title = "The Lottery Ticket Hypothesis"
    reference = "arXiv 1803.03635, arXiv 1905.01067"
    choices = MappingProxyType({"network": "Network to train."})
    claims = load_claims(Path(__file__).with_suffix(".toml"), RULES)
    networks = ("fc", "conv", "lenet-300-100", "conv2", "conv4", "conv6", "resnet20")
    x_label, log_x = "weights left (%)", True
    shown = MappingProxyType(
        {"early_accuracy": "test accuracy (%)", "early_iteration": "early-stopping iteration"}
    )
    caption = (
        "Test accuracy at the early-stopping iteration, and that iteration, against the share of "
        "weights left; mean and range over seeds."
    )

    def settings(self, network: str, *, quick: bool) -> list[Coordinates]:
        return [{"levels": 9 if quick else 17}]

    def trainings(self, coordinates: Coordinates) -> float:
        levels = int(coordinates["levels"])
        return 1 + 2 * levels + 5 * len(_compared(levels))

    def looks(self, coordinates: Coordinates) -> int:
        return 1 + int(coordinates["steps"]) // SETUPS[str(coordinates["network"])].every

    def measured(
        self, bench: Bench, coordinates: Coordinates
    ) -> Iterator[tuple[Coordinates, Mapping[str, float | None]]]:
        levels = int(coordinates["levels"])
        network, start, seed, rates = bench.network, bench.start, bench.seed, bench.setup.rates
        other = glorot(network, 1_000_000 + seed)
        full = Mask.full(network)
        (values,), (dense,) = train(bench, [start], [full])
        yield {"method": "dense", "level": 0}, values
        scopes = {"imp": Scope.LAYERWISE, "imp-global": Scope.GLOBAL}
        masks: dict[str, Mapping[str, Tensor]] = dict.fromkeys(scopes, full)
        trained = dict.fromkeys(scopes, dense)
        found: dict[int, Mapping[str, Tensor]] = {}
        for level in range(1, levels + 1):
            masks = {
                method: tickets.pruned(network, masks[method], trained[method], level, scope, rates)
                for method, scope in scopes.items()
            }
            results, networks = train(bench, [start] * len(masks), list(masks.values()))
            trained = dict(zip(scopes, networks, strict=True))
            for method, values in zip(scopes, results, strict=True):
                yield {"method": method, "level": level}, values
            found[level] = masks["imp"]
        for level in _compared(levels):
            ticket = found[level]
            compared: dict[str, tuple[Mapping[str, Tensor], Mapping[str, Tensor]]] = {
                "one-shot": (
                    start,
                    tickets.pruned(network, full, dense, level, Scope.LAYERWISE, rates),
                ),
                "reinitialised": (other, ticket),
                "signs": (levelled(start), ticket),
                "other-signs": (levelled(other), ticket),
                "random": (start, tickets.shuffled(network, ticket, 1000 * seed + level)),
            }
            starts, pruned = zip(*compared.values(), strict=True)
            results, _ = train(bench, starts, pruned)
            for method, values in zip(compared, results, strict=True):
                yield {"method": method, "level": level}, values
            yield {"method": "movement", "level": level}, movement(bench, dense, ticket)

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
        setup = SETUPS[network]
        return Table(
            title=f"{setup.title} ({setup.network.label}): test accuracy in % at the "
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
    seen = bench.watch(
        [
            Run(start=start, mask=mask, seed=bench.seed)
            for start, mask in zip(starts, masks, strict=True)
        ]
    )
    untrained, early, final = map(bench.accuracies, (seen.start, seen.best, seen.end))
    values: list[dict[str, float | None]] = [
        {
            "share": tickets.share_left(bench.network, mask),
            "early_iteration": float(seen.best_step[run]),
            "early_loss": seen.best_loss[run],
            "early_accuracy": early[run],
            "final_accuracy": final[run],
            "untrained_accuracy": untrained[run],
        }
        for run, mask in enumerate(masks)
    ]
    return values, [unflatten(bench.network, parameters) for parameters in seen.end]


def levelled(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns weights of one size in each layer, that of its initial deviation, signs kept."""
    return {name: value.sign() * deviation(value.shape) for name, value in weights.items()}


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
