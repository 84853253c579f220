"""Figures of the pruner seek."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median
from typing import Any

from sources import RESULTS, read, source, table

SEEK = RESULTS / "seek.json"


def runs_of(what: str) -> list[dict[str, Any]]:
    """Returns the runs of a command of `benchmarks/seek.py`."""
    return [one for one in read(SEEK) if one["what"] == what]


def grouped(
    runs: Iterable[dict[str, Any]], *names: str
) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
    """Returns the runs by their values of the names, in sorted order of these."""
    found: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for one in runs:
        found.setdefault(tuple(one[name] for name in names), []).append(one)
    return dict(sorted(found.items()))


def middle(runs: Iterable[dict[str, Any]], name: str) -> float:
    return float(median(one[name] for one in runs))


@source
def seek_fresh() -> str:
    """Returns a table of what `seek` reaches on fresh instances; see `benchmarks/seek.py`."""
    rows = []
    for (effort, family), runs in grouped(runs_of("fresh"), "effort", "family").items():
        accuracies = sorted(one["strong_accuracy"] for one in runs)
        rows.append(
            (
                f"{effort:g}",
                family,
                len(runs),
                f"{median(accuracies):.4f}",
                f"{accuracies[0]:.4f}",
                f"{sum(each >= 0.95 for each in accuracies)} of {len(runs)}",
                f"{middle(runs, 'strong_digits'):.2f}",
                f"{middle(runs, 'weak_digits'):.2f}",
                f"{middle(runs, 'f1'):.2f}",
                f"{middle(runs, 'cpu_seconds'):.0f}",
            )
        )
    return table(
        "effort | family | instances | accuracy, median | worst | .95 or more | digits, median"
        " | trained | F1 | CPU s",
        rows,
    )


@source
def seek_runs() -> str:
    """Returns the strong recovered accuracy of each of these runs."""
    rows = []
    for (effort, family), runs in grouped(runs_of("fresh"), "effort", "family").items():
        each = sorted((one["instance"], one["strong_accuracy"]) for one in runs)
        words = ", ".join(f"{number}: {value:.4f}" for number, value in each)
        rows.append((f"{effort:g}", family, words))
    return table("effort | family | instance: strong recovered accuracy", rows)


@source
def seek_targets() -> str:
    """Returns a table of whether `seek` reaches its targets with 60 seconds."""
    rows = []
    for (family,), runs in grouped(runs_of("fresh"), "family").items():
        accuracies = [one["strong_accuracy"] for one in runs if one["effort"] == 60]
        if not accuracies:
            continue
        verdicts = (
            "reached" if is_met else "missed"
            for is_met in (median(accuracies) >= 0.98, _share_good(accuracies) >= 0.9)
        )
        rows.append((family, len(accuracies), *verdicts))
    return table("family | instances | median .98 | .95 in nine of ten", rows)


def _share_good(accuracies: list[float]) -> float:
    return sum(each >= 0.95 for each in accuracies) / len(accuracies)


@source
def seek_ablation() -> str:
    """Returns a table of what `seek` reaches without one of its parts."""
    by_label = grouped(runs_of("ablation"), "label", "family")
    labels = dict.fromkeys(one["label"] for one in runs_of("ablation"))
    families = sorted({family for _, family in by_label})
    rows = []
    for label in labels:
        cells = []
        for family in families:
            runs = by_label.get((label, family), [])
            values = (f"{one['strong_accuracy']:.3f}" for one in runs)
            cells.append(", ".join(values) or "-")
        rows.append((label, *cells))
    return table(" | ".join(["search", *families]), rows)


@source
def seek_cost() -> str:
    """Returns a table of searches at about equal cost: accuracy, digits and CPU seconds."""
    families = sorted({one["family"] for one in runs_of("cost")})
    by_label = grouped(runs_of("cost"), "effort", "label", "family")
    rows = []
    asked = {(one["effort"], one["label"]): None for one in runs_of("cost")}
    for effort, label in sorted(asked, key=lambda each: each[0]):
        cells = []
        for family in families:
            runs = by_label.get((effort, label, family), [])
            text = f"{middle(runs, 'strong_accuracy'):.3f}" if runs else "-"
            cells.append(f"{text} ({middle(runs, 'cpu_seconds'):.0f} s)" if runs else text)
        rows.append((f"`{label}`", *cells))
    return table(" | ".join(["search", *families]), rows)


@source
def seek_trained() -> str:
    """Returns a table of recovered digits after training, by density and pruner."""
    runs = runs_of("weak")
    families = sorted({one["family"] for one in runs})
    by_label = grouped(runs, "label", "family")
    rows = []
    for label in dict.fromkeys(one["label"] for one in runs):
        pruner, _, density = label.rpartition(" ")
        cells = (f"{middle(by_label[label, family], 'weak_digits'):.2f}" for family in families)
        rows.append((density, f"`{pruner}`", *cells))
    return table(" | ".join(["density", "pruner", *families]), rows)
