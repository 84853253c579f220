# Jo Jones, Windows 11
import torch

def prune(problem, density, seed):
    names = list(problem.weights)
    size = torch.cat([problem.weights[n].reshape(-1).abs() for n in names])
    best = torch.argsort(size, descending=True, stable=True)[:problem.budget]
    mask = torch.zeros(size.shape[0])
    mask[best] = 1
    result = {}
    for n in names:
        count = problem.weights[n].numel()
        result[n], mask = mask[:count].reshape(problem.weights[n].shape), mask[count:]
    return result
