"""Cleo's first try: it has a mistake."""


def prune(problem, density, seed):
    return {name: keep_some(weight) for name, weight in problem.weights.items()}  # noqa: F821
