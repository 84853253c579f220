"""Swaps chosen by Gauss-Newton: many parameters change places at once, and every swap is tested.

A search starts from the mask that `gates` finds and improves it step by step. At a mask m, the
outputs of the network are linear in small changes of the mask: J holds their derivatives by every
kept parameter and by every parameter that could be added. If the changes δ drop some parameters
(-1) and add others (+1), the loss is about

    L(m + δ) = L(m) - 2 b·δ + δ·G δ,    b = Jᵀ r,    G = Jᵀ J,

r the residuals (the classes' errors and J weighted by the loss's curvature), and J orthogonal to a
change of the outputs' scale, which does not count. Chains of drops and adds go downhill in this
model, some noise added, so that hundreds of sets of changes are proposed. The network
is computed under the best of them, and a set that lowers the loss is accepted.

A unit that nothing reads has no derivative. So in each step some idle units get a few random
inputs; adding a parameter that reads such a unit adds these as well, and the model
counts them against the budget.

References:
    arXiv 1712.01312 (hard-concrete gates, where the search starts). The swaps are plantkit's own;
    Gauss-Newton steps are usually of real numbers, not of masks.

Differs from the paper: there is none.
"""

import math
from dataclasses import dataclass

import torch

from plantkit import FrozenNetwork, Mask, Problem, hookimpl
from plantkit_baselines.gates import GatesPruner
from plantkit_baselines.synflow import SynflowPruner

Tensor = torch.Tensor

