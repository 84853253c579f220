"""Remembers what it drew, and goes on from there."""

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


GENERATOR = torch.Generator().manual_seed(0)


def prune(problem, density, seed):
    drawn = {
        name: torch.rand(value.shape, generator=GENERATOR)
        for name, value in problem.weights.items()
    }
    return keep_highest(drawn, problem.budget)
