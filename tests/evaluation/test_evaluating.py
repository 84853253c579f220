"""Evaluations from Python: functions and objects, in this process and in one of their own."""

from __future__ import annotations

import importlib.util
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

import plantkit as pk
from plantkit.errors import (
    MissingExtraError,
    PluginError,
    ResultsError,
    UnknownNameError,
    UsageError,
)

OPTIONS = {"density": 0.5, "seeds": 1, "jobs": 1, "cached": False}
SUBMISSION = """
import torch

def prune(problem, density, seed):
    flat = torch.cat([w.abs().flatten() for w in problem.weights.values()])
    keep = torch.zeros(len(flat))
    keep[flat.topk(problem.budget).indices] = 1
    parts = keep.split([w.numel() for w in problem.weights.values()])
    return {n: p.reshape(w.shape) for (n, w), p in zip(problem.weights.items(), parts)}
"""


def prune_largest(problem, density, seed):
    flat = torch.cat([weight.abs().flatten() for weight in problem.weights.values()])
    least = flat.topk(problem.budget).values[-1]
    return {name: weight.abs() >= least for name, weight in problem.weights.items()}


@dataclass(frozen=True, kw_only=True)
class Largest(pk.SaliencyPruner):
    name = "largest"
    reference = "a test"
    power: int = 1

    def saliency(self, problem, *, seed):
        return {name: weight.abs() ** self.power for name, weight in problem.weights.items()}


def evaluate(pruners, relu, **options):
    return pk.evaluate(pruners, challenge=relu, **(OPTIONS | options))


def test_a_function_runs_in_this_process_and_the_results_say_so(relu):
    seen = []

    def prune(problem, density, seed):
        seen.append((problem.name, density, seed))
        return prune_largest(problem, density, seed)

    result = evaluate(prune, relu)
    assert seen == [("relu-3x8", 0.5, 0)]
    assert result["prune"].records[0].status == "ok"
    assert result.data["run"]["isolation"] == "none"
    assert result.data["pruners"][0]["path"] is None


def test_an_object_gives_what_the_same_pruner_gives_as_a_file(relu, write):
    path = write(SUBMISSION)
    here = evaluate([Largest()], relu)["largest"].records[0]
    apart = evaluate(path, relu)["mine"].records[0]
    assert here.mask_sha256 == apart.mask_sha256
    assert (here.strong, here.weak) == (apart.strong, apart.weak)


def test_variants_get_the_names_of_a_mapping(relu):
    result = evaluate({"one": Largest(), "two": Largest(power=2), "plain": prune_largest}, relu)
    assert sorted(result) == ["one", "plain", "two"]


def test_files_and_functions_take_part_together(relu, write):
    path = write(SUBMISSION)
    result = evaluate([prune_largest, path, "random"], relu)
    assert sorted(result) == ["mine", "prune_largest", "random"]
    assert all(result[name].errors == [] for name in result)
    assert result.data["run"]["isolation"] == "none"  # the weakest that was applied


@pytest.mark.parametrize("pruner", [prune_largest, Largest(power=3)])
def test_objects_can_run_in_a_process_of_their_own(relu, pruner):
    result = evaluate({"mine": pruner}, relu, isolation="auto")
    assert result["mine"].errors == []
    assert result.data["run"]["isolation"] != "none"
    [there] = result["mine"].records
    assert there.mask_sha256 == evaluate({"mine": pruner}, relu)["mine"].records[0].mask_sha256


