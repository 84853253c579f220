"""Losses that do not depend on the outputs' scale, for the search of `seek`."""

import torch

Tensor = torch.Tensor

#: Exponent of the bounded loss of classes: 0 is the cross entropy, 1 the chance of an error.
BOUND = 0.3


class Classes:
    """The loss (1 - p^q) / q of outputs at their best sharpness, q = BOUND."""

    def __init__(self) -> None:
        self.sharpness = 3.0

    def losses(self, outputs: Tensor, targets: Tensor, sharpness: float | None = None) -> Tensor:
        """Returns the losses (runs,) of outputs (runs, n, classes)."""
        scale = outputs.square().mean((1, 2), keepdim=True).sqrt().clamp_min(1e-30)
        logits = outputs * ((self.sharpness if sharpness is None else sharpness) / scale)
        right = logits.gather(2, targets.view(1, -1, 1).expand(len(outputs), -1, 1)).squeeze(2)
        return (1 - (BOUND * (right - logits.logsumexp(2))).exp()).mean(1) / BOUND

    def refit(self, outputs: Tensor, targets: Tensor) -> None:
        """Finds the best sharpness for outputs (n, classes)."""
        factor = 1.6
        for _ in range(3):
            tried = [self.sharpness * factor**power for power in (0, 1, -1)]
            found = [float(self.losses(outputs[None], targets, each)) for each in tried]
            self.sharpness = tried[found.index(min(found))]
            factor **= 0.6

    def pulls(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns what b and J are made of; see `Regression.pulls`."""
        scale = self.sharpness / outputs.square().mean().sqrt().clamp_min(1e-30)
        chances = (outputs * scale).softmax(1)
        right = torch.nn.functional.one_hot(targets, outputs.shape[1])
        weights = (chances * right).sum(1, keepdim=True) ** BOUND
        slopes = weights * (right - chances) * scale / (2 * len(outputs))
        roots = chances.sqrt()
        curvatures = roots.diag_embed() - chances.unsqueeze(2) * roots.unsqueeze(1)
        curvatures = curvatures * (scale * (weights / 2).sqrt()).unsqueeze(2)
        return slopes, curvatures, outputs.unsqueeze(2)


class Regression:
    """What is left of the targets' power after the best factor of every output."""

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Returns the losses (runs,) of outputs (runs, n, outputs)."""
        power = outputs.square().sum(1)
        explained = (outputs * targets).sum(1).square() / power.clamp_min(1e-30)
        return 1 - explained.sum(1) / targets.square().sum().clamp_min(1e-30)

    def refit(self, outputs: Tensor, targets: Tensor) -> None:
        """Nothing is learnt from outputs."""

    def pulls(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns what b and J are made of.

        The first (n, outputs) times the derivatives of the outputs adds up to b. The second
        (n, outputs, rows) does so, sample by sample, to the rows of sqrt(n) J. The third
        (n, outputs, factors) says how the outputs change with their factors.
        """
        factors = (outputs * targets).sum(0) / outputs.square().sum(0).clamp_min(1e-30)
        power = targets.square().sum().clamp_min(1e-30)
        slopes = (targets - outputs * factors) * factors / power
        curvatures = factors.diag() * (len(outputs) / power).sqrt()
        return slopes, curvatures.expand(len(outputs), -1, -1), outputs.diag_embed()
