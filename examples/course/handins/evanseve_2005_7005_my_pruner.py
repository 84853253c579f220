import torch


def prune(problem, density, seed):
    masks = {name: torch.ones_like(w) for name, w in problem.weights.items()}
    kept = sum(int(m.sum()) for m in masks.values())
    smallest = min(float(w.abs().max()) for w in problem.weights.values())
    threshold = 0.0
    while kept > problem.budget:
        masks = {name: (w.abs() > threshold).int() for name, w in problem.weights.items()}
        kept = sum(int(m.sum()) for m in masks.values())
        threshold = min(threshold + 0.01, smallest / 2)  # never gets there
    return masks
