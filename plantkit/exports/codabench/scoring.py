"""In the scoring container: from masks and truth to `scores.json`. Runs no submission."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from plantkit.challenges import bundles
from plantkit.challenges.bundles import Challenge, PublicChallenge
from plantkit.challenges.sealing import find_secret_key
from plantkit.errors import MaskError
from plantkit.evaluation.measuring import score_all
from plantkit.exports.codabench.plan import ATTEMPTS_FILE, KEY_FILE, Plan, PlannedRun
from plantkit.exports.codabench.receipts import is_genuine, read_key
from plantkit.files import write_whole
from plantkit.grading.grade import clean
from plantkit.isolation.answers import read_answer
from plantkit.isolation.scratch import read_regular
from plantkit.isolation.wire import Status
from plantkit.machine import available_cores
from plantkit.networks.budget import budget_of
from plantkit.networks.training.executors import LocalExecutor
from plantkit.reports.page import plain_page
from plantkit.reports.tables import render_table
from plantkit.scoring.attempts import Attempt
from plantkit.scoring.ranking import rank
from plantkit.scoring.records import Record

SCORES_FILE = "scores.json"
DETAILS_FILE = "detailed_results.html"
_PRUNER = "submission"
_NOT_GENUINE = (
    "the results are not those that plantkit wrote; leave metadata.yaml, and files of the names of "
    "results, out of the submission"
)
#: Most characters of a column's title and key in Codabench.
_MOST_COLUMN = 36
_MOST_ATTEMPTS_BYTES = 32 * 1024 * 1024


def score(inputs: Path, output: Path, program: Path | None = None) -> dict[str, float]:
    """Returns the scores by leaderboard column, and writes them with detailed results.

    Args:
        inputs: `ref` holds bundles and plan, `res` what ingestion wrote.
        program: the scoring program's directory, which may hold the key of sealed bundles.

    Raises:
        BundleError: a bundle is invalid.
        SealedTruthError: a truth is sealed, and there is no key or the wrong one.
        UsageError: what should be a key is not one.
    """
    plan = Plan.read(inputs / "ref")
    key_file = None if program is None else program / KEY_FILE
    key = find_secret_key(key_file if key_file is not None and key_file.is_file() else None)
    challenges = [bundles.load(inputs / "ref" / name, key=key) for name in plan.densities]
    results = inputs / "res"
    names = [ATTEMPTS_FILE, *(run.file for run in plan.runs())]
    proof = read_key(program)
    is_trusted = proof is None or is_genuine(proof, results, names)
    reported = _reported(results / ATTEMPTS_FILE) if is_trusted else {}
    batches = [
        (
            challenge,
            [
                _attempt(run, challenge, results, reported.get(run.file, {}), is_trusted)
                for run in plan.runs()
                if run.challenge == challenge.id
            ],
        )
        for challenge in challenges
    ]
    with LocalExecutor(available_cores()) as executor:
        records = list(itertools.chain(*score_all(batches, executor=executor)))
    scores = _scores(challenges, records, plan)
    output.mkdir(parents=True, exist_ok=True)
    write_whole(output / DETAILS_FILE, _details(challenges, records))
    write_whole(output / SCORES_FILE, json.dumps(scores) + "\n")
    return scores


def columns(challenges: Sequence[PublicChallenge]) -> list[dict[str, Any]]:
    """Returns the leaderboard's columns; their keys are those of `scores.json`."""
    found = [
        ("Score", "score", "desc", 2),
        ("Strong area", "strong_area", "desc", 4),
        ("Weak area", "weak_area", "desc", 4),
        *[("Overlap area", "overlap_area", "desc", 4)]
        * any(one.overlap_scored for one in challenges),
        *[(_fitting(one.id), _score_key(one), "desc", 2) for one in challenges],
        ("Failed runs", "failures", "asc", 0),
        ("Seconds per run", "seconds", "asc", 3),
    ]
    return [
        {"title": title, "key": key, "sorting": sorting, "precision": precision, "index": index}
        for index, (title, key, sorting, precision) in enumerate(found)
    ]