def test_a_module_that_the_process_cannot_import_goes_with_its_function(relu, tmp_path):
    path = tmp_path / "far_away.py"
    path.write_text(SUBMISSION + "\n\ndef mine(problem, density, seed):\n"
                    "    return prune(problem, density, seed)\n")  # fmt: skip
    spec = importlib.util.spec_from_file_location("far_away", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["far_away"] = module
    try:
        spec.loader.exec_module(module)
        result = evaluate(module.mine, relu, isolation="auto")
    finally:
        del sys.modules["far_away"]
    assert result["mine"].errors == []


def test_what_cannot_be_pickled_is_said_before_anything_runs(relu):
    lock = threading.Lock()

    def prune(problem, density, seed):
        return lock

    with pytest.raises(UsageError, match="'prune' cannot be sent to a process of its own"):
        evaluate(prune, relu, isolation="auto")


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (lambda problem: {}, "invalid", "mask has no entry for 'layers.0.weight'"),
        (lambda problem: 1 / 0, "crash", "ZeroDivisionError: division by zero"),
        (lambda problem: sys.exit(3), "crash", "called sys.exit(3)"),
        (lambda problem: bytearray(1 << 62), "oom", "MemoryError"),
    ],
)
def test_a_run_that_fails_is_a_record(relu, answer, status, words):
    def prune(problem, density, seed):
        return answer(problem)

    result = evaluate(prune, relu)
    [record] = result["prune"].records
    assert record.status == status
    assert words in record.error
    assert words in repr(result)
    if status == "crash":
        assert record.traceback.splitlines()[1].startswith(f'  File "{__file__}"')


def test_an_interrupt_ends_the_evaluation(relu):
    def prune(problem, density, seed):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(prune, relu)


def test_a_pruner_cannot_alter_the_challenge(relu):
    before = {name: value.clone() for name, value in relu.weights.items()}

    def prune(problem, density, seed):
        for value in problem._weights.values():
            value.zero_()
        return problem.at(density=density, seed=seed).full_mask()

    evaluate(prune, relu)
    assert all(torch.equal(value, before[name]) for name, value in relu.weights.items())


@pytest.mark.parametrize(
    ("pruners", "options", "error", "words"),
    [
        (3, {}, PluginError, "expected a function prune"),
        (Largest, {}, PluginError, r"is a class; expected an instance: Largest\(\)"),
        (lambda problem: None, {}, PluginError, "cannot be called"),
        ({"Not A Name": prune_largest}, {}, PluginError, "expected lower-case letters"),
        ({"other": "snip"}, {}, UsageError, "'snip' has a name already"),
        ([], {}, UsageError, "no pruner was given"),
        ([Largest(), Largest()], {}, UsageError, "was given twice"),
        ("snipp", {}, UnknownNameError, "did you mean 'snip'"),
        (prune_largest, {"density": 1.5}, UsageError, "out of range"),
        (prune_largest, {"density": "much"}, UsageError, "not a density"),
        (prune_largest, {"seeds": 0}, UsageError, "seeds is 0; expected an integer, at least 1"),
        (prune_largest, {"time_limit": -1}, UsageError, "time_limit is -1; expected seconds"),
        (prune_largest, {"memory_limit": 0}, UsageError, "memory_limit is 0; expected an integer"),
        (prune_largest, {"suite": "starter"}, UsageError, "exclude each other"),
        (prune_largest, {"isolation": "fulll"}, UnknownNameError, "did you mean 'full'"),
        (prune_largest, {"resume": True}, UsageError, "as paths or names"),
    ],
)
def test_what_cannot_be_used_is_an_error_at_once(relu, pruners, options, error, words):
    with pytest.raises(error, match=words):
        evaluate(pruners, relu, **options)


def test_an_unknown_challenge_gets_a_suggestion():
    with pytest.raises(UnknownNameError, match="did you mean 'circle-5x100'"):
        pk.evaluate(prune_largest, challenge="circle-5x10")


def test_results_are_read_back(relu, write, tmp_path):
    path = write(SUBMISSION)
    made = evaluate(path, relu, run_directory=tmp_path / "run")
    read = pk.load_results(tmp_path / "run")
    assert read.data["records"] == made.data["records"]
    mask = read.mask("mine", challenge=relu.id, density=0.5)
    assert mask.digest() == made.mask("mine", challenge=relu.id, density=0.5).digest()
    with pytest.raises(ResultsError, match="does not exist"):
        pk.load_results(tmp_path / "other")


def test_without_cloudpickle_the_extra_is_named(relu, monkeypatch):
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    with pytest.raises(MissingExtraError, match=r'pip install "plantkit\[notebook\]"'):
        evaluate(prune_largest, relu, isolation="auto")


def test_a_path_object_is_a_path(relu, write):
    path = write(SUBMISSION)
    assert isinstance(path, Path)
    assert list(evaluate([path], relu)) == ["mine"]
