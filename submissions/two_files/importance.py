"""How important a parameter is. `pruner.py` imports it, and no other submission sees it."""


def importance(weights):
    """Returns sizes relative to the largest parameter of the same unit."""
    found = {}
    for name, weight in weights.items():
        size = weight.abs()
        largest = size.flatten(1).amax(dim=1) if size.dim() > 1 else size.amax()
        shape = (-1, *[1] * (size.dim() - 1)) if size.dim() > 1 else ()
        found[name] = size / largest.reshape(shape).clamp(min=1e-12)
    return found
