"""Hard-concrete gates under an exact budget: learn which parameters to keep, weights frozen.

Every parameter has a random gate that is exactly 0 or 1 most of the time; its logit follows the
gradient of the loss. Instead of a penalty, a common threshold keeps the expected number of open
gates at a budget that falls from half of the network to the one asked for.

    z_i = clip(1.2 σ((β (s_i - τ) + logistic noise) / 0.67) - 0.1, 0, 1),
    τ such that Σ σ(β (s_i - τ)) = K(t),    L = loss(f(x; z ⊙ θ), y)

The gradient by s takes the change of τ with it: dτ = Σ g_i ds_i / Σ g_i, g the derivatives of
the sum's terms. K(t) falls exponentially over the first 60% of the steps, with a constant rate
of Adam; then the rate falls as a cosine. The answer is the set of parameters of highest logit. In
the last tenth of the steps the best answer on all training data is kept.

References:
    arXiv 1712.01312 (hard-concrete gates), arXiv 2512.07142 (frozen weights, sparse tickets).

Differs from the paper: the first trains the weights with the gates and weighs an L0 penalty,
which leaves the density open; here weights stay and the budget is exact. Its temperature of
2/3 and stretch by 0.1 are kept. The loss does not depend on the scale of the outputs.
"""

import math
from dataclasses import dataclass

import torch

from plantkit import FrozenNetwork, Mask, Problem, hookimpl, select

TEMPERATURE = 0.67
STRETCH = 0.1
#: Share of the steps in which the budget falls, and share at the end in which answers compete.
FALLING, JUDGED = 0.6, 0.1
#: Logits further than this from the threshold, times the sharpness, are drawn back.
FARTHEST = 8.0
_NEWTON_STEPS = 50


def threshold(logits: torch.Tensor, budget: float, sharpness: float, start: float) -> float:
    """Returns τ such that Σ σ(sharpness (logits - τ)) is `budget`, found from `start`."""
    reach = (math.log(logits.numel()) + 30) / sharpness
    low, high = float(logits.min()) - reach, float(logits.max()) + reach
    found = min(max(start, low), high)
    for _ in range(_NEWTON_STEPS):
        open_shares = torch.sigmoid(sharpness * (logits - found))
        excess = float(open_shares.sum()) - budget
        if abs(excess) < 1e-4 * max(budget, 1e-3):
            break
        low, high = (found, high) if excess > 0 else (low, found)
        slope = sharpness * float((open_shares * (1 - open_shares)).sum())
        step = found + excess / slope if slope > 0 else low
        found = step if low < step < high else (low + high) / 2
    return found


def concrete_gates(logits: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Returns gates in (0, 1) that are 0 or 1 in the limit of low temperature.

    logits: of the chance of 1 in that limit. noise: uniform in (0, 1).
    """
    logistic = noise.log() - (-noise).log1p()
    return torch.sigmoid((logits + logistic) / TEMPERATURE)


def hard_gates(distances: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Returns gates in [0, 1] of β (s - τ) and uniform noise in (0, 1)."""
    concrete = concrete_gates(distances, noise)
    return (concrete * (1 + 2 * STRETCH) - STRETCH).clamp(0, 1)


@dataclass(frozen=True, kw_only=True)
class GatesPruner:
    """Keeps the parameters whose learnt gates are open."""

    name = "gates"
    reference = "arXiv 1712.01312"

    #: Steps of the search, in steps of the challenge's training recipe.
    effort: float = 4.0
    learning_rate: float = 0.02
    #: β: how fast gates open with their logits.
    sharpness: float = 3.0
    batch_size: int = 512

    def __post_init__(self) -> None:
        for option in ("effort", "learning_rate", "sharpness", "batch_size"):
            if not getattr(self, option) > 0:
                raise ValueError(f"{option} is {getattr(self, option)}; expected more than 0")

    def open_gates(
        self, distances: torch.Tensor, noise: torch.Tensor, progress: float
    ) -> torch.Tensor:
        """Returns gates (total,) in [0, 1] of β (s - τ), uniform noise and the share of steps done.

        Other relaxations of a mask differ here alone.
        """
        return hard_gates(distances, noise)

    def prune(self, problem: Problem, density: float, *, seed: int) -> Mask:
        problem = problem.at(density=density, seed=seed)
        network, generator = FrozenNetwork(problem), problem.generator
        total, budget = problem.network.total, problem.budget
        logits = (0.01 * torch.randn(total, generator=generator)).requires_grad_()
        if budget == total:
            return problem.full_mask()
        optimizer = torch.optim.Adam(
            [logits, network.log_sharpness], lr=self.learning_rate, eps=1e-12
        )
        steps = math.ceil(self.effort * problem.recipe.steps(len(problem.train)))
        first = max(budget, total / 2)
        every = max(1, math.ceil(JUDGED * steps / 10))
        best, best_accuracy, cut = None, -math.inf, 0.0
        for step, batch in enumerate(network.batches(steps, self.batch_size, generator), start=1):
            fallen = min(1.0, step / (FALLING * steps))
            cooled = max(0.0, step / steps - FALLING) / (1 - FALLING)
            for group in optimizer.param_groups:
                group["lr"] = self.learning_rate * (1 + math.cos(math.pi * cooled)) / 2
            wanted = first * (budget / first) ** fallen if budget else 0.0
            cut = threshold(logits.detach(), wanted, self.sharpness, cut)
            distances = self.sharpness * (logits - cut)
            shares = torch.sigmoid(distances.detach())
            pulls = shares * (1 - shares)
            # Zero in value; its gradient is that of the threshold.
            moved = (pulls * distances).sum() / pulls.sum().clamp_min(1e-30)
            gates = self.open_gates(
                distances - (moved - moved.detach()),
                torch.rand(total, generator=generator).clamp(1e-6, 1 - 1e-6),
                step / steps,
            )
            parameters = [logits, network.log_sharpness]
            # Regression has no use for a factor on the outputs: no gradient for it then.
            gradients = torch.autograd.grad(
                network.loss(gates, batch), parameters, allow_unused=True
            )
            for parameter, gradient in zip(parameters, gradients, strict=True):
                # Where nearly all gates are shut, outputs vanish and their gradients overflow.
                parameter.grad = None if gradient is None else gradient.nan_to_num(0.0, 0.0, 0.0)
            optimizer.step()
            with torch.no_grad():
                reach = FARTHEST / self.sharpness
                logits.clamp_(cut - reach, cut + reach)
            if step == steps or (step > (1 - JUDGED) * steps and step % every == 0):
                mask = select(network.named(logits.detach()), budget)
                accuracy = network.accuracy(mask.vector(problem.network))
                if best is None or accuracy > best_accuracy:
                    best, best_accuracy = mask, accuracy
        assert best is not None
        return best


@hookimpl
def plantkit_pruners() -> list[GatesPruner]:
    return [GatesPruner()]
