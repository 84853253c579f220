"""Ada's second try: keeps the weights that are largest after training."""

import torch


def prune(problem, density, seed):
    weights = problem.fit(problem.full_mask())
    importance = torch.cat([weights[name].abs().flatten() for name in problem.weights])
    keep = torch.zeros(len(importance), dtype=torch.bool)
    keep[importance.topk(problem.budget).indices] = True
    pieces = keep.split([w.numel() for w in problem.weights.values()])
    shapes = problem.network.shapes
    return {n: piece.reshape(shapes[n]) for n, piece in zip(shapes, pieces, strict=True)}
