"""`selected`: nothing is written; a sparse part of the untouched network defines the labels.

The network is one draw of the initial law and stays so to the last bit. Given it, a random
structure (`plantkit.planting.structures`) is drawn until its function makes a challenge and passes
the gates (`plantkit.planting.gates`). So the ticket is a draw from all the structures of this very
network that would have passed. Every one of them is a decoy, and the parameters tell an attacker
only which entries more of them share.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from plantkit.errors import UsageError
from plantkit.networks import PerceptronSpec
from plantkit.planting.family import SelectedFamily
from plantkit.planting.gates import Rejected, assess
from plantkit.planting.initialization import draw_parameters, generator
from plantkit.planting.methods.method import (
    Patience,
    Proposal,
    SearchMethod,
    as_float32,
    check_width,
    output_deviations,
)
from plantkit.planting.planted import Planted
from plantkit.planting.simplify import drop_idle_entries
from plantkit.planting.structures import draw_structure
from plantkit.planting.targets import Floats, subnetwork

# Random inputs on which structures are drawn; the gates look at the whole domain.
SCREENING_POINTS = 600


class SelectedMethod(SearchMethod[SelectedFamily]):
    """A random structure of the untouched network, drawn until its function is of use.

    Entries below the least effect are dropped from a structure before it is judged. A higher bar
    would tell more about the values that stay: at 0.01 the audit's AUC is 0.55.
    """

    name = "selected"
    title = "nothing is written: a part of the random network defines the labels"
    families = SelectedFamily
    least_effect = 0.002
    least_activity = 0.05
    advice = "use other dials or another width: an in_degree near the default, fewer units"

    def _plant(
        self, family: SelectedFamily, spec: PerceptronSpec, seed: bytes, patience: Patience
    ) -> Planted:
        layers = family.layers(len(spec.layers) - 1)
        check_width(spec, [layer.units for layer in layers], name=family.name)
        if layers[0].units * layers[0].in_degree < family.inputs:
            raise UsageError(
                f"{layers[0].units} units that read {layers[0].in_degree} inputs each cannot read "
                f"all {family.inputs}; use more units, a larger in_degree or fewer inputs"
            )
        # What a bundle holds are these float32 values, and they define the labels.
        parameters = as_float32(draw_parameters(spec, generator(seed, "initialization")))
        return self.search(family, spec, parameters, generator(seed, "selection"), patience)

    def propose(
        self,
        family: SelectedFamily,
        spec: PerceptronSpec,
        parameters: Mapping[str, Floats],
        domain: Floats,
        rng: np.random.Generator,
    ) -> Proposal:
        inputs = family.draw_inputs(rng, SCREENING_POINTS)
        layers = family.layers(len(spec.layers) - 1)
        drawn = draw_structure(spec, parameters, layers, inputs, rng)
        if drawn is None:
            raise Rejected("a unit never switches, or none reads it")
        screened = assess(subnetwork(spec, parameters, drawn).forward(inputs), inputs, family.kind)
        if screened.faults:
            raise Rejected(*screened.faults)
        ticket = drop_idle_entries(spec, parameters, drawn, domain, least_effect=self.least_effect)
        outputs = subnetwork(spec, parameters, ticket).forward(domain)
        quality = assess(outputs, domain, family.kind)
        if quality.faults:
            raise Rejected(*quality.faults)
        return Proposal(
            parameters=parameters,
            ticket=ticket,
            output_scales=output_deviations(outputs, family.kind),
            note=f"nonlinear share {quality.nonlinear:.3f}",
            facts={"dials": dict(family.dials), "nonlinear_share": quality.nonlinear},
        )
