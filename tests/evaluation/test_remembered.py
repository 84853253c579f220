"""Evaluations that are shown again without a run, and those that must be run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from plantkit.challenges.freezing import seal_bundle
from plantkit.challenges.sealing import SecretKey
from plantkit.evaluation import cache, harness, remembered, run
from plantkit.evaluation.remembered import Memory, identity, memory_of
from plantkit.evaluation.requests import Request
from plantkit.isolation.levels import Level
from plantkit.isolation.probe import probe_machine
from plantkit.pruners.sources import PrunerSource, parse_pruner

pytestmark = pytest.mark.skipif(
    not probe_machine().offers(Level.FULL), reason="this machine offers no full isolation"
)

SUBMISSION = """
import torch
def prune(problem, density, seed):
    weights = problem.weights
    flat = torch.cat([weight.abs().flatten() for weight in weights.values()])
    kept = torch.zeros(len(flat), dtype=torch.bool)
    kept[flat.topk(problem.budget).indices] = True
    pieces = kept.split([weight.numel() for weight in weights.values()])
    return {name: piece.view(weights[name].shape) for name, piece in zip(weights, pieces)}
"""
TOLD = "nothing has changed since "


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Everything that was started to run pruners."""
    begin, found = run.start, []

    def start(*given: Any, **named: Any) -> Any:
        found.append("started")
        return begin(*given, **named)

    monkeypatch.setattr(run, "start", start)
    return found


@pytest.fixture
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PLANTKIT_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def evaluated(
    plantkit_cli: Callable[..., Any],
    copied_bundle: Path,
    started: list[str],
    own_cache: None,
    tmp_path: Path,
) -> Callable[..., tuple[bool, Any]]:
    """Evaluates a file and returns whether that was run, and the outcome."""

    def evaluate(pruner: Path | str, *more: str) -> tuple[bool, Any]:
        started.clear()
        done = plantkit_cli(
            *("evaluate", pruner, "--challenge", str(copied_bundle), "--baselines", "none"),
            *("--density", "0.5", "--seeds", "1", "--jobs", "1", "--format", "json", *more),
        )
        assert (TOLD in done.err) == (not started and done.code == 0)
        return bool(started), done

    return evaluate


def test_what_has_not_changed_is_shown_without_a_run(
    evaluated: Callable[..., tuple[bool, Any]], write: Callable[..., Path]
) -> None:
    mine = write(SUBMISSION)
    first, again = evaluated(mine), evaluated(mine)
    assert (first[0], again[0]) == (True, False)
    assert again[1].out == first[1].out
    assert "--no-cache" in again[1].err
    table = evaluated(mine, "--format", "table", "--details")
    assert not table[0]
    assert "mine" in table[1].out
    assert evaluated(mine, "--no-cache")[0]


