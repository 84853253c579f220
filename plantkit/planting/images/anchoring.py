"""A sparse network trained on images, with a pull to the values that it was drawn with.

Entries are counted in initial standard deviations of the *wide* network that they will be planted
in. Each is drawn from N(0, 1) and then moved as little as the classes take: the loss is the cross
entropy plus λ/n times half the squared distance to the values as drawn, n the number of images.
In normalised networks a teacher adds to it (`plantkit.planting.images.imitation`). With λ = 1 and
a linear network this would be a draw from the initial law given the classes
("randomize then optimize", Bardsley et al., SIAM J. Sci. Comput. 36, 2014).

Sizes would tell most: training makes some layers large, and in a residual stream no rescaling of
channels takes that back. So the entries that lead into one channel keep the norm that they were
drawn with, and only their direction is trained. No bias takes part.

A common sign of a line tells next most (`plantkit.planting.images.balance`), and few entries that
move far tell more than many that move little. So the squared distance counts a layer's entries
the more the fewer they are, those that read the images once more, and what a line or a kernel
moves as a whole most.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from plantkit.networks import bias_name, weight_name
from plantkit.networks.graph import ImageNetwork
from plantkit.networks.training import Samples, single_threaded
from plantkit.planting.gates import Rejected
from plantkit.planting.images.balance import evenly, places_that_tell
from plantkit.planting.images.imitation import Teacher, Vary, imitation_loss
from plantkit.planting.images.levels import levelling_gains
from plantkit.planting.targets import Floats, Ticket

#: Images of a step, and of those that scales and effects are measured on.
BATCH = 128
MEASURED = 256
#: Adam's rate at the beginning, in initial standard deviations; it falls to zero as a cosine.
LEARNING_RATE = 0.05
#: Random signs whose gradients tell what an entry does; see `effects`.
PROBES = 16
#: How much more the distance of the layer counts that reads the images: a trained kernel is smooth.
_STEM = 5.0
#: How much more the distance counts that a line or a kernel moves as a whole.
_LINE = 10.0
#: Most cuts by the least effect after training. The bundles on digits took 3 to 9.
MOST_CUTS = 30
_ABOVE_ZERO = float(np.finfo(np.float64).tiny)
#: Stands for smaller numbers where something is divided by them.
_SMALL = 1e-3

Parameters = dict[str, Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchoring:
    """How a ticket is trained.

    pull: λ. epochs: in all. vary: moves images at random. budget: entries that are left after half
    of the epochs, those that the outputs are the most sensitive to, half of them positive, and as
    many in each place of kernels where places tell. least_effect: what each of them must do; see
    `Anchored.effects`.
    """

    pull: float
    epochs: int
    vary: Vary
    budget: int
    least_effect: float


class Anchored:
    """A sparse narrow network on its way from drawn values to a classifier.

    Attributes:
        narrow: the network.
        kept: name to bool, True at its entries; no bias is kept.
    """

    def __init__(
        self,
        narrow: ImageNetwork,
        kept: Ticket,
        deviations: Mapping[str, float],
        data: Samples,
        teacher: Teacher | None,
        rng: np.random.Generator,
    ) -> None:
        self.narrow = narrow
        self.kept = {name: mask.copy() for name, mask in kept.items()}
        self._places = {
            weight_name(placed.layer): places_that_tell(placed)
            for placed in narrow.plan
            if placed.layer is not None
        }
        self._data = data
        self._teacher = teacher
        self._rng = rng
        self._weights = [weight_name(layer) for layer in narrow.layers]
        drawn = {name: rng.standard_normal(narrow.shapes[name]) for name in self._weights}
        self._lost = {name: rng.uniform(-0.5, 0.5, narrow.shapes[name]) for name in self._weights}
        self._masks = {name: torch.from_numpy(kept[name]).float() for name in self._weights}
        self._anchor = {
            name: torch.from_numpy(drawn[name]).float() * self._masks[name]
            for name in self._weights
        }
        self._biases = {
            bias_name(layer): torch.zeros(narrow.shapes[bias_name(layer)])
            for layer in narrow.layers
        }
        self._values = {name: value.clone() for name, value in self._anchor.items()}
        plain = {name: value * deviations[name] for name, value in self._values.items()}
        gains = levelling_gains(narrow, plain, data.inputs[:MEASURED])
        self._gains = {name: gain * deviations[name] for name, gain in gains.items()}

    def train(self, how: Anchoring) -> None:
        """Moves the values until the network classifies the images.

        Raises:
            Rejected: a layer, or all signals, died.
        """
        parts = (how.epochs - how.epochs // 2, how.epochs // 4)
        with single_threaded():
            for epochs in parts:
                self._train(how, epochs, last=False)
                self._drop_to(how.budget, how.least_effect)
            self._train(how, how.epochs - sum(parts), last=True)
            # Without readers others do nothing. Effects are estimates, so that of very many entries
            # some are always found below the bar: in the end only those go that do nothing at all.
            bars = itertools.chain([how.least_effect] * MOST_CUTS, itertools.repeat(_ABOVE_ZERO))
            while self._drop(self._useful(self.effects(), next(bars))):
                pass

    def values(self) -> dict[str, Floats]:
        """Returns the entries in initial standard deviations of the wide network, by name.

        They are trained in float32. Digits that this lost are drawn, since the rest of the wide
        network is drawn in float64: a product of a float32 and a known deviation can be told from
        other numbers.
        """
        found = {
            name: np.where(
                self.kept[name],
                value.double().numpy() + self._lost[name] * np.spacing(np.abs(value.numpy())),
                0.0,
            )
            for name, value in self._values.items()
        }
        return found | {name: np.zeros(tuple(value.shape)) for name, value in self._biases.items()}

    def trained(self) -> dict[str, Floats]:
        """Returns the parameters of the narrow network as it was trained, at its own scale."""
        return {name: value * self._gains.get(name, 1.0) for name, value in self.values().items()}

    def effects(self) -> dict[str, Floats]:
        """Returns what each entry does to the outputs, over their standard deviation, by name.

        It is the root mean square over images and outputs of entry times gradient, so what
        dropping the entry changes to first order. It is estimated with random signs (Hutchinson),
        and zero exactly where the outputs do not depend on the entry.
        """
        inputs = self._data.inputs[:MEASURED]
        leaves = {name: value.clone().requires_grad_() for name, value in self._values.items()}
        outputs = self._outputs(leaves, inputs)
        signs = torch.from_numpy(self._rng.choice([-1.0, 1.0], (PROBES, *outputs.shape))).float()
        squares = {name: torch.zeros_like(value) for name, value in leaves.items()}
        for probe in signs:
            gradients = torch.autograd.grad(
                (outputs * probe).sum(), list(leaves.values()), retain_graph=True
            )
            for (name, value), gradient in zip(self._values.items(), gradients, strict=True):
                squares[name] += (gradient * value).square() / (PROBES * outputs.numel())
        deviation = float(outputs.detach().std())
        return {
            name: np.where(self.kept[name], value.sqrt().double().numpy() / deviation, np.inf)
            for name, value in squares.items()
        }

    def _train(self, how: Anchoring, epochs: int, *, last: bool) -> None:
        """Takes a share of the epochs; the rate falls to zero over the last ones."""
        leaves = {name: value.clone().requires_grad_() for name, value in self._values.items()}
        sharpness = torch.zeros((), requires_grad=True)  # a log: only the argmax counts
        optimizer = torch.optim.Adam(
            [{"params": list(leaves.values())}, {"params": [sharpness]}], lr=LEARNING_RATE
        )
        stiffness = self._stiffness()
        count = len(self._data)
        steps = max(1, epochs * -(-count // BATCH))
        rate = torch.optim.lr_scheduler.CosineAnnealingLR(
            optimizer, steps, eta_min=0.0 if last else LEARNING_RATE / 4
        )
        for _ in range(epochs):
            order = torch.from_numpy(self._rng.permutation(count))
            for index in torch.split(order, BATCH):
                inputs = how.vary(self._data.inputs[index])
                values = self._normed(leaves)
                outputs = self._outputs(values, inputs) * sharpness.exp()
                taught = None if self._teacher is None else self._teacher(inputs)
                loss = imitation_loss(outputs, taught, self._data.targets[index])
                distance = sum(
                    stiffness[name] * self._distance(name, value) for name, value in values.items()
                )
                optimizer.zero_grad()
                (loss + how.pull / (2 * count) * distance).backward()  # type: ignore[no-untyped-call]
                for name, value in leaves.items():
                    assert value.grad is not None
                    value.grad *= self._masks[name]
                optimizer.step()
                rate.step()
        self._values = {name: value.detach() for name, value in self._normed(leaves).items()}
        if not all(bool(torch.isfinite(value).all()) for value in self._values.values()):
            raise Rejected("training diverged")

    def _stiffness(self) -> dict[str, float]:
        """Returns what each layer's squared distance counts."""
        entries = {name: int(self.kept[name].sum()) for name in self._weights}
        mean = sum(entries.values()) / len(entries)
        found = {name: (mean / count) ** 0.5 for name, count in entries.items()}
        found[self._weights[0]] *= _STEM
        return found

    def _distance(self, name: str, value: Tensor) -> Tensor:
        """Returns the squared distance of a layer's entries to those drawn."""
        moved, mask = value - self._anchor[name], self._masks[name]
        found = moved.square().sum()
        taps = tuple(range(2, moved.dim()))
        for axes in ((1, *taps), (0, *taps), taps) if taps else ((1,), (0,)):
            counts = mask.sum(axes).clamp_min(1.0)
            found = found + _LINE * (moved.sum(axes).square() / counts).sum()
        return found

    def _useful(self, effects: Mapping[str, Floats], least: float) -> Ticket:
        """Returns which entries have at least this effect."""
        return {name: self.kept[name] & (effect >= least) for name, effect in effects.items()}

    def _drop_to(self, budget: int, least: float) -> None:
        """Drops entries down to `budget`, and all that do too little.

        What goes by sensitivity says nothing of a value: dropping small effects would leave few
        small values.
        """
        effects = self.effects()
        useful = self._useful(effects, least)
        sensitivities = {
            name: effects[name] / np.maximum(np.abs(self._values[name].numpy()), _SMALL)
            for name in self._weights
        }
        found = np.concatenate([sensitivities[name][self.kept[name]] for name in self._weights])
        bar = float(np.sort(found)[-budget]) if found.size > budget else 0.0
        self._drop(
            {
                name: evenly(
                    useful[name],
                    self._values[name].numpy(),
                    sensitivities[name],
                    int((useful[name] & (sensitivities[name] >= bar)).sum()),
                    places=self._places[name],
                )
                for name in self._weights
            }
        )

    def _drop(self, kept: Ticket) -> bool:
        """Drops all but these entries, and returns whether there was one to drop."""
        dropped = False
        for name in self._weights:
            if not kept[name].any():
                raise Rejected("a layer of the ticket died")
            dropped |= bool((self.kept[name] != kept[name]).any())
            self.kept[name] = kept[name]
            self._masks[name] = torch.from_numpy(kept[name]).float()
            self._values[name] = self._values[name] * self._masks[name]
            self._anchor[name] = self._anchor[name] * self._masks[name]
        self._values = self._normed(self._values)
        return dropped

    def _outputs(self, values: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        """Returns the outputs (n, classes) of entries in initial standard deviations."""
        named = {name: (value * self._gains[name]).unsqueeze(0) for name, value in values.items()}
        named |= {name: value.unsqueeze(0) for name, value in self._biases.items()}
        return self.narrow.forward_runs(named, inputs)[0]

    def _normed(self, values: Mapping[str, Tensor]) -> Parameters:
        """Returns the entries with what leads into each channel as large as it was drawn."""
        return {
            name: value * (_norms(self._anchor[name]) / _norms(value))
            for name, value in values.items()
        }


def _norms(value: Tensor) -> Tensor:
    """Returns the norm of what leads into each channel, in a shape that divides `value`."""
    norms: Tensor = value.flatten(1).norm(dim=1).clamp_min(_SMALL)
    return norms.view(-1, *[1] * (value.dim() - 1))
