"""The audit finds leaks that are there, and none that are not."""

from __future__ import annotations

import dataclasses
import sys

import numpy as np
import pytest

from plantkit.errors import MissingExtraError, UsageError
from plantkit.networks import PerceptronSpec
from plantkit.planting.initialization import draw_parameters
from plantkit.research.audit.assessment import LeakVerdict, Limits, audit_plantings
from plantkit.research.audit.attackers import ATTACKERS
from plantkit.research.audit.recipes import PlantingRecipe, plant_samples
from plantkit.research.audit.samples import Sample

#: Without the one that takes longest, which has tests of its own.
QUICK = [one for one in ATTACKERS if one.name != "messages"]
SMALL = PerceptronSpec(widths=(2, 24, 24, 3))
TINY = PerceptronSpec(widths=(2, 10, 10, 3))


def random_sample(rng, *, spec=SMALL, factor=1.0, share=0.12):
    """A random network, a random ticket of fixed size in each layer, scaled by `factor`.

    The last biases are wholly in the ticket, as in most plantings.
    """
    parameters = draw_parameters(spec, rng)
    ticket = {}
    for name, size in spec.sizes.items():
        mask = rng.permutation(size) < (size if name == "layers.2.bias" else share * size)
        ticket[name] = mask.reshape(spec.shapes[name])
        parameters[name] = np.where(ticket[name], factor * parameters[name], parameters[name])
    return Sample(spec=spec, parameters=parameters, ticket=ticket)


def random_samples(count, seed, **kwargs):
    rng = np.random.default_rng(seed)
    return [random_sample(rng, **kwargs) for _ in range(count)]


@pytest.fixture(scope="module")
def null():
    # Of 95% intervals one in twenty misses; the test of several seeds is the slow one.
    samples = random_samples(42, seed=1)
    return audit_plantings(
        samples[:12], samples[12:41], subject=samples[41], curve=[4], attackers=QUICK
    )


@pytest.fixture(scope="module")
def faithful():
    spec = PerceptronSpec.uniform(depth=4, width=40, inputs=1, outputs=3)
    recipe = PlantingRecipe(family="helix", spec=spec)
    train, test = (plant_samples(recipe, 8, role=role, seed=b"3") for role in ("train", "test"))
    return audit_plantings(train, test, curve=(), attackers=QUICK)


@pytest.mark.slow
class TestNull:
    """Random tickets in random networks: nothing to find."""

    @pytest.mark.parametrize(
        "attacker", ["strongest", "boosting", "second order", "joint", "magnitude"]
    )
    def test_chance_lies_within_the_interval(self, null, attacker):
        auc = null.attacker(attacker).overall.auc
        assert auc.low < 0.5 < auc.high
        assert auc.high - auc.low < 0.05
        lift = null.attacker(attacker).overall.lift
        assert lift.low < 1.1
        assert lift.high > 0.9

    def test_verdict(self, null):
        assert null.passed
        assert null.verdict is LeakVerdict.HIDDEN
        assert LeakVerdict.LEAKS not in null.verdicts.values()

    def test_no_single_feature_stands_out(self, null):
        assert null.features[0].auc < 0.55

    def test_whole_networks_are_at_their_floor(self, null):
        assert null.pooled.floor_auc > 0.5  # the last biases are all ticket
        assert null.pooled.auc.value == pytest.approx(null.pooled.floor_auc, abs=0.03)

    def test_a_stratum_that_is_all_ticket_is_left_out_and_named(self, null):
        assert null.left_out == {"layers.2.bias": "wholly ticket"}
        assert set(null.strongest.strata) == set(SMALL.shapes) - {"layers.2.bias"}

    def test_the_subject_is_judged_by_itself(self, null):
        assert null.test_networks == 29
        assert null.strongest.overall.networks == 29
        subject = null.subject
        assert subject.overall.networks == 1
        assert subject.verdict is not LeakVerdict.LEAKS
        assert abs(subject.overall.auc.value - 0.5) < 3 * subject.auc_deviation_by_chance
        assert 0.02 < subject.auc_deviation_by_chance < 0.05  # about 0.29 / sqrt(94 entries)

    def test_the_curve_ends_with_all_training_networks(self, null):
        assert [point.training_networks for point in null.curve] == [4, 12]
        assert null.curve[-1].attackers["joint"] is not None


@pytest.mark.slow
def test_intervals_hold_chance_as_often_as_they_say():
    """Twelve independent audits of nothing: no bias, and at most three misses.

    With 95% intervals four or more misses of twelve have probability 0.0022.
    """
    found = []
    for seed in range(100, 112):
        samples = random_samples(42, seed=seed)
        audit = audit_plantings(samples[:12], samples[12:], curve=(), attackers=QUICK)
        found.append(audit.strongest.overall.auc)
    assert sum(not auc.low < 0.5 < auc.high for auc in found) <= 3
    assert np.mean([auc.value for auc in found]) == pytest.approx(0.5, abs=0.006)


