"""The smallest error that counts."""

from __future__ import annotations


def resolution(kind: str, count: int) -> float:
    """Returns the smallest error, 1 - accuracy, that `count` samples can tell from none.

    kind: the task's, a `tasks.TaskKind`.
    """
    if kind == "classification":
        return 0.5 / count  # half a wrong sample
    return 1e-6  # what is left by float32 arithmetic in deep networks
