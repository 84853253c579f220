"""From a drawn network to one that is full of fitted parts, any of which may be the ticket."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from plantkit.networks import PerceptronSpec, bias_name, weight_name
from plantkit.networks.training import single_threaded
from plantkit.planting.family import AnchoredFamily
from plantkit.planting.fitting import fit
from plantkit.planting.gates import Rejected
from plantkit.planting.initialization import standard_deviations
from plantkit.planting.parts import PartPlan, Parts, Places, draw_parts
from plantkit.planting.targets import Floats, Ticket

# A unit of the first hidden layer is active on at least this share of the inputs, and inactive
# on as much.
SWITCHING = 0.03

# Times that they are drawn before planting gives up.
MOST_DRAWS = 1000

# Inputs on which that, and structures, are looked at.
SCREEN_POINTS = 300

# Structures from which the one is taken that has few dead units, and whose last units predict the
# formula well: both as shares.
STRUCTURES = 16

# Times that a part which does not reach its formula is drawn and fitted anew, and how many times
# more for every hidden layer beyond `MANY`: deep parts reach theirs less often.
ROUNDS = 5
MANY = 6
MORE_ROUNDS = 2

# Error, root mean square over standard deviation, below which an entry is idle, and the share of
# the inputs on which a unit is active below which it is: a little more than the gates ask for.
IDLE_EFFECT = 0.0007
IDLE_ACTIVITY = 0.012

# Inputs on which entries are looked at, and times that this is repeated without the idle ones.
IDLE_POINTS = 400
SWEEPS = 4

# Entries of a part up to which each is dropped to see what that changes.
TRIED = 100


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """One fitted part.

    Attributes:
        part: the part alone.
        vector: (1, size), its coordinates.
        kept: (size,), which of its entries act: the others are no entries of its.
        distance: to its formula, of the entries that are kept.
    """

    part: Parts
    vector: Tensor
    kept: NDArray[np.bool_]
    distance: float

    @property
    def ticket(self) -> Ticket:
        return self.part.ticket(0, self.kept)


def count_parts(spec: PerceptronSpec, plan: PartPlan) -> int:
    """Returns how many parts a network holds, no two of which share a hidden unit."""
    return min(spec.widths[1:-1]) // plan.units


def make_units_switch(
    spec: PerceptronSpec,
    parameters: dict[str, Floats],
    inputs: Floats,
    rng: np.random.Generator,
) -> None:
    """Draws units of the first hidden layer anew, in place, until each switches on the inputs.

    Raises:
        Rejected: some never do.
    """
    name, bias = weight_name(0), bias_name(0)
    deviations = standard_deviations(spec)
    for _ in range(MOST_DRAWS):
        values = inputs @ parameters[name].T + parameters[bias]
        share = (values > 0).mean(axis=0)
        units = np.flatnonzero((share < SWITCHING) | (share > 1 - SWITCHING))
        if not units.size:
            return
        parameters[name][units] = deviations[name] * rng.standard_normal((units.size, spec.inputs))
        parameters[bias][units] = deviations[bias] * rng.standard_normal(units.size)
    raise Rejected("units that do not switch")


def plant_parts(
    families: Sequence[AnchoredFamily],
    spec: PerceptronSpec,
    parameters: dict[str, Floats],
    rng: np.random.Generator,
) -> list[Part]:
    """Returns one part for every family, in units of its own, fitted to its formula.

    A part that does not come within its bound in so many rounds is left where it came in the last.

    Args:
        families: as many as `count_parts`, and all of one plan.
        spec: the network.
        parameters: name to float64, as drawn; only looked at.
        rng: source of all choices.
    """
    with single_threaded():
        return _plant_parts(families, spec, parameters, rng)


def _plant_parts(
    families: Sequence[AnchoredFamily],
    spec: PerceptronSpec,
    parameters: dict[str, Floats],
    rng: np.random.Generator,
) -> list[Part]:
    hidden = len(spec.layers) - 1
    plan = families[0].plan(hidden)
    bound, tolerances = families[0].farthest, families[0].tolerances
    units = [_deal(width, len(families), plan.units, rng) for width in spec.widths[1:-1]]
    found: dict[int, Part] = {}
    todo = list(range(len(families)))
    for _ in range(ROUNDS + MORE_ROUNDS * max(0, hidden - MANY)):
        wanted = [families[place] for place in todo]
        for dealt in units:  # a part may have units that no structure makes do
            dealt[todo] = rng.permuted(dealt[todo].ravel()).reshape(dealt[todo].shape)
        parts = _best_structures(wanted, spec, parameters, [dealt[todo] for dealt in units], rng)
        vector = fit(wanted, parts, parts.read(parameters), rng, tolerances=tolerances, bound=bound)
        kept = _effective(parts, vector, families[0].domain(), rng)
        for number, place in enumerate(todo):
            one = parts.take([number])
            own = vector[number : number + 1]
            masked = own * torch.from_numpy(kept[number])
            distance = _distance(families[place], one, masked)
            found[place] = Part(part=one, vector=own, kept=kept[number], distance=distance)
        todo = [place for place in todo if found[place].distance > bound]
        if not todo:
            break
    return [found[place] for place in range(len(families))]


def _deal(width: int, parts: int, units: int, rng: np.random.Generator) -> Places:
    """Returns random units of a layer for every part, (parts, units)."""
    return rng.permutation(width)[: parts * units].reshape(parts, units)


def _best_structures(
    families: Sequence[AnchoredFamily],
    spec: PerceptronSpec,
    parameters: dict[str, Floats],
    units: Sequence[Places],
    rng: np.random.Generator,
) -> Parts:
    """Returns a random structure for every family, the best of `STRUCTURES`."""
    plan = families[0].plan(len(spec.layers) - 1)
    drawn = draw_parts(
        spec,
        plan,
        [np.repeat(own, STRUCTURES, axis=0) for own in units],
        [reads for one in families for reads in [one.reads()] * STRUCTURES],
        rng,
    )
    inputs = families[0].screen_inputs(rng, SCREEN_POINTS)
    points = torch.from_numpy(inputs).expand(len(drawn), *inputs.shape)
    activations = drawn.activations(drawn.read(parameters), points)[1:-1]
    active = torch.stack([(one > 0).to(torch.float64).mean(dim=1) for one in activations])
    dead = (active < IDLE_ACTIVITY).to(torch.float64).mean(dim=(0, 2))
    last = activations[-1] / activations[-1].std(dim=1, keepdim=True).clamp_min(1e-12)
    design = torch.cat([last, torch.ones(*last.shape[:2], 1, dtype=last.dtype)], dim=2)
    normal = design.transpose(1, 2) @ design
    normal.diagonal(dim1=1, dim2=2).add_(1e-6 * len(inputs))
    wanted = torch.from_numpy(np.stack([one.screen(inputs) for one in families]))
    wanted = wanted.repeat_interleave(STRUCTURES, dim=0)
    slopes = torch.linalg.solve(normal, design.transpose(1, 2) @ wanted)
    errors = (wanted - design @ slopes).square().mean(dim=(1, 2)) / wanted.var(dim=1).mean(dim=1)
    best = (errors + dead).view(-1, STRUCTURES).argmin(dim=1).numpy()
    best += STRUCTURES * np.arange(len(families))
    return drawn.take(best)


def _effective(
    parts: Parts, vector: Tensor, domain: Floats, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Returns which entries act, (parts, size).

    Entries of units that are hardly ever active are idle, too.
    """
    points = torch.from_numpy(rng.permutation(domain)[:IDLE_POINTS])
    inputs = points.expand(len(parts), *points.shape)
    kept = torch.ones_like(vector, dtype=torch.bool)
    for _ in range(SWEEPS):
        current = vector * kept
        activations = parts.activations(current, inputs)
        effects = _effects(parts, current, activations, inputs)
        acts = effects.nan_to_num(0.0, posinf=0.0) >= IDLE_EFFECT
        active = [(one > 0).to(torch.float64).mean(dim=1) for one in activations]
        for layer, one in enumerate(parts.layers[:-1]):
            idle = active[layer + 1] < IDLE_ACTIVITY
            acts[:, one.weights] &= ~idle.gather(1, torch.from_numpy(one.rows))
            acts[:, one.biases] &= ~idle
            after = parts.layers[layer + 1]
            acts[:, after.weights] &= ~idle.gather(1, torch.from_numpy(after.columns))
        if (acts & kept == kept).all():
            break
        kept &= acts
    return kept.numpy()


