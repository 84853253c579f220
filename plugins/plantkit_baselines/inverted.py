"""Inverted saliency: a control that keeps what a method would drop first.

Another pruner's saliency is turned round. If the inverted mask does as well as the method's
own, the saliency says nothing about what matters.

    saliency(θ_i) = -(saliency of the method)(θ_i)

The method is a reference pruner with a saliency, imported by its plugin's name:
`inverted:method=snip`. Its own options stay at their defaults.

References:
    arXiv 2009.08576 (missing the mark).

Differs from the paper: nothing, but that biases are scored too. A method of many rounds, such
as SynFlow, is run as it is, and its last saliency inverted.
"""

from dataclasses import dataclass

import torch

from plantkit import Problem, SaliencyPruner, hookimpl
from plantkit_baselines.reinitialised import reference_pruner


@dataclass(frozen=True, kw_only=True)
class InvertedPruner(SaliencyPruner):
    """Keeps the parameters of lowest saliency."""

    name = "inverted"
    reference = "arXiv 2009.08576"

    #: Plugin of the reference pruner whose saliency is inverted.
    method: str = "magnitude"

    def __post_init__(self) -> None:
        super().__post_init__()
        scored_pruner(self.method)

    def saliency(self, problem: Problem, *, seed: int) -> dict[str, torch.Tensor]:
        found = scored_pruner(self.method).saliency(problem, seed=seed)
        return {name: -value for name, value in found.items()}


def scored_pruner(method: str) -> SaliencyPruner:
    """Returns the reference pruner called `method`, which must have a saliency.

    Raises:
        ValueError: there is none, or it has no saliency.
    """
    found = reference_pruner(method)
    if not isinstance(found, SaliencyPruner):
        raise ValueError(f"method is {method!r}, which has no saliency; expected one that has")
    return found


@hookimpl
def plantkit_pruners() -> list[InvertedPruner]:
    return [InvertedPruner()]
