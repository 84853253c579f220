"""One line per record, for spreadsheets and data frames."""

import csv
import io

from plantkit.scoring.evaluation import Evaluation

name = "csv"
_FIRST_LINE = (
    "pruner,challenge,target_density,density_multiple,seed,status,density,sparsity,effective_density,"
    "collapsed_layers,strong_performance,strong_recovered_accuracy,strong_recovered_digits,weak_performance,"
    "weak_recovered_accuracy,weak_recovered_digits,precision,recall,f1,iou,lift,adjusted_recall,average_precision,"
    "seconds,cpu_seconds,effort,peak_rss_mib,rewind_step,bundle_sha256,error,note"
)


def render(evaluation: Evaluation) -> str:
    text = io.StringIO()
    columns = _FIRST_LINE.split(",")
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for record in evaluation.records:
        row = record.to_json()
        for track in ("strong", "weak"):
            row |= {f"{track}_{key}": number for key, number in row[track].items()}
        writer.writerow(row | row["overlap"])
    return text.getvalue()