def _score_key(challenge: PublicChallenge) -> str:
    return _fitting("score_" + challenge.id.replace("-", "_"))


def _fitting(text: str) -> str:
    """Returns text that Codabench takes for a column; what is cut off makes a difference."""
    if len(text) <= _MOST_COLUMN:
        return text
    return f"{text[: _MOST_COLUMN - 9]}_{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _attempt(
    run: PlannedRun,
    challenge: Challenge,
    results: Path,
    reported: Mapping[str, Any],
    is_trusted: bool,
) -> Attempt:
    """Returns the attempt of a run. Ingestion's container ran the submission, so that what it
    wrote is checked once more even where its receipt is right."""
    status, mask, error = Status.OK, None, ""
    path = results / run.file
    if not is_trusted:
        status, error = Status.CRASH, _NOT_GENUINE
    elif path.exists():
        try:
            budget = budget_of(run.density, challenge.network.total)
            mask = read_answer(path, challenge.network, budget)
        except MaskError as problem:
            status, error = Status.INVALID, str(problem)
    else:
        failures = [one for one in Status if one is not Status.OK]
        status = next((one for one in failures if one == reported.get("status")), Status.CRASH)
        error = str(reported.get("error", "left no mask"))
    return Attempt(
        pruner=_PRUNER,
        target_density=run.density,
        is_planted_density=run.is_planted_density,
        seed=run.seed,
        status=status.value,
        mask=mask,
        error=clean(error),
        seconds=_number(reported.get("seconds")),
        peak_rss_mib=_number(reported.get("peak_rss_mib")),
    )


def _reported(path: Path) -> Mapping[str, Mapping[str, Any]]:
    """Returns what ingestion says of every run, by the name of its file; nothing if broken."""
    try:
        # As floats, numbers of any length are harmless: the largest are infinite.
        value = json.loads(read_regular(path, _MOST_ATTEMPTS_BYTES), parse_int=float)
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(value, dict):
        return {}
    return {name: one for name, one in value.items() if isinstance(one, dict)}


def _number(value: object) -> float:
    if isinstance(value, float) and math.isfinite(value) and value >= 0:
        return value
    return 0.0


def _scores(
    challenges: Sequence[Challenge], records: Sequence[Record], plan: Plan
) -> dict[str, float]:
    (standing,) = rank(challenges, records, plan.protocol)
    scores = {
        "score": standing.score,
        "strong_area": standing.strong_area,
        "weak_area": standing.weak_area,
        "failures": float(standing.failures),
        "seconds": standing.seconds,
    }
    if standing.overlap_area is not None:
        scores["overlap_area"] = standing.overlap_area
    for challenge in challenges:
        (alone,) = rank([challenge], records, plan.protocol)
        scores[_score_key(challenge)] = alone.score
    return {column["key"]: scores[column["key"]] for column in columns(challenges)}


def _details(challenges: Sequence[Challenge], records: Sequence[Record]) -> str:
    """Returns a page of means by density. Overlap with the ticket is left out: by density it
    would help to guess the ticket."""
    rows = []
    for challenge in challenges:
        mine = [record for record in records if record.bundle_sha256 == challenge.digest]
        for density in sorted({record.target_density for record in mine}):
            group = [record for record in mine if record.target_density == density]
            failed = [record for record in group if record.status != "ok"]
            rows.append(
                (
                    challenge.id,
                    f"{density:.4g}",
                    *(
                        f"{fmean(getattr(getattr(record, track), part) for record in group):.3f}"
                        for track in ("strong", "weak")
                        for part in ("recovered_accuracy", "recovered_digits")
                    ),
                    f"{len(failed)} of {len(group)}",
                    failed[0].error if failed else "",
                )
            )
    headers = (
        "challenge",
        "density",
        "strong",
        "digits",
        "weak",
        "digits",
        "failed runs",
        "first error",
    )
    meaning = (
        "strong, weak: recovered accuracy untrained and trained, each with recovered digits; "
        "means over seeds."
    )
    return plain_page("Details", f"<p>{meaning}</p>\n{render_table(headers, rows, 'html')}\n")
