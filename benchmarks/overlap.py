"""Compares figures of how much of a ticket a mask holds, on masks between random and the ticket.

Run it from the repository with plantkit installed:

    python benchmarks/overlap.py masks docs/results/overlap-masks.json
    python benchmarks/overlap.py pruners docs/results/overlap-pruners.json

Masks hold a share of the ticket's entries: at random, the cheapest first or the dearest first. The
rest of their budget, which is a multiple of the ticket's size, is random. It is scattered over the
network, or connected: every kept entry lies on a path as far as the budget goes. A good figure
equals that share on average, varies little, orders masks as their function does, and gives a
mask that was made without data nothing.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import kendalltau

from plantkit.challenges.bundles import Challenge, load
from plantkit.challenges.costs import removal_costs
from plantkit.evaluation.requests import PruneRequest
from plantkit.evaluation.run import run_pruning
from plantkit.networks import flatten, layer_of, unflatten
from plantkit.networks.masks import Mask, overlap
from plantkit.networks.training import Samples
from plantkit.networks.training.accuracy import strong_accuracy, trivial_accuracy
from plantkit.scoring.overlap import found_share
from plantkit.scoring.structures import costs_of

CHALLENGES = Path(__file__).resolve().parent.parent / "challenges"
FIVE = ("circle-5x100", "helix-5x100", "teacher-5x100", "relu-5x100")
NAMES = (*FIVE, "teacher-8x50")
MULTIPLES = (1, 3, 10)
SHARES = tuple(step / 10 for step in range(11))
PRUNERS = ("magnitude", "snip", "grasp", "synflow", "gates:effort=1")
Kept = NDArray[np.bool_]
Figure = Callable[["Case", Kept], float]


@dataclass(frozen=True)
class Case:
    """A challenge, and what its figures are computed from; vectors are in the network's order."""

    challenge: Challenge

    @cached_property
    def ticket(self) -> Kept:
        return self.challenge.truth.ticket.vector(self.challenge.network).numpy()

    @cached_property
    def costs(self) -> dict[str, NDArray[np.float64]]:
        one = self.challenge
        costs = removal_costs(one.network, one.task, one.weights, one.truth.ticket, one.train)
        shares = flatten(one.network, costs.shares).numpy()
        return {
            "equal": self.ticket.astype(float),
            "matter": (shares >= 0.01).astype(float),
            "shares": shares,
            "root": np.sqrt(shares),
            "digits": flatten(one.network, costs_of(one)).numpy(),
        }

    @cached_property
    def parameters(self) -> list[slice]:
        ends = np.cumsum([0, *self.challenge.network.sizes.values()])
        return [slice(low, high) for low, high in itertools.pairwise(ends)]

    def mask(self, kept: Kept) -> Mask:
        return Mask.from_vector(self.challenge.network, torch.from_numpy(kept))

    def function(self, masks: Sequence[Kept]) -> list[float]:
        """Returns the share of the ticket's digits that masks reach untrained, 0 to 1."""
        one = self.challenge
        train = Samples(inputs=one.train.inputs[:2000], targets=one.train.targets[:2000])
        accuracies = strong_accuracy(
            one.network,
            one.task,
            one.weights,
            [unflatten(one.network, torch.from_numpy(kept)) for kept in (self.ticket, *masks)],
            train_data=train,
            test_data=train,
        )
        least = 0.5 / len(train)
        worst = 1 - trivial_accuracy(one.task, train_data=train, test_data=train)
        errors = [max(1 - found, least) for found in np.nan_to_num(accuracies, nan=-1e30)]
        whole = np.log(worst / errors[0])
        return [float(np.clip(np.log(worst / error) / whole, 0, 1)) for error in errors[1:]]


# Figures


def recall(weighting: str, guesses: str = "none") -> Figure:
    """Returns a weighted recall, corrected for guesses or not.

    guesses: counted in the whole "network", or in every "parameter" by itself.
    """

    def figure(case: Case, kept: Kept) -> float:
        weights = case.costs[weighting]
        whole = [slice(None)]
        places = {"none": [], "network": whole, "parameter": case.parameters}[guesses]
        if not places:
            return float(weights[kept].sum() / weights.sum())
        missed = possible = 0.0
        for place in places:
            outside = ~case.ticket[place]
            if outside.any():
                missed += float(weights[place][~kept[place]].sum())
                possible += float(weights[place].sum() * (~kept[place][outside]).mean())
        return 1 - missed / possible if possible else 0.0

    return figure