@pytest.mark.slow
def test_a_graded_leak_is_found():
    """Planted entries 10% smaller: too little to see in a histogram, not for an attacker."""
    samples = random_samples(90, seed=1, factor=0.9)
    audit = audit_plantings(samples[:30], samples[30:], curve=(), attackers=QUICK)
    for attacker in ("strongest", "magnitude"):
        auc = audit.attacker(attacker).overall.auc
        assert auc.low > 0.5, attacker
        assert 0.51 < auc.value < 0.56, attacker  # |0.9 x| < |y| has probability 0.533
    best = {feature.group for feature in audit.features[:3]}
    assert "magnitude" in best


class TestFaithful:
    def test_it_leaks(self, faithful):
        assert faithful.strongest.overall.auc.low > 0.9
        assert faithful.strongest.strata["layers.1.weight"].lift.low > 2
        assert faithful.verdict is LeakVerdict.LEAKS
        assert not faithful.passed

    def test_no_limit_makes_it_pass(self, faithful):
        lax = dataclasses.replace(faithful, limits=Limits(auc=1.0, lift=1000.0))
        assert not lax.passed  # strata were judged by the limits of the audit itself


@pytest.mark.no_cover
def test_a_position_that_is_always_planted_is_found():
    rng = np.random.default_rng(2)
    samples = []
    for sample in random_samples(14, seed=9):
        ticket = {name: np.zeros(shape, dtype=bool) for name, shape in SMALL.shapes.items()}
        ticket["layers.1.weight"][1, rng.choice(24, 12, replace=False)] = True
        samples.append(Sample(spec=SMALL, parameters=sample.parameters, ticket=ticket))
    audit = audit_plantings(samples[:8], samples[8:], curve=(), attackers=QUICK)
    assert audit.attacker("position prior").overall.auc.value > 0.95
    assert audit.strongest.overall.auc.value > 0.95
    assert audit.left_out["layers.0.bias"] == "no ticket entries"


class TestSamples:
    def test_a_test_network_must_be_new(self):
        samples = random_samples(5, seed=0)
        with pytest.raises(UsageError, match="also a training network"):
            audit_plantings(samples, samples[4:])

    def test_too_few(self):
        samples = random_samples(4, seed=0)
        with pytest.raises(UsageError, match="at least 4 training networks"):
            audit_plantings(samples[:3], samples[3:])

    def test_shapes(self):
        sample = random_samples(1, seed=0)[0]
        with pytest.raises(UsageError, match=r"'layers.0.bias' has shape \(3,\)"):
            Sample(
                spec=SMALL,
                parameters={**sample.parameters, "layers.0.bias": np.zeros(3)},
                ticket=sample.ticket,
            )
        kept = {n: v for n, v in sample.ticket.items() if n != "layers.2.bias"}
        with pytest.raises(UsageError, match=r"no ticket of 'layers\.2\.bias'"):
            Sample(spec=SMALL, parameters=sample.parameters, ticket=kept)
        broken = {**sample.parameters, "layers.0.bias": np.full(24, np.nan)}
        with pytest.raises(UsageError, match="infinities or NaN"):
            Sample(spec=SMALL, parameters=broken, ticket=sample.ticket)

    def test_values_are_what_a_bundle_publishes(self):
        sample = random_samples(1, seed=0)[0]
        assert {value.dtype for value in sample.parameters.values()} == {np.dtype(np.float32)}
        with pytest.raises(ValueError, match="read-only"):
            sample.ticket["layers.0.bias"][0] = True


def test_the_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    samples = random_samples(5, seed=0)
    with pytest.raises(MissingExtraError, match=r'pip install "plantkit\[audit\]"'):
        audit_plantings(samples[:4], samples[4:])


def test_a_stratum_that_one_of_several_networks_separates_is_unclear():
    """An output bias left out of a single ticket is no evidence of a leak, nor of none."""
    samples = random_samples(8, seed=9, spec=TINY)
    odd = samples[7]
    ticket = {name: np.array(mask) for name, mask in odd.ticket.items()}
    ticket["layers.2.bias"][0] = False
    samples[7] = Sample(spec=odd.spec, parameters=odd.parameters, ticket=ticket)
    audit = audit_plantings(samples[:5], samples[5:], curve=(), attackers=QUICK)
    assert audit.strongest.strata["layers.2.bias"].networks == 1
    assert audit.verdicts["layers.2.bias"] is LeakVerdict.UNCLEAR


def test_with_one_test_network_no_stratum_is_judged():
    samples = random_samples(6, seed=9, spec=TINY)
    audit = audit_plantings(samples[:5], samples[5:], curve=(), attackers=QUICK)
    assert set(audit.verdicts.values()) == {LeakVerdict.UNCLEAR}
