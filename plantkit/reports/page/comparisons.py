"""Figures of statistics: performance profiles, and mean ranks with their critical difference."""

from __future__ import annotations

from plantkit.reports.page.figure import Figure, Rows, short
from plantkit.scoring.evaluation import Evaluation
from plantkit.scoring.ranking import seed_totals
from plantkit.scoring.starts import Start, by_start
from plantkit.scoring.statistics import Friedman, friedman, profiles

#: Distance between the bars of two groups, in ranks.
_GROUP_STEP = 0.18


def comparison_figures(evaluation: Evaluation) -> list[Figure]:
    """Returns the figures of statistics, for rewound pruners by themselves, as they are ranked."""
    found = []
    for start, records in by_start(evaluation.records).items():
        suffix, words = ("-rewound", ", rewound") if start is Start.REWOUND else ("", "")
        challenges, protocol = evaluation.challenges, evaluation.protocol
        scores = seed_totals(challenges, records, protocol)
        if len(scores) < 2:
            continue
        most = max(value for mine in scores.values() for seeds in mine.values() for value in seeds)
        thresholds = range(1, min(100, int(most) + 1) + 1)
        shares = profiles(scores, challenges, protocol, thresholds)
        rows = [
            {"pruner": pruner, "score": at, "share": short(share)}
            for pruner, mine in shares.items()
            for at, share in zip(thresholds, mine, strict=True)
        ]
        found.append(
            Figure(
                name=f"profiles{suffix}",
                kind="profiles",
                title=f"Performance profiles{words}",
                caption="How large a share of challenges and seeds a pruner scores at least so "
                "much on. A line that is above another everywhere is of the better pruner.",
                summary="The table of performance profiles has the same figures.",
                data={"shares": rows},
            )
        )
        if test := friedman(scores):
            found.append(_ranks(test, suffix, words))
    return found


def _ranks(test: Friedman, suffix: str, words: str) -> Figure:
    """Returns Demsar's diagram of mean ranks, turned so that names have a row each."""
    ranks = test.mean_ranks
    last = max(ranks.values())
    groups: Rows = [
        {"first": group[0], "last": group[-1], "at": short(last + (place + 1) * _GROUP_STEP)}
        for place, group in enumerate(group for group in test.groups if len(group) > 1)
    ]
    best = next(iter(ranks))
    low = short(ranks[best])
    return Figure(
        name=f"ranks{suffix}",
        kind="ranks",
        title=f"Mean ranks and what can be told apart{words}",
        caption="A dot is a pruner's mean rank over all challenges. The bar at the top is as long "
        f"as Nemenyi's critical difference, {test.critical_difference:.2f}. Pruners that a bar on "
        "the right joins cannot be told apart.",
        summary=f"{best} has the best mean rank, {ranks[best]:.2f}.",
        data={
            "ranks": [{"pruner": name, "rank": short(rank)} for name, rank in ranks.items()],
            "groups": groups,
            "difference": [{"low": low, "high": short(low + test.critical_difference)}],
        },
    )
