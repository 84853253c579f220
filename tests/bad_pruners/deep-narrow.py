"""Divides by the product of the mean magnitudes of all layers."""

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
    means = [value.abs().mean() for value in weights.values() if value.dim() == 2 and value.any()]
    product = torch.stack([*means, torch.ones(())]).prod()
    return keep_highest(
        {name: value.abs() * (1.0 / product.item()) for name, value in weights.items()},
        problem.budget,
    )
