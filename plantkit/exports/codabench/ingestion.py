"""In the ingestion container: runs the submission, and writes masks and how runs ended."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors.torch import save

from plantkit.challenges.bundles import SEALED, TRUTH
from plantkit.challenges.sealing import KEY_VARIABLE
from plantkit.errors import PluginError, UsageError
from plantkit.exports.codabench.plan import ATTEMPTS_FILE, KEY_FILE, Plan, PlannedRun
from plantkit.exports.codabench.receipts import RECEIPT_FILE, read_key, receipt
from plantkit.files import write_whole
from plantkit.grading.grade import clean
from plantkit.isolation.jobs import Outcome, PruneJob
from plantkit.isolation.leftovers import scratch_directory
from plantkit.isolation.opening import open_backend
from plantkit.isolation.problems import load_problem
from plantkit.isolation.wire import MASK_PREFIX, Limits, Status
from plantkit.pruners.sources import PrunerSource
from plantkit.testing.laboratory import only_pruner


def ingest(input_data: Path, output: Path, submission: Path, program: Path) -> int:
    """Writes a mask for every run that gave one, and returns their number.

    Args:
        input_data: public halves of the challenges, as `bundle` wrote them.
        output: gets `attempts.json` and masks. Codabench's worker begins with a copy of the
            submission there, which could hold masks of its own: they are removed.
        submission: the unpacked submission.
        program: the ingestion program's directory.

    Raises:
        UsageError: a key or a truth lies where the submission runs.
        PluginError: the submission cannot be loaded, or asks for rewinding. Since the worker goes
            on to score, every run is told to have failed for that.
    """
    _refuse_secrets([input_data, output, program])
    plan = Plan.read(input_data)
    key = read_key(program)
    _clear(output, plan)
    try:
        outcomes = _outcomes(plan, input_data, submission)
    except PluginError as error:
        failed = Outcome(
            status=Status.CRASH, mask=None, error=str(error), seconds=0.0, peak_rss_mib=None
        )
        _write(output, plan, [(run, failed) for run in plan.runs()], key)
        raise
    # Written when the submission has ended, so that it cannot change these files.
    return _write(output, plan, outcomes, key)


def _outcomes(plan: Plan, input_data: Path, submission: Path) -> list[tuple[PlannedRun, Outcome]]:
    """Runs the submission on everything that is planned."""
    limits = Limits(time_seconds=plan.time_seconds, memory_mib=plan.memory_mib)
    given = PrunerSource(path=str(submission.resolve())).read()
    outcomes: list[tuple[PlannedRun, Outcome]] = []
    with scratch_directory() as directory, open_backend(directory) as backend:
        named = only_pruner(backend.describe(given, limits), given)
        if named.rewind:
            raise PluginError(
                "submission",
                f"asks to be trained from step {named.rewind}; this competition trains from the "
                "initial weights: leave out 'rewind'",
            )
        source = replace(given, name=named.name)
        networks = {
            name: load_problem(input_data / name, density=1.0, seed=0).network
            for name in plan.densities
        }
        for run in plan.runs():
            job = PruneJob(
                source=source,
                problem=input_data / run.challenge,
                network=networks[run.challenge],
                density=run.density,
                seed=run.seed,
                limits=limits,
            )
            outcomes.append((run, backend.run(job)))
    return outcomes


def _clear(output: Path, plan: Plan) -> None:
    """Removes what lies where results go."""
    for name in {ATTEMPTS_FILE, RECEIPT_FILE, *plan.densities}:
        path = output / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _refuse_secrets(directories: list[Path]) -> None:
    """Raises `UsageError` before a submission could read what would give the tickets away.

    The variable itself counts: what started this process stays readable in its environment,
    so that removing it here would not help.
    """
    found = [f"the variable {KEY_VARIABLE}"] if os.environ.get(KEY_VARIABLE) else []
    for directory in directories:
        found += [str(path) for name in (KEY_FILE, TRUTH, SEALED) for path in directory.rglob(name)]
    if found:
        raise UsageError(
            f"the ingestion container holds {', '.join(found)}; expected neither key nor truth "
            "where submissions run: give them to the scoring container alone"
        )


def _write(
    output: Path, plan: Plan, outcomes: list[tuple[PlannedRun, Outcome]], key: bytes | None
) -> int:
    """Writes masks and how runs ended, with a receipt if there is a key; returns how many masks."""
    _clear(output, plan)
    attempts: dict[str, dict[str, Any]] = {}
    contents: dict[str, bytes | None] = {}
    for run, outcome in outcomes:
        attempts[run.file] = {
            "status": outcome.status.value,
            "error": clean(outcome.error),
            "seconds": outcome.seconds,
            "peak_rss_mib": outcome.peak_rss_mib,
        }
        contents[run.file] = None
        if outcome.mask is not None:
            tensors = {f"{MASK_PREFIX}{name}": one for name, one in outcome.mask.items()}
            contents[run.file] = save(tensors)
    masks = [content for content in contents.values() if content is not None]
    contents[ATTEMPTS_FILE] = (json.dumps(attempts, indent=2) + "\n").encode()
    for name, content in contents.items():
        if content is not None:
            (output / name).parent.mkdir(parents=True, exist_ok=True)
            write_whole(output / name, content)
    if key is not None:
        write_whole(output / RECEIPT_FILE, receipt(key, contents) + "\n")
    return len(masks)