def less_false_alarms(weighting: str) -> Figure:
    """Returns the weighted hit rate less the false-alarm rate, by parameter."""

    def figure(case: Case, kept: Kept) -> float:
        weights = case.costs[weighting]
        found = whole = 0.0
        for place in case.parameters:
            outside = ~case.ticket[place]
            if outside.any():
                hits = weights[place][kept[place]].sum()
                found += float(hits - weights[place].sum() * kept[place][outside].mean())
                whole += float(weights[place].sum())
        return found / whole if whole else 0.0

    return figure


def f1(weighting: str) -> Figure:
    """Returns F1 with the entries that count: those whose weight is not zero."""

    def figure(case: Case, kept: Kept) -> float:
        matter = case.costs[weighting] > 0
        return 2 * int((kept & matter).sum()) / int(kept.sum() + matter.sum())

    return figure


def paths(case: Case, kept: Kept) -> float:
    """Returns the share of the ticket's paths from inputs to outputs that are whole."""
    network = case.challenge.network

    def count(entries: Kept) -> float:
        tensors = unflatten(network, torch.from_numpy(entries).double())
        through = torch.ones(network.inputs, dtype=torch.float64)
        for layer in network.layers:
            through = tensors[f"layers.{layer}.weight"] @ through
        return float(through.sum())

    return count(kept & case.ticket) / count(case.ticket)


def function_found(case: Case, kept: Kept) -> float:
    """Returns how the part of the ticket that a mask holds does by itself."""
    return case.function([kept & case.ticket])[0]


FIGURES: dict[str, Figure] = {
    "F1": f1("equal"),
    "F1, entries that matter": f1("matter"),
    "IoU": lambda case, kept: overlap(case.mask(kept), case.challenge.truth.ticket).iou,
    "recall": recall("equal"),
    "recall, guesses of the network": recall("equal", "network"),
    "recall, guesses by parameter": recall("equal", "parameter"),
    "by share": recall("shares", "parameter"),
    "by root of share": recall("root", "parameter"),
    "by digits, guesses count": recall("digits"),
    "by digits, guesses of the network": recall("digits", "network"),
    "by digits": recall("digits", "parameter"),
    "by digits, less false alarms": less_false_alarms("digits"),
    "paths": paths,
    "function of what was found": function_found,
}


# Masks


def between(
    case: Case,
    share: float,
    order: str,
    multiple: int,
    *,
    connected: bool,
    rng: np.random.Generator,
) -> Kept:
    """Returns a mask that knows a share of the ticket, and has a random rest."""
    entries = rng.permutation(np.flatnonzero(case.ticket))
    if order != "random":
        cost = case.costs["digits"][entries]
        entries = entries[np.argsort(cost if order == "cheapest" else -cost, kind="stable")]
    kept = np.zeros(case.ticket.size, dtype=bool)
    kept[entries[: round(share * len(entries))]] = True
    budget = multiple * len(entries)
    if connected:
        connect(case, kept, budget, rng)
    kept[rng.choice(np.flatnonzero(~kept), budget - int(kept.sum()), replace=False)] = True
    return kept


def connect(case: Case, kept: Kept, budget: int, rng: np.random.Generator) -> None:
    """Adds paths through the entries of `kept`, then random ones, as far as the budget goes."""
    network = case.challenge.network
    numbers = unflatten(network, torch.arange(network.total))
    layers = [numbers[f"layers.{layer}.weight"].numpy() for layer in network.layers]
    places = []
    for layer, weights in enumerate(layers):
        bias = numbers[f"layers.{layer}.bias"].numpy()
        places += [(layer, row, column) for row, column in np.argwhere(kept[weights])]
        places += [(layer, row, -1) for row in np.flatnonzero(kept[bias])]
    for layer, row, column in rng.permutation(places):
        add_path(layers, kept, budget, rng, (layer, row, column))
    while kept.sum() < budget:
        layer = int(rng.integers(len(layers)))
        row, column = (int(rng.integers(size)) for size in layers[layer].shape)
        kept[layers[layer][row, column]] = True
        add_path(layers, kept, budget, rng, (layer, row, column))


