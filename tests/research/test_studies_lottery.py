"""The lottery-ticket study: its masks by hand, its verdicts on made-up numbers, a tiny grid."""

from __future__ import annotations

import math

import pytest
import torch

from plantkit.networks import PerceptronSpec
from plantkit.networks.masks import Mask
from plantkit.pruners.budgets import Scope
from plantkit.research.studies import digits, tickets
from plantkit.research.studies.calibration import Calibration
from plantkit.research.studies.claims import ClaimVerdict, Figure
from plantkit.research.studies.digits import Bench
from plantkit.research.studies.lottery import STUDY, movement, train
from plantkit.research.studies.records import Records, StudyRecord
from plantkit.research.studies.rules import by_seed, differences
from plantkit.research.studies.runner import run_study
from plantkit.research.studies.study import Selection, Unit

NO_TIME = Calibration(seconds_per_step=0, seconds_per_parameter=0)
SPEC = PerceptronSpec(widths=(2, 5, 2))  # 10 and 10 weights


# --- intervals


def test_interval_by_hand():
    # Three values: standard error 1/sqrt(3), Student's quantile for two degrees 4.302653.
    found = Figure.interval("size", [1.0, 2.0, 3.0])
    assert found is not None
    assert (found.label, found.mean, found.n) == ("size (95% interval)", 2.0, 3)
    assert found.high - 2 == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)
    assert 2 - found.low == pytest.approx(found.high - 2)
    assert Figure.interval("size", [1.0, 2.0]) is None


def test_differences_are_paired_by_seed():
    first, second = (
        Records(
            StudyRecord(coordinates={"seed": seed}, values={"size": size})
            for seed, size in sizes.items()
        )
        for sizes in ({0: 5.0, 1: 7.0, 2: 9.0, 4: 8.0}, {1: 1.0, 2: 2.0, 3: 3.0, 4: None})
    )
    assert differences(first, second, "size") == [6.0, 7.0]


# --- masks


def vectors(**values):
    return {
        f"layers.{name[-1]}.weight": torch.tensor(value, dtype=torch.float32)
        for name, value in values.items()
    }


def test_counts_of_a_level_by_hand():
    # Level 3 leaves 0.512 of 20 weights: 10. The output layer keeps 0.729 of its 10: 7.
    assert tickets.weights_kept(SPEC, 3) == {"layers.0.weight": 3, "layers.1.weight": 7}
    assert tickets.weights_kept(SPEC, 0) == {"layers.0.weight": 10, "layers.1.weight": 10}


@pytest.mark.parametrize("name", digits.NETWORKS)
def test_both_scopes_keep_the_same_number_and_all_biases(name):
    network = digits.NETWORKS[name]
    total = sum(size for key, size in network.sizes.items() if key.endswith("weight"))
    trained = digits.glorot(network, 0)
    masks = dict.fromkeys(Scope, Mask.full(network))
    for level in range(1, 18):
        for scope in (Scope.GLOBAL, Scope.LAYERWISE):
            before = masks[scope]
            after = tickets.pruned(network, before, trained, level, scope)
            assert not any((after[key] & ~before[key]).any() for key in after)
            assert all(bool(after[key].all()) for key in after if key.endswith("bias"))
            kept = round(total * 0.8**level)
            assert tickets.share_left(network, after) * total == pytest.approx(kept)
            masks[scope] = after


def test_what_stays_is_largest_and_what_went_stays_away():
    ones = {name: torch.ones(shape) for name, shape in SPEC.shapes.items()}
    ones["layers.0.weight"] = torch.arange(1.0, 11.0).reshape(5, 2)
    mask = dict(Mask.full(SPEC))
    mask["layers.0.weight"][4, 1] = False  # the largest of all, but pruned before
    found = tickets.pruned(SPEC, mask, ones, 3, Scope.LAYERWISE)["layers.0.weight"]
    assert found.flatten().nonzero().flatten().tolist() == [6, 7, 8]


def test_a_shuffled_mask_keeps_each_layers_count():
    network = digits.NETWORKS["conv"]
    mask = tickets.pruned(network, Mask.full(network), digits.glorot(network, 0), 8, Scope.GLOBAL)
    first, second, again = (tickets.shuffled(network, mask, seed) for seed in (1, 2, 1))
    for name in network.shapes:
        assert first[name].sum() == mask[name].sum()
        assert torch.equal(first[name], again[name])
    assert any(bool((first[name] != second[name]).any()) for name in network.shapes)


# --- data and networks


