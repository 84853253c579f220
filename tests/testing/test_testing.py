"""The conformance suite: reference pruners pass it, and for every check one bad one does not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import unittest
from pathlib import Path

import pytest

from plantkit.cli.check import command
from plantkit.errors import PluginError, UnknownNameError, UsageError
from plantkit.isolation.levels import Isolation, Level
from plantkit.isolation.wire import Limits
from plantkit.pruners.sources import PrunerSource
from plantkit.schemas import violations
from plantkit.testing import (
    CHECKS,
    CheckFailure,
    Laboratory,
    parametrize_pruner_checks,
    pruner_checks,
    run_checks,
)
from plantkit.testing.checks import Subject
from plantkit.testing.laboratory import Call, resolve_installed
from plantkit.testing.problems import make_problem
from plantkit.testing.suite import Examination

BAD_PRUNERS = Path(__file__).parents[1] / "bad_pruners"
CHECK_NAMES = [check.name for check in CHECKS]
GOOD = """
import torch
def prune(problem, density, seed):
    order = torch.randperm(problem.network.total, generator=problem.generator)
    kept = order < problem.budget
    sizes = [value.numel() for value in problem.weights.values()]
    return {
        name: piece.reshape(value.shape)
        for (name, value), piece in zip(problem.weights.items(), kept.split(sizes))
    }
