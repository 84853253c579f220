"""Follows paths through the layers one after the other, as if each read the one before."""

import torch


def keep_highest(importance, budget):
    flat = torch.cat([value.flatten() for value in importance.values()])
    kept = torch.zeros(len(flat), dtype=torch.bool)
    kept[torch.sort(flat, descending=True, stable=True).indices[:budget]] = True
    pieces = kept.split([value.numel() for value in importance.values()])
    return {
        name: piece.reshape(value.shape)
        for (name, value), piece in zip(importance.items(), pieces, strict=True)
    }


def prune(problem, density, seed):
    importance, reached = {}, None
    for name, value in problem.weights.items():
        if name.endswith("bias"):
            importance[name] = value.abs()
            continue
        if reached is None:
            reached = torch.ones(value.shape[1])
        # A channel's pixels are the inputs of a linear layer.
        links = value.abs().reshape(len(value), len(reached), -1).sum(dim=2)
        importance[name] = value.abs()
        reached = links @ reached
    return keep_highest(importance, problem.budget)
