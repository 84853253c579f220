"""SynFlow: keep, round by round, the parameters that carry the most synaptic flow.

The flow through a network whose parameters are all made positive is scored without any data;
after every round the parameters of least flow are dropped and the rest is scored again, which
keeps a whole layer from being dropped at once.

    saliency(θ_i) = |θ_i| ∂R/∂|θ_i|,    R = 1' f(1; |θ|)

R is the sum of the outputs for one input of ones. Round k of n leaves the share density^(k/n).
Biases count as the paper's code has them: |b| is fed into its unit together with the incoming flow,
so R is a sum over paths that start at an input or at a bias, and a bias is scored like a
weight. A unit then passes on what comes in through its weights and its bias together. What a
round has dropped never comes back: its saliency is minus the number of rounds that it has been
gone. Double precision, since R is a product over layers and leaves the range of single
precision in deep networks.

References:
    arXiv 2006.05467.

Differs from the paper: biases are prunable and scored. With layerwise scope every layer
follows the schedule by itself. Batch normalisation is the identity here, as it is in the paper's
code before training, also where a schedule has trained the weights.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch

from plantkit import Problem, SaliencyPruner, Scope, hookimpl, select


def synaptic_flow(
    module: torch.nn.Module, kept: Mapping[str, torch.Tensor], input_size: int
) -> dict[str, torch.Tensor]:
    """Returns |θ| ∂R/∂|θ| by parameter name for the module masked by `kept`; dropped ones: 0.

    The module's parameters are replaced by the magnitudes of the kept ones.
    """
    parameters = dict(module.named_parameters())
    with torch.no_grad():
        for name, value in parameters.items():
            value.copy_(value.abs() * kept[name])
    ones = torch.ones(1, input_size, dtype=torch.float64)
    gradients = torch.autograd.grad(module(ones).sum(), list(parameters.values()))
    return {
        name: value.detach() * gradient
        for (name, value), gradient in zip(parameters.items(), gradients, strict=True)
    }


@dataclass(frozen=True, kw_only=True)
class SynflowPruner(SaliencyPruner):
    """Keeps the parameters that carry the most flow, over many rounds."""

    name = "synflow"
    reference = "arXiv 2006.05467"
    saliency_is_seeded = False

    #: Rounds of scoring and dropping.
    iterations: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.iterations < 1:
            raise ValueError(f"iterations is {self.iterations}; expected at least 1")

    def saliency(self, problem: Problem, *, seed: int) -> dict[str, torch.Tensor]:
        """Returns the saliencies of the last round, from which `prune` makes the last choice."""
        network = problem.network
        module = problem.with_weights(problem.weights, trained=False).module().double()
        kept = {name: torch.ones(shape, dtype=torch.bool) for name, shape in network.shapes.items()}
        gone = {
            name: torch.zeros(shape, dtype=torch.float64) for name, shape in network.shapes.items()
        }
        groups = self._groups(network.shapes)
        # What each group keeps in the end: no round may leave fewer, or some would have to return.
        final = select(gone, problem.budget, scope=self.scope)
        saliency = synaptic_flow(module, kept, network.inputs)
        for finished in range(1, self.iterations):
            share = problem.density ** (finished / self.iterations)
            for names in groups:
                size = sum(network.sizes[name] for name in names)
                least = sum(int(final[name].sum()) for name in names)
                group = {name: saliency[name] for name in names}
                kept.update(select(group, max(least, int(share * size))))
            gone = {name: rounds + ~kept[name] for name, rounds in gone.items()}
            flow = synaptic_flow(module, kept, network.inputs)
            saliency = {name: torch.where(kept[name], flow[name], -gone[name]) for name in kept}
        return saliency

    def _groups(self, names: Iterable[str]) -> list[list[str]]:
        """Returns the names of the parameters that compete with each other."""
        if Scope(self.scope) is Scope.GLOBAL:
            return [list(names)]
        layers: dict[str, list[str]] = {}
        for name in names:
            layers.setdefault(name.rpartition(".")[0], []).append(name)
        return list(layers.values())


@hookimpl
def plantkit_pruners() -> list[SaliencyPruner]:
    return [SynflowPruner()]