def test_what_has_changed_is_run(
    evaluated: Callable[..., tuple[bool, Any]],
    write: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mine = write(SUBMISSION)
    evaluated(mine)
    assert evaluated(mine, "--time-limit", "299")[0]
    assert not evaluated(mine)[0]
    with monkeypatch.context() as patch:
        patch.setattr(remembered, "versions", lambda: ["another torch"])
        assert evaluated(mine)[0]
    write(SUBMISSION + "# changed\n")
    assert evaluated(mine)[0]


def test_what_lies_next_to_a_submission_counts_like_it(
    evaluated: Callable[..., tuple[bool, Any]], write: Callable[..., Path]
) -> None:
    mine = write(f"import own_part\n{SUBMISSION}")
    part = mine.with_name("own_part.py")
    for content in ("VALUE = 1\n", "VALUE = 2\n"):
        part.write_text(content, encoding="utf-8", newline="\n")
        assert [evaluated(mine)[0], evaluated(mine)[0]] == [True, False]


def test_an_altered_bundle_is_refused_though_its_results_are_known(
    evaluated: Callable[..., tuple[bool, Any]], write: Callable[..., Path], copied_bundle: Path
) -> None:
    mine = write(SUBMISSION)
    evaluated(mine)
    truth = copied_bundle / "truth.safetensors"
    content = bytearray(truth.read_bytes())
    content[-1] ^= 1
    truth.write_bytes(content)
    was_run, done = evaluated(mine)
    assert (was_run, done.code) == (False, 4)
    assert "truth.safetensors: has been altered" in done.err


@pytest.mark.parametrize(
    "code",
    [
        SUBMISSION.replace("weight.abs()", "torch.rand_like(weight)"),
        "def prune(problem, density, seed):\n    return 1 / 0\n",
    ],
)
def test_what_may_come_out_otherwise_is_run_again(
    evaluated: Callable[..., tuple[bool, Any]], write: Callable[..., Path], code: str
) -> None:
    mine = write(code)
    assert [evaluated(mine)[0], evaluated(mine)[0]] == [True, True]


def test_what_takes_long_to_import_is_imported_where_it_is_needed(
    evaluated: Callable[..., tuple[bool, Any]],
    write: Callable[..., Path],
    copied_bundle: Path,
) -> None:
    def run(*options: str) -> tuple[Any, str]:
        done = subprocess.run(
            [
                *(sys.executable, "-c", program, "evaluate", str(mine)),
                *("--challenge", str(copied_bundle), "--baselines", "none", "--density", "0.5"),
                *("--seeds", "1", "--jobs", "1", "--format", "json", *options),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(done.stdout), done.stderr.splitlines()[-1]

    mine = write(SUBMISSION)
    _, first = evaluated(mine)
    heavy = ["torch", "plantkit.planting", "scipy.stats", "scipy.interpolate"]
    program = (
        "import atexit, sys; from plantkit.cli import main; atexit.register(lambda: "
        f"print([one for one in {heavy} if one in sys.modules], file=sys.stderr)); main()"
    )
    assert run() == (json.loads(first.out), "[]")  # the results are known
    assert run("--no-cache")[1] == "['torch']"


def test_only_a_request_that_nothing_new_goes_into_is_remembered(tmp_path: Path) -> None:
    request = Request(pruners=["snip"])
    sources = [parse_pruner("snip")]
    assert memory_of(request, sources) is not None
    for changed in (
        replace(request, cached=False),
        replace(request, fresh=1),
        replace(request, run_directory=tmp_path),
        replace(request, isolation="none"),
        replace(request, isolation="process"),
        replace(request, executor="dask"),
        replace(request, device="cuda"),
        replace(request, keeps_masks=True),
        replace(request, objects=[PrunerSource(name="mine")]),
    ):
        assert memory_of(changed, sources) is None
    assert memory_of(request, [PrunerSource(path="gone.py")]) is None


def test_keys_tell_requests_apart() -> None:
    sources = [parse_pruner("snip")]
    request = Request(pruners=["snip"])

    def key(**changes: Any) -> str:
        memory = memory_of(replace(request, **changes), sources)
        assert isinstance(memory, Memory)
        return memory.key

    assert key() == key(output_format="csv")
    changes = [{"jobs": 3}, {"seeds": 2}, {"baselines": "none"}, {"densities": [0.5]}, {}]
    assert len({key(**one) for one in changes}) == len(changes)


def test_a_plugin_that_is_edited_during_the_run_is_not_what_ran(
    evaluated: Callable[..., tuple[bool, Any]],
    write: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    evaluate, source = harness.evaluate, ["old"]
    monkeypatch.setattr(cache, "_files_digest", lambda *_: source[-1])

    def forget() -> None:
        for known in (cache.versions, cache._surroundings, cache._package_digest):
            known.cache_clear()

    def edited(*given: Any, **named: Any) -> Any:
        source.append("new")
        return evaluate(*given, **named)

    mine = write(SUBMISSION)
    try:
        forget()
        with monkeypatch.context() as patch:
            patch.setattr(harness, "evaluate", edited)
            evaluated(mine)
        forget()  # the next command is a new process
        assert evaluated(mine)[0]
        assert not evaluated(mine)[0]
    finally:
        monkeypatch.undo()
        forget()


def test_a_bundle_that_goes_away_during_the_run_costs_no_results(
    evaluated: Callable[..., tuple[bool, Any]],
    write: Callable[..., Path],
    copied_bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    evaluate = harness.evaluate

    def moved(*given: Any, **named: Any) -> Any:
        found = evaluate(*given, **named)
        copied_bundle.rename(copied_bundle.with_name("elsewhere"))
        return found

    monkeypatch.setattr(harness, "evaluate", moved)
    _, done = evaluated(write(SUBMISSION))
    assert done.code == 0, done.err
    assert json.loads(done.out)["records"]


@pytest.mark.parametrize("content", ["[]", '{"identity": {}, "evaluation": []}', "{}", "not JSON"])
def test_a_damaged_entry_is_not_found(own_cache: None, content: str) -> None:
    memory = memory_of(Request(pruners=["snip"]), [parse_pruner("snip")])
    assert memory is not None
    memory.cache.keep_evaluation(memory.key, {}, {})
    assert memory.cache.evaluation(memory.key) == {"identity": {}, "evaluation": {}}
    [file] = memory.cache.directory.rglob("*.json")
    file.write_text(content, encoding="utf-8", newline="\n")
    assert memory.find() is None


def test_the_challenges_of_a_suite_are_known_and_its_pins_count() -> None:
    found = identity(Request(pruners=["snip"]))
    assert found is not None
    assert len(found["challenges"]) == len(found["suite"]["challenges"])
    assert set(found["suite"]["pins"]) == set(found["suite"]["challenges"])


def test_a_sealed_challenge_is_not_remembered(copied_bundle: Path) -> None:
    request = Request(pruners=["snip"], challenges=[str(copied_bundle)])
    found = identity(request)
    assert found is not None
    assert str(copied_bundle) in found["challenges"]
    pytest.importorskip("cryptography")
    seal_bundle(copied_bundle, SecretKey.generate().public)
    assert identity(request) is None
