"""Swaps of many parameters of a mask at once, chosen by a Gauss-Newton model: see `seek`."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch

from plantkit import FrozenNetwork, PerceptronSpec, Problem
from plantkit_baselines import seconds
from plantkit_baselines.changes import effects
from plantkit_baselines.scale_free import Classes, Regression
from plantkit_baselines.windows import Pulls, Window, drawn, window_around

Tensor = torch.Tensor

#: The most samples that a search knows, and that a mask is filled up by.
KNOWN, FILLED = 10_000, 3000
#: Samples that a step draws: that swaps are judged on, that candidates are compared on first, that
#: changes are computed on, of which the derivatives are taken, that pairs of changes and that idle
#: units are compared on.
JUDGED, SCREENED, COMPUTED, SAMPLED, PAIRED, GLANCED = 1000, 300, 500, 400, 300, 300
#: Large networks would not fit into memory: numbers in J, unless it has fewer rows than this, and
#: work (`Network.work`) on samples and masks at once.
MOST_NUMBERS, FEWEST_SAMPLED, MOST_WORK = 30_000_000, 16, 5e9
#: Chains and their length; candidates of a step; those that are judged on more samples.
CHAINS, LENGTH, CANDIDATES, FINALISTS = 16, 24, 96, 16
#: Losses below this count as this: float32 arithmetic leaves as much.
LEAST = 1e-12
#: Parameters to add and to drop that a step looks at.
ADDS, DROPS = 300, 600


@dataclass(frozen=True, slots=True)
class Model:
    """The loss of a window near a mask, up to second order, for some changes of the mask.

    slope: (changes,), b. rows: (samples, changes), J before the scale is taken out. scales:
    (samples, factors), an orthonormal basis of the changes of the scale. shares: what rows have
    of them.
    """

    slope: Tensor
    rows: Tensor
    scales: Tensor
    shares: Tensor

    def of(self, changes: Tensor) -> "Model":
        """Returns the model of some of the changes."""
        return Model(
            self.slope[changes], self.rows[:, changes], self.scales, self.shares[:, changes]
        )

    def gram(self) -> Tensor:
        """Returns G (changes, changes)."""
        rows = self.rows - self.scales @ self.shares
        return rows.T @ rows


def gumbel(shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Returns noise whose greatest sum with logits is drawn by their softmax."""
    draws = torch.rand(shape, generator=generator).clamp(1e-9, 1 - 1e-7)
    return -(-draws.log()).log()


def flipped(window: Window, mask: Tensor, columns: Tensor, flips: Tensor) -> Tensor:
    """Returns masks (n, total): `mask` with columns changed by flips (n, columns) bool.

    What is added brings the inputs that come with it.
    """
    masks = mask.repeat(len(flips), 1)
    masks[:, columns] ^= flips
    masks = torch.cat([masks, masks.new_zeros(len(masks), 1)], dim=1)
    runs, added = (flips & ~mask[columns]).nonzero(as_tuple=True)
    masks[runs.unsqueeze(1), window.extras[columns[added]]] = True
    return masks[:, :-1]


class Weighted(NamedTuple):
    """Samples, inputs (n, ...) and targets (n, ...), and weights (n,) that add up to about 1."""

    inputs: Tensor
    targets: Tensor
    weights: Tensor


class Draw:
    """Samples in a random order, in which those that matter tend to come first.

    The first few estimate a mean over all without bias: each sample has the priority m / u, m how
    much it matters and u uniform, and stands for max(1, t / m) samples, t the priority of the one
    after the last (priority sampling: Duffield, Lund and Thorup, Journal of the ACM, 2007).
    """

    def __init__(self, known: Weighted, matter: Tensor, generator: torch.Generator) -> None:
        """known: all samples, of equal weights. matter: (n,), more than 0."""
        draws = torch.rand(len(matter), generator=generator).clamp_min(1e-9)
        self.priorities, self.order = (matter / draws).sort(descending=True, stable=True)
        self.known, self.matter = known, matter[self.order]

    def first(self, count: int) -> Weighted:
        """Returns the first samples, at most `count`."""
        inputs, targets, _ = self.known
        order = self.order[:count]
        weights = torch.ones(len(order))
        if count < len(self.order):
            weights = (self.priorities[count] / self.matter[:count]).clamp_min(1.0)
        return Weighted(inputs[order], targets[order], weights / len(self.order))


