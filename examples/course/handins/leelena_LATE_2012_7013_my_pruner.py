"""my_pruner: keep the parameters of largest magnitude.

Does it keep the contract, and how good are its masks?

    plantkit check submissions/my_pruner.py
    plantkit evaluate submissions/my_pruner.py
"""

import torch


def importance_of(problem, seed):
    """Return a tensor for every parameter: the higher a value, the rather it is kept.

    This is the place for your idea. What you may use:

    problem.weights       dict of name to tensor: all weights and biases, before training
    problem.module()      the network as a fresh torch module with these weights
    problem.train         .inputs (n, d_in) and .targets (n,) classes or (n, d_out) values
    problem.loss(outputs, targets)    the task's mean loss
    problem.fit(mask, epochs=2)       the parameters after training under a mask
    problem.generator     a torch.Generator with a seed of its own; draw from no other
    """
    return {name: weight.abs() for name, weight in problem.weights.items()}


def keep_highest(importance, budget):
    """Return 0/1 masks that keep exactly `budget` parameters, the first ones among equals."""
    flat = torch.cat([value.flatten() for value in importance.values()])
    order = torch.sort(flat, descending=True, stable=True).indices
    kept = torch.zeros(len(flat), dtype=torch.bool)
    kept[order[:budget]] = True
    pieces = kept.split([value.numel() for value in importance.values()])
    return {
        name: piece.reshape(value.shape)
        for (name, value), piece in zip(importance.items(), pieces, strict=True)
    }


def prune(problem, density, seed):
    """Return a mask for every parameter; at most `problem.budget` entries may be 1."""
    return keep_highest(importance_of(problem, seed), problem.budget)
