"""How much the loss changes when a parameter goes, over several batches (after SNIP)."""

import torch

BATCH = 200
BATCHES = 20


def mean_gradients(problem, module, seed):
    """Return the mean size of each parameter's gradient."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(problem.train.inputs), generator=generator)
    sizes = {name: torch.zeros_like(value) for name, value in module.named_parameters()}
    for chunk in order.split(BATCH)[:BATCHES]:
        module.zero_grad()
        outputs = module(problem.train.inputs[chunk])
        problem.loss(outputs, problem.train.targets[chunk]).backward()
        for name, value in module.named_parameters():
            sizes[name] += value.grad.abs() / BATCHES
    return sizes


def keep_best(scores, budget):
    """Return masks of the `budget` highest scores."""
    everything = torch.cat([score.flatten() for score in scores.values()])
    kept = torch.zeros(len(everything), dtype=torch.bool)
    kept[everything.topk(budget).indices] = True
    masks, start = {}, 0
    for name, score in scores.items():
        masks[name] = kept[start : start + score.numel()].view_as(score)
        start += score.numel()
    return masks


def prune(problem, density, seed):
    sizes = mean_gradients(problem, problem.module(), seed)
    scores = {name: sizes[name] * weight.abs() for name, weight in problem.weights.items()}
    return keep_best(scores, problem.budget)
