"""Swaps of many parameters of a mask at once, chosen by a Gauss-Newton model: see `seek`."""

import math
from dataclasses import dataclass

import torch

from plantkit import FrozenNetwork, PerceptronSpec, Problem
from plantkit_baselines import seconds
from plantkit_baselines.changes import effects
from plantkit_baselines.scale_free import Classes, Regression
from plantkit_baselines.windows import Pulls, Window, drawn, window_around

Tensor = torch.Tensor

#: Samples that losses are compared on, that candidates are compared on first, that changes are
#: computed on, of which the derivatives are taken, and that idle units are compared on. Of pairs
#: of changes and of idle units a rougher picture will do.
JUDGED, SCREENED, COMPUTED, SAMPLED, PAIRED, GLANCED = 3000, 500, 1500, 600, 500, 300
#: Large networks would not fit into memory: numbers in J, unless it has fewer rows than this, and
#: work (`Network.work`) on samples and masks at once.
MOST_NUMBERS, FEWEST_SAMPLED, MOST_WORK = 30_000_000, 16, 5e9
#: Chains and their length; candidates of a step; those that are judged on all samples.
CHAINS, LENGTH, CANDIDATES, FINALISTS = 64, 24, 96, 16
#: Losses below this count as this: float32 arithmetic leaves as much.
LEAST = 1e-12
#: Parameters to add and to drop that a step looks at.
ADDS, DROPS = 300, 600
#: Noise of the chains, in median entries of G's diagonal among what is kept: of the first chain,
#: and of the last as a share of it.
NOISE, COOLEST = 0.3, 1e-4


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


