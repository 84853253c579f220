"""Continuous sparsification: gates without noise that harden as the search goes on.

Weights are frozen, gates are sigmoids of learnt logits, and their slope grows exponentially from 1
to `hardness`, so that a smooth function turns into a mask.

    z_i = σ(hardness^t β (s_i - τ)),    t from 0 to 1,    L = loss(f(x; z ⊙ θ), y)

Logits, threshold and budget follow the reference pruner `gates`, which this imports: it comes
with plantkit itself.

References:
    arXiv 1912.04427.

Differs from the paper: the paper trains the weights with the gates and penalises the sum of the
gates, so that the density follows from the penalty; here weights stay, and the threshold τ keeps
the sum at a budget that falls to the one asked for. The loss does not depend on the scale of the
outputs.
"""

from dataclasses import dataclass

import torch

from plantkit import hookimpl
from plantkit_baselines.gates import GatesPruner


@dataclass(frozen=True, kw_only=True)
class ContinuousSparsificationPruner(GatesPruner):
    """Keeps the parameters whose hardening gates are open."""

    name = "continuous-sparsification"
    reference = "arXiv 1912.04427"

    #: Factor on the slope of the gates at the end.
    hardness: float = 200.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.hardness >= 1:
            raise ValueError(f"hardness is {self.hardness}; expected at least 1")

    def open_gates(
        self, distances: torch.Tensor, noise: torch.Tensor, progress: float
    ) -> torch.Tensor:
        return torch.sigmoid(distances * self.hardness**progress)


@hookimpl
def plantkit_pruners() -> list[ContinuousSparsificationPruner]:
    return [ContinuousSparsificationPruner()]
