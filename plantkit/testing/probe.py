"""The child's side of the suite: calls a pruner several times and reports what it observed.

The suite hands the isolated child a submission that it has generated: the pruner's own file
with one call of `observe` added to its end, or for an installed pruner that call alone. What
was observed comes back in the captured output, on one line that begins with `MARK`.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plantkit.pruners.problem import Problem
    from plantkit.pruners.pruner import Pruner

MARK = "@plantkit-observed@ "


def observe(
    module: dict[str, Any],
    *,
    name: str,
    options: Mapping[str, str],
    calls: Sequence[tuple[float, int]],
    entry_point: str | None = None,
) -> None:
    """Makes a submission's `module` offer an observed pruner of the same name instead.

    Args:
        module: the module's globals.
        calls: (density, seed) of every call, in order, all in one process.
        entry_point: the installed plugin that offers the pruner; the module itself if None.
    """
    function = module.pop("prune", None)
    own_pruners = module.get("plantkit_pruners", list)

    def plantkit_pruners() -> list[Pruner]:
        from plantkit.isolation.cell_runner import find_pruner
        from plantkit.plugins import FunctionPruner, configure
        from plantkit.pruners.sources import PrunerSource

        if entry_point is not None:
            source = PrunerSource(entry_point=entry_point, name=name, options=options)
            return [Observed(pruner=find_pruner(source).pruner, calls=calls)]
        found: list[Pruner] = [pruner for pruner in own_pruners() if pruner.name == name]
        if not found and function is not None:
            found = [FunctionPruner(name=name, function=function)]
        return [Observed(pruner=configure(pruner, options), calls=calls) for pruner in found]

    module["plantkit_pruners"] = plantkit_pruners


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
                        "returned": _describe(values),
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


def _describe(values: object) -> dict[str, Any]:
    """Returns type, shapes, counts of kept and of wrong entries, and digest of a mask."""
    import torch

    from plantkit.networks.masks import Mask

    described: dict[str, Any] = {"type": type(values).__name__, "entries": None, "sha256": None}
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