class Search:
    """A mask of a problem that is improved step by step."""

    def __init__(self, problem: Problem, mask: Tensor) -> None:
        self.network = FrozenNetwork(problem)
        self.generator = problem.generator
        self.budget, self.total = problem.budget, problem.network.total
        self.mask = self.best = mask
        self.best_loss = math.inf
        data = problem.train
        order = torch.randperm(len(data), generator=self.generator)[:KNOWN]
        weights = torch.full((len(order),), 1 / len(order))
        self.known = Weighted(data.inputs[order], data.targets[order], weights)
        self.task = Classes() if problem.task.kind == "classification" else Regression()
        self.outputs = self.computed(self.network, mask)
        self.draw = self.shuffled()

    def step(self, temperature: float = 0.0) -> float:
        """Goes on to one of many sets of swaps, or stays; the lower the loss, the likelier.

        temperature: of the loss's logarithm; at 0 the lowest loss is taken.

        Returns the seconds that such a step takes on the reference machine, by a fixed model.
        """
        self.draw = self.shuffled()
        self.remember()
        window = window_around(self.network, self.mask, self.pulls(), self.generator)
        mask = torch.cat([self.mask, self.mask.new_zeros(1)])[window.places]
        candidates, spent = self.candidates(window, mask)
        with torch.no_grad():
            screened = self.losses(window, candidates, SCREENED)
            finalists = candidates[screened.topk(min(FINALISTS, len(screened)), largest=False)[1]]
            judged = self.losses(window, torch.cat([mask[None], finalists]), JUDGED)
            luck = temperature * gumbel(judged.shape, self.generator)
            chosen = int((judged.clamp_min(LEAST).log() - luck).argmin())
            if chosen:
                swapped = finalists[chosen - 1]
                whole = self.mask.new_zeros(self.total + 1)
                whole[window.places] = swapped
                self.mask = whole[:-1]
                self.outputs = self.computed(window.narrow, swapped)
                self.remember()
        return spent + seconds.of_step(
            self.network.spec, window.narrow.spec.work, len(self.outputs)
        )

    @torch.no_grad()
    def computed(self, network: FrozenNetwork, mask: Tensor) -> Tensor:
        """Returns the outputs (n, outputs) of a mask of a network on all samples."""
        at_once = torch.split(self.known.inputs, max(1, int(MOST_WORK / network.spec.work)))
        return torch.cat([network.outputs(mask.float(), inputs) for inputs in at_once])

    def shuffled(self) -> Draw:
        """Returns samples in another order, so that sets that fit some alone are found out.

        They are also what the task is fitted to.
        """
        matter = self.task.matter(self.outputs, self.known.targets)
        draw = Draw(self.known, matter, self.generator)
        _, targets, weights = draw.first(JUDGED)
        self.task.refit(self.outputs[draw.order[:JUDGED]], targets, weights)
        return draw

    def remember(self) -> None:
        """Keeps the mask as the best one if its loss on all samples is the lowest so far."""
        _, targets, weights = self.known
        [loss] = self.compared(self.outputs.unsqueeze(0), targets, weights).tolist()
        if loss < self.best_loss:
            self.best, self.best_loss = self.mask, loss

    def compared(self, outputs: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        """Returns the losses (runs,) of outputs (runs, n, outputs); infinite for constants.

        A constant may be better than what there is, but no swap leads on from it.
        """
        losses = self.task.losses(outputs, targets, weights).nan_to_num(math.inf)
        constant = (outputs.amax(1) == outputs.amin(1)).all(1)
        return torch.where(constant, math.inf, losses)

    def filled(self) -> Tensor:
        """Returns the mask, filled up to the budget with what changes the outputs least."""
        mask = self.best.clone()
        # Idle parameters of one tensor lie on no path together; those of several may.
        for places in self.network.named(torch.arange(self.total)).values():
            slopes = self.slopes(mask)[places]
            idle = places[(slopes == 0) & ~mask[places]]
            mask[idle[: self.budget - int(mask.sum())]] = True
        harm = torch.where(mask, math.inf, self.slopes(mask))
        mask[harm.argsort(stable=True)[: self.budget - int(mask.sum())]] = True
        return mask

    def slopes(self, mask: Tensor) -> Tensor:
        """Returns how steeply the outputs' power changes with every parameter."""
        gates = mask.float().requires_grad_()
        outputs = self.network.outputs(gates, self.known.inputs[:FILLED])
        [slopes] = torch.autograd.grad(outputs.square().sum(), gates)
        return slopes.abs().nan_to_num()

    def losses(self, window: Window, masks: Tensor, count: int) -> Tensor:
        """Returns the losses (runs,) of masks (runs, total) on the first samples."""
        inputs, targets, weights = self.draw.first(count)
        at_once = max(1, int(MOST_WORK / (count * window.narrow.spec.work)))
        outputs = (
            window.narrow.outputs_of_runs(some.float(), inputs)
            for some in torch.split(masks, at_once)
        )
        return torch.cat([self.compared(some, targets, weights) for some in outputs])

    def pulls(self) -> dict[str, Pulls]:
        """Returns what linear layers read, and how the loss changes with what they compute."""
        inputs, targets, weights = self.draw.first(GLANCED)
        outputs, layers = self.network.traced(self.mask.float().requires_grad_(), inputs)
        slopes, curvatures, _ = self.task.pulls(outputs.detach(), targets, weights)
        if not layers:
            return {}
        sums = [made for _, made in layers.values()]
        signed = self.signed(curvatures)
        first = torch.autograd.grad(outputs, sums, slopes, retain_graph=True)
        second = torch.autograd.grad(outputs, sums, signed)
        return {
            name: Pulls(given.detach(), *pulls)
            for (name, (given, _)), *pulls in zip(layers.items(), first, second, strict=True)
        }

    def signed(self, curvatures: Tensor) -> Tensor:
        """Returns one row (n, outputs) a sample; random signs keep its outputs apart."""
        shape = len(curvatures), curvatures.shape[2]
        signs = torch.randint(0, 2, shape, generator=self.generator)
        return torch.einsum("nor,nr->no", curvatures, 2.0 * signs - 1)

    def candidates(self, window: Window, mask: Tensor) -> tuple[Tensor, float]:
        """Returns masks (n, total) of the window that the model prefers, none above the budget.

        And the seconds that it took to compute changes one by one.
        """
        model = self.model(window, mask)
        mask = mask & (model.rows != 0).any(0)  # what has no effect is dropped for nothing
        powers = model.rows.square().sum(0)
        powers = (powers - model.shares.square().sum(0)).clamp_min(0)
        # The columns that matter: what is kept, and what promises most if it is added.
        costs = 1 + (window.extras < len(mask)).sum(1)
        addable = ~mask & ~window.offered & (powers > 1e-12) & (window.places < self.total)
        promise = model.slope.clamp_min(0).square() / powers.clamp_min(1e-30) / costs
        promise = torch.where(addable, promise, -1.0)
        promised = promise.argsort(descending=True, stable=True)[: int(addable.sum())]
        columns = torch.cat(
            [
                drawn(mask.nonzero().squeeze(1), DROPS, self.generator),
                promised[: ADDS // 2],
                drawn(promised[ADDS // 2 :], ADDS // 2, self.generator),
            ]
        )
        if not len(columns):
            return mask.unsqueeze(0), 0.0
        if isinstance(self.network.spec, PerceptronSpec):
            model, gram, spent = self.exact(window, mask, columns)
        else:
            model = model.of(columns)
            gram, spent = model.gram(), 0.0
        flips = self.chains(gram, model.slope, mask[columns], costs[columns], int(mask.sum()))
        return flipped(window, mask, columns, flips), spent

    @torch.no_grad()
    def exact(self, window: Window, mask: Tensor, columns: Tensor) -> tuple[Model, Tensor, float]:
        """Returns the model of changes that are computed one by one: nothing is linear in them.

        And its G, on whose diagonal is what makes the loss of each single change right: a unit's
        only input may be all of an output, and no small change of its scale. And the seconds that
        it took.
        """
        inputs, targets, weights = self.draw.first(COMPUTED)
        outputs, changes, computed = effects(window.narrow, mask, window.offered, inputs, columns)
        signs = torch.where(mask[columns], -1.0, 1.0)
        slopes, _, _ = self.task.pulls(outputs, targets, weights)
        slope = torch.einsum("mno,no->m", changes, slopes) * signs
        paired = self.draw.first(PAIRED)
        _, curvatures, factors = self.task.pulls(outputs[:PAIRED], paired.targets, paired.weights)
        rows = torch.einsum("mno,nor->nrm", changes[:, :PAIRED], curvatures).flatten(0, 1) * signs
        scales = torch.einsum("nor,nof->nrf", curvatures, factors).flatten(0, 1)
        scales = torch.linalg.qr(scales).Q
        model = Model(slope, rows, scales, scales.T @ rows)
        gram = model.gram()
        losses = self.task.losses(torch.cat([outputs[None], outputs + changes]), targets, weights)
        gram.diagonal().copy_(losses[1:] - losses[0] + 2 * signs * slope)
        return model, gram, seconds.of_changes(computed, len(columns), len(rows))

    def model(self, window: Window, mask: Tensor) -> Model:
        gates = (mask | window.offered).float().requires_grad_()
        inputs, targets, weights = self.draw.first(COMPUTED)
        [outputs] = window.narrow.outputs_of_runs(gates.unsqueeze(0), inputs)
        slopes, _, _ = self.task.pulls(outputs.detach(), targets, weights)
        [slope] = torch.autograd.grad(outputs, gates, slopes)
        count = min(SAMPLED, max(FEWEST_SAMPLED, MOST_NUMBERS // len(mask)))
        inputs, targets, weights = self.draw.first(count)
        _, curvatures, factors = self.task.pulls(outputs[:count].detach(), targets, weights)
        pulls = self.signed(curvatures)
        rows = window.narrow.slopes(gates.detach(), inputs, pulls)
        scales = torch.linalg.qr(torch.einsum("no,nof->nf", pulls, factors)).Q
        return Model(slope, rows, scales, scales.T @ rows)

    def chains(
        self, gram: Tensor, slope: Tensor, kept: Tensor, costs: Tensor, count: int
    ) -> Tensor:
        """Returns the most promising sets of changes (n, columns) bool.

        Args:
            gram, slope: G and b.
            kept: which columns are dropped if they change; the others are added at their costs.
            count: parameters that are kept now.
        """
        runs = torch.arange(CHAINS)
        signs = torch.where(kept, -1.0, 1.0)
        changes = torch.where(kept, -1, costs)
        powers = gram.diag()
        slopes = slope.repeat(CHAINS, 1)  # b - G δ
        changed = torch.zeros(CHAINS, len(kept), dtype=torch.bool)
        counts, gains = torch.full((CHAINS,), count), torch.zeros(CHAINS)
        sets, promises = [], []
        for _ in range(min(LENGTH, len(kept))):
            gain = 2 * signs * slopes - powers
            chance = torch.rand(CHAINS, generator=self.generator)
            drops = (counts > self.budget) | (chance < torch.where(counts < self.budget, 0.1, 0.5))
            open_ = ~changed & (kept == drops.unsqueeze(1))
            best = torch.where(open_, gain, -math.inf).max(1)
            moves = best.values > -math.inf
            place = best.indices
            changed[runs, place] |= moves
            counts = counts + changes[place] * moves
            gains = gains + torch.where(moves, gain[runs, place], 0.0)
            slopes = slopes - gram[place] * (signs[place] * moves).unsqueeze(1)
            fits = counts <= self.budget
            sets.append(changed[fits])
            promises.append(gains[fits])
        if not any(map(len, sets)):
            return changed[:1] & False
        found, which = torch.unique(torch.cat(sets), dim=0, return_inverse=True)
        promise = torch.full((len(found),), -math.inf)
        promise = promise.scatter_reduce(0, which, torch.cat(promises), "amax")
        found = found[promise.argsort(descending=True, stable=True)]
        # Of every size the best: the model's errors add up, so promises compare in one size only.
        sizes = torch.nn.functional.one_hot(found.sum(1))
        ranks = (sizes.cumsum(0) * sizes).sum(1)
        chosen: Tensor = found[ranks <= CANDIDATES // LENGTH]
        return chosen
