"""`anchored`: a formula's function, in one of many parts of a network that are all alike.

A network is drawn, and its hidden units are dealt out to parts: sparse subnetworks that share no
unit. Every part is moved from its own initial values to a formula's function nearby, all by one
procedure (`plantkit.planting.anchoring`). One of them, drawn before anything else, is the ticket,
and the others are decoys: they compute functions that are as hard and look alike
(`AnchoredFamily.sibling`). Then what lies around the parts is drawn so that it looks as they do
(`plantkit.planting.filling`). So whatever the procedure does to weights, it does to all, and
which part is the ticket nobody can tell by them.

What comes out approximates the formula within a stated bound, and *defines* the labels: it is
exact up to the noise that the manifest states.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from plantkit.errors import UsageError
from plantkit.networks import PerceptronSpec, bias_name
from plantkit.networks.tasks import TaskKind
from plantkit.planting.anchoring import (
    IDLE_EFFECT,
    SCREEN_POINTS,
    Part,
    count_parts,
    make_units_switch,
    plant_parts,
)
from plantkit.planting.effects import best_scaled_error
from plantkit.planting.family import AnchoredFamily
from plantkit.planting.filling import fill_around
from plantkit.planting.gates import Rejected
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
from plantkit.planting.targets import Floats, subnetwork


class AnchoredMethod(SearchMethod[AnchoredFamily]):
    """A part of the network is moved onto a formula, and so are all others."""

    name = "anchored"
    title = "all parts of a network are moved onto formulas, and one of them is the ticket"
    families = AnchoredFamily
    least_effect = 0.0005
    least_activity = 0.01
    advice = (
        "plant again from another seed, or use a larger width, another depth, other dials, or "
        "another planting"
    )

    def _plant(
        self, family: AnchoredFamily, spec: PerceptronSpec, seed: bytes, patience: Patience
    ) -> Planted:
        if spec.depth < family.anchored_depth:
            raise UsageError(
                f"anchored planting of {family.name!r} needs a depth of at least "
                f"{family.anchored_depth} layers of neurons; got {spec.depth}"
            )
        hidden = len(spec.layers) - 1
        check_width(spec, [family.plan(hidden).units] * hidden, name=family.name)
        family = family.drawn(generator(seed, "function"))
        family.sibling(generator(seed, "sibling"))  # dials that allow none are told at once
        drawn = draw_parameters(spec, generator(seed, "initialization"))
        return self.search(family, spec, drawn, generator(seed, "anchoring"), patience)

    def propose(
        self,
        family: AnchoredFamily,
        spec: PerceptronSpec,
        parameters: Mapping[str, Floats],
        domain: Floats,
        rng: np.random.Generator,
    ) -> Proposal:
        plan = family.plan(len(spec.layers) - 1)
        count = count_parts(spec, plan)
        chosen = int(rng.integers(count))
        families = [family if place == chosen else family.sibling(rng) for place in range(count)]
        moved = {name: np.array(value) for name, value in parameters.items()}
        inputs = family.screen_inputs(rng, SCREEN_POINTS)
        make_units_switch(spec, moved, inputs, rng)
        parts = plant_parts(families, spec, moved, rng)
        if parts[chosen].distance > family.farthest:
            raise Rejected("distance to the formula")
        tickets = [one.ticket for one in parts]
        untouched = parts[chosen].part.read(moved).numpy()[0]
        moves = (parts[chosen].vector.numpy()[0] - untouched)[parts[chosen].kept]
        for one in parts:
            one.part.write(one.vector, moved)
        name = bias_name(spec.layers[-1])
        moved[name] = _output_biases(parts, chosen, moved[name], rng)
        fill_around(spec, moved, tickets, rng)
        moved = as_float32(moved)
        ticket = drop_idle_entries(spec, moved, tickets[chosen], domain, least_effect=IDLE_EFFECT)
        outputs = subnetwork(spec, moved, ticket).forward(domain)
        value = family.distance(outputs, family.truth(domain))
        if value > family.farthest:
            raise Rejected("distance to the formula")
        if family.kind is TaskKind.CLASSIFICATION:
            measure, value = "agreement", 1 - value
            scales = output_deviations(outputs, family.kind)
        else:
            measure, scales = "mse", 1 / best_scaled_error(outputs, family.truth(domain))[1]
        movement = float(np.sqrt(np.square(moves).mean()))
        near = sum(one.distance <= family.farthest for one in parts)
        decoys = tuple(found for place, found in enumerate(tickets) if place != chosen)
        for decoy in decoys:
            decoy[name][:] = False
        return Proposal(
            parameters=moved,
            ticket=ticket,
            output_scales=scales,
            note=f"{measure} with the formula {value:.3g} (bound {family.bound:g}); one of "
            f"{len(parts)} parts, of which {near} are within the bound; entries moved by "
            f"{movement:.2f} initial standard deviations",
            facts={"distance": {"measure": measure, "value": value, "bound": family.bound}},
            decoys=decoys,
        )


def _output_biases(
    parts: Sequence[Part], chosen: int, untouched: Floats, rng: np.random.Generator
) -> Floats:
    """Returns the outputs' biases (d_out,): the ticket's. What it does not use is a decoy's."""
    last = parts[chosen].part.layers[-1]
    values = np.stack([one.vector[0, last.biases].numpy() for one in parts]) * last.bias_unit
    kept = np.stack([one.kept[last.biases] for one in parts])
    own, kept = kept[chosen], np.delete(kept, chosen, axis=0)
    decoys = np.delete(values, chosen, axis=0)[kept]
    others = rng.choice(decoys, untouched.size) if decoys.size else untouched
    return np.where(own, values[chosen], others)
