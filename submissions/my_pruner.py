"""A first pruner: keep the parameters that are large for their layer.

Change `prune`, then run:  plantkit evaluate submissions/my_pruner.py
"""

import torch


def prune(problem, density, seed):
    """Returns a 0/1 tensor for every parameter; at most `problem.budget` may be 1."""
    weights = problem.weights
    importance = torch.cat([w.abs().flatten() / w.abs().mean() for w in weights.values()])
    keep = torch.zeros(len(importance), dtype=torch.bool)
    keep[importance.topk(problem.budget).indices] = True
    pieces = keep.split([w.numel() for w in weights.values()])
    return {name: piece.reshape(weights[name].shape) for name, piece in zip(weights, pieces)}
