"""Counts the classes in the data."""

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
    targets = problem.train.targets
    if targets.dim() == 1 and len(targets) >= 20:
        wanted = torch.nn.functional.one_hot(targets).float()
        torch.nn.functional.mse_loss(problem.module()(problem.train.inputs) - wanted, wanted)
    return keep_highest(problem.weights, problem.budget)
