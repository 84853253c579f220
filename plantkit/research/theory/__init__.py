"""What theory says of tickets: how exact a parameter must be, and how likely tickets exist.

`budget` has the error that every layer of a target may have, `existence` the chance that an
untouched random network holds the target within it. After Lemma 1 and Theorem 2 of Plant 'n'
Seek (arXiv 2111.11153); where ours differ, and why, stands in the functions.
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
