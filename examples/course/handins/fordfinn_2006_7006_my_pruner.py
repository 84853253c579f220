import torch


def prune(problem, density, seed):
    masks = {}
    for name, weight in problem.weights.items():
        rows = weight.abs().sum(dim=1)  # a bias has no second dimension
        keep = rows.topk(int(density * len(rows))).indices
        masks[name] = torch.zeros_like(weight)
        masks[name][keep] = 1
    return masks