def add_path(
    layers: Sequence[NDArray[np.int64]],
    kept: Kept,
    budget: int,
    rng: np.random.Generator,
    place: tuple[int, int, int],
) -> None:
    """Leads from an entry up to an output and down to an input, over kept weights where it can."""
    room = budget - int(kept.sum())

    def step(numbers: NDArray[np.int64]) -> int:
        nonlocal room
        usable = np.flatnonzero(kept[numbers])
        chosen = int(rng.choice(usable) if usable.size else rng.integers(numbers.size))
        if room > 0 and not kept[numbers[chosen]]:
            kept[numbers[chosen]] = True
            room -= 1
        return chosen

    if not room:
        return
    layer, unit, column = place
    for above in range(layer + 1, len(layers)):
        unit = step(layers[above][:, unit])
    if column >= 0:  # a bias needs no input
        for below in range(layer - 1, -1, -1):
            column = step(layers[below][column])


def blind(case: Case, multiple: int, rng: np.random.Generator) -> Iterator[tuple[str, Kept]]:
    """Yields masks that need no data, with the ways to make them."""
    network, total = case.challenge.network, case.ticket.size
    budget = multiple * int(case.ticket.sum())

    def filled(order: NDArray[np.int64]) -> Kept:
        kept = np.zeros(total, dtype=bool)
        kept[order[:budget]] = True
        return kept

    shuffled = rng.permutation(total)
    yield "random", filled(shuffled)
    names = np.repeat(list(network.sizes), list(network.sizes.values()))
    for layer in dict.fromkeys(layer_of(name) for name in network.sizes):
        inside = np.array([layer_of(name) == layer for name in names])[shuffled]
        yield f"all of {layer}", filled(np.concatenate([shuffled[inside], shuffled[~inside]]))
    ends = {layer_of(name) for name in (names[0], names[-1])}
    inside = np.array([layer_of(name) in ends for name in names])[shuffled]
    yield "first and last layer", filled(np.concatenate([shuffled[inside], shuffled[~inside]]))
    inside = np.array([name.endswith("bias") for name in names])[shuffled]
    yield "all biases", filled(np.concatenate([shuffled[inside], shuffled[~inside]]))
    yield "some units", filled(by_units(case, rng))
    counts = [int(case.ticket[p].sum()) for p in case.parameters]
    kept = np.zeros(total, dtype=bool)
    for place, count in zip(case.parameters, counts, strict=True):
        size = place.stop - place.start
        kept[place.start + rng.permutation(size)[: min(size, multiple * count)]] = True
    yield "counts of the ticket", kept


def by_units(case: Case, rng: np.random.Generator) -> NDArray[np.int64]:
    """Returns all places, those between the first few units of random orders first."""
    ranks = []
    network = case.challenge.network
    widths = [network.inputs, *(network.shapes[f"layers.{i}.bias"][0] for i in network.layers)]
    units = [rng.permutation(width) for width in widths]
    units[0][:] = units[-1][:] = 0
    for layer in network.layers:
        above, below = units[layer + 1], units[layer]
        ranks += [np.maximum(above[:, None], below[None, :]).ravel(), above]
    return np.argsort(np.concatenate(ranks), kind="stable")


# Measuring