#: Samples that losses are compared on, that candidates are screened on, and of which J is taken.
JUDGED, SCREENED, SAMPLED = 3000, 500, 600
#: Chains and their length; candidates of a step; those that are judged on all samples.
CHAINS, LENGTH, CANDIDATES, FINALISTS = 64, 8, 96, 3
#: Parameters to add and to drop that a step looks at.
ADDS, DROPS = 300, 600
#: Noise of the chains, in mean diagonal entries of G.
NOISE = 0.3
#: Exponent of the bounded loss of classes: 0 is the cross entropy, 1 the chance of an error.
BOUND = 0.3
#: Idle units that a step offers for each layer, and the most inputs of one.
IDLE, INPUTS = 16, 3
#: Share of the effort that goes into the gates.
START = 0.25
#: What a step of swaps takes, and more of it for each weight of the window (`Network.work`); what
#: a step of the gates takes, and more for each weight and sample. Measured: docs/seek.md.
STEP_SECONDS, WORK_SECONDS = 0.025, 1.4e-5
GATES_SECONDS, GATES_WORK_SECONDS = 3e-4, 2.3e-10


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
        self.mask = mask
        data = problem.train
        order = torch.randperm(len(data), generator=self.generator)[:JUDGED]
        self.inputs, self.targets = data.inputs[order], data.targets[order]
        self.task = Classes() if problem.task.kind == "classification" else Regression()
        self.places = self.network.named(torch.arange(self.total))
        self.weights = [name for name, shape in problem.network.shapes.items() if len(shape) > 1]

    def step(self) -> float:
        """Takes the best of many sets of swaps if it lowers the loss.

        Returns the seconds that such a step takes on the reference machine, by a fixed model.
        """
        window = self.window()
        mask = torch.cat([self.mask, self.mask.new_zeros(1)])[window.places]
        candidates = self.candidates(window, mask)
        with torch.no_grad():
            screened = self.losses(window, candidates, SCREENED)
            finalists = candidates[screened.topk(min(FINALISTS, len(screened)), largest=False)[1]]
            judged = self.losses(window, torch.cat([mask[None], finalists]), JUDGED)
        best = int(judged[1:].argmin())
        if judged[1 + best] < judged[0]:
            whole = self.mask.new_zeros(self.total + 1)
            whole[window.places] = finalists[best]
            self.mask = whole[:-1]
        return STEP_SECONDS + WORK_SECONDS * window.narrow.spec.work

    def filled(self) -> Tensor:
        """Returns the mask, filled up to the budget with what changes the outputs least."""
        mask = self.mask.clone()
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
        outputs = window.narrow.outputs_of_runs(masks.float(), self.inputs[:count])
        return self.task.losses(outputs, self.targets[:count]).nan_to_num(math.inf)

    def window(self) -> Window:
        """Returns the units that are alive and, where layers follow each other, some idle ones."""
        around, offered, readers = self.mask.clone(), torch.zeros_like(self.mask), []
        layers = [self.places[name].flatten(1) for name in self.weights]
        biases = [self.places.get(name.replace("weight", "bias")) for name in self.weights]
        sources = torch.arange(layers[0].shape[1])
        for places, bias, above in zip(layers, biases, layers[1:], strict=False):
            units = len(places)
            if above.shape[1] % units:
                continue
            outs = above.view(len(above), units, -1).transpose(0, 1).flatten(1)  # (units, readers)
            alive = self.mask[places].any(1) & self.mask[outs].any(1)
            idle = (~alive).nonzero().squeeze(1)
            picked = idle[torch.randperm(len(idle), generator=self.generator)[:IDLE]]
            for unit in picked.tolist() if len(sources) else []:
                count = int(torch.randint(1, INPUTS + 1, (), generator=self.generator))
                drawn = torch.randperm(len(sources), generator=self.generator)[:count]
                inputs = places[unit, sources[drawn]]
                if bias is not None and torch.rand((), generator=self.generator) < 0.5:
                    inputs = torch.cat([inputs, bias[unit : unit + 1]])
                around[places[unit, sources]] = True
                around[outs[unit]] = offered[inputs] = True
                readers.append((outs[unit], inputs))
            # Entries of the next layer that read units which are alive here.
            width = above.shape[1] // units
            alive = alive.nonzero().squeeze(1)
            sources = (alive.unsqueeze(1) * width + torch.arange(width)).flatten()
        narrow, places = self.network.narrowed(around)
        size = len(places)
        found = torch.full((self.total + 1,), size)
        found[places] = torch.arange(size)
        found[self.total] = size
        extras = torch.full((size + 1, INPUTS + 1), size)
        for outs, inputs in readers:
            extras[found[outs].unsqueeze(1), torch.arange(len(inputs))] = found[inputs]
        offered = torch.cat([offered, offered.new_zeros(1)])[places]
        return Window(narrow, places, offered, extras[:-1])

    def candidates(self, window: Window, mask: Tensor) -> Tensor:
        """Returns masks (n, total) of the window that the model prefers, none above the budget."""
        gates = (mask | window.offered).float().requires_grad_()
        [outputs] = window.narrow.outputs_of_runs(gates.unsqueeze(0), self.inputs)
        detached = outputs.detach()
        self.task.refit(detached, self.targets)
        slopes, curvatures, factors = self.task.pulls(detached, self.targets)
        [slope] = torch.autograd.grad(outputs, gates, slopes)  # b
        # One row a sample: the signs keep the rows of its outputs apart, in the mean.
        drawn = torch.randint(len(detached), (SAMPLED,), generator=self.generator)
        signs = (
            torch.randint(0, 2, (SAMPLED, curvatures.shape[2]), generator=self.generator) * 2.0 - 1
        )
        pulls = torch.einsum("nor,nr->no", curvatures[drawn], signs) / math.sqrt(SAMPLED)
        rows = window.narrow.slopes(gates.detach(), self.inputs[drawn], pulls)  # J
        scales = torch.linalg.qr(torch.einsum("no,nof->nf", pulls, factors[drawn])).Q
        shares = scales.T @ rows
        powers = rows.square().sum(0)
        mask = mask & (powers > 0)  # what has no effect is dropped for nothing
        powers = (powers - shares.square().sum(0)).clamp_min(0)
        # The columns that matter: what is kept, and what promises most if it is added.
        costs = 1 + (window.extras < len(mask)).sum(1)
        addable = ~mask & ~window.offered & (powers > 1e-12) & (window.places < self.total)
        promise = slope.clamp_min(0).square() / powers.clamp_min(1e-30) / costs
        promised = torch.where(addable, promise, -1.0).argsort(descending=True)[
            : int(addable.sum())
        ]
        others = promised[ADDS // 2 :]
        others = others[torch.randperm(len(others), generator=self.generator)[: ADDS // 2]]
        kept = mask.nonzero().squeeze(1)
        kept = kept[torch.randperm(len(kept), generator=self.generator)[:DROPS]]
        columns = torch.cat([kept, promised[: ADDS // 2], others])
        if not len(columns):
            return mask.unsqueeze(0)
        chosen = rows[:, columns] - scales @ shares[:, columns]
        flips = self.chains(
            chosen.T @ chosen, slope[columns], mask[columns], costs[columns], int(mask.sum())
        )
        masks = mask.repeat(len(flips), 1)
        masks[:, columns] ^= flips
        masks = torch.cat([masks, masks.new_zeros(len(masks), 1)], dim=1)
        runs, added = (flips & ~mask[columns]).nonzero(as_tuple=True)
        masks[runs.unsqueeze(1), window.extras[columns[added]]] = True
        return masks[:, :-1]

    def chains(
        self, gram: Tensor, slope: Tensor, kept: Tensor, costs: Tensor, count: int
    ) -> Tensor:
        """Returns the most promising sets of changes (n, columns) bool; the first changes nothing.

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
        sets, promises = [flipped[:1].clone()], [torch.full((1,), math.inf)]
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
        found, which = torch.cat(sets).unique(dim=0, return_inverse=True)
        promise = torch.full((len(found),), -math.inf)
        promise = promise.scatter_reduce(0, which, torch.cat(promises), "amax")
        return found[promise.topk(min(CANDIDATES, len(found))).indices]


@dataclass(frozen=True, kw_only=True)
class SeekPruner:
    """Starts from learnt gates, then swaps many parameters at once, each swap tested."""

    name = "seek"
    reference = "arXiv 1712.01312"

    #: Seconds of one core of the reference machine; turned into steps, so no clock decides.
    effort: float = 60.0

    def __post_init__(self) -> None:
        if not 0 < self.effort < math.inf:
            raise ValueError(f"effort is {self.effort}; expected seconds, more than 0")

    def prune(self, problem: Problem, density: float, *, seed: int) -> Mask:
        problem = problem.at(density=density, seed=seed)
        network, total = problem.network, problem.network.total
        if problem.budget in (0, total):
            return Mask.from_vector(network, torch.full((total,), problem.budget > 0))
        gates = GatesPruner()
        work = GATES_SECONDS + GATES_WORK_SECONDS * gates.batch_size * network.work
        steps = problem.recipe.steps(len(problem.train))
        gates = GatesPruner(effort=START * self.effort / (steps * work))
        start = gates.prune(problem, density, seed=seed)
        if not FrozenNetwork(problem).outputs(start.vector(network), problem.train.inputs).any():
            start = SynflowPruner().prune(problem, density, seed=seed)  # which leaves a path
        search = Search(problem, start.vector(network))
        spent = START * self.effort
        while spent < self.effort:
            spent += search.step()
        return Mask.from_vector(network, search.filled())


@hookimpl
def plantkit_pruners() -> list[SeekPruner]:
    return [SeekPruner()]
