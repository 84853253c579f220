"""A first pruner: keep the weights of largest magnitude, each layer on its own.

Change `prune` and run:  plantkit evaluate submissions/my_pruner.py
"""


def prune(problem, density, seed):
    """Return a 0/1 tensor for every parameter; at most `problem.budget` may be 1."""
    importance = {
        name: weight.abs() / weight.abs().mean() for name, weight in problem.weights.items()
    }
    every_value = sorted(
        (value for tensor in importance.values() for value in tensor.flatten().tolist()),
        reverse=True,
    )
    threshold = every_value[problem.budget - 1]
    return {name: tensor >= threshold for name, tensor in importance.items()}
