"""Iterative SNIP: score with SNIP, drop a few parameters, score what is left, and so on.

The saliency is that of SNIP at the network as the earlier rounds have masked it, so that it
sees what was dropped. Round r of n leaves the share density^(r/n); nothing comes back.

    saliency(θ_i) = |θ_i ∂L/∂θ_i| at m ⊙ θ, m the mask of the rounds before

It is the reference pruner SNIP with `schedule=iterated`, and imports that one's saliency:
the plugin `plantkit_baselines.snip` comes with plantkit itself.

References:
    arXiv 2006.09081 (as Iterative SNIP, next to FORCE), arXiv 1810.02340 (SNIP).

Differs from the paper: as SNIP does; the paper's 300 rounds are 100 here by default, each on
all training data.
"""

from dataclasses import dataclass

from plantkit import Schedule, hookimpl
from plantkit_baselines.snip import SnipPruner


@dataclass(frozen=True, kw_only=True)
class IterativeSnipPruner(SnipPruner):
    """Keeps the parameters that the loss of the ever sparser network is most sensitive to."""

    name = "iter-snip"
    reference = "arXiv 2006.09081"

    schedule: str = Schedule.ITERATED.value
    rounds: int = 100


@hookimpl
def plantkit_pruners() -> list[IterativeSnipPruner]:
    return [IterativeSnipPruner()]
