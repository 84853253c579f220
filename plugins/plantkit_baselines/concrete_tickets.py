"""Concrete Ticket Search: relaxed random masks, pulled to the density by balanced gradients.

Weights are frozen. Every parameter has a random gate in (0, 1), whose logit α starts at the
density's and follows the gradient of an objective; a penalty draws the expected number of
parameters to the budget κ d.

    m_i = σ(α_i + logistic noise / T),    S = Σ σ(α_i) / (1.1 κ d) - 1
    α follows ∇R(f(x; m ⊙ θ)) + λ ∇S
    GradBalance: λ ← 0.99 λ + 0.01 ‖∇R‖ / ‖∇S‖ where S > 0, else 0.99 λ

So both gradients are equally long while there are too many parameters, and the penalty
needs no weight of its own. The answer keeps the parameters of highest logit. Objectives R:

- `kl` (CTS-KL): the reverse Kullback-Leibler divergence KL(pruned ‖ dense) of the outputs. The
  dense network is untrained, or trained for `rewind` steps; then the kit trains the mask from
  there, too.
- `loss`: the loss on the data. It looks for masks that work untrained.

The concrete distribution is that of the reference pruner `gates`, which this imports: it comes
with plantkit itself.

References:
    arXiv 2512.07142.

Differs from the paper: biases have gates too. Both networks' outputs are taken at unit mean
square in place of the paper's batch normalisation, so that neither objective depends on their
scale. For regression the divergence is that of normal distributions of equal variance, the
squared distance to the dense network's outputs, after the best factor of each output. Batches are
the kit's, and the search is of `effort` trainings in place of an eighth, a half or one.
"""

import math
from dataclasses import dataclass

import torch
from torch.nn import functional

from plantkit import FrozenNetwork, Mask, Problem, Samples, hookimpl, select
from plantkit_baselines.gates import TEMPERATURE, concrete_gates

OBJECTIVES = ("kl", "loss")
#: The penalty aims at so many times the budget, and λ follows the balance so fast.
MARGIN, SMOOTHING = 1.1, 0.01
#: Share of the steps after which the learning rate falls to a tenth.
FALLS_AT = 0.88


def reverse_divergence(outputs: torch.Tensor, dense: torch.Tensor) -> torch.Tensor:
    """Returns the mean KL(outputs ‖ dense) () of classes, (n, classes) each at unit mean square."""
    pruned, whole = (
        functional.normalize(each.double().flatten(), dim=0, eps=1e-30).view_as(each)
        * math.sqrt(each.numel())
        for each in (outputs, dense)
    )
    return functional.kl_div(
        whole.log_softmax(dim=1), pruned.log_softmax(dim=1), reduction="batchmean", log_target=True
    )


def balanced(
    pull: torch.Tensor, logits: torch.Tensor, budget: int, balance: float | None
) -> tuple[torch.Tensor, float]:
    """Returns the gradient (total,) to follow, and λ.

    pull: the objective's gradient. balance: λ of the step before, None in the first.
    """
    shares = torch.sigmoid(logits)
    aim = MARGIN * max(budget, 1)
    push = shares * (1 - shares) / aim  # the gradient of S
    too_many = float(shares.sum()) > aim
    wanted = float(pull.norm() / push.norm().clamp_min(1e-12)) if too_many else 0.0
    balance = wanted if balance is None else balance + SMOOTHING * (wanted - balance)
    return pull + balance * push, balance


@dataclass(frozen=True, kw_only=True)
class ConcreteTicketsPruner:
    """Keeps the parameters whose learnt concrete gates are most open."""

    name = "concrete-tickets"
    reference = "arXiv 2512.07142"

    #: What a mask is judged by, "kl" or "loss".
    objective: str = "kl"
    #: Steps of the search, in steps of the challenge's training recipe.
    effort: float = 1.0
    learning_rate: float = 0.1
    #: Step of the dense network's training at which it is pruned, and its mask trained from.
    rewind: int = 0

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            raise ValueError(
                f"objective is {self.objective!r}; expected one of {', '.join(OBJECTIVES)}"
            )
        for option in ("effort", "learning_rate"):
            if not getattr(self, option) > 0:
                raise ValueError(f"{option} is {getattr(self, option)}; expected more than 0")
        if self.rewind < 0:
            raise ValueError(f"rewind is {self.rewind}; expected 0 or more")

    def prune(self, problem: Problem, density: float, *, seed: int) -> Mask:
        problem = problem.at(density=density, seed=seed)
        total, budget = problem.network.total, problem.budget
        if budget == total:
            return problem.full_mask()
        if step := min(self.rewind, problem.recipe.steps(len(problem.train))):
            early = problem.fit(problem.full_mask(), last_step=step)
            problem = problem.with_weights(early, trained=True)
        network, generator = FrozenNetwork(problem), problem.generator
        logits = torch.full((total,), math.log(density / (1 - density))).requires_grad_()
        optimizer = torch.optim.Adam([logits], lr=self.learning_rate)
        steps = math.ceil(self.effort * problem.recipe.steps(len(problem.train)))
        balance: float | None = None
        batches = network.batches(steps, problem.recipe.batch_size, generator)
        for done, batch in enumerate(batches):
            for group in optimizer.param_groups:
                group["lr"] = self.learning_rate * (1.0 if done < FALLS_AT * steps else 0.1)
            noise = torch.rand(total, generator=generator).clamp(1e-6, 1 - 1e-6)
            gates = concrete_gates(logits * TEMPERATURE, noise)
            (pull,) = torch.autograd.grad(self._judged(problem, network, gates, batch), logits)
            pull = pull.nan_to_num(0.0, 0.0, 0.0)  # gradients of outputs of zero overflow
            logits.grad, balance = balanced(pull, logits.detach(), budget, balance)
            optimizer.step()
        return select(network.named(logits.detach()), budget)

    def _judged(
        self, problem: Problem, network: FrozenNetwork, gates: torch.Tensor, batch: Samples
    ) -> torch.Tensor:
        if self.objective == "loss":
            return network.loss(gates, batch)
        with torch.no_grad():
            dense = network.outputs(torch.ones_like(gates), batch.inputs)
        if problem.task.kind == "regression":
            return network.loss(gates, Samples(inputs=batch.inputs, targets=dense))
        return reverse_divergence(network.outputs(gates, batch.inputs), dense)


@hookimpl
def plantkit_pruners() -> list[ConcreteTicketsPruner]:
    return [ConcreteTicketsPruner()]
