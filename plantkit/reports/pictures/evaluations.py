"""The charts of a report for notebooks: those of one kind as one chart, which shows itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from plantkit.errors import UnknownNameError, UsageError
from plantkit.reports.page.charts import specification
from plantkit.reports.page.figures import figures_of
from plantkit.reports.pictures import load_altair
from plantkit.scoring.evaluation import Evaluation

if TYPE_CHECKING:
    from altair import ConcatChart

#: Kinds of charts: recovered digits over density, scores with intervals, scores by challenge, and
#: scores over effort.
KINDS = ("curves", "standings", "heat_map", "effort")


def draw_evaluation(evaluation: Evaluation, kind: str = "curves") -> ConcatChart:
    """Returns the charts of one of `KINDS`, two in a row.

    Raises:
        UnknownNameError: no such kind.
        UsageError: the evaluation has nothing of that kind to show.
        MissingExtraError: Altair is not installed.
    """
    alt = load_altair("to draw charts")
    if kind not in KINDS:
        raise UnknownNameError("kind of chart", kind, KINDS)
    figures = [figure for figure in figures_of(evaluation) if figure.kind == kind]
    if not figures:
        raise UsageError(f"there is no chart of kind {kind!r} of this evaluation: nothing to show")
    pruners = [standing.pruner for standing in evaluation.standings]
    spec = specification(kind, pruners, printed=True)
    config = spec.pop("config")
    config["legend"] = {**config["legend"], "symbolOpacity": 1}  # bands are pale, names are not
    schema = spec.pop("$schema")
    del spec["autosize"]
    chart: ConcatChart = alt.ConcatChart.from_dict(
        {
            "$schema": schema,
            "columns": 2,
            "config": config,
            "resolve": {"scale": dict.fromkeys(("color", "strokeDash", "shape"), "independent")},
            "concat": [
                {**_with_values(spec, figure.data), "title": figure.title} for figure in figures
            ],
        }
    )
    return chart


def _with_values(node: Any, data: Mapping[str, Any]) -> Any:
    """Returns a specification whose named data have their rows: names are the whole chart's."""
    if isinstance(node, list):
        return [_with_values(one, data) for one in node]
    if not isinstance(node, dict):
        return node
    return {
        key: {"values": data[value["name"]]}
        if key == "data" and isinstance(value, dict) and value.get("name") in data
        else _with_values(value, data)
        for key, value in node.items()
    }
