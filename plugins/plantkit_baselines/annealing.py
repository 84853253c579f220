"""Annealing: one kept parameter for a dropped one, at random while it is hot, later to improve.

Simulated annealing over masks of the budget, in many chains at once. Every step proposes a random
swap in every chain. It is accepted with a chance that depends on how much the loss grows, by a
temperature that falls exponentially. In the end the best mask of all is improved by every single
swap that lowers the loss, until none does.

    accept m → m - e_i + e_j with chance min(1, (L(m) / L(m - e_i + e_j))^(1/T)),    T: HOT → COLD

The chains start from what `gates`, which this imports, finds in a quarter of a training. Swaps
are drawn blindly, so this is for small networks. There it can end with the planted ticket itself.

References:
    arXiv 2407.04075 (combinatorial search finds sparser networks than pruning does).

Differs from the paper: the paper lists the structures of networks with one hidden layer by their
symmetries, and trains their weights. Here the weights are given and the search is random.
"""

import math
from dataclasses import dataclass

import torch

from plantkit import FrozenNetwork, Mask, Problem, Samples, hookimpl
from plantkit_baselines.gates import GatesPruner

#: Chains, masks that are computed at once in the end, and samples that they are compared on.
CHAINS, CHUNK, SAMPLES = 64, 256, 256
#: Temperatures, of the logarithm of the loss, that annealing starts and ends with.
HOT, COLD = 1.0, 0.03
#: Losses below this count as this: float32 arithmetic leaves as much.
LEAST = 1e-12


@dataclass(frozen=True, kw_only=True)
class AnnealingPruner:
    """Keeps the best mask that swaps of single parameters lead to."""

    name = "annealing"
    reference = "arXiv 2407.04075"

    #: Thousands of masks that annealing computes.
    effort: float = 100.0

    def __post_init__(self) -> None:
        if not self.effort > 0:
            raise ValueError(f"effort is {self.effort}; expected more than 0")

    def prune(self, problem: Problem, density: float, *, seed: int) -> Mask:
        problem = problem.at(density=density, seed=seed)
        start = GatesPruner(effort=0.25).prune(problem, density, seed=seed)
        mask = start.vector(problem.network)
        if bool(mask.all()) or not bool(mask.any()):
            return start
        generator = problem.generator
        (batch,) = FrozenNetwork(problem).batches(1, SAMPLES, generator)
        judge = Judge(problem, batch)
        mask, loss = annealed(judge, mask, math.ceil(1000 * self.effort / CHAINS), generator)
        while True:
            swapped, lower = better(judge, mask, loss, generator)
            if lower == loss:
                return Mask.from_vector(problem.network, mask)
            mask, loss = swapped, lower


class Judge:
    """Computes the losses of many masks at once, on one batch."""

    def __init__(self, problem: Problem, batch: Samples) -> None:
        self.network, self.task, self.batch = FrozenNetwork(problem), problem.task, batch
        self.sharpness = torch.ones(())

    def losses(self, masks: torch.Tensor) -> torch.Tensor:
        """Returns the losses (runs,) of masks (runs, total) bool."""
        with torch.no_grad():
            outputs = self.network.outputs_of_runs(masks.float(), self.batch.inputs)
            return torch.vmap(self._loss)(outputs)

    def _loss(self, outputs: torch.Tensor) -> torch.Tensor:
        return self.task.scale_free_loss(outputs, self.batch.targets, sharpness=self.sharpness)


def annealed(
    judge: Judge, mask: torch.Tensor, steps: int, generator: torch.Generator
) -> tuple[torch.Tensor, float]:
    """Returns the best mask (total,) that chains of `steps` swaps come by, and its loss."""
    chains, kept = torch.arange(CHAINS), int(mask.sum())
    # Of every chain the parameters, those that it keeps first.
    order = torch.cat([mask.nonzero(), (~mask).nonzero()]).squeeze(1).repeat(CHAINS, 1)
    masks = mask.repeat(CHAINS, 1)
    energies = judge.losses(masks).clamp_min(LEAST).log()
    best, least = mask, float(energies[0])
    for step in range(steps):
        temperature = HOT * (COLD / HOT) ** (step / steps)
        places = (
            torch.randint(kept, (CHAINS,), generator=generator),
            torch.randint(kept, len(mask), (CHAINS,), generator=generator),
        )
        out, new = (order[chains, place] for place in places)
        masks[chains, out], masks[chains, new] = False, True
        found = judge.losses(masks).clamp_min(LEAST).log()
        chances = torch.exp((energies - found) / temperature)
        accepted = torch.rand(CHAINS, generator=generator) < chances
        masks[chains, out], masks[chains, new] = ~accepted, accepted
        order[chains, places[0]] = torch.where(accepted, new, out)
        order[chains, places[1]] = torch.where(accepted, out, new)
        energies = torch.where(accepted, found, energies)
        lowest = int(energies.argmin())
        if float(energies[lowest]) < least:
            best, least = masks[lowest].clone(), float(energies[lowest])
    return best, float(judge.losses(best.unsqueeze(0))[0])


def better(
    judge: Judge, mask: torch.Tensor, loss: float, generator: torch.Generator
) -> tuple[torch.Tensor, float]:
    """Returns a mask one swap away with a lower loss, and the loss; `mask` itself if none has."""
    kept, dropped = mask.nonzero().squeeze(1), (~mask).nonzero().squeeze(1)
    swaps = torch.randperm(len(kept) * len(dropped), generator=generator)
    for start in range(0, len(swaps), CHUNK):
        chunk = swaps[start : start + CHUNK]
        rows = torch.arange(len(chunk))
        masks = mask.repeat(len(chunk), 1)
        masks[rows, kept[chunk // len(dropped)]] = False
        masks[rows, dropped[chunk % len(dropped)]] = True
        found = judge.losses(masks)
        place = int(found.argmin())
        if float(found[place]) < loss - LEAST:
            return masks[place], float(found[place])
    return mask, loss


@hookimpl
def plantkit_pruners() -> list[AnnealingPruner]:
    return [AnnealingPruner()]