def measured(case: Case, repetitions: int) -> dict[str, Any]:
    """Returns by budget and kind of rest: every figure's means, spreads and agreement."""
    rng = np.random.default_rng(0)
    found: dict[str, Any] = {}
    for multiple in MULTIPLES:
        for connected in (False, True):
            masks = [
                (order, share, between(case, share, order, multiple, connected=connected, rng=rng))
                for order in ("random", "cheapest", "dearest")
                for share in SHARES
                for _ in range(repetitions if order == "random" else max(2, repetitions // 3))
            ]
            function = case.function([kept for *_, kept in masks])
            core = case.function([kept & case.ticket for *_, kept in masks])
            rest = "connected" if connected else "scattered"
            found[f"{multiple}x {rest}"] = {}
            for name, compute in FIGURES.items():
                figures = (
                    core if compute is function_found else [compute(case, k) for *_, k in masks]
                )
                values = [(*mask[:2], value) for mask, value in zip(masks, figures, strict=True)]
                found[f"{multiple}x {rest}"][name] = summary(values, function, core)
    return found


def summary(
    values: Sequence[tuple[str, float, float]], function: list[float], core: list[float]
) -> dict[str, Any]:
    by_share = [[v for o, s, v in values if o == "random" and s == share] for share in SHARES]
    figures = [value for *_, value in values]
    return {
        "means": [round(statistics.fmean(some), 4) for some in by_share],
        "deviation": round(statistics.fmean(statistics.stdev(s) for s in by_share[1:-1]), 4),
        "tau": tau(figures, function),
        "tau_found": tau(figures, core),
    }


def tau(figures: list[float], function: list[float]) -> float | None:
    """Returns Kendall's rank correlation; None where all masks do alike."""
    found = float(kendalltau(figures, function).statistic)
    return None if np.isnan(found) else round(found, 4)


def gamed(case: Case, repetitions: int) -> dict[str, dict[str, dict[str, float]]]:
    """Returns by budget and blind way the mean of every figure; below 0 counts as 0."""
    rng = np.random.default_rng(0)
    found: dict[str, dict[str, dict[str, float]]] = {}
    for multiple in MULTIPLES:
        values: dict[str, dict[str, list[float]]] = {}
        for _ in range(repetitions):
            for way, kept in blind(case, multiple, rng):
                for name, compute in FIGURES.items():
                    values.setdefault(way, {}).setdefault(name, []).append(
                        max(0.0, compute(case, kept))
                    )
        found[f"{multiple}x"] = {
            way: {name: round(statistics.fmean(some), 4) for name, some in figures.items()}
            for way, figures in values.items()
        }
    return found


def pruned(case: Case, pruner: str) -> dict[str, dict[str, float]]:
    """Returns by budget the figures of a pruner's mask, and how it does untrained."""
    one = case.challenge
    attempts = run_pruning(
        PruneRequest(
            pruner=pruner,
            challenge=str(one.path),
            densities=tuple(multiple * one.planted_density for multiple in MULTIPLES),
            seeds=1,
            jobs=1,
        ),
        warn=print,
        progress=lambda *_: None,
    )
    found = {}
    for multiple, attempt in zip(MULTIPLES, attempts, strict=True):
        assert attempt.mask is not None, attempt.error
        kept = attempt.mask.vector(one.network).numpy()
        figures = {name: round(compute(case, kept), 4) for name, compute in FIGURES.items()}
        figures["function"] = round(case.function([kept])[0], 4)
        found[f"{multiple}x"] = figures
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Compares figures of overlap with a ticket.")
    parser.add_argument("what", choices=("masks", "pruners"), help="made masks, or pruners' own")
    parser.add_argument("out", type=Path, help="a JSON file")
    parser.add_argument("--challenges", help="names between commas")
    parser.add_argument("--repetitions", type=int, default=6)
    parser.add_argument("--pruners", default=",".join(PRUNERS))
    arguments = parser.parse_args()
    masks = arguments.what == "masks"
    names = (arguments.challenges or ",".join(NAMES if masks else FIVE)).split(",")
    record: dict[str, Any] = {}
    for name in names:
        case = Case(load(CHALLENGES / name))
        check(case)
        record[name] = {
            "bundle_sha256": case.challenge.digest,
            "entries": int(case.ticket.sum()),
        }
        if masks:
            record[name]["between"] = measured(case, arguments.repetitions)
            record[name]["blind"] = gamed(case, 3 * arguments.repetitions)
        else:
            pruners = arguments.pruners.split(",")
            record[name]["pruners"] = {pruner: pruned(case, pruner) for pruner in pruners}
        text = json.dumps(record, indent=1)
        text = re.sub(r"\{[^{}]*\}", lambda found: " ".join(found[0].split()), text)
        arguments.out.write_text(text + "\n", encoding="utf-8", newline="\n")
        print(f"{name}: done", flush=True)


def check(case: Case) -> None:
    """Raises AssertionError unless the figure that is scored is the one that is measured here."""
    one, kept = (
        case.challenge,
        between(case, 0.5, "random", 3, connected=False, rng=np.random.default_rng(0)),
    )
    scored = found_share(case.mask(kept), one.truth.ticket, costs_of(one))
    assert abs(scored - FIGURES["by digits, less false alarms"](case, kept)) < 1e-9


if __name__ == "__main__":
    main()
