"""A first pruner: keep the parameters of largest magnitude.

Change `prune` and submit this file, zipped.
"""


def prune(problem, density, seed):
    """Return a 0/1 tensor for every parameter; at most `problem.budget` may be 1."""
    importance = {name: weight.abs() for name, weight in problem.weights.items()}
    ranked = sorted(
        (
            (value, name, index)
            for name, tensor in importance.items()
            for index, value in enumerate(tensor.flatten().tolist())
        ),
        reverse=True,
    )
    masks = {name: tensor.flatten() * 0 for name, tensor in importance.items()}
    for _, name, index in ranked[: problem.budget]:
        masks[name][index] = 1
    return {name: mask.reshape(importance[name].shape) for name, mask in masks.items()}
