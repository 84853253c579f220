"""The lottery-ticket study: its masks by hand, its verdicts on made-up numbers, a tiny grid."""

from __future__ import annotations

import math

import pytest
import torch

from plantkit.networks import PerceptronSpec
from plantkit.networks.masks import Mask
from plantkit.networks.training import Run
from plantkit.pruners.budgets import Scope
from plantkit.research.studies import tickets
from plantkit.research.studies.bench import Bench, deviation, glorot
from plantkit.research.studies.calibration import Calibration, Pace
from plantkit.research.studies.claims import ClaimVerdict, Figure
from plantkit.research.studies.image_study import shown_values
from plantkit.research.studies.lottery import STUDY, levelled, movement, train
from plantkit.research.studies.records import Records, StudyRecord
from plantkit.research.studies.rules import by_seed, differences
from plantkit.research.studies.runner import run_study
from plantkit.research.studies.setups import SETUPS
from plantkit.research.studies.splits import load_split
from plantkit.research.studies.study import Selection, Unit
from plantkit.research.studies.tickets import Rates

NO_TIME = Calibration(seconds_per_step=0, seconds_per_parameter=0)
SPEC = PerceptronSpec(widths=(2, 5, 2))  # 10 and 10 weights
RATES = Rates(convolutions=0.15, linear=0.2, outputs=0.1)
ON_DIGITS = ("fc", "conv", "resnet")


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
    # Round 3 leaves 0.512 of the first layer's 10 weights, and 0.729 of the last one's.
    assert tickets.weights_kept(SPEC, 3, RATES) == {"layers.0.weight": 5, "layers.1.weight": 7}
    assert tickets.weights_kept(SPEC, 0, RATES) == {"layers.0.weight": 10, "layers.1.weight": 10}


def test_kinds_of_layers_have_rates_of_their_own():
    network = SETUPS["conv6"].network
    shares = RATES.of(network)
    assert [shares[name] for name in tickets.weight_names(network)] == [0.15] * 6 + [0.2] * 2 + [
        0.1
    ]


@pytest.mark.parametrize(
    ("name", "level", "share"),
    [
        # What arXiv 1803.03635 prints of the shares of weights that are left, in percent.
        ("lenet-300-100", 7, 21.1),
        ("lenet-300-100", 15, 3.6),
        ("lenet-300-100", 16, 2.9),
        ("conv2", 11, 8.8),
        ("conv4", 12, 9.2),
        ("conv6", 10, 15.1),
    ],
)
def test_rounds_leave_what_the_paper_prints(name, level, share):
    setup = SETUPS[name]
    kept = tickets.weights_kept(setup.network, level, setup.rates)
    total = sum(setup.network.sizes[key] for key in kept)
    assert 100 * sum(kept.values()) / total == pytest.approx(share, abs=0.25)


@pytest.mark.parametrize("name", ON_DIGITS)
def test_both_scopes_keep_the_same_number_and_all_biases(name):
    setup = SETUPS[name]
    network, rates = setup.network, setup.rates
    trained = glorot(network, 0)
    masks = dict.fromkeys(Scope, Mask.full(network))
    for level in range(1, 18):
        for scope in (Scope.GLOBAL, Scope.LAYERWISE):
            before = masks[scope]
            after = tickets.pruned(network, before, trained, level, scope, rates)
            assert not any((after[key] & ~before[key]).any() for key in after)
            assert all(bool(after[key].all()) for key in after if key.endswith("bias"))
            kept = sum(tickets.weights_kept(network, level, rates).values())
            names = tickets.weight_names(network)
            assert sum(int(after[key].sum()) for key in names) == kept
            masks[scope] = after


def test_a_layer_without_a_rate_is_never_pruned():
    setup = SETUPS["resnet"]
    full, trained = Mask.full(setup.network), glorot(setup.network, 0)
    *_, last = tickets.weight_names(setup.network)
    trained[last] *= 1e-6
    for scope in (Scope.GLOBAL, Scope.LAYERWISE):
        found = tickets.pruned(setup.network, full, trained, 8, scope, setup.rates)
        assert bool(found[last].all())


