"""The claims of The Lottery Ticket Hypothesis, and how the study of it judges them.

References:
    arXiv 1803.03635.
"""

from __future__ import annotations

from collections.abc import Callable

from plantkit.research.studies import digits
from plantkit.research.studies.claims import Claim, Evidence, Figure
from plantkit.research.studies.intervals import Interval, by_seed, differences
from plantkit.research.studies.records import Records

PAPER = "arXiv 1803.03635"
#: Levels of the claims: 21.0%, 13.4%, 3.5% and 2.3% of the weights.
SMALL, SMALLER, TINY, LEAST = 7, 9, 15, 17
#: How much less accurate a network may be that still matches, in accuracy.
MARGIN = 0.01

Judge = Callable[[Records], Evidence]
#: A network of the study: its method and level; ("dense", 0) is the dense one.
Place = tuple[str, int]
DENSE: Place = ("dense", 0)


def compare(
    network: str,
    value: str,
    first: Place,
    second: Place,
    label: str,
    is_met: Callable[[Interval], bool],
) -> Judge:
    """Returns a judge: the 95% interval, over seeds, of a value's difference meets `is_met`."""

    def judge(records: Records) -> Evidence:
        here = records.where(network=network)
        ends = [
            by_seed(here.where(method=method, level=level), value)
            for method, level in (first, second)
        ]
        interval = Interval.of(differences(ends[0], ends[1]))
        if interval is None:
            return Evidence(holds=None)
        return Evidence(holds=is_met(interval), figures=(interval.figure(label),))

    return judge


def _above(interval: Interval) -> bool:
    return interval.low > 0


def _below(interval: Interval) -> bool:
    return interval.high < 0


def _not_worse(interval: Interval) -> bool:
    return interval.low > -MARGIN


def _moves_most(network: str) -> Judge:
    def judge(records: Records) -> Evidence:
        here = records.where(network=network, method="movement", level=SMALL)
        inside, outside = by_seed(here, "inside"), by_seed(here, "outside")
        ratio = Interval.of([value / outside[seed] for seed, value in inside.items()])
        if ratio is None:
            return Evidence(holds=None)
        figures: tuple[Figure, ...] = (ratio.figure("movement in the ticket / beside it"),)
        return Evidence(holds=ratio.low > 1, figures=figures)

    return judge


def claims_of(network: str) -> list[Claim]:
    """Returns the paper's claims as they are judged on one of the study's networks."""

    def claim(id_: str, text: str, where: str, criterion: str, judge: Judge) -> Claim:
        return Claim(
            id=f"{network}-{id_}",
            claim=f"{digits.TITLES[network].capitalize()}: {text}",
            source=f"{PAPER}, {where}",
            criterion=criterion,
            judge=judge,
        )

    def accuracy(first: Place, second: Place, is_met: Callable[[Interval], bool]) -> Judge:
        label = f"accuracy, {_said(first)} - {_said(second)}"
        return compare(network, "early_accuracy", first, second, label, is_met)

    def iteration(first: Place, second: Place, is_met: Callable[[Interval], bool]) -> Judge:
        label = f"iteration, {_said(first)} - {_said(second)}"
        return compare(network, "early_iteration", first, second, label, is_met)

    small, smaller = ("imp", SMALL), ("imp", SMALLER)
    paired = "paired over seeds, the 95% interval of the difference"
    return [
        claim(
            "matches",
            "winning tickets match the dense network's accuracy at 21% of the weights",
            "sections 2 and 3",
            f"{paired} in accuracy is above -{MARGIN}",
            accuracy(small, DENSE, _not_worse),
        ),
        claim(
            "more-accurate",
            "winning tickets are more accurate than the dense network at 13%",
            "sections 2 and 3",
            f"{paired} in accuracy is above 0",
            accuracy(smaller, DENSE, _above),
        ),
        claim(
            "sooner",
            "winning tickets reach their least validation loss sooner, at 21%",
            "sections 2 and 3",
            f"{paired} in early-stopping iterations is below 0",
            iteration(small, DENSE, _below),
        ),
        claim(
            "reinitialised-worse",
            "reinitialised, a ticket is less accurate, at 21%",
            "sections 2 and 3",
            f"{paired} in accuracy, ticket - reinitialised, is above 0",
            accuracy(small, ("reinitialised", SMALL), _above),
        ),
        claim(
            "reinitialised-slower",
            "reinitialised, a ticket learns more slowly, at 21%",
            "sections 2 and 3",
            f"{paired} in iterations, ticket - reinitialised, is below 0",
            iteration(small, ("reinitialised", SMALL), _below),
        ),
        claim(
            "random-worse",
            "a random mask of the same layer sizes is less accurate, at 21%",
            "section 1",
            f"{paired} in accuracy, ticket - random, is above 0",
            accuracy(small, ("random", SMALL), _above),
        ),
        claim(
            "one-shot-larger",
            "iterative pruning finds smaller winning tickets than one-shot",
            "sections 2 and 3",
            f"{paired} in accuracy at 3.5%, iterative - one-shot, is above 0",
            accuracy(("imp", TINY), ("one-shot", TINY), _above),
        ),
        claim(
            "limit",
            "at a few percent tickets fall below the dense network",
            "section 2",
            f"{paired} in accuracy at 2.3% is below 0",
            accuracy(("imp", LEAST), DENSE, _below),
        ),
        claim(
            "global",
            "global pruning finds smaller winning tickets than layerwise (said of deep networks)",
            "section 4",
            f"{paired} in accuracy at 3.5%, global - layerwise, is above 0",
            accuracy(("imp-global", TINY), ("imp", TINY), _above),
        ),
        claim(
            "moves-most",
            "weights of winning tickets move more in training than others",
            "appendix",
            "over seeds, the 95% interval of the ratio of mean movements in the "
            "dense training, in the ticket of 21% against beside it, is above 1",
            _moves_most(network),
        ),
    ]


def _said(place: Place) -> str:
    method, level = place
    return "dense" if method == "dense" else f"{method} at {100 * 0.8**level:.1f}%"
