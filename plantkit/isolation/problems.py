"""The directory that tells a pruner's process of its problem: the public half of a challenge."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from plantkit.files import about
from plantkit.isolation.wire import PROBLEM_FILE, TRAIN_FILE, WEIGHTS_FILE, write_json

if TYPE_CHECKING:
    from plantkit.pruners.problem import Problem


def write_problem(directory: Path, problem: Problem) -> None:
    """Writes a problem into `directory`, which must not exist."""
    from safetensors.torch import save

    value = {
        "name": problem.name,
        "network": problem.network.to_json(),
        "task": problem.task.to_json(),
        "training": problem.recipe.to_json(),
    }
    data = {"inputs": problem.train.inputs, "targets": problem.train.targets}
    with about(directory):
        directory.mkdir(parents=True)
        write_json(directory / PROBLEM_FILE, value)
        (directory / WEIGHTS_FILE).write_bytes(save(problem.weights))
        (directory / TRAIN_FILE).write_bytes(save(data))


def load_problem(directory: Path, density: float, seed: int) -> Problem:
    """Returns the problem stored in `directory`, for one density and seed."""
    from safetensors.torch import load_file

    from plantkit.networks import network_from_json
    from plantkit.networks.tasks import task_from_json
    from plantkit.networks.training import Recipe, Samples
    from plantkit.pruners.problem import Problem

    value = json.loads((directory / PROBLEM_FILE).read_text(encoding="utf-8"))
    data = load_file(directory / TRAIN_FILE)
    return Problem(
        name=value["name"],
        network=network_from_json(value["network"]),
        task=task_from_json(value["task"]),
        weights=load_file(directory / WEIGHTS_FILE),
        train=Samples(inputs=data["inputs"], targets=data["targets"]),
        density=density,
        seed=seed,
        recipe=Recipe.from_json(value["training"]),
    )
