"""How many rounds a saliency pruner takes to reach its density, and what happens between them.

Round r of n leaves the share density^(r/n), as in Plant 'n' Seek (arXiv 2111.11153). What a
round has dropped does not come back.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from plantkit.networks.budget import budget_of
from plantkit.networks.masks import Mask
from plantkit.pruners.budgets import Scope
from plantkit.pruners.problem import Problem
from plantkit.pruners.selection import narrow, select

#: Returns the importance of every parameter of a problem, name to float tensor.
Saliency = Callable[[Problem], Mapping[str, Tensor]]


class Schedule(enum.StrEnum):
    """In how many rounds a pruner prunes, and what it scores in each.

    Attributes:
        SINGLE: the initial network is scored once.
        MULTISHOT: in every round the masked network is trained from the initial weights, scored
            as it is then, and reset to the initial weights.
        ITERATED: in every round the masked initial network is scored, without any training.
    """

    SINGLE = "single"
    MULTISHOT = "multishot"
    ITERATED = "iterated"

    @classmethod
    def _missing_(cls, value: object) -> None:
        raise ValueError(f"schedule is {value!r}; expected one of {', '.join(cls)}")


def follow(
    schedule: Schedule | str,
    problem: Problem,
    saliency: Saliency,
    *,
    rounds: int,
    epochs: int,
    scope: Scope | str = Scope.GLOBAL,
    rewind: int = 0,
) -> Mask:
    """Returns the mask of exactly `problem.budget` parameters that `schedule` arrives at.

    The mask's saliency is the last round's. Parameters that were dropped earlier have a lower
    saliency than all others, the lower the earlier they were dropped.

    Args:
        saliency: called in every round with the problem at that round's density, whose weights
            are those to be scored: zero where they were dropped.
        rounds: at least 1; SINGLE does not use it.
        epochs: passes over the training data in every round of MULTISHOT.
        rewind: the weights that the dense network has after so many steps of its training take
            the place of the initial ones; a round of MULTISHOT trains on from there. If a training
            has fewer steps, its end counts.

    Raises:
        ValueError: an unknown schedule or scope, or a saliency that is NaN.
    """
    schedule = Schedule(schedule)
    if rewind:
        samples, recipe = len(problem.train), problem.recipe
        early = problem.fit(problem.full_mask(), last_step=min(rewind, recipe.steps(samples)))
        problem = problem.with_weights(early, trained=True)
        rewind = min(rewind, replace(recipe, epochs=epochs).steps(samples))
    if schedule is Schedule.SINGLE:
        return select(saliency(problem), problem.budget, scope=scope)
    mask = problem.full_mask()
    gone = {name: torch.zeros(shape) for name, shape in problem.network.shapes.items()}
    scores: Mapping[str, Tensor] = {}
    for finished in range(1, rounds + 1):
        if schedule is Schedule.MULTISHOT:
            weights = problem.fit(mask, epochs=epochs, first_step=rewind)
        else:
            weights = {name: value * mask[name] for name, value in problem.weights.items()}
        share = problem.density ** (finished / rounds)
        budget = max(problem.budget, budget_of(share, problem.network.total))
        if finished == rounds:
            share, budget = problem.density, problem.budget
        trained = problem.is_trained or schedule is Schedule.MULTISHOT
        scored = problem.with_weights(weights, trained=trained).at(density=share, seed=problem.seed)
        scores = _below(saliency(scored), mask, gone)
        mask = narrow(mask, scores, budget, final=problem.budget, scope=scope)
        gone = {name: count + ~mask[name] for name, count in gone.items()}
    return Mask(mask, saliency=scores)


def _below(
    saliency: Mapping[str, Tensor], mask: Mask, gone: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Returns `saliency`, lowered below all else for what `mask` lacks, by the rounds since."""
    kept = torch.cat([value[mask[name]] for name, value in saliency.items()])
    lowest = min(0.0, float(kept.min()) if len(kept) else 0.0)
    return {
        name: torch.where(mask[name], value.double(), lowest - gone[name].double())
        for name, value in saliency.items()
    }