"""


@pytest.fixture(scope="module")
def laboratory():
    with pytest.MonkeyPatch.context() as patch, Laboratory() as place:
        patch.setenv("PRUNER_SETTINGS", "fast")  # which no isolated child gets to see
        yield place


def examine(source, laboratory, **options):
    """Returns the results by check."""
    return {result.check: result for result in run_checks(source, laboratory, **options)}


def failed(results):
    return [name for name, result in results.items() if result.status == "failed"]


# --- what fails


def test_there_is_a_bad_pruner_for_every_check():
    assert sorted(path.stem for path in BAD_PRUNERS.glob("*.py")) == sorted(CHECK_NAMES)


#: Tried in the default run; the others run with the slow tests.
QUICK = {"loads", "names", "values", "budget", "ties", "same-seed", "problem-untouched"}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in QUICK else pytest.mark.slow)
        for name in CHECK_NAMES
        if name != "time-limit"
    ],
)
def test_a_bad_pruner_fails_its_check_and_no_other(name, laboratory):
    path = BAD_PRUNERS / f"{name}.py"
    results = examine(PrunerSource(path=str(path)), laboratory, is_trusted=name == "isolated")
    assert failed(results) == [name]
    assert results[name].expected
    assert results[name].got
    skipped = {check for check, result in results.items() if result.status == "skipped"}
    dependent = {check.name for check in CHECKS if name in check.needs}
    assert dependent <= skipped


def test_a_slow_pruner_fails_the_time_limit_and_no_other():
    source = PrunerSource(path=str(BAD_PRUNERS / "time-limit.py"))
    with Laboratory(limits=Limits(time_seconds=3)) as place:
        results = examine(source, place)
    assert failed(results) == ["time-limit"]
    assert "ran longer than the time limit of 3 s" in results["time-limit"].got


@pytest.mark.parametrize(
    ("name", "expected", "got"),
    [
        ("loads", "a file that defines prune", "unknown hook 'plantkit_pruner'"),
        ("returns-mask", "a mapping from parameter names", "list"),
        ("names", "exactly the names", "no layers.0.bias, layers.1.bias, layers.2.bias"),
        ("shapes", "shape (5, 2) for 'layers.0.weight'", "(2, 5)"),
        ("values", "only 0 and 1", "other values in 'layers.0.weight', the first "),
        ("values", "or bool", "return {name: weight != 0 for name, weight in weights.items()}"),
        ("budget", "at most 16 of 54 parameters kept at density 0.3", "38"),
        ("ties", "'equal-weights'", "mask keeps 54 parameters; expected at most 16"),
        ("same-seed", "in two interpreters", "two different ones; draw from problem.generator"),
        ("problem-untouched", "as it was", "weights['layers.0.weight']"),
        ("global-rng", "generators as they were", "changed torch.random; use problem.generator"),
        ("grad-mode", "gradient modes", "torch.is_grad_enabled() from True to False"),
        ("torch-settings", "of torch", "get_default_dtype() from torch.float32 to torch.float64"),
        ("isolated", "in an ordinary interpreter", "do not depend on environment"),
    ],
)
def test_a_failure_says_what_was_expected_and_got(name, expected, got, laboratory):
    source = PrunerSource(path=str(BAD_PRUNERS / f"{name}.py"))
    subject = Subject(laboratory, source, is_trusted=True)
    result = Examination(subject).result(name)
    assert expected in result.expected
    assert got in result.got


@pytest.mark.parametrize(
    ("body", "check", "got"),
    [
        ("raise ValueError('no idea')", "returns-mask", "crash: ValueError: no idea (line 3)"),
        ("import os; os._exit(3)", "returns-mask", "crash: exited with code 3"),
        ("return None", "returns-mask", "NoneType"),
        ("return {n: 'text' for n in problem.weights}", "shapes", "str"),
        ("return {1: 0}", "names", "the unknown 1"),
        (
            "import sys; sys.stdout = None\n"
            "    return {n: w * 0 + 7 for n, w in problem.weights.items()}",
            "values",
            "10 other values in 'layers.0.weight', the first 7.0",
        ),
    ],
)
def test_odd_pruners_fail_where_they_should(body, check, got, laboratory, write):
    path = write(f"\ndef prune(problem, density, seed):\n    {body}\n")
    results = examine(PrunerSource(path=str(path)), laboratory)
    assert failed(results) == [check]
    assert got in results[check].got


def test_an_order_of_strings_that_changes_with_every_interpreter(laboratory, write):
    shuffled = "torch.randperm(len(order), generator=torch.Generator().manual_seed(hash('a')))"
    path = write(GOOD.replace("kept = order", f"kept = order[{shuffled}]"), "hashed.py")
    subject = Subject(laboratory, PrunerSource(path=str(path)), is_trusted=False)
    examination = Examination(subject)
    assert examination.result("budget").status == "ok"
    assert examination.result("same-seed").status == "failed"
    assert examination.result("call-order").reason == "after 'same-seed' failed"


def test_what_needs_a_skipped_check_names_the_one_that_failed(laboratory):
    results = examine(PrunerSource(path=str(BAD_PRUNERS / "names.py")), laboratory)
    assert results["shapes"].reason == results["isolated"].reason == "after 'names' failed"


def test_forged_observations_do_not_hide_a_broken_mask(laboratory, write):
    path = write(
        GOOD
        + """
import json, plantkit.isolation.observing as probe
probe._describe = lambda values, problem: {
    "type": "dict", "sha256": "0", "entries": {
        name: {"type": "torch.bool", "shape": list(value.shape), "wrong": 0, "kept": 0}
        for name, value in values.items()
    },
}
honest = prune
def prune(problem, density, seed):
    return {name: value | True for name, value in honest(problem, density, seed).items()}
