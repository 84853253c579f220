from scores import saliency_of

import torch


def prune(problem, density, seed):
    """Keeps in every layer what its share of the saliency asks for."""
    saliency = saliency_of(problem, steps=3)
    whole = sum(float(s.sum()) for s in saliency.values())
    masks, left = {}, problem.budget
    for name, s in saliency.items():
        count = min(left, int(problem.budget * float(s.sum()) / whole), s.numel())
        left -= count
        chosen = torch.sort(s.ravel(), descending=True, stable=True).indices[:count]
        masks[name] = torch.isin(torch.arange(s.numel()), chosen).reshape(s.shape)
    return masks
