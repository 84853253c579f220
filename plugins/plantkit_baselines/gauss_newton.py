"""Swaps of many parameters of a mask at once, chosen by a Gauss-Newton model: see `seek`."""

import itertools
import math
from dataclasses import dataclass

import torch

from plantkit import FrozenNetwork, Problem

Tensor = torch.Tensor

#: Samples that losses are compared on, that candidates are screened on, and of which J is taken.
JUDGED, SCREENED, SAMPLED = 3000, 500, 600
#: Large networks would not fit into memory: numbers in J, unless it has fewer rows than this, and
#: work (`Network.work`) on samples and masks at once.
MOST_NUMBERS, FEWEST_SAMPLED, MOST_WORK = 30_000_000, 16, 5e9
#: Chains and their length; candidates of a step; those that are judged on all samples.
CHAINS, LENGTH, CANDIDATES, FINALISTS = 64, 8, 96, 3
#: Parameters to add and to drop that a step looks at.
ADDS, DROPS = 300, 600
#: Noise of the chains, in mean diagonal entries of G.
NOISE = 0.3
#: Exponent of the bounded loss of classes: 0 is the cross entropy, 1 the chance of an error.
BOUND = 0.3
#: The fewest idle units that a step offers in each layer, and the most inputs of one.
IDLE, INPUTS = 4, 3
#: Seconds that a step takes, and more of them for each weight of the window (`Network.work`).
STEP_SECONDS, WORK_SECONDS = 0.027, 1.0e-5


def seconds_of(work: float) -> float:
    """Returns the seconds that a step takes in a window of so much `Network.work`."""
    return STEP_SECONDS + WORK_SECONDS * work


@dataclass(frozen=True, slots=True)
class Window:
    """A part of the network: the units of a mask, and some idle ones with random inputs.

    narrow: the network of these units. places: where its parameters lie. offered: (n,) bool, the
    inputs of idle units. extras: (n, INPUTS + 1), the inputs that come with a parameter; n
    stands for none.
    """

    narrow: FrozenNetwork
    places: Tensor
    offered: Tensor
    extras: Tensor