"""
    )
    results = examine(PrunerSource(path=str(path)), laboratory)
    assert failed(results) == ["budget"]
    assert "mask keeps 54 parameters" in results["budget"].got


def test_a_submission_is_not_imported_here(laboratory, write, monkeypatch):
    monkeypatch.delenv("MARK", raising=False)
    path = write(GOOD + "import os, sys\nos.environ['MARK'] = 'imported'\nsys.marked = True\n")
    subject = Subject(laboratory, PrunerSource(path=str(path)), is_trusted=True)
    assert Examination(subject).result("isolated").status == "ok"
    assert "MARK" not in os.environ
    assert not hasattr(sys, "marked")


def test_a_file_is_run_without_protection_only_if_it_is_trusted(laboratory, write, tmp_path):
    mark = tmp_path / "ran"
    path = write(
        GOOD.replace(
            "    order",
            f"    import os\n    if 'PRUNER_SETTINGS' in os.environ: open({str(mark)!r}, 'w')\n"
            "    order",
            1,
        )
    )
    source = PrunerSource(path=str(path))
    result = Examination(Subject(laboratory, source, is_trusted=False)).result("isolated")
    assert result.status == "skipped"
    assert "--trusted" in result.reason
    assert not mark.exists()
    result = Examination(Subject(laboratory, source, is_trusted=True)).result("isolated")
    assert result.status == "ok"
    assert mark.exists()


# --- what passes


@pytest.mark.parametrize(
    "name",
    [
        "random",
        *[
            pytest.param(name, marks=pytest.mark.slow)
            for name in [
                *[
                    "annealing",
                    "concrete-tickets",
                    "continuous-sparsification",
                    "supermask",
                    "edge-popup",
                    "force",
                    "gates",
                    "gem-miner",
                    "grasp",
                    "imp",
                    "inverted",
                    "iter-snip",
                    "lamp",
                    "magnitude",
                ],
                *["ntk-sap", "phew", "prospr", "reinitialised", "shuffled", "snip", "synflow"],
            ]
        ],
    ],
)
def test_reference_pruners_pass_every_check(name, laboratory):
    results = examine(PrunerSource(name=name), laboratory)
    assert {check: result.status for check, result in results.items()} == dict.fromkeys(
        CHECK_NAMES, "ok"
    )


def test_options_reach_the_pruner(laboratory):
    source = resolve_installed(
        PrunerSource(name="synflow", options={"iterations": "2", "scope": "layerwise"})
    )
    plain = resolve_installed(PrunerSource(name="synflow"))
    digests = {
        laboratory.observe(each, "classification", [Call(density=0.3)]).seen[0].returned["sha256"]
        for each in (source, plain)
    }
    assert len(digests) == 2
    assert laboratory.run(source, "classification", Call(density=0.3)).mask.digest() in digests


def test_one_of_several_pruners_of_a_file(laboratory, write):
    path = write(GOOD + "\nfrom plantkit_baselines.magnitude import plantkit_pruners\n")
    with pytest.raises(CheckFailure, match=r"offers the pruners magnitude, mine; expected one"):
        pruner_checks(path, laboratory=laboratory)[0]()
    for name in ("magnitude", "mine"):
        subject = Subject(laboratory, PrunerSource(path=str(path), name=name), is_trusted=False)
        assert Examination(subject).result("budget").status == "ok"


@parametrize_pruner_checks("magnitude", leave_out=CHECK_NAMES[8:])
def test_the_decorator(check):
    assert check.description
    check()


def test_bound_checks_raise_what_test_runners_understand(laboratory):
    checks = {
        check.name: check
        for check in pruner_checks(BAD_PRUNERS / "values.py", laboratory=laboratory)
    }
    assert repr(checks["values"]) == "values.py-values"
    checks["shapes"]()
    with pytest.raises(AssertionError, match="expected only 0 and 1, or bool; got "):
        checks["values"]()
    with pytest.raises(unittest.SkipTest, match="after 'values' failed"):
        checks["budget"]()


def test_checks_to_leave_out_must_exist():
    with pytest.raises(UnknownNameError, match="no check is named 'tie'; did you mean 'ties'"):
        pruner_checks("magnitude", leave_out=["tie"])
    with pytest.raises(UsageError, match="does not exist"):
        pruner_checks("nowhere/mine.py")


def test_unknown_names(laboratory):
    with pytest.raises(UnknownNameError, match="did you mean 'synflow'"):
        pruner_checks("sinflow", laboratory=laboratory)[0]()
    with pytest.raises(UnknownNameError, match="no problem is named 'tie'"):
        make_problem("tie")
    with pytest.raises(PluginError, match="none is named 'other'"):
        Subject(
            laboratory,
            PrunerSource(path=str(BAD_PRUNERS / "ties.py"), name="other"),
            is_trusted=False,
        ).load()


def test_needs_come_before_the_checks_that_need_them():
    for position, check in enumerate(CHECKS):
        assert set(check.needs) <= set(CHECK_NAMES[:position])
        assert check.description
    assert len(set(CHECK_NAMES)) == len(CHECK_NAMES)


def test_a_laboratory_leaves_nothing_behind():
    place = Laboratory()
    place.start()
    root = place._root
    assert root.is_dir()
    place.close()
    assert not root.exists()
    assert all(server._process is None for server in place._servers)


def test_importing_the_suite_imports_no_torch():
    code = (
        "import sys, plantkit.testing as t; checks = t.pruner_checks('magnitude'); "
        "assert 'torch' not in sys.modules and len(checks) == len(t.CHECKS)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# --- the command line


def test_check_prints_a_table(plantkit_cli, write):
    outcome = plantkit_cli("check", write(GOOD))
    assert outcome.code == 0
    assert f"mine: {len(CHECKS) - 1} ok, 1 skipped" in outcome.out
    assert "--trusted" in outcome.out
    assert outcome.err == ""


def test_check_fails_with_exit_code_1_and_json_follows_its_schema(plantkit_cli, tmp_path):
    target = tmp_path / "checks.json"
    outcome = plantkit_cli("check", BAD_PRUNERS / "shapes.py", "--format", "json", "-o", target)
    assert outcome.code == 1
    value = json.loads(target.read_text())
    assert violations(value, "checks") == []
    (report,) = value["pruners"]
    assert (report["ok"], report["failed"], report["skipped"]) == (3, 1, len(CHECKS) - 4)
    assert [check["check"] for check in report["checks"]] == CHECK_NAMES


def test_check_of_a_broken_file_is_a_table_too(plantkit_cli, write):
    outcome = plantkit_cli("check", write("def prune(:\n"))
    assert outcome.code == 1
    assert "loads" in outcome.out
    assert "syntax error" in outcome.out
    assert "after 'loads' failed" in outcome.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "missing argument PRUNER"),
        (["sinflow"], "did you mean 'synflow'"),
        (["nowhere.py"], "nowhere.py does not exist"),
        (["synflow:turns=1"], "no option of pruner 'synflow' is named 'turns'"),
        (["synflow", "-o", "nowhere/checks.json"], "nowhere is not a directory"),
    ],
)
def test_check_usage_errors(plantkit_cli, arguments, message):
    outcome = plantkit_cli("check", *arguments)
    assert outcome.code == 2
    assert message in outcome.err
    assert "Traceback" not in outcome.err


def test_check_lists_the_checks(plantkit_cli):
    outcome = plantkit_cli("check", "--list", "--format", "json")
    assert [entry["check"] for entry in json.loads(outcome.out)] == CHECK_NAMES
    listed = " ".join(plantkit_cli("check", "--list").out.split())
    assert all(check.description in listed for check in CHECKS)
    assert command.help


def test_at_the_level_none_a_pruner_is_still_observed(write):
    isolation = Isolation(level=Level.NONE)
    with Laboratory(isolation=isolation) as laboratory:
        results = run_checks(
            PrunerSource(path=str(write(GOOD))),
            laboratory,
            leave_out=[check.name for check in CHECKS[2:]],
        )
        assert [(one.check, one.status) for one in results] == [
            ("loads", "ok"),
            ("returns-mask", "ok"),
        ]


def test_check_cannot_do_without_processes(plantkit_cli):
    outcome = plantkit_cli("check", "magnitude", "--isolation", "none")
    assert outcome.code == 2
    assert "'none' is not one of 'auto', 'full', 'process'" in outcome.err