def test_what_stays_is_largest_and_what_went_stays_away():
    ones = {name: torch.ones(shape) for name, shape in SPEC.shapes.items()}
    ones["layers.0.weight"] = torch.arange(1.0, 11.0).reshape(5, 2)
    mask = dict(Mask.full(SPEC))
    mask["layers.0.weight"][4, 1] = False  # the largest of all, but pruned before
    found = tickets.pruned(SPEC, mask, ones, 3, Scope.LAYERWISE, RATES)["layers.0.weight"]
    assert found.flatten().nonzero().flatten().tolist() == [4, 5, 6, 7, 8]


def test_a_shuffled_mask_keeps_each_layers_count():
    network = SETUPS["conv"].network
    full = Mask.full(network)
    mask = tickets.pruned(network, full, glorot(network, 0), 8, Scope.GLOBAL, RATES)
    first, second, again = (tickets.shuffled(network, mask, seed) for seed in (1, 2, 1))
    for name in network.shapes:
        assert first[name].sum() == mask[name].sum()
        assert torch.equal(first[name], again[name])
    assert any(bool((first[name] != second[name]).any()) for name in network.shapes)


# --- data and networks


def test_the_split_holds_every_digit_once():
    split = load_split("digits", 3)
    parts = (split.train, split.validation, split.test)
    assert [len(part) for part in parts] == [1200, 297, 300]
    images = torch.cat([part.inputs for part in parts])
    assert images.shape == (1797, 64)
    assert (images.min(), images.max()) == (0.0, 1.0)
    # The same sum of pixels in any order, and another order for another seed.
    other = load_split("digits", 4)
    assert not torch.equal(other.train.inputs, split.train.inputs)
    everything = torch.cat([other.train.inputs, other.validation.inputs, other.test.inputs])
    assert torch.equal(everything.double().sum(dim=0), images.double().sum(dim=0))


def test_glorot_deviations():
    weights = glorot(PerceptronSpec(widths=(200, 300, 10)), 0)
    assert float(weights["layers.0.weight"].std()) == pytest.approx((2 / 500) ** 0.5, rel=0.02)
    assert not weights["layers.1.bias"].any()
    kernel = glorot(SETUPS["conv"].network, 0)["layers.1.weight"]
    assert float(kernel.std()) == pytest.approx((2 / (24 * 9)) ** 0.5, rel=0.1)


def test_the_early_stopping_iteration_is_that_of_least_validation_loss():
    bench = Bench("fc", 0, steps=40)
    full = Mask.full(bench.network)
    (values,), (trained,) = train(bench, [bench.start], [full])
    assert values["share"] == 1.0
    steps = [0, 10, 20, 30, 40]
    traced = bench.trace([Run(start=bench.start, mask=full, seed=0)], steps)[:, 0]
    losses = bench.losses(traced)
    assert values["early_loss"] == pytest.approx(min(losses))
    assert values["early_iteration"] == steps[losses.index(min(losses))]
    flat = torch.cat([trained[name].flatten() for name in bench.network.shapes]).unsqueeze(0)
    assert values["final_accuracy"] == bench.accuracies(flat)[0]
    assert values["untrained_accuracy"] == bench.accuracies(traced[:1])[0]


def test_signs_stay_and_sizes_are_those_of_the_layer():
    start = glorot(SPEC, 0)
    found = levelled(start)
    assert torch.equal(found["layers.0.weight"].sign(), start["layers.0.weight"].sign())
    sizes = found["layers.0.weight"].abs().flatten().tolist()
    assert sizes == pytest.approx([(2 / 7) ** 0.5] * 10)
    assert deviation((5,)) == 0.0  # biases