def test_the_split_holds_every_digit_once():
    split = digits.load_split(3)
    parts = (split.train, split.validation, split.test)
    assert [len(part) for part in parts] == [1200, 297, 300]
    images = torch.cat([part.inputs for part in parts])
    assert images.shape == (1797, 64)
    assert (images.min(), images.max()) == (0.0, 1.0)
    # The same sum of pixels in any order, and another order for another seed.
    other = digits.load_split(4)
    assert not torch.equal(other.train.inputs, split.train.inputs)
    everything = torch.cat([other.train.inputs, other.validation.inputs, other.test.inputs])
    assert torch.equal(everything.double().sum(dim=0), images.double().sum(dim=0))


def test_glorot_deviations():
    weights = digits.glorot(PerceptronSpec(widths=(200, 300, 10)), 0)
    assert float(weights["layers.0.weight"].std()) == pytest.approx((2 / 500) ** 0.5, rel=0.02)
    assert not weights["layers.1.bias"].any()
    kernel = digits.glorot(digits.NETWORKS["conv"], 0)["layers.1.weight"]
    assert float(kernel.std()) == pytest.approx((2 / (24 * 9)) ** 0.5, rel=0.1)


def test_the_early_stopping_iteration_is_that_of_least_validation_loss():
    bench = Bench("fc", 0, epochs=2)
    full = Mask.full(bench.network)
    (values,), (trained,) = train(bench, [bench.start], [full])
    assert values["share"] == 1.0
    assert values["early_iteration"] in [0, 10, 20, 30, 40]
    flat = torch.cat([trained[name].flatten() for name in bench.network.shapes]).unsqueeze(0)
    last = digits.validation_losses(bench.network, flat, bench.split.validation)[0]
    assert values["early_loss"] <= last
    assert values["final_accuracy"] == digits.accuracies(bench.network, flat, bench.split.test)[0]


def test_movement_by_hand():
    bench = Bench("fc", 0, epochs=1)
    full = Mask.full(bench.network)
    mask = {name: torch.zeros_like(kept) for name, kept in full.items()}
    mask["layers.2.weight"].fill_(True)
    trained = {name: value.clone() for name, value in bench.start.items()}
    trained["layers.2.weight"] -= 3.0  # 500 weights inside the ticket, 11,400 outside
    trained["layers.0.weight"] += 1.0  # 6,400 of those
    found = movement(bench, trained, mask)
    assert found["inside"] == pytest.approx(3.0)
    assert found["outside"] == pytest.approx(6400 / 11400)
    assert found["share"] == pytest.approx(500 / 11900)


def test_what_a_unit_costs():
    assert STUDY.trainings({"levels": 4}) == 1 + 2 * 4 + 3 * 2  # levels 1 and 3 are compared
    # 40 epochs of 20 steps, of batches of 60 where the calibration has 32.
    speed = Calibration(seconds_per_step=1.0, seconds_per_parameter=0.0)
    slope = Calibration(seconds_per_step=0.0, seconds_per_parameter=1.0)
    fc, conv = (
        Unit(study="lottery", coordinates={"network": name, "levels": 4, "epochs": 40, "seed": 0})
        for name in ("fc", "conv")
    )
    assert STUDY.seconds(fc, speed) == STUDY.seconds(conv, speed) == 15 * 800
    parameters = digits.NETWORKS["fc"].total
    assert STUDY.seconds(fc, slope) == 15 * 800 * round(parameters * 60 / 32)
    work = digits.NETWORKS["conv"].work
    assert STUDY.seconds(conv, slope) == 15 * 800 * round(work * 60 / 32)


def test_shares_are_shown_in_percent_and_iterations_are_not():
    values = {"early_accuracy": 0.5, "early_iteration": 40.0}
    records = Records([StudyRecord(coordinates={}, values=values)])
    assert digits.shown_values(records, "early_accuracy") == [50.0]
    assert digits.shown_values(records, "early_iteration") == [40.0]


# --- verdicts


def records_of(**values: dict[str, list[float]]) -> Records:
    """Records of three seeds by `method_level`, in the fully connected network."""
    found = []
    for place, named in values.items():
        method, _, level = place.replace("__", "-").rpartition("_")
        found += [
            StudyRecord(
                coordinates={"network": "fc", "seed": seed, "method": method, "level": int(level)},
                values={name: seeds[seed] for name, seeds in named.items()},
            )
            for seed in range(3)
        ]
    return Records(found)


def verdict(records: Records, id_: str) -> ClaimVerdict:
    return {finding.claim.id: finding.verdict for finding in STUDY.findings(records)}[id_]


