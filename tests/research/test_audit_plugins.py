"""What a plugin's attacker can do to an audit, by mistake or on purpose."""

from __future__ import annotations

import numpy as np
import pytest

from plantkit.errors import PluginError, UnknownNameError
from plantkit.networks import PerceptronSpec
from plantkit.planting.contract import check_attacker
from plantkit.planting.exposed import Attacker
from plantkit.planting.initialization import draw_parameters
from plantkit.research.audit.assessment import audit_plantings
from plantkit.research.audit.attackers import ATTACKERS, choose_attackers
from plantkit.research.audit.samples import Sample

SPEC = PerceptronSpec(widths=(2, 12, 12, 2))


class Memory(Attacker):
    """Knows the ticket of every network that it ever saw, and nothing of others."""

    name = "memory"
    known: dict[str, dict[str, np.ndarray]]

    def __init__(self):
        self.known = {}

    def train(self, cases, rng):
        self.known |= {str(case.path): case.labels for case in cases}
        nothing = {name: np.zeros(size) for name, size in SPEC.sizes.items()}
        return lambda network: {
            name: np.asarray(value, dtype=float)
            for name, value in self.known.get(str(network.path), nothing).items()
        }


class Resting(Attacker):
    def __init__(self, name, builds_on=()):
        self.name, self.builds_on = name, builds_on

    def train(self, cases, rng):
        return lambda network: {n: v.ravel() for n, v in network.parameters.items()}


def leaking_samples(count):
    """Ticket entries are twice as large: whoever looks at magnitudes sees them."""
    rng = np.random.default_rng(3)
    samples = []
    for _ in range(count):
        parameters = draw_parameters(SPEC, rng)
        ticket = {name: rng.random(value.shape) < 0.3 for name, value in parameters.items()}
        ticket["layers.2.bias"] = np.array([True, False])
        grown = {name: np.where(ticket[name], 2, 1) * v for name, v in parameters.items()}
        samples.append(Sample(spec=SPEC, parameters=grown, ticket=ticket))
    return samples


def test_an_attacker_that_learns_by_heart_does_not_make_a_planting_hidden():
    samples, memory = leaking_samples(16), Memory()
    audit = audit_plantings(
        samples[:10], samples[10:], attackers=choose_attackers(["magnitude"], []), curve=()
    )
    fooled = audit_plantings(
        samples[:10],
        samples[10:],
        attackers=(*choose_attackers(["magnitude"], []), memory),
        curve=(),
    )
    assert audit.strongest.overall.auc.value > 0.65
    assert fooled.attacker("memory").overall.auc.value == pytest.approx(0.5)
    assert min(fooled.attacker("memory").training_auc.values()) > 0.99
    assert fooled.strongest.overall.auc.value == audit.strongest.overall.auc.value


def test_an_attacker_that_finds_more_counts():
    samples, sizes = leaking_samples(12), Resting("sizes")
    sizes.train = lambda cases, rng: (
        lambda network: {name: np.abs(value).ravel() for name, value in network.parameters.items()}
    )
    plain = choose_attackers(["position prior"])
    found = [
        audit_plantings(samples[:8], samples[8:], attackers=attackers, curve=()).strongest
        for attackers in (plain, (*plain, sizes))
    ]
    assert found[0].overall.auc.value < 0.6 < found[1].overall.auc.value


@pytest.mark.parametrize("name", ["joint", "messages", "strongest"])
def test_a_plugin_cannot_take_the_name_of_an_attacker_of_the_kit(name):
    warnings = []
    found = choose_attackers(others=[Resting(name)], warn=warnings.append)
    assert found == ATTACKERS
    assert [str(one) for one in warnings] == [f"attacker {name}: the name is one of plantkit's own"]


def test_an_attacker_whose_base_is_missing_is_left_out_unless_it_is_asked_for():
    warnings, needy = [], Resting("needy", ("somebody-elses",))
    assert choose_attackers(others=[needy], warn=warnings.append) == ATTACKERS
    assert "somebody-elses" in str(warnings[0])
    with pytest.raises(UnknownNameError, match="somebody-elses"):
        choose_attackers(["needy"], [needy])


@pytest.mark.parametrize("builds_on", [None, "joint", ["joint"], (1,)])
def test_what_it_builds_on_is_a_tuple_of_names(builds_on):
    with pytest.raises(PluginError, match="expected a tuple of names"):
        check_attacker("theirs", Resting("resting", builds_on))


def test_the_learning_curve_has_what_an_attacker_builds_on_and_shows_it_in_its_column():
    samples = leaking_samples(10)
    seen = []
    needy = Resting("needy", ("position prior",))
    needy.train = lambda cases, rng: (
        lambda network: (
            seen.append(set(network.odds)) or {name: network.odds[name] for name in network.odds}
        )
    )
    attackers = choose_attackers(["needy", "boosting"], [needy])
    audit = audit_plantings(samples[:8], samples[8:], attackers=attackers, curve=(4,))
    assert [set(point.attackers) for point in audit.curve] == [{"needy", "boosting"}] * 2
    assert all(seen)
