"""One line a record, for spreadsheets and data frames."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plantkit.scoring.evaluation import Evaluation

_COLUMNS = (
    "pruner",
    "challenge",
    "target_density",
    "seed",
    "status",
    "density",
    "sparsity",
    "effective_density",
    "collapsed_layers",
    "strong_performance",
    "strong_recovered_accuracy",
    "weak_performance",
    "weak_recovered_accuracy",
    "precision",
    "recall",
    "f1",
    "iou",
    "lift",
    "average_precision",
    "seconds",
    "peak_rss_mib",
    "bundle_sha256",
    "error",
)


@dataclass(frozen=True, slots=True)
class CsvReporter:
    name: str = "csv"

    def render(self, evaluation: Evaluation) -> str:
        text = io.StringIO()
        writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        for record in evaluation.records:
            value = record.to_json()
            row: dict[str, Any] = {name: value[name] for name in _COLUMNS if name in value}
            for track in ("strong", "weak"):
                row |= {f"{track}_{name}": number for name, number in value[track].items()}
            row |= {name: n for name, n in value["overlap"].items() if name in _COLUMNS}
            writer.writerow(row)
        return text.getvalue()


reporter = CsvReporter()
