"""What an author should know of a run, whether it failed or not."""

from __future__ import annotations

import json

import pytest

TOP = """
import random
import numpy, torch
def top(saliency, budget):
    flat = torch.cat([value.flatten() for value in saliency.values()])
    keep = torch.zeros(len(flat), dtype=torch.bool)
    keep[flat.topk(budget).indices] = True
    pieces = keep.split([value.numel() for value in saliency.values()])
    return {n: p.reshape(v.shape) for (n, v), p in zip(saliency.items(), pieces)}
def prune(%s):
    return top({n: %s for n, w in problem.weights.items()}, problem.budget)
"""
ORDER = "problem, density, seed"


@pytest.fixture
def evaluate_one(plantkit_cli, tiny_challenges):
    def run(*arguments, command="evaluate"):
        return plantkit_cli(
            *(command, *arguments, "--challenges", tiny_challenges, "--density", "0.5"),
            *("--challenge", "relu-3x8", "--baselines", "none", "--seeds", "1"),
        )

    return run


@pytest.mark.parametrize(
    "drawn",
    [
        "torch.rand(w.shape)",
        "torch.tensor(numpy.random.rand(*w.shape))",
        "torch.tensor([random.random() for _ in range(w.numel())]).reshape(w.shape)",
    ],
)
def test_a_mask_from_global_randomness_has_a_note(drawn, write, evaluate_one):
    outcome = evaluate_one(write(TOP % (ORDER, drawn)), "--format", "json", "--jobs", "1")
    assert outcome.code == 0
    (record,) = json.loads(outcome.out)["records"]
    assert record["status"] == "ok"
    assert "same seed gave another mask" in record["note"]


def test_a_mask_that_keeps_nothing_has_a_note(write, evaluate_one):
    code = "def prune(p, d, seed):\n    return {n: w > 9 for n, w in p.weights.items()}\n"
    outcome = evaluate_one(write(code))
    assert "mine: 1 of 1 runs have a note: the mask keeps none of 25 parameters" in outcome.out


@pytest.mark.parametrize("order", [ORDER, "density, problem, seed", "seed, density, problem"])
def test_arguments_come_by_their_names(order, write, evaluate_one):
    outcome = evaluate_one(write(TOP % (order, "w.abs()")), "--format", "csv")
    assert outcome.code == 0
    assert ",ok," in outcome.out
    assert "another mask" not in outcome.out


def test_other_names_in_another_order_are_explained(write, evaluate_one):
    outcome = evaluate_one(write("def prune(d, p, seed):\n    return p.weights\n"))
    words = " ".join(outcome.out.split())
    assert "has no attribute 'weights' (line 2); the arguments come in the order" in words


def test_show_errors_prints_own_lines(write, evaluate_one, plantkit_cli, tiny_challenges):
    path = write("def prune(problem, density, seed):\n    import json\n    json.loads('x')\n")
    line = "  File \"mine.py\", line 3, in prune\n    json.loads('x')"
    assert "Traceback" not in evaluate_one(path).err
    shown = evaluate_one(path, "--show-errors")
    assert "mine on relu-3x8 at density 0.5, seed 0:\nTraceback" in shown.err
    assert line in shown.err
    assert "decoder.py" not in shown.err
    assert "Traceback" not in shown.out
    pruned = plantkit_cli(
        *("prune", path, "relu-3x8", "--challenges", tiny_challenges, "--show-errors")
    )
    assert line in pruned.err
    checked = plantkit_cli("check", path, "--show-errors")
    assert "mine: returns-mask:\nTraceback" in checked.err
    assert line in checked.err
    assert "Traceback" not in plantkit_cli("check", path).err


def test_show_errors_for_a_file_that_cannot_be_imported(write, evaluate_one):
    path = write("import os\nNAME = os.environ['NO_SUCH_NAME']\n")
    assert "Traceback" not in evaluate_one(path).err
    shown = evaluate_one(path, "--show-errors")
    assert shown.code == 1
    assert '  File "mine.py", line 2, in <module>' in shown.err
    assert "<frozen os>" not in shown.err
    both = evaluate_one(path, "snip", "--show-errors")
    assert "warning: " in both.err
    assert '  File "mine.py", line 2, in <module>' in both.err
