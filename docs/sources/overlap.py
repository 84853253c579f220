"""Figures of how well overlap tells masks apart."""

from __future__ import annotations

from typing import Any

from sources import RESULTS, bundle, read, source, table

OVERLAPS = RESULTS / "overlap-masks.json"
OVERLAPS_PRUNED = RESULTS / "overlap-pruners.json"


OVERLAP_WORDS = {
    "F1": "F1",
    "recall": "recall",
    "recall, guesses of the network": "recall, corrected by the mask's density",
    "recall, guesses by parameter": "recall, corrected in every parameter",
    "by share": "the same, weighed by the accuracy lost",
    "by root of share": "the same, weighed by its root",
    "by digits": "the same, weighed by the digits lost",
    "by digits, less false alarms": "**hits less false alarms, weighed by the digits lost**",
    "paths": "paths that are whole",
    "function of what was found": "digits of the ticket's entries in the mask",
}


@source
def overlaps() -> str:
    """Returns a table of how figures of overlap do, on challenges that score it."""
    found = [
        record
        for name, record in read(OVERLAPS).items()
        if bundle(name, "challenge")["overlap_scored"]
    ]
    rows = []
    for name, words in OVERLAP_WORDS.items():
        curves = [rest[name] for one in found for rest in one["between"].values()]
        off = max(abs(mean - k / 10) for c in curves for k, mean in enumerate(c["means"]))
        spread = sum(c["deviation"] for c in curves) / len(curves)
        ways = [
            way[name] for one in found for ways in one["blind"].values() for way in ways.values()
        ]
        alike = [rest[name]["tau"] for one in found for rest in at_planted(one)]
        agreement = sum(alike) / len(alike)
        rows.append((words, *(f"{value:.2f}" for value in (off, spread, max(ways), agreement))))
    return table("figure | off the share | deviation | without data | τ with function", rows)


@source
def overlap_of(pruner: str, name: str, multiple: str, figure: str) -> str:
    """Returns a figure of a pruner's mask, 0 where it is less; `_` in its name is a space."""
    found = read(OVERLAPS_PRUNED)[name]["pruners"][pruner][multiple][figure.replace("_", " ")]
    return f"{max(0.0, found):.2f}"


def at_planted(record: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns what was measured with masks of the ticket's own size."""
    return [record["between"][f"1x {rest}"] for rest in ("scattered", "connected")]
