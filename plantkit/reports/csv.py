"""One line per record, for spreadsheets and data frames."""

from typing import Any

from plantkit.reports.spreadsheets import csv_text
from plantkit.scoring.evaluation import Evaluation

name = "csv"
COLUMNS = (
    "pruner",
    "challenge",
    "target_density",
    "density_multiple",
    "seed",
    "status",
    "density",
    "sparsity",
    "effective_density",
    "collapsed_layers",
    "strong_performance",
    "strong_recovered_accuracy",
    "strong_recovered_digits",
    "weak_performance",
    "weak_recovered_accuracy",
    "weak_recovered_digits",
    "precision",
    "recall",
    "f1",
    "iou",
    "lift",
    "adjusted_recall",
    "average_precision",
    "seconds",
    "cpu_seconds",
    "effort",
    "peak_rss_mib",
    "rewind_step",
    "bundle_sha256",
    "error",
    "note",
)


def rows(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Returns what each record has of `COLUMNS`; None or nothing where it has no such figure."""
    found = []
    for record in evaluation.records:
        row = record.to_json()
        for track in ("strong", "weak"):
            row |= {f"{track}_{key}": number for key, number in row[track].items()}
        row |= row["overlap"]
        found.append({name: row[name] for name in COLUMNS if name in row})
    return found


def render(evaluation: Evaluation) -> str:
    lines = [[row.get(name) for name in COLUMNS] for row in rows(evaluation)]
    return csv_text(COLUMNS, lines)
