"""Ada's first try: keeps the largest weights."""

import torch


def prune(problem, density, seed):
    importance = torch.cat([w.abs().flatten() for w in problem.weights.values()])
    keep = torch.zeros(len(importance), dtype=torch.bool)
    keep[importance.topk(problem.budget).indices] = True
    pieces = keep.split([w.numel() for w in problem.weights.values()])
    shapes = problem.network.shapes
    return {n: piece.reshape(shapes[n]) for n, piece in zip(shapes, pieces, strict=True)}