def _effects(parts: Parts, vector: Tensor, activations: list[Tensor], inputs: Tensor) -> Tensor:
    """Returns what dropping each entry changes, (parts, size): root mean square over deviation.

    In small parts every entry is dropped; in others it is to first order, which says too much
    where a unit falls silent.
    """
    outputs = activations[-1]
    deviations = outputs.std(dim=1)
    found = torch.zeros_like(vector)
    if parts.size <= TRIED:
        without = 1 - torch.eye(parts.size, dtype=torch.float64)
        for place in range(len(parts)):
            alone = parts.take([place] * parts.size)
            variants = alone.outputs(vector[place] * without, inputs[:1].expand(parts.size, -1, -1))
            changes = (variants - outputs[place]).square().mean(dim=1).sqrt()
            found[place] = (changes / deviations[place]).amax(dim=1)
        return found
    for output in range(parts.spec.outputs):
        slopes = torch.zeros_like(outputs)
        slopes[:, :, output] = 1 / deviations[:, output, None]
        derivatives = parts.derivatives(vector, activations, slopes)
        found = torch.maximum(found, derivatives.square().mean(dim=1).sqrt())
    return found * vector.abs()


def _distance(family: AnchoredFamily, part: Parts, vector: Tensor) -> float:
    """Returns the distance of one part's coordinates (1, size) to its formula."""
    domain = family.domain()
    outputs = part.outputs(vector, torch.from_numpy(domain)[None])[0].numpy()
    return family.distance(outputs, family.truth(domain))