def test_movement_by_hand():
    bench = Bench("fc", 0, steps=20)
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


def unit_of(name: str, **coordinates: int) -> Unit:
    return Unit(study="lottery", coordinates={"network": name, "seed": 0, **coordinates})


def test_what_a_unit_costs():
    assert STUDY.trainings({"levels": 4}) == 1 + 2 * 4 + 5 * 2  # levels 1 and 3 are compared
    fc = unit_of("fc", levels=4, steps=800)
    # 81 looks at 297 images.
    paces = {"fc": Pace(step=2.0, look=0.5)}
    measured = Calibration(seconds_per_step=0.0, seconds_per_parameter=0.0, paces=paces)
    assert STUDY.seconds(fc, measured) == 19 * (800 * 2.0 + 81 * 297 * 0.5)
    # On a machine that is only nominal, batches are of 60 where the calibration has 32.
    slope = Calibration(seconds_per_step=0.0, seconds_per_parameter=1.0)
    parameters = SETUPS["fc"].network.total
    assert STUDY.seconds(fc, slope) == 19 * 800 * round(parameters * 60 / 32)


def test_paces_are_measured_for_the_networks_that_are_run():
    units = [unit_of(name, levels=4, steps=800) for name in ("fc", "conv", "fc")]
    paces = STUDY.calibrated(units).paces
    assert set(paces) == {"fc", "conv"}
    assert all(pace.step >= 0 for pace in paces.values())  # some clocks tick seldom


def test_shares_are_shown_in_percent_and_iterations_are_not():
    values = {"early_accuracy": 0.5, "early_iteration": 40.0}
    records = Records([StudyRecord(coordinates={}, values=values)])
    assert shown_values(records, "early_accuracy") == [50.0]
    assert shown_values(records, "early_iteration") == [40.0]


# --- verdicts


