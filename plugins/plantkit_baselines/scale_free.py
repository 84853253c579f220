"""Losses that do not depend on the outputs' scale, for the search of `seek`."""

import torch

Tensor = torch.Tensor

#: Exponent of the bounded loss of classes: 0 is the cross entropy, 1 the chance of an error.
BOUND = 0.3
#: How much samples far from the borders of the classes matter; the others matter up to 1 more.
SURE = 0.02


class Classes:
    """The loss (1 - p^q) / q of outputs at their best sharpness, q = BOUND."""

    def __init__(self) -> None:
        self.sharpness = 3.0

    def losses(
        self, outputs: Tensor, targets: Tensor, weights: Tensor, sharpness: float | None = None
    ) -> Tensor:
        """Returns the losses (runs,) of outputs (runs, n, classes), of samples of some weights.

        weights: (n,), their sum is about 1.
        """
        powers = outputs.square().mean(2) @ weights
        factors = (self.sharpness if sharpness is None else sharpness) / _root(powers)
        logits = outputs * factors.view(-1, 1, 1)
        right = logits.gather(2, targets.view(1, -1, 1).expand(len(outputs), -1, 1)).squeeze(2)
        return (1 - (BOUND * (right - logits.logsumexp(2))).exp()) @ weights / BOUND

    def refit(self, outputs: Tensor, targets: Tensor, weights: Tensor) -> None:
        """Finds the best sharpness for outputs (n, classes)."""
        factor = 1.6
        for _ in range(3):
            tried = [self.sharpness * factor**power for power in (0, 1, -1)]
            found = [float(self.losses(outputs[None], targets, weights, each)) for each in tried]
            self.sharpness = tried[found.index(min(found))]
            factor **= 0.6

    def pulls(
        self, outputs: Tensor, targets: Tensor, weights: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Returns what b and J are made of; see `Regression.pulls`."""
        scale = self.sharpness / _root(outputs.square().mean(1) @ weights)
        chances = (outputs * scale).softmax(1)
        right = torch.nn.functional.one_hot(targets, outputs.shape[1])
        bounds = (chances * right).sum(1, keepdim=True) ** BOUND
        slopes = weights.unsqueeze(1) * bounds * (right - chances) * scale / 2
        roots = chances.sqrt()
        curvatures = roots.diag_embed() - chances.unsqueeze(2) * roots.unsqueeze(1)
        curvatures *= (scale * (weights.unsqueeze(1) * bounds / 2).sqrt()).unsqueeze(2)
        return slopes, curvatures, outputs.unsqueeze(2)

    def matter(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Returns how much samples (n,) matter: those that lie near a border of the classes."""
        scale = self.sharpness / _root(outputs.square().mean())
        chances = (outputs * scale).softmax(1)
        right = chances.gather(1, targets.unsqueeze(1)).squeeze(1)
        unsure = (1 - chances.square().sum(1)).clamp_min(0).sqrt()
        return unsure * right ** (BOUND / 2) + SURE


class Regression:
    """What is left of the targets' power after the best factor of every output."""

    def losses(self, outputs: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        """Returns the losses (runs,) of outputs (runs, n, outputs), of samples of some weights."""
        power = weights @ outputs.square()
        explained = (weights @ (outputs * targets)).square() / power.clamp_min(1e-30)
        return 1 - explained.sum(1) / (weights @ targets.square()).sum().clamp_min(1e-30)

    def refit(self, outputs: Tensor, targets: Tensor, weights: Tensor) -> None:
        """Nothing is learnt from outputs."""

    def pulls(
        self, outputs: Tensor, targets: Tensor, weights: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Returns what b and J are made of.

        The first (n, outputs) times the derivatives of the outputs adds up to b. The second
        (n, outputs, rows) does so, sample by sample, to the rows of J. The third
        (n, outputs, factors) says how the outputs change with their factors.
        """
        factors = weights @ (outputs * targets) / (weights @ outputs.square()).clamp_min(1e-30)
        power = (weights @ targets.square()).sum().clamp_min(1e-30)
        slopes = weights.unsqueeze(1) * (targets - outputs * factors) * factors / power
        curvatures = factors.diag() * (weights / power).sqrt().view(-1, 1, 1)
        return slopes, curvatures, outputs.diag_embed()

    def matter(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Returns how much samples (n,) matter: all the same."""
        return torch.ones(len(outputs))


def _root(powers: Tensor) -> Tensor:
    return powers.sqrt().clamp_min(1e-30)
