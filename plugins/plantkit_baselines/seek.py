"""Swaps chosen by Gauss-Newton: many parameters change places at once, and every swap is tested.

Searches start from masks that `gates` and SynFlow find, and improve them step by step; the better
half goes on for twice as long. A step draws some samples, for classes mostly those near a border
of them, weighed so that they stand for all. It computes the network under the mask m with one
change each: every kept parameter dropped, and hundreds of others added. J holds what these changes
do to the outputs. If several changes δ add up, the loss is about

    L(m + δ) = L(m) - 2 b·δ + δ·G δ,    b = Jᵀ r,    G = Jᵀ J,

r the residuals (the classes' errors and J weighted by the loss's curvature), and J orthogonal to a
change of the outputs' scale, which does not count. Chains of drops and adds, in random turns, go
downhill in this model, so that hundreds of sets of changes are proposed. The network is computed
under the best of each size. One of these masks is drawn, or the last one stays, by chances that
fall with the loss as in annealing. In networks with convolutions J holds derivatives instead.

A unit that nothing reads changes nothing. So in each step some idle units get a few inputs: those
that promise most. Adding a parameter that reads such a unit adds these as well, and the model
counts them against the budget.

References:
    arXiv 1712.01312 (hard-concrete gates, where the search starts). The swaps are plantkit's own;
    Gauss-Newton steps are usually of real numbers, not of masks.

Differs from the paper: only the start is from it; `gates` says how that differs.
"""

import math
from dataclasses import dataclass

import torch

from plantkit import Mask, Problem, hookimpl
from plantkit_baselines import seconds
from plantkit_baselines.gates import GatesPruner
from plantkit_baselines.gauss_newton import FILLED, KNOWN, Search
from plantkit_baselines.synflow import SynflowPruner

#: Temperatures, of the loss's logarithm, that the search starts and ends with.
HOT, COLD = 0.1, 0.001
#: Swaps that a step may make while there is much to gain.
SWAPS = 8
#: Share of the effort that goes into the gates; and where swaps could not replace a quarter of the
#: mask in what is left, as in large networks and at high densities.
START, WIDE_START = 0.2, 0.8
#: Effort of which one start is worth its while, and the most of them.
SECONDS_A_START, MOST_STARTS = 12, 8


@dataclass(frozen=True, kw_only=True)
class SeekPruner:
    """Starts from learnt gates, then swaps many parameters at once, each swap tested."""

    name = "seek"
    reference = "arXiv 1712.01312"

    #: Seconds of one core of the reference machine; turned into steps, so no clock decides.
    effort: float = 60.0

    def __post_init__(self) -> None:
        if not 0 < self.effort < math.inf:
            raise ValueError(f"effort is {self.effort}; expected seconds, more than 0")

    def prune(self, problem: Problem, density: float, *, seed: int) -> Mask:
        problem = problem.at(density=density, seed=seed)
        network, total = problem.network, problem.network.total
        if problem.budget in (0, total):
            return Mask.from_vector(network, torch.full((total,), problem.budget > 0))
        left = self.effort - seconds.FIRST_USE - seconds.of_synflow(network)
        left = max(0.0, left - seconds.of_filling(network, min(FILLED, len(problem.train))))
        a_step = seconds.of_step(network, network.work, min(KNOWN, len(problem.train)))
        swaps = (1 - START) * left / a_step * SWAPS
        share, most = (START, MOST_STARTS) if swaps > problem.budget / 4 else (WIDE_START, 2)
        count = 2 ** int(math.log2(max(2, min(most, self.effort / SECONDS_A_START))))
        starts = [
            Search(problem.at(density=density, seed=seed + number * 1_000_003), start)
            for number, start in enumerate(self.starts(problem, count, share * left))
        ]
        rounds = count.bit_length()
        left *= 1 - share
        for number in range(rounds):
            shared = left / (rounds - number) / len(starts)
            for search in starts:
                spent = last = 0.0
                while spent + last / 2 <= shared:
                    done = (number + spent / shared) / rounds if shared else 1.0
                    last = search.step(HOT * (COLD / HOT) ** done)
                    spent += last
                left -= spent
            starts.sort(key=lambda search: search.best_loss)
            starts = starts[: max(1, len(starts) // 2)]
        return Mask.from_vector(network, starts[0].filled())

    def starts(self, problem: Problem, count: int, spent: float) -> list[torch.Tensor]:
        """Returns masks (total,): of the gates, and one of SynFlow, which is alive in any case.

        spent: seconds, on gates alone.
        """
        network = problem.network
        steps = max(1.0, spent / (count - 1) / seconds.of_gates_step(network))
        effort = steps / problem.recipe.steps(len(problem.train))
        pruners = [GatesPruner(effort=effort)] * (count - 1) + [SynflowPruner()]
        found = [
            pruner.prune(problem, problem.density, seed=problem.seed + number * 1_000_003)
            for number, pruner in enumerate(pruners)
        ]
        return [mask.vector(network) for mask in found]


@hookimpl
def plantkit_pruners() -> list[SeekPruner]:
    return [SeekPruner()]