class Search:
    """A mask of a problem that is improved step by step."""

    def __init__(self, problem: Problem, mask: Tensor) -> None:
        self.network = FrozenNetwork(problem)
        self.generator = problem.generator
        self.budget, self.total = problem.budget, problem.network.total
        self.mask = self.best = mask
        self.best_loss = math.inf
        data = problem.train
        order = torch.randperm(len(data), generator=self.generator)[:JUDGED]
        self.inputs, self.targets = data.inputs[order], data.targets[order]
        self.task = Classes() if problem.task.kind == "classification" else Regression()

    def step(self, temperature: float = 0.0) -> float:
        """Goes on to one of many sets of swaps, or stays; the lower the loss, the likelier.

        temperature: of the loss's logarithm; at 0 the lowest loss is taken.

        Returns the seconds that such a step takes on the reference machine, by a fixed model.
        """
        # Other samples come first in each step: sets that fit some samples alone are found out.
        order = torch.randperm(len(self.inputs), generator=self.generator)
        self.inputs, self.targets = self.inputs[order], self.targets[order]
        window = window_around(self.network, self.mask, self.pulls(), self.generator)
        mask = torch.cat([self.mask, self.mask.new_zeros(1)])[window.places]
        candidates, spent = self.candidates(window, mask)
        with torch.no_grad():
            screened = self.losses(window, candidates, SCREENED)
            finalists = candidates[screened.topk(min(FINALISTS, len(screened)), largest=False)[1]]
            judged = self.losses(window, torch.cat([mask[None], finalists]), JUDGED)
        self.remember(self.mask, float(judged[0]))
        luck = temperature * gumbel(judged.shape, self.generator)
        chosen = int((judged.clamp_min(LEAST).log() - luck).argmin())
        if chosen:
            whole = self.mask.new_zeros(self.total + 1)
            whole[window.places] = finalists[chosen - 1]
            self.mask = whole[:-1]
            self.remember(self.mask, float(judged[chosen]))
        return seconds.of_step(self.network.spec, window.narrow.spec.work) + spent

    def remember(self, mask: Tensor, loss: float) -> None:
        """Keeps `mask` as the best one if its loss is the lowest so far."""
        if loss < self.best_loss:
            self.best, self.best_loss = mask, loss

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
        outputs = self.network.outputs(gates, self.inputs)
        [slopes] = torch.autograd.grad(outputs.square().sum(), gates)
        return slopes.abs().nan_to_num()

    def losses(self, window: Window, masks: Tensor, count: int) -> Tensor:
        """Returns the losses (runs,) of masks on the first samples; infinite for constants.

        A constant may be better than what there is, but no swap leads on from it.
        """
        found = []
        at_once = max(1, int(MOST_WORK / (count * window.narrow.spec.work)))
        for start in range(0, len(masks), at_once):
            some = masks[start : start + at_once]
            outputs = window.narrow.outputs_of_runs(some.float(), self.inputs[:count])
            losses = self.task.losses(outputs, self.targets[:count]).nan_to_num(math.inf)
            constant = (outputs.amax(1) == outputs.amin(1)).all(1)
            found.append(torch.where(constant, math.inf, losses))
        return torch.cat(found)

    def pulls(self) -> dict[str, Pulls]:
        """Returns what linear layers read, and how the loss changes with what they compute."""
        inputs, targets = self.inputs[:GLANCED], self.targets[:GLANCED]
        outputs, layers = self.network.traced(self.mask.float().requires_grad_(), inputs)
        slopes, curvatures, _ = self.task.pulls(outputs.detach(), targets)
        if not layers:
            return {}
        sums = [made for _, made in layers.values()]
        signed = self.signed(curvatures) / len(outputs) ** 0.5
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
        inputs, targets = self.inputs[:COMPUTED], self.targets[:COMPUTED]
        outputs, changes, computed = effects(window.narrow, mask, window.offered, inputs, columns)
        signs = torch.where(mask[columns], -1.0, 1.0)
        slopes, curvatures, factors = self.task.pulls(outputs, targets)
        slope = torch.einsum("mno,no->m", changes, slopes) * signs
        curvatures, factors = curvatures[:PAIRED], factors[:PAIRED]
        rows = torch.einsum("mno,nor->nrm", changes[:, :PAIRED], curvatures).flatten(0, 1) * signs
        rows /= len(curvatures) ** 0.5
        scales = torch.einsum("nor,nof->nrf", curvatures, factors).flatten(0, 1)
        scales = torch.linalg.qr(scales).Q
        model = Model(slope, rows, scales, scales.T @ rows)
        gram = model.gram()
        losses = self.task.losses(torch.cat([outputs[None], outputs + changes]), targets)
        gram.diagonal().copy_(losses[1:] - losses[0] + 2 * signs * slope)
        return model, gram, seconds.of_changes(computed, len(columns), len(rows))

    def model(self, window: Window, mask: Tensor) -> Model:
        gates = (mask | window.offered).float().requires_grad_()
        [outputs] = window.narrow.outputs_of_runs(gates.unsqueeze(0), self.inputs)
        outputs, graph = outputs.detach(), outputs
        self.task.refit(outputs, self.targets)
        slopes, curvatures, factors = self.task.pulls(outputs, self.targets)
        [slope] = torch.autograd.grad(graph, gates, slopes)
        count = min(SAMPLED, max(FEWEST_SAMPLED, MOST_NUMBERS // len(mask)))
        some = torch.randint(len(outputs), (count,), generator=self.generator)
        pulls = self.signed(curvatures[some]) / count**0.5
        rows = window.narrow.slopes(gates.detach(), self.inputs[some], pulls)
        scales = torch.linalg.qr(torch.einsum("no,nof->nf", pulls, factors[some])).Q
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
        noise = NOISE * float(powers[kept].median()) if bool(kept.any()) else 0.0
        noises = noise * COOLEST ** (runs / (CHAINS - 1))
        slopes = slope.repeat(CHAINS, 1)  # b - G δ
        changed = torch.zeros(CHAINS, len(kept), dtype=torch.bool)
        counts, gains = torch.full((CHAINS,), count), torch.zeros(CHAINS)
        sets, promises = [], []
        for _ in range(min(LENGTH, len(kept))):
            gain = 2 * signs * slopes - powers
            chance = torch.rand(CHAINS, generator=self.generator)
            drops = (counts > self.budget) | (chance < torch.where(counts < self.budget, 0.1, 0.5))
            # A chain that must drop to meet the budget drops the best; others try their luck.
            luck = (noises * (counts <= self.budget)).unsqueeze(1)
            luck = luck * gumbel(gain.shape, self.generator)
            open_ = ~changed & (kept == drops.unsqueeze(1))
            best = torch.where(open_, gain + luck, -math.inf).max(1)
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
