"""`anchored`: a formula's function, with the ticket's own initial values moved the least.

Given that a sparse part of a network computes f, the initial law leaves all other parameters
as they are and conditions this part alone. So a network is drawn, and only the ticket's entries
are touched: they are moved from their own initial values to a solution nearby
(`plantkit.planting.family.AnchoredFamily`). What comes out approximates the formula within a
stated bound, and *defines* the labels: it is exact up to the noise that the manifest states.

Where planting leaves traces in spite of all counterweights, it is repeated: several tickets are
planted into one and the same network, each by itself, and one of them is drawn. The odds weigh
what an attacker would go by (`plantkit.planting.surroundings`). They are learned so that over many
plantings a ticket's entries look as random ones do: entropy balancing (Hainmueller, Political
Analysis 20, 2012), with a penalty instead of exact constraints, as a few candidates cannot balance
everything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from plantkit.errors import UsageError
from plantkit.networks import PerceptronSpec
from plantkit.networks.tasks import TaskKind
from plantkit.planting.effects import best_scaled_error
from plantkit.planting.family import AnchoredFamily
from plantkit.planting.gates import Rejected
from plantkit.planting.initialization import draw_parameters, generator, standard_deviations
from plantkit.planting.methods.method import (
    Patience,
    Proposal,
    SearchMethod,
    as_float32,
    check_width,
    output_deviations,
)
from plantkit.planting.planted import Planted, PlantedNetwork
from plantkit.planting.surroundings import Coefficients, load_learned, sum_terms, ticket_odds
from plantkit.planting.targets import Floats, Ticket, subnetwork


class AnchoredMethod(SearchMethod[AnchoredFamily]):
    """A random structure whose entries are moved as little as it takes to compute a formula."""

    name = "anchored"
    title = "a formula is reached by moving the ticket's own values the least"
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
        family = family.drawn(generator(seed, "function"))
        hidden = len(spec.layers) - 1
        candidates = self.candidates(
            family, spec, seed, family.candidates(hidden), patience=patience
        )
        balance = load_learned(family.name)["balance"]
        rng = generator(seed, "balancing")
        return candidates[choose(candidates, balance, family.roles(hidden), rng)]

    def candidates(
        self,
        family: AnchoredFamily,
        spec: PerceptronSpec,
        seed: bytes,
        count: int,
        *,
        patience: Patience | None = None,
    ) -> list[Planted]:
        """Returns `count` tickets of one network, each planted by itself.

        All arguments but `count` are those of `plant`, which keeps one of them. Each search has
        all the `patience`.
        """
        if spec.depth < family.anchored_depth:
            raise UsageError(
                f"anchored planting of {family.name!r} needs a depth of at least "
                f"{family.anchored_depth} layers of neurons; got {spec.depth}"
            )
        check_width(spec, family.widths(len(spec.layers) - 1), name=family.name)
        drawn = draw_parameters(spec, generator(seed, "initialization"))
        rng = generator(seed, "anchoring")
        patience = patience or Patience()

        def search(number: int) -> Planted:
            def progress(label: str, done: int, total: int) -> None:
                patience.progress(f"{label}, {number} of {count}", done, total)

            counted = patience if count == 1 else replace(patience, progress=progress)
            return self.search(family, spec, drawn, rng, counted)

        return [search(number) for number in range(1, count + 1)]

    def propose(
        self,
        family: AnchoredFamily,
        spec: PerceptronSpec,
        parameters: Mapping[str, Floats],
        domain: Floats,
        rng: np.random.Generator,
    ) -> Proposal:
        anchored = family.anchor(spec, parameters, rng)
        moved, ticket = as_float32(anchored.parameters), anchored.ticket
        outputs = subnetwork(spec, moved, ticket).forward(domain)
        truth = family.truth(domain)
        if family.kind is TaskKind.CLASSIFICATION:
            measure, scales = "agreement", output_deviations(outputs, family.kind)
            value = float((outputs.argmax(axis=1) == truth).mean())
            is_met = value >= family.bound
        else:
            value, factors = best_scaled_error(outputs, truth)
            measure, scales = "mse", 1 / factors
            is_met = value <= family.bound
        if not is_met:
            raise Rejected("distance to the formula")
        movement = _movement(spec, parameters, moved, ticket)
        return Proposal(
            parameters=moved,
            ticket=ticket,
            output_scales=scales,
            note=f"{measure} with the formula {value:.3g} (bound {family.bound:g}); entries moved "
            f"by {movement:.2f} initial standard deviations",
            facts={"distance": {"measure": measure, "value": value, "bound": family.bound}},
            decoys=anchored.decoys,
        )


def choose(
    candidates: Sequence[PlantedNetwork],
    balance: Coefficients,
    roles: Mapping[str, str],
    rng: np.random.Generator,
) -> int:
    """Returns which of several tickets of a network is kept, drawn by `ticket_odds`."""
    if len(candidates) == 1:
        return 0
    odds = [
        ticket_odds(sum_terms(one.spec, one.parameters, one.ticket, roles), balance)
        for one in candidates
    ]
    return int(np.argmax(odds + rng.gumbel(size=len(odds))))


def _movement(
    spec: PerceptronSpec,
    before: Mapping[str, Floats],
    after: Mapping[str, Floats],
    ticket: Ticket,
) -> float:
    """Returns how far entries were moved: root mean square, in initial standard deviations.

    It is not secret, but only whoever knows the untouched network can measure it.
    """
    deviations = standard_deviations(spec)
    moves = [(after[name] - before[name])[ticket[name]] / deviations[name] for name in spec.shapes]
    return float(np.sqrt(np.square(np.concatenate(moves)).mean()))
