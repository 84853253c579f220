"""The stability study: its measures by hand, its verdicts on made-up numbers, a tiny grid."""

from __future__ import annotations

import pytest
import torch

from plantkit.networks import PerceptronSpec, flatten
from plantkit.networks.masks import Mask
from plantkit.networks.training import Samples
from plantkit.research.studies import stability
from plantkit.research.studies.bench import Bench
from plantkit.research.studies.calibration import Calibration
from plantkit.research.studies.claims import ClaimVerdict
from plantkit.research.studies.records import Records, StudyRecord
from plantkit.research.studies.runner import run_study
from plantkit.research.studies.setups import SETUPS
from plantkit.research.studies.splits import Split
from plantkit.research.studies.stability import STUDY, angle, distance, error_barrier
from plantkit.research.studies.study import Selection, Unit

NO_TIME = Calibration(seconds_per_step=0, seconds_per_parameter=0)


# --- measures


def test_distance_and_angle_by_hand():
    first, second = torch.tensor([3.0, 0.0]), torch.tensor([0.0, 4.0])
    assert distance(first, second) == 5.0
    assert angle(first, second) == pytest.approx(90.0)
    assert angle(first, torch.tensor([1.0, 1.0])) == pytest.approx(45.0)
    assert angle(first, 2 * first) == pytest.approx(0.0)
    assert angle(first, -first) == pytest.approx(180.0)
    assert angle(first, torch.zeros(2)) == 90.0


def test_error_barrier_by_hand():
    assert error_barrier([0.1, 0.5, 0.2]) == pytest.approx(0.35)
    assert error_barrier([0.3, 0.1, 0.1]) == pytest.approx(0.1)  # an end may be the worst
    assert error_barrier([0.2, 0.2, 0.2]) == 0.0


def test_only_kept_weights_are_measured():
    network = PerceptronSpec(widths=(2, 1, 10))
    mask = {name: torch.zeros(shape, dtype=torch.bool) for name, shape in network.shapes.items()}
    mask["layers.0.weight"][0, 1] = mask["layers.1.weight"][3, 0] = True
    mask["layers.0.bias"][:] = True
    numbers = torch.arange(float(network.total))  # weights 0 1, bias 2, weights 3 to 12
    assert stability.kept_weights(network, numbers, mask).tolist() == [1.0, 6.0]


def test_errors_along_a_line_between_opposite_networks():
    network = PerceptronSpec(widths=(1, 10))
    weights = {name: torch.zeros(shape) for name, shape in network.shapes.items()}
    weights["layers.0.bias"][0] = 1.0  # says class 0
    right = flatten(network, weights)
    weights["layers.0.bias"][:2] = torch.tensor([0.0, 1.0])  # says class 1
    wrong = flatten(network, weights)
    bench = Bench("fc", 0)
    data = Samples(inputs=torch.zeros(4, 1), targets=torch.zeros(4, dtype=torch.int64))
    bench.network, bench.split = network, Split(train=data, validation=data, test=data)
    errors = stability.errors_along(bench, right, wrong)
    assert len(errors) == stability.ALPHAS == 30
    assert errors == [0.0] * 15 + [1.0] * 15  # no point lies on the middle of the line
    assert error_barrier(errors) == 0.5


# --- verdicts


def records_of(*, network: str = "resnet20", **values: dict[str, list[float]]) -> Records:
    """Records of three seeds by `subnetwork_rewind`, in the paper's residual network."""
    found = []
    for place, named in values.items():
        which, rewind = place.split("_")
        found += [
            StudyRecord(
                coordinates={
                    "network": network,
                    "seed": seed,
                    "subnetwork": which,
                    "rewind": int(rewind),
                },
                values={name: seeds[seed] for name, seeds in named.items()},
            )
            for seed in range(3)
        ]
    return Records(found)


def verdict(records: Records, id_: str) -> ClaimVerdict:
    return {finding.claim.id: finding.verdict for finding in STUDY.findings(records)}[f"deep-{id_}"]


NEAR, FAR = [2.0, 2.1, 2.2], [5.0, 5.2, 5.1]
LOW, HIGH = [0.0, 0.003, 0.003], [0.3, 0.31, 0.32]
GOOD, BAD = [0.97, 0.98, 0.97], [0.90, 0.91, 0.90]


@pytest.mark.parametrize("value", ["prune_l2", "order_l2"])
def test_winning_tickets_are_closer_than_random_ones(value):
    id_ = {"prune_l2": "pruning", "order_l2": "order"}[value]
    assert verdict(records_of(imp_0={value: NEAR}, random_0={value: FAR}), id_) is (
        ClaimVerdict.REPRODUCED
    )
    assert verdict(records_of(imp_0={value: FAR}, random_0={value: NEAR}), id_) is (
        ClaimVerdict.NOT_REPRODUCED
    )
    assert verdict(records_of(imp_40={value: NEAR}, random_40={value: FAR}), id_) is (
        ClaimVerdict.NOT_TESTED
    )


@pytest.mark.parametrize(
    ("id_", "value"),
    [
        ("rewinding-order", "order_l2"),
        ("rewinding-pruning", "prune_l2"),
        ("rewinding-barrier", "barrier"),
    ],
)
def test_rewinding_brings_results_together(id_, value):
    # The latest step counts, not the one between.
    down = records_of(imp_0={value: FAR}, imp_40={value: FAR}, imp_160={value: NEAR})
    up = records_of(imp_0={value: NEAR}, imp_40={value: NEAR}, imp_160={value: FAR})
    assert verdict(down, id_) is ClaimVerdict.REPRODUCED
    assert verdict(up, id_) is ClaimVerdict.NOT_REPRODUCED
    assert verdict(down.where(rewind=0), id_) is ClaimVerdict.NOT_TESTED


