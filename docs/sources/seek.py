"""Figures of the pruner seek."""

from __future__ import annotations

from statistics import median
from typing import Any

from sources import RESULTS, read, source, table

SEEK = RESULTS / "seek.json"


def fresh_runs(what: str) -> dict[tuple[float, str], list[dict[str, Any]]]:
    """Returns the runs of `seek` on fresh instances, by effort and family.

    what: `fresh`, or `earlier` for those of an earlier version of `seek`.
    """
    found: dict[tuple[float, str], list[dict[str, Any]]] = {}
    for one in read(SEEK):
        if one["what"] == what:
            found.setdefault((one["effort"], one["family"]), []).append(one)
    return dict(sorted(found.items()))


@source
def seek_fresh(what: str = "fresh") -> str:
    """Returns a table of what `seek` reaches on fresh instances; see `benchmarks/seek.py`."""
    rows = []
    for (effort, family), runs in fresh_runs(what).items():
        accuracies = sorted(one["strong_accuracy"] for one in runs)

        def middle(name: str, runs: list[dict[str, Any]] = runs) -> float:
            return median(one[name] for one in runs)

        rows.append(
            (
                f"{effort:g}",
                family,
                len(runs),
                f"{median(accuracies):.3f}",
                f"{accuracies[0]:.3f}",
                f"{sum(each >= 0.95 for each in accuracies)} of {len(runs)}",
                f"{middle('strong_digits'):.2f}",
                f"{middle('weak_digits'):.2f}",
                f"{middle('f1'):.2f}",
                f"{middle('cpu_seconds'):.0f}",
            )
        )
    return table(
        "effort | family | instances | accuracy, median | worst | .95 or more | digits, median"
        " | trained | F1 | CPU s",
        rows,
    )


@source
def seek_runs(what: str = "fresh") -> str:
    """Returns the strong recovered accuracy of each of these runs."""
    rows = []
    for (effort, family), runs in fresh_runs(what).items():
        each = sorted((one["instance"], one["strong_accuracy"]) for one in runs)
        words = ", ".join(f"{number}: {value:.3f}" for number, value in each)
        rows.append((f"{effort:g}", family, words))
    return table("effort | family | instance: strong recovered accuracy", rows)


@source
def seek_paired() -> str:
    """Returns a table of searches from one start, on an instance that changes were tried on."""
    names = ("label", "steps", "loss", "strong_accuracy", "strong_digits")
    rows = [[one[name] for name in names] for one in read(SEEK) if one["what"] == "paired"]
    return table("search | steps | training loss | accuracy | digits", rows)
