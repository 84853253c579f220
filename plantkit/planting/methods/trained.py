"""`trained`: a sparse network that was trained on real images, in channels of a random wide one.

The paper's fourth task (arXiv 2111.11153), without its copy in place. In a narrow network of the
same steps, multishot pruning by magnitude finds which entries a weak ticket has; nothing but this
structure is kept of that training. The entries get values drawn anew from the wide network's
initial law, and are trained with a pull to them (`plantkit.planting.images.anchoring`), in
normalised networks with a teacher (`plantkit.planting.images.imitation`). Then

- every set of channels is matched to random channels of the wide network. A residual stream is
  one set;
- every set is rescaled from the scale that it was trained at to that of the wide network's initial
  law. A ReLU network computes the same up to one factor, which the classes share;
- the ticket's entries are written into the wide network. No bias is among them. Around them
  weights move a little, so that lines sum up as drawn (`plantkit.planting.images.balance`).

So the planted ticket classifies as the trained network does, without any training. That is a gate:
outputs within 1e-4 of the trained network's, relative to the largest, in float32, and the same
class for every test image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from plantkit.errors import PlantingError, UsageError
from plantkit.networks import Network, flatten, weight_name
from plantkit.networks.graph import ImageNetwork
from plantkit.networks.masks import Mask
from plantkit.networks.tasks import make_task
from plantkit.networks.training import Samples, evaluate
from plantkit.planting.family import Alternatives
from plantkit.planting.gates import FLOAT32_TOLERANCE, Rejected
from plantkit.planting.images.anchoring import Anchored, Anchoring
from plantkit.planting.images.family import ImageFamily
from plantkit.planting.images.imitation import find_teacher, is_taught
from plantkit.planting.images.narrowing import Embedding, narrowed
from plantkit.planting.initialization import draw_parameters, generator, standard_deviations
from plantkit.planting.methods.method import Patience, PlantingMethod, as_float32
from plantkit.planting.planted import LabelSource, Planted
from plantkit.planting.targets import Floats, Ticket
from plantkit.pruners.problem import Problem
from plantkit.pruners.schedules import Schedule, follow

#: The narrow network's parameters, as a multiple of the entries that the ticket keeps of them.
NARROW = 6.0
#: Entries of the pruned network as a multiple of those that are kept of them in the end: of a new
#: draw some do nothing.
SPARE = 2.0
#: Least effect of an entry: change of the outputs over their standard deviation, to first order.
LEAST_EFFECT = 0.0005
#: Training images, besides all test images, on which the planted ticket is compared with the
#: trained one.
COMPARED = 2000
#: Trials of the whole, and of the choice of channels, until the gates are passed.
MOST_ATTEMPTS = 5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Placed:
    """A ticket in its network, and what the gates measured. error: relative, in float32."""

    parameters: Mapping[str, Floats]
    ticket: Ticket
    scale: float
    error: float


class TrainedMethod(PlantingMethod[ImageFamily]):
    """A trained sparse network, hidden in random channels of a wide one."""

    name = "trained"
    title = "a sparse network that was trained on real images, in random channels"
    hidden = True
    families = ImageFamily
    networks = ImageNetwork
    networks_words = "a network on images"

    def _plant(
        self, family: ImageFamily, spec: ImageNetwork, seed: bytes, patience: Patience
    ) -> Planted:
        wide = spec
        train, test = family.split(seed)
        drawn = draw_parameters(wide, generator(seed, "initialization"))
        first = slice(COMPARED)
        some = Samples(inputs=train.inputs[first], targets=train.targets[first])
        compared = (test, some)
        budget = int(family.density * wide.total)
        reasons: list[str] = []
        for attempt in range(MOST_ATTEMPTS):
            rng = generator(seed, f"training {attempt}")
            patience.progress("training a ticket", attempt, MOST_ATTEMPTS)
            try:
                anchored = self._train(family, wide, budget, train, rng)
                placed = _place(anchored, wide, drawn, compared, rng)
            except Rejected as rejected:
                reasons += rejected.args
                continue
            kept = sum(int(mask.sum()) for mask in placed.ticket.values())
            return Planted(
                family=family.name,
                method=self.name,
                hidden=family.hides(wide),
                spec=wide,
                parameters=placed.parameters,
                ticket=placed.ticket,
                output_scales=np.full(wide.outputs, placed.scale),
                labels=LabelSource.DATA,
                alternatives=Alternatives(),
                note=f"a narrow network of {anchored.narrow.total} parameters, {kept} of them "
                f"kept; relative error {placed.error:.1e}, the same class for all "
                f"{len(test) + len(some)} images",
                facts={
                    "dials": dict(family.dials),
                    "exactness": {"relative_error": placed.error, "bound": FLOAT32_TOLERANCE},
                },
            )
        raise PlantingError(
            f"none of {MOST_ATTEMPTS} tickets trained for {wide.label} passed: "
            f"{', '.join(reasons)}; use a larger density, or more epochs",
            reason=reasons[-1],
        )

    def _train(
        self,
        family: ImageFamily,
        wide: ImageNetwork,
        budget: int,
        train: Samples,
        rng: np.random.Generator,
    ) -> Anchored:
        narrow = narrow_network(family, wide)
        if narrow.total <= budget * SPARE:
            raise UsageError(
                f"a ticket of {budget} entries does not fit into a narrow network of "
                f"{narrow.total} parameters; use a smaller density"
            )
        problem = _narrow_problem(family, narrow, train, rng)
        vary = partial(family.varied, rng=rng)
        anchored = Anchored(
            narrow,
            find_structure(problem, round(SPARE * budget), rounds=family.rounds),
            standard_deviations(wide),
            train,
            find_teacher(problem, vary, rounds=family.teaching) if is_taught(narrow) else None,
            rng,
        )
        anchored.train(
            Anchoring(
                pull=family.pull,
                epochs=family.epochs,
                vary=vary,
                budget=budget,
                least_effect=LEAST_EFFECT,
            )
        )
        return anchored


def narrow_network(family: ImageFamily, wide: Network) -> ImageNetwork:
    """Returns the network that a ticket for `wide` is trained in."""
    assert isinstance(wide, ImageNetwork)  # all networks that an image family knows are
    return narrowed(wide, round(NARROW * family.density * wide.total))


def _narrow_problem(
    family: ImageFamily, narrow: ImageNetwork, train: Samples, rng: np.random.Generator
) -> Problem:
    """Returns the narrow network as drawn, with the data."""
    drawn = draw_parameters(narrow, rng)
    return Problem(
        name="narrow",
        network=narrow,
        task=make_task("classification", narrow.outputs),
        weights={name: torch.from_numpy(value).float() for name, value in drawn.items()},
        train=train,
        density=1.0,
        seed=int(rng.integers(2**31)),
        recipe=family.round_recipe,
    )


def find_structure(problem: Problem, budget: int, *, rounds: int) -> Ticket:
    """Returns the entries of a weak ticket: multishot pruning by magnitude, biases first.

    Args:
        problem: the narrow network, and the recipe that it is trained by in each round.
        budget: how many entries.
        rounds: of the pruning.

    Raises:
        Rejected: a layer is left without entries.
    """

    def magnitude(scored: Problem) -> dict[str, torch.Tensor]:
        return {
            name: value.abs() if value.dim() > 1 else torch.full_like(value, -1)
            for name, value in scored.weights.items()
        }

    narrow = problem.network
    scored = problem.at(density=budget / narrow.total, seed=problem.seed)
    epochs = problem.recipe.epochs
    mask = follow(Schedule.MULTISHOT, scored, magnitude, rounds=rounds, epochs=epochs)
    connected = narrow.connected(mask)
    kept = {name: connected[name].numpy() for name in narrow.shapes}
    if not all(kept[weight_name(layer)].any() for layer in narrow.layers):
        raise Rejected("a layer of the ticket is empty")
    return kept


def _place(
    anchored: Anchored,
    wide: ImageNetwork,
    drawn: Mapping[str, Floats],
    data: tuple[Samples, ...],
    rng: np.random.Generator,
) -> _Placed:
    """Returns the ticket in random channels of the wide network, past the gates.

    Raises:
        Rejected: the gates were not passed.
    """
    narrow, kept, deviations = anchored.narrow, anchored.kept, standard_deviations(wide)
    values = anchored.values()
    rescaled = {name: deviations[name] * value for name, value in values.items()}
    reference = anchored.trained()
    for _ in range(MOST_ATTEMPTS):
        parameters, ticket = Embedding.draw(narrow, wide, rng).write(rescaled, kept, drawn)
        parameters = as_float32(parameters)
        found = _compare(narrow, reference, wide, parameters, ticket, data)
        if found is not None:
            scale, error = found
            return _Placed(parameters=parameters, ticket=ticket, scale=scale, error=error)
    raise Rejected("the planted function differs from the trained one")


def _compare(
    narrow: ImageNetwork,
    reference: Mapping[str, Floats],
    wide: ImageNetwork,
    parameters: Mapping[str, Floats],
    ticket: Ticket,
    data: tuple[Samples, ...],
) -> tuple[float, float] | None:
    """Returns the factor between the two networks' outputs, and the largest relative error.

    The wide, masked network computes in float32 and the narrow one, as it was trained, in float64.
    None if the error is above `FLOAT32_TOLERANCE`, or a class differs.
    """
    exact_row = _row(narrow, reference, torch.float64)
    mask = Mask(ticket).vector(wide)
    masked = _row(wide, parameters, torch.float32) * mask
    worst, scale = 0.0, 0.0
    for samples in data:
        exact = evaluate(narrow, exact_row, samples.inputs.double())[0]
        outputs = evaluate(wide, masked, samples.inputs)[0].double()
        if not scale:
            scale = float((outputs * exact).sum() / exact.square().sum())
        error = float((outputs / scale - exact).abs().max() / exact.abs().max())
        worst = max(worst, error)
        if not (scale > 0 and worst <= FLOAT32_TOLERANCE):  # also catches NaN
            return None
        if not torch.equal(outputs.argmax(dim=1), exact.argmax(dim=1)):
            return None
    return scale, worst


def _row(network: Network, values: Mapping[str, Any], dtype: torch.dtype) -> torch.Tensor:
    tensors = {name: torch.from_numpy(np.asarray(values[name])) for name in network.shapes}
    return flatten(network, tensors).to(dtype).unsqueeze(0)
