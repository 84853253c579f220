"""A submission of two files: give the folder, or a zip of it.

Try it:  plantkit evaluate submissions/two_files
"""

import torch
from importance import importance


def prune(problem, density, seed):
    """Returns the mask of the most important parameters."""
    found = importance(problem.weights)
    flat = torch.cat([value.flatten() for value in found.values()])
    keep = torch.zeros(len(flat), dtype=torch.bool)
    keep[flat.topk(problem.budget).indices] = True
    pieces = keep.split([value.numel() for value in found.values()])
    return {name: piece.reshape(found[name].shape) for name, piece in zip(found, pieces)}