@pytest.mark.parametrize(
    ("imp", "expected"),
    [
        ([0.96, 0.97, 0.98], ClaimVerdict.REPRODUCED),  # as accurate as dense in every seed
        ([0.955, 0.965, 0.975], ClaimVerdict.REPRODUCED),  # half a point less in every seed
        ([0.95, 0.96, 0.97], ClaimVerdict.NOT_REPRODUCED),  # a point less
        ([0.96, 0.97, 0.93], ClaimVerdict.NOT_REPRODUCED),  # one seed fails, the interval is wide
    ],
)
def test_matching_the_dense_network(imp, expected):
    dense = {"early_accuracy": [0.96, 0.97, 0.98]}
    records = records_of(dense_0=dense, imp_7={"early_accuracy": imp})
    assert verdict(records, "fc-matches") is expected
    assert verdict(records, "conv-matches") is ClaimVerdict.NOT_TESTED


@pytest.mark.parametrize(
    ("ours", "expected"),
    [
        ([300.0, 310.0, 290.0], ClaimVerdict.REPRODUCED),
        ([500.0, 510.0, 490.0], ClaimVerdict.NOT_REPRODUCED),
        ([100.0, 390.0, 480.0], ClaimVerdict.NOT_REPRODUCED),  # sooner on average, not surely
    ],
)
def test_learning_sooner(ours, expected):
    records = records_of(
        dense_0={"early_iteration": [400.0, 410.0, 390.0]}, imp_7={"early_iteration": ours}
    )
    assert verdict(records, "fc-sooner") is expected


def test_controls_and_limits():
    low, high = {"early_accuracy": [0.90, 0.91, 0.92]}, {"early_accuracy": [0.95, 0.96, 0.97]}
    slow, fast = {"early_iteration": [700.0] * 3}, {"early_iteration": [400.0] * 3}
    good = records_of(
        dense_0=high,
        imp_7=high | fast,
        reinitialised_7=low | slow,
        random_7=low,
        imp_15=high,
        one__shot_15=low,
        imp__global_15=low,
        imp_17=low,
        movement_7={"inside": [0.3, 0.31, 0.32], "outside": [0.1, 0.1, 0.1]},
    )
    reproduced = (
        "reinitialised-worse",
        "reinitialised-slower",
        "random-worse",
        "one-shot-larger",
        "limit",
        "moves-most",
    )
    for id_ in reproduced:
        assert verdict(good, f"fc-{id_}") is ClaimVerdict.REPRODUCED, id_
    assert verdict(good, "fc-global") is ClaimVerdict.NOT_REPRODUCED
    bad = records_of(
        dense_0=low,
        imp_7=low | slow,
        reinitialised_7=high | fast,
        random_7=high,
        imp_15=low,
        one__shot_15=high,
        imp__global_15=high,
        imp_17=high,
        movement_7={"inside": [0.1, 0.1, 0.1], "outside": [0.3, 0.31, 0.32]},
    )
    for id_ in reproduced:
        assert verdict(bad, f"fc-{id_}") is ClaimVerdict.NOT_REPRODUCED, id_
    assert verdict(bad, "fc-global") is ClaimVerdict.REPRODUCED


def test_two_seeds_are_too_few():
    records = records_of(dense_0={"early_accuracy": [0.9] * 3}, imp_7={"early_accuracy": [0.9] * 3})
    two = records.where(seed=(0, 1))
    assert verdict(two, "fc-matches") is ClaimVerdict.NOT_TESTED
    assert by_seed(two.where(method="imp"), "early_accuracy") == {0: 0.9, 1: 0.9}


# --- a tiny grid


@pytest.mark.parametrize("network", digits.NETWORKS)
def test_a_tiny_grid(network, tmp_path):
    units = [
        Unit(
            study="lottery",
            coordinates={"network": network, "levels": 2, "epochs": 1, "seed": 0},
        )
    ]

    class TinyGrid(type(STUDY)):
        def units(self, **_):
            return units

    outcome = run_study(TinyGrid(), Selection(), calibration=NO_TIME)
    assert outcome.failures == []
    found = {
        (record.coordinates["method"], record.coordinates["level"]): record.values
        for record in outcome.records
    }
    assert set(found) == {
        ("dense", 0),
        ("imp", 1),
        ("imp", 2),
        ("imp-global", 1),
        ("imp-global", 2),
        ("one-shot", 1),
        ("reinitialised", 1),
        ("random", 1),
        ("movement", 1),
    }
    # After one round, iterative pruning and one-shot are the same.
    assert found["imp", 1] == pytest.approx(found["one-shot", 1], abs=1e-3)
    assert found["imp", 2]["share"] == pytest.approx(0.64, abs=0.001)
    assert STUDY.tables(outcome.records)[0].rows[1]["weights left"] == "80.0%"
    (plot,) = STUDY.draw(outcome.records, tmp_path)
    assert plot.path.stat().st_size > 1000
