"""What theory says about tickets: how exact their parameters must be, and how likely they exist.

`budget` computes the error that each layer of a target may have, `existence` the chance that an
untrained random network holds the target within it. Both follow Lemma 1 and Theorem 2 of Plant
'n' Seek (arXiv 2111.11153); the functions say where ours differ, and why.
"""

from plantkit.research.theory.budget import error_budget, normalized
from plantkit.research.theory.existence import Existence, LayerExistence, existence, width_for

__all__ = [
    "Existence",
    "LayerExistence",
    "error_budget",
    "existence",
    "normalized",
    "width_for",
]
