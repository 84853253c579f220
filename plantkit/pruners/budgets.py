"""How many parameters each layer of a network may keep, so that their sum is an exact number.

A *layer* is a weight and its biases together. What is left after rounding down goes to the
largest remainders, and among equal ones to the first layer.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from plantkit.networks import layer_of

#: Weights of other layers, and of the output layer, that survive a round in arXiv 1803.03635.
_LTH_SURVIVAL, _LTH_OUTPUT_SURVIVAL = 0.8, 0.9
#: Halvings of the interval in which a common factor is sought.
_HALVINGS = 200


class Scope(enum.StrEnum):
    """Which parameters compete: all of the network, or those of each layer.

    GLOBAL: all parameters compete with each other. The others give every layer a budget:

    LAYERWISE: every layer keeps the same share. The literature calls this uniform, and
        "uniform" is another name for it here.
    ERK: the share of a layer is proportional to (inputs + outputs) / (inputs x outputs), or 1
        where that would be more (Erdős-Rényi-kernel, arXiv 1911.11134).
    BALANCED: every layer keeps the same number of parameters, or all where it has fewer
        (arXiv 2210.02412).
    LTH: every layer is pruned at one rate, but the last one at half of it, as by rounds of 20
        and of 10 per cent (arXiv 1803.03635): where others keep d it keeps d^(ln .9 / ln .8).
    """

    GLOBAL = "global"
    LAYERWISE = "layerwise"
    ERK = "erk"
    BALANCED = "balanced"
    LTH = "lth"

    @classmethod
    def _missing_(cls, value: object) -> Scope:
        if value == "uniform":
            return cls.LAYERWISE
        raise ValueError(f"scope is {value!r}; expected one of {', '.join(cls)}, uniform")


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Parameters that compete with each other, by name, and how many of them are kept."""

    names: tuple[str, ...]
    budget: int


def divide(shapes: Mapping[str, Sequence[int]], budget: int, scope: Scope | str) -> list[Share]:
    """Returns the groups of parameters that compete under `scope`, with their budgets.

    The budgets sum to `budget`, and none exceeds its group's size. A layer's budget need not
    grow with `budget`: it may lose one by rounding when the total gains one.

    Args:
        shapes: parameter name to shape, layers in their order; a weight is (outputs, inputs)
            or (outputs, inputs, height, width).

    Raises:
        ValueError: `budget` is out of range, or an unknown scope.
    """
    scope = Scope(scope)
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    total = sum(sizes.values())
    if not 0 <= budget <= total:
        raise ValueError(f"budget is {budget}; expected 0 to {total}")
    if scope is Scope.GLOBAL:
        return [Share(names=tuple(shapes), budget=budget)]
    layers: dict[str, list[str]] = {}
    for name in shapes:
        layers.setdefault(layer_of(name), []).append(name)
    groups = list(layers.values())
    capacities = [sum(sizes[name] for name in names) for names in groups]
    if scope is Scope.LAYERWISE:
        parts = apportion(budget, capacities)
    elif scope is Scope.LTH:
        slower = math.log(_LTH_OUTPUT_SURVIVAL) / math.log(_LTH_SURVIVAL)
        powers = [1.0] * (len(groups) - 1) + [slower]
        parts = _fill(
            budget,
            capacities,
            lambda density: [
                size * density**power for size, power in zip(capacities, powers, strict=True)
            ],
            most=1.0,
        )
    else:
        is_erk = scope is Scope.ERK
        claims = [_erk_claim(shapes, names) if is_erk else 1.0 for names in groups]
        parts = _fill(
            budget,
            capacities,
            lambda factor: [
                min(float(size), factor * claim)
                for size, claim in zip(capacities, claims, strict=True)
            ],
            most=max(size / claim for size, claim in zip(capacities, claims, strict=True)),
        )
    return [
        Share(names=tuple(names), budget=part) for names, part in zip(groups, parts, strict=True)
    ]


def apportion(budget: int, sizes: Sequence[int]) -> list[int]:
    """Returns `budget` divided in proportion to `sizes`, by largest remainder.

    The parts sum to `budget` and none exceeds its size; equal remainders go to the first.
    """
    total = sum(sizes)
    parts = [budget * size // total for size in sizes]
    remainders = [budget * size % total for size in sizes]
    order = sorted(range(len(sizes)), key=lambda index: (-remainders[index], index))
    for index in order[: budget - sum(parts)]:
        parts[index] += 1
    return parts


def _fill(
    budget: int,
    capacities: Sequence[int],
    levels: Callable[[float], list[float]],
    *,
    most: float,
) -> list[int]:
    """Returns whole numbers that sum to `budget` and are close to `levels(factor)` for a factor.

    `levels` grows with the factor, from zeros at 0 to `capacities` at `most`.
    """
    low, high = 0.0, most
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if sum(levels(middle)) < budget:
            low = middle
        else:
            high = middle
    wanted = levels(high)
    parts = [min(math.floor(level), size) for level, size in zip(wanted, capacities, strict=True)]
    # Rounding can miss by a few in either direction, so correct the sum one by one.
    while sum(parts) != budget:
        step = 1 if sum(parts) < budget else -1
        open_parts = [
            index for index, part in enumerate(parts) if 0 <= part + step <= capacities[index]
        ]
        chosen = max(open_parts, key=lambda index: (step * (wanted[index] - parts[index]), -index))
        parts[chosen] += step
    return parts


def _erk_claim(shapes: Mapping[str, Sequence[int]], names: Sequence[str]) -> float:
    """Returns a layer's size times the sum of its weight's dimensions over their product."""
    size = sum(math.prod(shapes[name]) for name in names)
    dimensions = [shapes[name] for name in names if len(shapes[name]) > 1]
    return size * sum(dimensions[0]) / math.prod(dimensions[0]) if dimensions else float(size)
