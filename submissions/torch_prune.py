"""Pruning with PyTorch's own tools: the pruned module is the answer.

Try it:  plantkit evaluate submissions/torch_prune.py
"""

import torch.nn.utils.prune as torch_prune


def prune(problem, density, seed):
    """Returns the module with the masks that torch.nn.utils.prune has given it."""
    module = problem.module()
    torch_prune.global_unstructured(
        [(layer, name) for layer in module.layers for name in ("weight", "bias")],
        pruning_method=torch_prune.L1Unstructured,
        amount=problem.network.total - problem.budget,
    )
    return module
