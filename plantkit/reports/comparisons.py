"""Tables of statistics: how sure the differences between pruners are."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from string import ascii_lowercase

from plantkit.challenges.facts import ChallengeFacts
from plantkit.reports.tables import Table
from plantkit.scoring.evaluation import Evaluation
from plantkit.scoring.protocol import Protocol
from plantkit.scoring.ranking import seed_totals
from plantkit.scoring.starts import Start, by_start
from plantkit.scoring.statistics import (
    DRAWS,
    LEAST_BLOCKS,
    Friedman,
    Resampled,
    Scores,
    compare,
    friedman,
    profiles,
    resample,
)

#: Scores at which performance profiles are shown.
THRESHOLDS = (1, 2, 5, 10, 20, 30, 50, 70, 90)
#: Most columns of pruners that fit next to a name.
_MOST_COLUMNS = 10


def comparison_tables(evaluation: Evaluation) -> list[Table]:
    """Returns the tables of statistics, for rewound pruners by themselves, as they are ranked."""
    tables = []
    for start, records in by_start(evaluation.records).items():
        scores = seed_totals(evaluation.challenges, records, evaluation.protocol)
        found = _tables(scores, evaluation.challenges, evaluation.protocol)
        suffix = " (rewound pruners)" if start is Start.REWOUND else ""
        tables += [
            Table(title=f"{one.title}{suffix}", rows=one.rows, notes=one.notes) for one in found
        ]
    return tables


def _tables(
    scores: Scores, challenges: Sequence[ChallengeFacts], protocol: Protocol
) -> list[Table]:
    if len(scores) < 2:
        return [Table(title="Statistics", rows=[], notes=["They need two pruners or more."])]
    resampled = resample(scores, challenges, protocol)
    return [
        _bootstrap_table(resampled),
        _wins_table(scores, challenges, protocol),
        _profile_table(scores, challenges, protocol),
        _friedman_table(friedman(scores)),
    ]


def _bootstrap_table(resampled: Resampled | None) -> Table:
    title = "If the evaluation were made again"
    if resampled is None:
        why = "Nothing shows what chance does: that takes two seeds, or two instances of a kind."
        return Table(title=title, rows=[], notes=[why])
    rows = []
    names = resampled.pruners
    for place, name in enumerate(names):
        low, high = resampled.interval(name)
        after = names[place + 1] if place + 1 < len(names) else None
        rows.append(
            {
                "pruner": name,
                "bootstrap": f"{low:.1f}-{high:.1f}",
                "is first": f"{resampled.first(name):.0%}",
                "is above the next": "" if after is None else f"{resampled.ahead(name, after):.0%}",
            }
        )
    return Table(
        title=title,
        rows=rows,
        notes=[
            f"{DRAWS} evaluations are drawn from this one (stratified bootstrap): in each kind of "
            "challenge, instances; in a kind of one instance, seeds. bootstrap: the middle 95% of "
            "scores. is first: in how many draws a pruner is the best. is above the next: in how "
            "many it beats the one in the next row."
        ],
    )


def _wins_table(scores: Scores, challenges: Sequence[ChallengeFacts], protocol: Protocol) -> Table:
    found = compare(scores, challenges, protocol)
    names = list(dict.fromkeys(one for one, _ in found))
    columns = names[:_MOST_COLUMNS]
    rows = []
    for place, name in enumerate(names, start=1):
        row = {"": str(place), "pruner": name}
        for number, other in enumerate(columns, start=1):
            comparison = found.get((name, other))
            if comparison is None:
                row[f"#{number}"] = "-"
            else:
                mark = "*" if comparison.is_clear else ""
                row[f"#{number}"] = f"{mark}{100 * comparison.probability:.0f}"
        rows.append(row)
    notes = [
        "In percent: how often the row's pruner scores higher than the column's on the same "
        "challenge and seed. A tie counts half, and families count by their weights. *: a coin "
        "tossed for every challenge would rarely (5%) come out as one-sided."
    ]
    if len(names) > len(columns):
        notes.append(f"Columns are the first {len(columns)} pruners.")
    return Table(title="Who beats whom", rows=rows, notes=notes)


def _profile_table(
    scores: Scores, challenges: Sequence[ChallengeFacts], protocol: Protocol
) -> Table:
    rows = [
        {"pruner": name}
        | {f">={at}": f"{share:.0%}" for at, share in zip(THRESHOLDS, shares, strict=True)}
        for name, shares in profiles(scores, challenges, protocol, THRESHOLDS).items()
    ]
    return Table(
        title="Performance profiles",
        rows=rows,
        notes=[
            "The share of challenges and seeds on which a pruner scores at least so much. Where "
            "one row is above another in every column, its pruner is better, whatever counts as "
            "good."
        ],
    )


def _friedman_table(test: Friedman | None) -> Table:
    title = "Mean ranks"
    if test is None:
        why = (
            f"Friedman's test needs 3 pruners and {LEAST_BLOCKS} challenges, on which not all "
            "score the same."
        )
        return Table(title=title, rows=[], notes=[why])
    names = (*ascii_lowercase, *map("".join, product(ascii_lowercase, repeat=2)))
    letters = dict(zip(names, test.groups, strict=False))  # 702 names: more than there are groups
    rows = [
        {
            "pruner": name,
            "mean rank": f"{rank:.2f}",
            "alike": " ".join(letter for letter, group in letters.items() if name in group),
        }
        for name, rank in test.mean_ranks.items()
    ]
    return Table(
        title=title,
        rows=rows,
        notes=[
            f"The mean over {test.challenges} challenges of a pruner's rank on each, 1 for the "
            f"best; here all challenges count alike. Friedman's test that all are alike: "
            f"chi-squared {test.statistic:.1f}, p = {test.p_value:.2g}. Pruners with a letter in "
            "common cannot be told apart: their mean ranks differ by less than Nemenyi's critical "
            f"difference of {test.critical_difference:.2f}, at 95% for all pairs together."
        ],
    )
