"""Returns the masked weights instead of the mask."""

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
    weights = problem.weights
    kept = keep_highest({name: value.abs() for name, value in weights.items()}, problem.budget)
    return {name: weights[name] * mask for name, mask in kept.items()}
