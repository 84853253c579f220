"""One line per record, for spreadsheets and data frames."""

import csv
import io
from typing import Any

from plantkit.scoring.evaluation import Evaluation

name = "csv"
_FIRST_LINE = (
    "pruner,challenge,target_density,density_multiple,seed,status,density,sparsity,effective_density,"
    "collapsed_layers,strong_performance,strong_recovered_accuracy,strong_recovered_digits,weak_performance,"
    "weak_recovered_accuracy,weak_recovered_digits,precision,recall,f1,iou,lift,adjusted_recall,average_precision,"
    "seconds,cpu_seconds,effort,peak_rss_mib,rewind_step,bundle_sha256,error,note"
)


COLUMNS = _FIRST_LINE.split(",")


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
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows(evaluation))
    return text.getvalue()
