"""The second-order attacker sees what no single entry shows."""

from __future__ import annotations

import numpy as np
import pytest

from plantkit.networks import PerceptronSpec
from plantkit.planting.initialization import draw_parameters
from plantkit.research.audit.assessment import audit_plantings
from plantkit.research.audit.attackers import ATTACKERS
from plantkit.research.audit.samples import Sample

#: Without the one that takes longest, which has tests of its own.
QUICK = [one for one in ATTACKERS if one.name != "messages"]
SPEC = PerceptronSpec(widths=(2, 30, 30, 3))


def leaning_sample(rng: np.random.Generator) -> Sample:
    """A random network and a ticket of six units whose weights to two outputs have one sign.

    Units are taken for that alone and nothing is moved, so values, norms and sums of columns
    lean neither up nor down: only the product of the two is off.
    """
    parameters = draw_parameters(SPEC, rng)
    ticket = {name: np.zeros(shape, dtype=bool) for name, shape in SPEC.shapes.items()}
    weight = parameters["layers.2.weight"]
    units = rng.permutation(np.flatnonzero(weight[0] * weight[1] > 0))[:6]
    ticket["layers.2.weight"][:, units] = True
    ticket["layers.1.bias"][units] = True
    ticket["layers.1.weight"][units] = rng.random((6, 30)) < 0.2
    return Sample(spec=SPEC, parameters=parameters, ticket=ticket)


@pytest.fixture(scope="module")
def audit():
    rng = np.random.default_rng(5)
    samples = [leaning_sample(rng) for _ in range(60)]
    return audit_plantings(samples[:40], samples[40:], curve=(), attackers=QUICK)


def test_it_finds_a_product_that_is_off(audit) -> None:
    # The best attacker knows the sign alone: AUC 1/2 + 1/4 were all units of that sign ticket.
    found = audit.attacker("second order").strata["layers.2.weight"].auc
    assert found.low > 0.6
    assert found.value > audit.attacker("magnitude").strata["layers.2.weight"].auc.value + 0.1


def test_the_strongest_attacker_goes_by_it(audit) -> None:
    assert audit.strongest.choices["layers.1.bias"] in {"second order", "joint"}
    assert audit.strongest.overall.auc.low > 0.55
    assert not audit.passed
