"""Divides by the sum of all importances."""

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
    importance = {name: value.abs() for name, value in problem.weights.items()}
    total = sum(float(value.sum()) for value in importance.values())
    shares = {name: value * (1.0 / total) for name, value in importance.items()}
    return keep_highest(shares, problem.budget)
