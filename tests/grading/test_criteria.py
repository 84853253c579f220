"""What every kind of criterion measures, of runs whose figures are known."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from builders import OVERLAP
from builders import record_of as run
from toy_benches import bench, criterion, failed

from plantkit.challenges.bundles import Challenge
from plantkit.grading.criteria import (
    Measured,
    determinism,
    expected_share,
    failures_text,
    fault_of,
    kind_of,
    metric,
)
from plantkit.grading.grade import MarkVerdict
from plantkit.grading.measures import MEASURES, plugin_measure
from plantkit.scoring.protocol import Protocol
from plantkit.scoring.records import SCORED_OVERLAP, Record, TrackScore


def digits(share: float) -> TrackScore:
    return TrackScore(performance=0.0, recovered_accuracy=0.0, recovered_digits=share)


AT_MOST = {"at_least": None, "at_most": 0.5}

# --- which runs count


def test_runs_at_the_criterions_density_by_seed(circle: Challenge, relu: Challenge) -> None:
    planted = circle.planted_density
    records = [
        run(circle, seed=2),
        run(circle, seed=0),
        run(circle, seed=1, target_density=planted, is_planted_density=True),
        run(circle, seed=3, target_density=circle.density_of("2x")),
        run(circle, seed=1, target_density=0.3),
        run(relu, seed=1),
        run(circle, seed=1, pruner="other"),
    ]
    found = bench([circle, relu], records).records

    def keys(density: Any, baseline: str | None = None) -> list[tuple[int, float]]:
        runs = found(criterion(density=density), circle, baseline=baseline)
        pruner = baseline or "mine"
        assert all(one.pruner == pruner and one.bundle_sha256 == circle.digest for one in runs)
        return [(one.seed, one.target_density) for one in runs]

    assert keys(0.5) == [(0, 0.5), (2, 0.5)]
    assert keys("planted") == keys("1x") == [(1, planted)]
    assert keys("2x") == [(3, circle.density_of("2x"))]
    assert keys(0.3) == [(1, 0.3)]
    assert keys(0.7) == []
    # Without a density all of the rubric's run count, but not what another criterion asked for.
    assert keys(None) == [(0, 0.5), (1, planted), (2, 0.5)]
    assert keys(0.5, "other") == [(1, 0.5)]


def test_runs_of_a_seed_come_by_density(circle: Challenge) -> None:
    planted = circle.planted_density
    records = [
        run(circle, seed=seed, target_density=density, is_planted_density=density < 0.5)
        for density in (0.5, planted)
        for seed in (1, 0)
    ]
    found = bench([circle], records).records(criterion(density=None), circle)
    keys = [(one.seed, one.target_density) for one in found]
    assert keys == [(0, planted), (0, 0.5), (1, planted), (1, 0.5)]


# --- what went wrong


@pytest.mark.parametrize(
    ("statuses", "fault"),
    [
        ([], None),
        (["ok", "ok"], None),
        (["ok", "invalid"], MarkVerdict.INVALID),
        (["invalid", "timeout", "ok"], MarkVerdict.ERROR),
        (["crash"], MarkVerdict.ERROR),
    ],
)
def test_the_worst_fault_counts(
    circle: Challenge, statuses: list[str], fault: MarkVerdict | None
) -> None:
    assert fault_of([run(circle, status=status) for status in statuses]) is fault


def test_what_went_wrong_is_told_once_and_three_errors_at_most(circle: Challenge) -> None:
    assert failures_text([]) == failures_text([run(circle)]) == ""
    twice = [failed(circle), run(circle), failed(circle), failed(circle, "invalid")]
    assert failures_text(twice) == "3 of 4 runs failed\ncrash: why\ninvalid: why"
    three = [failed(circle, error=f"error {number}") for number in range(3)]
    expected = "3 of 3 runs failed\ncrash: error 0\ncrash: error 1\ncrash: error 2"
    assert failures_text(three) == expected
    four = [failed(circle, error=f"error {number}") for number in range(4)]
    assert failures_text(four).endswith("error 2\nand 1 other errors")
    five = [failed(circle, error=f"error {number}") for number in range(5)]
    assert failures_text(five) == (
        "5 of 5 runs failed\ncrash: error 0\ncrash: error 1\ncrash: error 2\nand 2 other errors"
    )


def test_a_kind_is_a_module() -> None:
    assert kind_of(criterion()) is metric
    assert kind_of(criterion(kind="determinism")) is determinism


def test_a_share_in_words() -> None:
    assert expected_share("all of it", criterion(at_least=None)) == "all of it"
    assert expected_share("all of it", criterion(at_least=1.0)) == "all of it"
    some = criterion(at_least=0.75, zero_at=0.25)
    assert expected_share("all of it", some) == "all of it: at least 0.75 (points from 0.25)"


# --- figures


FIGURES = {
    ("recovered_accuracy", "strong"): 0.12,
    ("recovered_accuracy", "weak"): 0.22,
    ("recovered_digits", "strong"): 0.13,
    ("recovered_digits", "weak"): 0.23,
    ("performance", "strong"): 0.11,
    ("performance", "weak"): 0.21,
    ("f1", ""): 0.1,
    ("precision", ""): 0.2,
    ("recall", ""): 0.3,
    ("iou", ""): 0.4,
    ("lift", ""): 5.0,
    ("adjusted_recall", ""): 0.7,
    ("average_precision", ""): 0.6,
    ("density", ""): 0.49,
    ("sparsity", ""): 0.51,
    ("effective_density", ""): 0.41,
    ("collapsed_layers", ""): 2.0,
    ("seconds", ""): 3.0,
    ("effort", ""): 2.25,
    ("peak_rss_mib", ""): 70.0,
    ("thickness", ""): 8.0,  # of a plugin
}


@pytest.mark.parametrize(("name", "track"), FIGURES)
def test_every_figure_is_the_records_own(circle: Challenge, name: str, track: str) -> None:
    asked = criterion(name, track=track, at_least=None, at_most=100.0)
    found = metric.measure(asked, bench([circle], [run(circle)]))
    value = FIGURES[name, track]
    assert found == Measured(value=value, got=f"{value:.4g}", seconds=3.0)


def test_every_figure_of_a_record_is_tried_above() -> None:
    assert {name for name, _ in FIGURES} - {"thickness"} == {
        name for name, measure in MEASURES.items() if measure.extract is not None
    }


#: Figures that a failed run counts as where more is better; it leaves none of the others.
ZERO_IF_FAILED = {"recovered_accuracy", "f1", "precision", "recall", "iou", "lift"}
ZERO_IF_FAILED |= {"recovered_digits", "adjusted_recall", "average_precision", "area", "score"}


def test_what_a_failed_run_counts_as() -> None:
    for name, measure in MEASURES.items():
        assert measure.failed == (0.0 if name in ZERO_IF_FAILED else None), name
    assert plugin_measure("thickness").failed is None


def test_which_figures_need_a_density_and_which_have_tracks() -> None:
    without = {name for name, measure in MEASURES.items() if not measure.needs_density}
    assert without == {"seconds", "effort", "peak_rss_mib", "area", "score"}
    tracks = {name for name, measure in MEASURES.items() if measure.has_track}
    assert tracks == {"recovered_accuracy", "recovered_digits", "performance", "area"}
    assert plugin_measure("thickness").needs_density
    assert not plugin_measure("thickness").has_track


@pytest.mark.parametrize(("seeds", "value"), [("mean", 0.5), ("min", 0.1), ("max", 1.0)])
def test_seeds_are_aggregated_as_asked(circle: Challenge, seeds: str, value: float) -> None:
    records = [
        run(circle, seed=seed, overlap={"f1": figure}, seconds=seed + 1.0)
        for seed, figure in enumerate([0.4, 0.1, 1.0])
    ]
    found = metric.measure(criterion(seeds=seeds), bench([circle], records))
    assert found == Measured(value=pytest.approx(value), got=f"{value:.4g}", seconds=6.0)


def test_challenges_are_averaged_after_their_seeds(circle: Challenge, relu: Challenge) -> None:
    """The best seed of each challenge, 0.4 and 0.8, whose mean is 0.6."""
    records = [
        run(circle, seed=0, overlap={"f1": 0.4}),
        run(circle, seed=1, overlap={"f1": 0.2}),
        run(relu, seed=0, overlap={"f1": 0.8}),
    ]
    found = metric.measure(criterion(seeds="max"), bench([circle, relu], records))
    assert found.value == pytest.approx(0.6)
    assert (found.got, found.message, found.fault) == ("0.6", "", None)


def test_a_failed_run_counts_as_nothing_where_more_is_better(circle: Challenge) -> None:
    records = [run(circle, overlap={"f1": 0.8}), failed(circle, seed=1)]
    found = metric.measure(criterion(), bench([circle], records))
    assert found == Measured(
        value=0.4,
        got="0.4",
        message="1 of 2 runs failed\ncrash: why",
        fault=MarkVerdict.ERROR,
        seconds=6.0,
    )


@pytest.mark.parametrize("name", ["f1", "density"])
def test_a_failed_run_leaves_no_figure_where_less_is_better(circle: Challenge, name: str) -> None:
    records = [run(circle), failed(circle, "invalid", seed=1)]
    found = metric.measure(criterion(name, **AT_MOST), bench([circle], records))
    assert found == Measured(
        value=None,
        got="nothing",
        message="1 of 2 runs failed\ninvalid: why",
        fault=MarkVerdict.INVALID,
        seconds=6.0,
    )


def test_a_failed_run_leaves_no_figure_that_has_no_worst(circle: Challenge) -> None:
    records = [run(circle), failed(circle, seed=1)]
    found = metric.measure(criterion("sparsity"), bench([circle], records))
    assert (found.value, found.got) == (None, "nothing")


def test_runs_that_all_failed_have_no_value(circle: Challenge) -> None:
    """They would count as 0, but nothing was measured."""
    records = [failed(circle), failed(circle, seed=1)]
    found = metric.measure(criterion(), bench([circle], records))
    assert (found.value, found.got) == (None, "nothing")
    assert found.message == "2 of 2 runs failed\ncrash: why"


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("f1", {"overlap": {}}, "no f1 on circle-3x60"),
        ("f1", {"overlap": {"f1": math.nan}}, "no f1 on circle-3x60"),
        ("peak_rss_mib", {"peak_rss_mib": None}, "no peak_rss_mib on circle-3x60"),
        ("thickness", {"metrics": {}}, "no thickness on circle-3x60"),
        (
            "average_precision",
            {"overlap": OVERLAP},
            "the pruner gives no saliencies; average precision is computed from them",
        ),
    ],
)
def test_a_figure_that_a_run_does_not_have(
    circle: Challenge, name: str, changes: dict[str, Any], message: str
) -> None:
    records = [run(circle), run(circle, seed=1, **changes)]
    found = metric.measure(criterion(name), bench([circle], records))
    assert found == Measured(value=None, got="nothing", message=message, seconds=6.0)


def test_one_challenge_without_a_figure_is_enough(circle: Challenge, relu: Challenge) -> None:
    found = metric.measure(criterion(), bench([circle, relu], [run(circle)]))
    assert found == Measured(value=None, got="nothing", message="no f1 on relu-3x8", seconds=3.0)


# --- against a baseline


def theirs(record: Record) -> Record:
    return replace(record, pruner="magnitude", seconds=100.0)


def test_the_difference_from_a_baseline_seed_by_seed(circle: Challenge) -> None:
    records = [
        run(circle, seed=0, overlap={"f1": 0.5}),
        run(circle, seed=1, overlap={"f1": 0.9}),
        theirs(run(circle, seed=1, overlap={"f1": 0.8})),
        theirs(run(circle, seed=0, overlap={"f1": 0.1})),
    ]
    asked = criterion(baseline="magnitude", seeds="min")
    found = metric.measure(asked, bench([circle], records))
    assert found.value == pytest.approx(0.1)
    assert found.got == "+0.1 against magnitude"
    assert (found.message, found.fault, found.seconds) == ("", None, 6.0)


def test_a_baseline_that_fails_is_no_fault_of_the_submission(
    circle: Challenge, relu: Challenge
) -> None:
    """On its first challenge only; the second must not make one forget it."""
    records = [
        *(run(challenge) for challenge in (circle, relu)),
        theirs(failed(circle)),
        theirs(run(relu)),
    ]
    found = metric.measure(criterion(baseline="magnitude"), bench([circle, relu], records))
    assert (found.value, found.got, found.fault) == (None, "nothing", MarkVerdict.ERROR)
    assert found.message == (
        "the baseline magnitude failed: 1 of 1 runs failed\ncrash: why: tell course staff"
    )


@pytest.mark.parametrize("which", ["mine", "theirs"])
def test_a_difference_needs_both_figures(circle: Challenge, which: str) -> None:
    mine, other = run(circle), theirs(run(circle))
    if which == "mine":
        mine = replace(mine, overlap={})
    else:
        other = replace(other, overlap={})
    found = metric.measure(criterion(baseline="magnitude"), bench([circle], [mine, other]))
    assert found == Measured(value=None, got="nothing", message="no f1 on circle-3x60", seconds=3.0)


# --- figures over all densities


def grid(
    challenge: Challenge,
    recovered: Callable[[int], float],
    overlap: Callable[[int], float] = lambda seed: 0.25,
) -> list[Record]:
    """Returns runs at the planted density and at 0.5 whose recovered accuracies are constant."""
    return [
        run(
            challenge,
            seed=seed,
            target_density=density,
            is_planted_density=density != 0.5,
            strong=digits(recovered(seed)),
            weak=digits(1.0),
            overlap={SCORED_OVERLAP: overlap(seed)},
        )
        for seed in (0, 1)
        for density in (challenge.planted_density, 0.5)
    ]


@pytest.mark.parametrize(("seeds", "recovered"), [("min", 0.25), ("max", 0.75), ("mean", 0.5)])
def test_an_area_for_each_seed(circle: Challenge, seeds: str, recovered: float) -> None:
    """Flat from the planted density to 0.5."""
    records = grid(circle, lambda seed: 0.25 + 0.5 * seed)
    for track, flat in (("strong", recovered), ("weak", 1.0)):
        asked = criterion("area", track=track, density=None, seeds=seeds)
        assert metric.measure(asked, bench([circle], records)).value == pytest.approx(flat)


OVERLAP_ALONE = Protocol(
    densities=("planted", 0.5), strong_weight=0.0, weak_weight=0.0, overlap_weight=2.0
)


def test_a_score_for_each_seed_by_the_rubrics_weights(circle: Challenge) -> None:
    """With weight on overlap alone the score is 100 times that: 25 and 75 for the two seeds."""
    assert circle.overlap_scored
    records = grid(circle, lambda seed: 0.0, lambda seed: 0.25 + 0.5 * seed)
    asked = criterion("score", density=None, at_least=20.0, seeds="min")
    tested = bench(
        [circle], [records[0], records[3], records[2], records[1]], protocol=OVERLAP_ALONE
    )
    assert metric.measure(asked, tested) == Measured(
        value=pytest.approx(25.0), got="25", seconds=12.0
    )
    first_seed = bench([circle], records[:2], protocol=OVERLAP_ALONE)
    assert metric.measure(asked, first_seed).value == pytest.approx(25.0)


def test_a_score_against_a_baselines(circle: Challenge) -> None:
    mine = grid(circle, lambda seed: 0.0, lambda seed: 0.5)
    others = [theirs(one) for one in grid(circle, lambda seed: 0.0, lambda seed: 0.25 * seed)]
    asked = criterion("score", density=None, at_least=20.0, baseline="magnitude")
    found = metric.measure(asked, bench([circle], mine + others, protocol=OVERLAP_ALONE))
    assert found.value == pytest.approx((50 + 25) / 2)
    assert found.got == "+37.5 against magnitude"


# --- words


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "f1 at density 0.5, at least 0.5"),
        (
            {
                "name": "recovered_accuracy",
                "track": "weak",
                "challenge": "/some/where/relu-3x8",
                "density": None,
            },
            "weak recovered accuracy on relu-3x8 at least 0.5",
        ),
        (
            {"density": "planted", "baseline": "magnitude", "margin": 0.25},
            "f1 at density planted, at least 0.25 above magnitude",
        ),
        ({"name": "seconds", "density": None, **AT_MOST}, "seconds at most 0.5"),
    ],
)
def test_what_is_expected_in_words(changes: dict[str, Any], words: str) -> None:
    assert metric.expected(criterion(**changes)) == words
