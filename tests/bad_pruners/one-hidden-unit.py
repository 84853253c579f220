"""Drops the first axis of a weight where it has length one."""

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
    importance = {
        name: value.squeeze(0) if value.dim() > 1 else value
        for name, value in problem.weights.items()
    }
    return keep_highest(importance, problem.budget)
