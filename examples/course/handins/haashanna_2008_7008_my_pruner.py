import torch


def prune(problem, density, seed):
    """Keeps the share `density` of every layer, and all biases on top."""
    masks = {}
    for name, weight in problem.weights.items():
        if name.endswith("bias"):
            masks[name] = torch.ones_like(weight)
            continue
        count = int(density * weight.numel())
        cut = weight.abs().flatten().sort(descending=True).values[count]
        masks[name] = (weight.abs() > cut).float()
    return masks
