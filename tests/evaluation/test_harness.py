"""The order of work in an evaluation, which changes no result."""

from __future__ import annotations

import json

from builders import without_passing

from plantkit.evaluation import harness, measuring

SUBMISSION = """
import torch
def prune(problem, density, seed):
    values = torch.cat([w.abs().flatten() for w in problem.weights.values()])
    kept = torch.zeros(len(values), dtype=torch.bool)
    kept[values.topk(problem.budget).indices] = True
    pieces = kept.split([w.numel() for w in problem.weights.values()])
    return {n: p.reshape(w.shape) for (n, w), p in zip(problem.weights.items(), pieces)}
"""


def test_as_many_runs_train_together_as_memory_has_room_for(
    plantkit_cli, tiny_challenges, write, monkeypatch
):
    trained: list[list[int]] = []
    measure_all = measuring.measure_all

    def measure(measurements, **options):
        trained.append([len(wanted.masks) for wanted in measurements])
        return measure_all(measurements, **options)

    def results() -> object:
        done = plantkit_cli(
            *("evaluate", write(SUBMISSION), "--challenges", tiny_challenges, "--suite", "tiny"),
            *("--baselines", "random", "--density", "0.5", "--seeds", "1", "--jobs", "1"),
            *("--format", "json", "--no-cache", "--isolation", "none"),
        )
        assert done.code == 0, done
        value = json.loads(done.out)
        return [without_passing(entry) for entry in [*value["records"], *value["standings"]]]

    monkeypatch.setattr(measuring, "measure_all", measure)
    together = results()
    assert trained == [[2, 2]]
    trained.clear()
    monkeypatch.setattr(harness, "_MOST_CELLS", 3)  # each challenge has two
    assert results() == together
    assert trained == [[2, 1], [1]]
    trained.clear()
    monkeypatch.setattr(harness, "_MOST_CELLS", 1)
    assert results() == together
    assert trained == [[1]] * 4
