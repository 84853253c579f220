"""Supermask: draw a mask in every step, each parameter with a probability that is learnt.

Weights are frozen. A parameter is kept with the probability that its logit gives; gradients go
straight through the draw to the probability.

    m_i ~ Bernoulli(σ(β (s_i - τ))),    ∂m_i := ∂σ(β (s_i - τ)),    L = loss(f(x; m ⊙ θ), y)

Logits, threshold and budget follow the reference pruner `gates`, which this imports: it comes
with plantkit itself.

References:
    arXiv 1905.01067.

Differs from the paper: the paper lets the density follow from the learning; here the threshold τ
keeps the expected number of parameters at a budget that falls to the one asked for, the rate is
Adam's, and the answer is the most probable mask of that many. The loss does not depend on the
scale of the outputs, in place of the paper's rescaling of the weights.
"""

from dataclasses import dataclass

import torch

from plantkit import hookimpl
from plantkit_baselines.gates import GatesPruner


@dataclass(frozen=True, kw_only=True)
class SupermaskPruner(GatesPruner):
    """Keeps the parameters that are most probably kept."""

    name = "supermask"
    reference = "arXiv 1905.01067"

    def open_gates(
        self, distances: torch.Tensor, noise: torch.Tensor, progress: float
    ) -> torch.Tensor:
        shares = torch.sigmoid(distances)
        return (noise < shares) + (shares - shares.detach())


@hookimpl
def plantkit_pruners() -> list[SupermaskPruner]:
    return [SupermaskPruner()]
