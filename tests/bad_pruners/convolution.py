"""Takes every weight for a matrix, as it is in a multilayer perceptron."""

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
    importance = {}
    for name, value in problem.weights.items():
        if name.endswith("weight"):
            _, fan_in = value.shape
            importance[name] = value.abs() * fan_in**0.5
        else:
            importance[name] = value.abs()
    return keep_highest(importance, problem.budget)
