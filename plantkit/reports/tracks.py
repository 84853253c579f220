"""Tables of those who are ranked by themselves: rewound pruners, and budgets of effort."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from plantkit.reports.tables import Table, standings_table
from plantkit.scoring.effort import BUDGETS, mean_efforts, scores_at_budgets
from plantkit.scoring.evaluation import Evaluation
from plantkit.scoring.starts import Start


def standings_tables(evaluation: Evaluation) -> list[Table]:
    """Returns the standings of the pruners trained from the initialisation, and of the rewound."""
    steps = {entry.label: entry.rewind for entry in evaluation.entries}
    tables = []
    for start in Start:
        mine = [one for one in evaluation.standings if Start.at(steps[one.pruner]) is start]
        if mine:
            table = standings_table(replace(evaluation, standings=mine))
            tables.append(_rewound(table, steps) if start is Start.REWOUND else table)
    return tables


def _rewound(table: Table, steps: Mapping[str, int]) -> Table:
    rows = []
    for row in table.rows:
        before = {name: row[name] for name in ("rank", "pruner")}
        rows.append(before | {"rewind": str(steps.get(row["pruner"], ""))} | dict(row))
    return Table(
        title=table.title.replace("Standings", "Standings of rewound pruners", 1),
        rows=rows,
        notes=[
            "rewind: the step of the dense network's training whose weights the mask is trained "
            "from, for the steps that are left. Untrained figures are at the initial weights.",
            *table.notes,
        ],
    )


def effort_table(evaluation: Evaluation) -> Table:
    """Returns a row per pruner: the mean effort of its runs, and its score at every budget."""
    at = {
        budget: {standing.pruner: standing.score for standing in standings}
        for budget, standings in scores_at_budgets(
            evaluation.challenges, evaluation.records, evaluation.protocol
        ).items()
    }
    efforts = mean_efforts(evaluation.records)
    rows = []
    for standing in evaluation.standings:
        effort = efforts[standing.pruner]
        row = {"pruner": standing.pruner, "effort": "" if effort is None else f"{effort:.2f}"}
        for budget, scores in at.items():
            score = scores.get(standing.pruner)
            row[f"{budget:g} s"] = "" if score is None else f"{score:.1f}"
        rows.append(row | {"no limit": f"{standing.score:.1f}"})
    speed = evaluation.settings.speed
    return Table(
        title="Scores at budgets of effort",
        rows=rows,
        notes=[
            "effort: processor seconds of a run on the reference machine"
            + ("." if speed is None else f"; this machine is {speed:.2f} times as fast."),
            "A run that took more than the budget counts as failed.",
        ],
    )


def exceeds_a_budget(evaluation: Evaluation) -> bool:
    """Returns whether a budget of effort changes any score."""
    least = min(BUDGETS)
    return any(
        record.status == "ok" and (record.effort or 0.0) > least for record in evaluation.records
    )