def records_of(*, network: str = "lenet-300-100", **values: dict[str, list[float]]) -> Records:
    """Records of three seeds by `method_level`."""
    found = []
    for place, named in values.items():
        method, _, level = place.replace("__", "-").rpartition("_")
        found += [
            StudyRecord(
                coordinates={
                    "network": network,
                    "seed": seed,
                    "method": method,
                    "level": int(level),
                },
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
        imp_7=high | fast | {"untrained_accuracy": [0.4, 0.5, 0.6]},
        signs_7=high,
        other__signs_7=low,
        reinitialised_7=low | slow,
        random_7=low,
        imp_15=high,
        one__shot_15=low,
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
        "signs-enough",
        "other-signs-worse",
        "untrained",
    )
    for id_ in reproduced:
        assert verdict(good, f"fc-{id_}") is ClaimVerdict.REPRODUCED, id_
    bad = records_of(
        dense_0=low,
        imp_7=low | slow | {"untrained_accuracy": [0.1, 0.1, 0.1]},
        signs_7={"early_accuracy": [0.5, 0.5, 0.6]},
        other__signs_7=high,
        reinitialised_7=high | fast,
        random_7=high,
        imp_15=low,
        one__shot_15=high,
        imp_17=high,
        movement_7={"inside": [0.1, 0.1, 0.1], "outside": [0.3, 0.31, 0.32]},
    )
    for id_ in reproduced:
        assert verdict(bad, f"fc-{id_}") is ClaimVerdict.NOT_REPRODUCED, id_


def test_only_a_deep_network_says_something_of_global_pruning():
    low, high = {"early_accuracy": [0.90, 0.91, 0.92]}, {"early_accuracy": [0.95, 0.96, 0.97]}
    deep = records_of(network="resnet20", imp_15=low, imp__global_15=high)
    assert verdict(deep, "deep-global") is ClaimVerdict.REPRODUCED
    flat = records_of(network="conv", imp_15=low, imp__global_15=high)
    assert verdict(flat, "deep-global") is ClaimVerdict.CANNOT_JUDGE
    assert verdict(Records(), "deep-global") is ClaimVerdict.NOT_TESTED
    assert {claim.id for claim in STUDY.claims if claim.id.startswith("deep-")} == {"deep-global"}


def found(records: Records, id_: str):
    return next(one for one in STUDY.findings(records) if one.claim.id == id_)


def test_digits_stand_in_and_their_doubts_are_told():
    dense = {"early_accuracy": [0.96, 0.97, 0.98], "early_iteration": [400.0, 410.0, 390.0]}

    def on_digits(imp: dict[str, list[float]]) -> Records:
        return records_of(network="fc", dense_0=dense, imp_7=imp)

    # What holds on digits is reproduced; what does not may have too few weights left.
    assert verdict(on_digits({"early_accuracy": [0.96, 0.97, 0.98]}), "fc-matches") is (
        ClaimVerdict.REPRODUCED
    )
    worse = found(on_digits({"early_accuracy": [0.90, 0.91, 0.92]}), "fc-matches")
    assert worse.verdict is ClaimVerdict.CANNOT_JUDGE
    assert "too few may be left" in worse.reason
    # The paper's 38% sooner, 248 of these steps, is within the first interval, not in the second.
    wide = found(on_digits({"early_iteration": [100.0, 390.0, 480.0]}), "fc-sooner")
    assert wide.verdict is ClaimVerdict.CANNOT_JUDGE
    assert "its opposite" in wide.reason
    narrow = found(on_digits({"early_iteration": [400.0, 420.0, 390.0]}), "fc-sooner")
    assert (narrow.verdict, narrow.reason) == (ClaimVerdict.NOT_REPRODUCED, "")


def test_the_papers_networks_come_before_digits_and_must_all_agree():
    low, high = {"early_accuracy": [0.90, 0.91, 0.92]}, {"early_accuracy": [0.95, 0.96, 0.97]}

    def of(network: str, imp: dict[str, list[float]]) -> Records:
        return records_of(network=network, dense_0=high, imp_7=imp)

    good = Records((*of("conv2", high), *of("conv", low)))
    assert verdict(good, "conv-matches") is ClaimVerdict.REPRODUCED
    mixed = found(Records((*of("conv2", high), *of("conv6", low))), "conv-matches")
    assert mixed.verdict is ClaimVerdict.NOT_REPRODUCED
    assert [figure.label.split(":")[0] for figure in mixed.figures] == ["conv2", "conv6"]


def test_two_seeds_are_too_few():
    records = records_of(dense_0={"early_accuracy": [0.9] * 3}, imp_7={"early_accuracy": [0.9] * 3})
    two = records.where(seed=(0, 1))
    assert verdict(two, "fc-matches") is ClaimVerdict.NOT_TESTED
    assert by_seed(two.where(method="imp"), "early_accuracy") == {0: 0.9, 1: 0.9}


# --- a tiny grid


@pytest.mark.parametrize("network", ["fc", "conv"])
def test_a_tiny_grid(network, tmp_path):
    units = [
        Unit(
            study="lottery",
            coordinates={"network": network, "levels": 2, "steps": 20, "seed": 0},
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
        ("signs", 1),
        ("other-signs", 1),
        ("random", 1),
        ("movement", 1),
    }
    # After one round, iterative pruning and one-shot are the same.
    assert found["imp", 1] == pytest.approx(found["one-shot", 1], abs=1e-3)
    kept = sum(tickets.weights_kept(SETUPS[network].network, 2, SETUPS[network].rates).values())
    total = sum(
        SETUPS[network].network.sizes[f"layers.{layer}.weight"]
        for layer in range(3 + (network == "conv"))
    )
    assert found["imp", 2]["share"] == pytest.approx(kept / total)
    assert SETUPS[network].title in STUDY.tables(outcome.records)[0].title
    (plot,) = STUDY.draw(outcome.records, tmp_path)
    assert plot.path.stat().st_size > 1000