def accuracies_of(at_0: list[float], at_40: list[float]) -> Records:
    return records_of(
        imp_0={"accuracy": at_0},
        dense_0={"accuracy": GOOD},
        imp_40={"accuracy": at_40},
        dense_40={"accuracy": GOOD},
    )


def test_rewinding_mends_what_needs_mending():
    assert verdict(accuracies_of(BAD, GOOD), "rewinding-mends") is ClaimVerdict.REPRODUCED
    assert verdict(accuracies_of(BAD, BAD), "rewinding-mends") is ClaimVerdict.NOT_REPRODUCED
    assert verdict(accuracies_of(GOOD, GOOD), "rewinding-mends") is ClaimVerdict.NOT_TESTED


def test_rewinding_must_both_mend_and_match():
    # More accurate than from k = 0 in every seed, but still 2 points below the dense network.
    nearly = [accuracy - 0.02 for accuracy in GOOD]
    assert verdict(accuracies_of(BAD, nearly), "rewinding-mends") is ClaimVerdict.NOT_REPRODUCED
    # From k = 0 only 0.9 points below in every seed: there is nothing to mend.
    close = [accuracy - 0.009 for accuracy in GOOD]
    assert verdict(accuracies_of(close, GOOD), "rewinding-mends") is ClaimVerdict.NOT_TESTED


def finding(records: Records, id_: str):
    return next(one for one in STUDY.findings(records) if one.claim.id == f"deep-{id_}")


def test_where_digits_leave_nothing_to_mend_they_judge_nothing():
    records = Records(
        StudyRecord(coordinates={**record.coordinates, "network": "resnet"}, values=record.values)
        for record in accuracies_of(GOOD, GOOD)
    )
    found = finding(records, "rewinding-mends")
    assert found.verdict is ClaimVerdict.CANNOT_JUDGE
    assert "nothing to mend" in found.reason


@pytest.mark.parametrize(
    ("barrier", "accuracy", "expected"),
    [(LOW, BAD, ClaimVerdict.CANNOT_JUDGE), (HIGH, GOOD, ClaimVerdict.NOT_REPRODUCED)],
)
def test_digits_refute_that_only_stable_networks_match(barrier, accuracy, expected):
    records = records_of(
        network="resnet",
        dense_0={"accuracy": GOOD},
        imp_0={"barrier": barrier, "accuracy": accuracy},
    )
    assert finding(records, "stable-match").verdict is expected


def test_dense_networks_become_stable():
    assert (
        verdict(records_of(dense_0={"barrier": HIGH}, dense_40={"barrier": LOW}), "dense-stable")
        is ClaimVerdict.REPRODUCED
    )
    assert (
        verdict(records_of(dense_0={"barrier": LOW}, dense_40={"barrier": HIGH}), "dense-stable")
        is ClaimVerdict.NOT_REPRODUCED
    )
    assert verdict(records_of(dense_0={"barrier": LOW}), "dense-stable") is ClaimVerdict.NOT_TESTED


@pytest.mark.parametrize(
    ("barrier", "accuracy", "expected"),
    [
        (LOW, GOOD, ClaimVerdict.REPRODUCED),
        (HIGH, BAD, ClaimVerdict.REPRODUCED),
        (LOW, BAD, ClaimVerdict.NOT_REPRODUCED),
        (HIGH, GOOD, ClaimVerdict.NOT_REPRODUCED),
    ],
)
def test_stable_exactly_where_accurate(barrier, accuracy, expected):
    records = records_of(
        dense_0={"accuracy": GOOD},
        random_0={"barrier": HIGH, "accuracy": BAD},
        imp_0={"barrier": barrier, "accuracy": accuracy},
    )
    assert verdict(records, "stable-match") is expected


# --- a tiny grid


@pytest.mark.parametrize("network", ["fc", pytest.param("resnet", marks=pytest.mark.slow)])
def test_a_tiny_grid(network, tmp_path):
    units = [
        Unit(
            study="stability",
            coordinates={"network": network, "rewind": rewind, "levels": 1, "steps": 20, "seed": 0},
        )
        for rewind in (0, 19)
    ]

    class TinyGrid(type(STUDY)):
        def units(self, **_):
            return units

    outcome = run_study(TinyGrid(), Selection(), calibration=NO_TIME)
    assert outcome.failures == []
    found = {
        (record.coordinates["rewind"], record.coordinates["subnetwork"]): record.values
        for record in outcome.records
    }
    assert set(found) == {(k, which) for k in (0, 19) for which in stability.SUBNETWORKS}
    # One step from the end, two orders of the data hardly differ; from the start they do.
    for which in stability.SUBNETWORKS:
        assert 0 < found[19, which]["order_l2"] < 0.5 * found[0, which]["order_l2"]
        assert 0 <= found[0, which]["accuracy"] <= 1
    assert found[0, "dense"]["prune_l2"] is None
    assert found[0, "imp"]["prune_l2"] > 0
    assert SETUPS[network].title in STUDY.tables(outcome.records)[0].title
    (plot,) = STUDY.draw(outcome.records, tmp_path)
    assert plot.path.stat().st_size > 1000


def test_the_mask_is_the_same_for_both_orders():
    bench = Bench("fc", 0)
    start = flatten(bench.network, bench.start)
    values = stability.measures(bench, Mask.full(bench.network), [start, start], start)
    assert [values[name] for name in ("order_l2", "prune_l2", "barrier")] == [0.0, 0.0, 0.0]
    assert values["order_angle"] == pytest.approx(0.0, abs=1e-4)
