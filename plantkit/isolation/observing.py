"""The child's side of the conformance suite: calls a pruner and reports what it observed.

The suite hands the isolated child a submission that it has generated: the files of the pruner's
own, if it has any, and one that calls `observed`. What was observed comes back in the captured
output, on one line that begins with `MARK`. Every run imports this module, and so it imports
little.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plantkit.pruners.problem import Problem
    from plantkit.pruners.pruner import Pruner

MARK = "@plantkit-observed@ "


def observed(
    file: str,
    *,
    source: Mapping[str, Any],
    calls: Sequence[tuple[float, int]],
    submission: Mapping[str, str] | None,
) -> Observed:
    """Returns the pruner of `source`, to be observed.

    Args:
        file: the generated submission's own, in a folder next to those of the one observed.
        calls: (density, seed) of every call, in order, all in one process.
        submission: what is known of that one, see `Staged`; None for an installed pruner.
    """
    from plantkit.isolation.cell_runner import find_pruner
    from plantkit.pruners.sources import PrunerSource
    from plantkit.submissions.submission import Staged

    staged = None if submission is None else Staged(root=str(Path(file).parents[1]), **submission)
    found = find_pruner(PrunerSource.from_json(source), staged)
    return Observed(pruner=found.pruner, calls=calls)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """A pruner that makes all of `calls` and returns what the last one returned."""

    pruner: Pruner
    calls: Sequence[tuple[float, int]]

    @property
    def name(self) -> str:
        return self.pruner.name

    @property
    def reference(self) -> str:
        return self.pruner.reference

    def prune(self, problem: Problem, density: float, *, seed: int) -> Any:
        from plantkit.pruners.calls import call_prune

        seen: list[dict[str, Any]] = []
        values: Any = None
        try:
            for call_density, call_seed in self.calls:
                given = problem.at(density=call_density, seed=call_seed)
                before, problem_before = _process_state(), _problem_state(given)
                values = call_prune(self.pruner.prune, given, call_density, call_seed)
                after, problem_after = _process_state(), _problem_state(given)
                seen.append(
                    {
                        "returned": _describe(values, given),
                        "process": _changes(before, after),
                        "problem": [key for key, _, _ in _changes(problem_before, problem_after)],
                    }
                )
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
            os.write(1, f"\n{MARK}{json.dumps(seen)}\n".encode())
        return values


def _process_state() -> dict[str, Any]:
    """Returns the state of the process that a pruner must leave as it found it."""
    import numpy as np
    import torch

    legacy = np.random.get_state(legacy=False)
    assert isinstance(legacy, dict)
    return {
        "random": hash(random.getstate()),
        "numpy.random": hash(
            (legacy["state"]["key"].tobytes(), legacy["state"]["pos"], legacy["has_gauss"])
        ),
        "torch.random": hash(torch.random.get_rng_state().numpy().tobytes()),
        "torch.is_grad_enabled()": torch.is_grad_enabled(),
        "torch.is_inference_mode_enabled()": torch.is_inference_mode_enabled(),
        "torch.get_default_dtype()": str(torch.get_default_dtype()),
        "torch.get_num_threads()": torch.get_num_threads(),
        "torch.are_deterministic_algorithms_enabled()": (
            torch.are_deterministic_algorithms_enabled()
        ),
    }


def _problem_state(problem: Problem) -> dict[str, Any]:
    data = problem.train
    tensors = {
        **{f"weights[{name!r}]": value for name, value in problem.weights.items()},
        "train.inputs": data.inputs,
        "train.targets": data.targets,
    }
    plain = {
        name: getattr(problem, name)
        for name in ("name", "network", "task", "density", "seed", "recipe")
    }
    # Bytes, so that NaN equals NaN.
    return plain | {
        name: (tuple(value.shape), str(value.dtype), value.numpy().tobytes())
        for name, value in tensors.items()
    }


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Returns (what, before, after) of everything that differs."""
    return [
        (name, before.get(name), after.get(name))
        for name in {**before, **after}
        if before.get(name) != after.get(name)
    ]


def _describe(values: object, problem: Problem) -> dict[str, Any]:
    """Returns type, shapes, counts of kept and of wrong entries, and digest of a mask."""
    import torch

    from plantkit.errors import MaskError
    from plantkit.networks.masks import Mask
    from plantkit.pruners.answers import masks_in

    described: dict[str, Any] = {"type": type(values).__name__, "entries": None, "sha256": None}
    try:
        values = masks_in(values, problem.network)
    except MaskError as error:
        described["error"] = str(error)
    if not isinstance(values, Mapping):
        return described
    described["entries"] = {}
    for name in values:
        try:
            tensor = torch.as_tensor(values[name]).detach()
        except (TypeError, ValueError, RuntimeError):
            described["entries"][str(name)] = {"type": type(values[name]).__name__, "shape": None}
            continue
        wrong = tensor[(tensor != 0) & (tensor != 1)]
        described["entries"][str(name)] = {
            "type": str(tensor.dtype),
            "shape": list(tensor.shape),
            "wrong": int(wrong.numel()),
            "first_wrong": str(wrong[0].item()) if wrong.numel() else None,
            "kept": int((tensor != 0).sum()),
        }
    with contextlib.suppress(Exception):
        described["sha256"] = Mask(values).digest()
    return described
