"""Standardises the inputs."""

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
    spread = problem.train.inputs.std(dim=0)
    if not bool(torch.isfinite(spread).all()):
        raise ValueError("cannot standardise the inputs")
    return keep_highest(problem.weights, problem.budget)