@dataclass(frozen=True, slots=True)
class Model:
    """The loss of a window near a mask, up to second order.

    slope: (total,), b. rows: (samples, total), J before the scale is taken out. scales: (samples,
    factors), an orthonormal basis of the changes of the scale. shares: what rows have of them.
    """

    slope: Tensor
    rows: Tensor
    scales: Tensor
    shares: Tensor


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
        self.places = self.network.named(torch.arange(self.total))
        self.weights = [name for name, shape in problem.network.shapes.items() if len(shape) > 1]

    def step(self, tolerance: float = 0.0) -> float:
        """Takes the best of many sets of swaps if it lowers the loss, or raises it a little.

        tolerance: the most that it may be raised, as a share of the loss.

        Returns the seconds that such a step takes on the reference machine, by a fixed model.
        """
        window = self.window()
        mask = torch.cat([self.mask, self.mask.new_zeros(1)])[window.places]
        candidates = self.candidates(window, mask)
        with torch.no_grad():
            screened = self.losses(window, candidates, SCREENED)
            finalists = candidates[screened.topk(min(FINALISTS, len(screened)), largest=False)[1]]
            judged = self.losses(window, torch.cat([mask[None], finalists]), JUDGED)
        last, losses = float(judged[0]), judged[1:]
        best = int(losses.argmin())
        self.remember(self.mask, last)
        if float(losses[best]) < last * (1 + tolerance):
            whole = self.mask.new_zeros(self.total + 1)
            whole[window.places] = finalists[best]
            self.mask = whole[:-1]
            self.remember(self.mask, float(losses[best]))
        return seconds_of(window.narrow.spec.work)

    def remember(self, mask: Tensor, loss: float) -> None:
        """Keeps `mask` as the best one if its loss is the lowest so far."""
        if loss < self.best_loss:
            self.best, self.best_loss = mask, loss

    def filled(self) -> Tensor:
        """Returns the mask, filled up to the budget with what changes the outputs least."""
        mask = self.best.clone()
        # Idle parameters of one tensor lie on no path together; those of several may.
        for places in self.places.values():
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

    def window(self) -> Window:
        """Returns the units that are alive and, where layers follow each other, some idle ones."""
        around, offered, readers = self.mask.clone(), torch.zeros_like(self.mask), []
        layers = [self.places[name].flatten(1) for name in self.weights]
        none = torch.zeros(0, dtype=torch.int64)
        biases = [self.places.get(name.replace("weight", "bias"), none) for name in self.weights]
        read, outs = [], []  # of each layer's units, the columns and the parameters that read them
        for places, above in itertools.pairwise(layers):
            columns = torch.arange(above.shape[1])
            if len(columns) % len(places):  # the next layer reads something else
                columns = columns[:0]
            read.append(columns.reshape(len(places), -1) if len(columns) else columns.view(0, 1))
            outs.append(above[:, read[-1]].transpose(0, 1).flatten(1))
        alive = []
        for places, bias, out in zip(layers, biases, outs, strict=False):
            fed = self.mask[places].any(1)
            fed = fed | self.mask[bias] if len(bias) else fed
            alive.append(fed[: len(out)] & self.mask[out].any(1))
        # Networks are cut to 16, 32, 64, ... units: idle ones fill up what there is.
        most = max([int(each.sum()) for each in alive], default=0)
        room = 1 << (most + IDLE - 1).bit_length() if IDLE else 0
        sources = torch.arange(layers[0].shape[1])
        for places, bias, columns, out, living in zip(
            layers, biases, read, outs, alive, strict=False
        ):
            free = max(0, room - int(living.sum())) if len(sources) else 0
            for unit in self.drawn((~living).nonzero().squeeze(1), free).tolist():
                count = int(torch.randint(1, INPUTS + 1, (), generator=self.generator))
                inputs = places[unit, self.drawn(sources, count)]
                if torch.rand((), generator=self.generator) < 0.5:
                    inputs = torch.cat([inputs, bias[unit : unit + 1]])
                around[places[unit, sources]] = True
                around[out[unit]] = offered[inputs] = True
                readers.append((out[unit], inputs))
            sources = columns[living].flatten()
        narrow, places = self.network.narrowed(around)
        size = len(places)
        found = torch.full((self.total + 1,), size)
        found[places] = torch.arange(size)
        found[self.total] = size
        extras = torch.full((size + 1, INPUTS + 1), size)
        for reading, inputs in readers:
            extras[found[reading].unsqueeze(1), torch.arange(len(inputs))] = found[inputs]
        offered = torch.cat([offered, offered.new_zeros(1)])[places]
        return Window(narrow, places, offered, extras[:-1])

    def candidates(self, window: Window, mask: Tensor) -> Tensor:
        """Returns masks (n, total) of the window that the model prefers, none above the budget."""
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
                self.drawn(mask.nonzero().squeeze(1), DROPS),
                promised[: ADDS // 2],
                self.drawn(promised[ADDS // 2 :], ADDS // 2),
            ]
        )
        if not len(columns):
            return mask.unsqueeze(0)
        chosen = model.rows[:, columns] - model.scales @ model.shares[:, columns]
        flips = self.chains(
            chosen.T @ chosen, model.slope[columns], mask[columns], costs[columns], int(mask.sum())
        )
        masks = mask.repeat(len(flips), 1)
        masks[:, columns] ^= flips
        masks = torch.cat([masks, masks.new_zeros(len(masks), 1)], dim=1)
        runs, added = (flips & ~mask[columns]).nonzero(as_tuple=True)
        masks[runs.unsqueeze(1), window.extras[columns[added]]] = True
        return masks[:, :-1]

    def model(self, window: Window, mask: Tensor) -> Model:
        gates = (mask | window.offered).float().requires_grad_()
        [outputs] = window.narrow.outputs_of_runs(gates.unsqueeze(0), self.inputs)
        outputs, graph = outputs.detach(), outputs
        self.task.refit(outputs, self.targets)
        slopes, curvatures, factors = self.task.pulls(outputs, self.targets)
        [slope] = torch.autograd.grad(graph, gates, slopes)
        # One row a sample: random signs keep its outputs apart, in the mean.
        count = min(SAMPLED, max(FEWEST_SAMPLED, MOST_NUMBERS // len(mask)))
        drawn = torch.randint(len(outputs), (count,), generator=self.generator)
        signs = torch.randint(0, 2, (count, curvatures.shape[2]), generator=self.generator)
        pulls = torch.einsum("nor,nr->no", curvatures[drawn], 2.0 * signs - 1) / count**0.5
        rows = window.narrow.slopes(gates.detach(), self.inputs[drawn], pulls)
        scales = torch.linalg.qr(torch.einsum("no,nof->nf", pulls, factors[drawn])).Q
        return Model(slope, rows, scales, scales.T @ rows)

    def drawn(self, places: Tensor, most: int) -> Tensor:
        """Returns at most `most` of the places, at random."""
        return places[torch.randperm(len(places), generator=self.generator)[:most]]

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
        noise = NOISE * float(powers[kept].mean()) if bool(kept.any()) else 0.0
        slopes = slope.repeat(CHAINS, 1)  # b - G δ
        flipped = torch.zeros(CHAINS, len(kept), dtype=torch.bool)
        counts, gains = torch.full((CHAINS,), count), torch.zeros(CHAINS)
        sets, promises = [], []
        for _ in range(min(LENGTH, len(kept))):
            gain = 2 * signs * slopes - powers
            chance = torch.rand(CHAINS, generator=self.generator)
            drops = (counts > self.budget) | (chance < torch.where(counts < self.budget, 0.1, 0.5))
            draws = torch.rand(gain.shape, generator=self.generator).clamp(1e-9, 1 - 1e-7)
            # A chain that must drop to meet the budget drops the best; others try their luck.
            luck = (noise * (counts <= self.budget)).unsqueeze(1) * -(-draws.log()).log()
            open_ = ~flipped & (kept == drops.unsqueeze(1))
            best = torch.where(open_, gain + luck, -math.inf).max(1)
            moves = best.values > -math.inf
            place = best.indices
            flipped[runs, place] |= moves
            counts = counts + changes[place] * moves
            gains = gains + torch.where(moves, gain[runs, place], 0.0)
            slopes = slopes - gram[place] * (signs[place] * moves).unsqueeze(1)
            fits = counts <= self.budget
            sets.append(flipped[fits])
            promises.append(gains[fits])
        if not any(map(len, sets)):
            return flipped[:1] & False
        found: Tensor
        found, which = torch.unique(torch.cat(sets), dim=0, return_inverse=True)
        promise = torch.full((len(found),), -math.inf)
        promise = promise.scatter_reduce(0, which, torch.cat(promises), "amax")
        return found[promise.topk(min(CANDIDATES, len(found))).indices]
