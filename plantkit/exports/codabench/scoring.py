"""In the scoring container: from masks and truth to `scores.json`. Runs no submission."""

from __future__ import annotations

import html
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
from plantkit.evaluation.measuring import score_attempts
from plantkit.exports.codabench.plan import ATTEMPTS_FILE, KEY_FILE, Cell, Plan
from plantkit.grading.grade import clean
from plantkit.isolation.answers import read_answer
from plantkit.isolation.wire import Status
from plantkit.machine import available_cores
from plantkit.networks.masks import budget_of
from plantkit.scoring.attempts import Attempt
from plantkit.scoring.ranking import rank
from plantkit.scoring.records import Record
from plantkit.scoring.score import seed_score

SCORES_FILE = "scores.json"
DETAILS_FILE = "detailed_results.html"
_PRUNER = "submission"
_MOST_ATTEMPTS_BYTES = 32 * 1024 * 1024


def score(inputs: Path, output: Path, program: Path | None = None) -> dict[str, float]:
    """Returns the scores by leaderboard column, and writes them with detailed results.

    Args:
        inputs: `ref` holds bundles and plan, `res` what ingestion wrote.
        program: the scoring program's directory, which may hold the key of sealed bundles.

    Raises:
        BundleError: a bundle is invalid.
        SealedTruthError: a truth is sealed, and there is no key, or another's.
        UsageError: what should be the key is none.
    """
    plan = Plan.read(inputs / "ref")
    key_file = None if program is None else program / KEY_FILE
    key = find_secret_key(key_file if key_file is not None and key_file.is_file() else None)
    challenges = [bundles.load(inputs / "ref" / name, key=key) for name in plan.densities]
    reported = _reported(inputs / "res" / ATTEMPTS_FILE)
    records: list[Record] = []
    for challenge in challenges:
        attempts = [
            _attempt(cell, challenge, inputs / "res", reported.get(cell.file, {}))
            for cell in plan.cells()
            if cell.challenge == challenge.id
        ]
        records += score_attempts(challenge, attempts, jobs=available_cores())
    scores = _scores(challenges, records, plan)
    output.mkdir(parents=True, exist_ok=True)
    (output / DETAILS_FILE).write_text(_details(challenges, records), encoding="utf-8")
    (output / SCORES_FILE).write_text(json.dumps(scores) + "\n", encoding="utf-8")
    return scores


def columns(challenges: Sequence[PublicChallenge]) -> list[dict[str, Any]]:
    """Returns the leaderboard's columns; their keys are those of `scores.json`."""
    found: list[dict[str, Any]] = [
        {"title": "Score", "key": "score", "sorting": "desc", "precision": 2},
        {"title": "Strong area", "key": "strong_area", "sorting": "desc", "precision": 4},
        {"title": "Weak area", "key": "weak_area", "sorting": "desc", "precision": 4},
    ]
    if any(challenge.overlap_scored for challenge in challenges):
        found.append({"title": "F1", "key": "f1", "sorting": "desc", "precision": 4})
    found += [
        {"title": one.id, "key": _score_key(one), "sorting": "desc", "precision": 2}
        for one in challenges
    ]
    found += [
        {"title": "Failed runs", "key": "failures", "sorting": "asc", "precision": 0},
        {"title": "Seconds a run", "key": "seconds", "sorting": "asc", "precision": 3},
    ]
    return [{**column, "index": index} for index, column in enumerate(found)]


def _score_key(challenge: PublicChallenge) -> str:
    return "score_" + challenge.id.replace("-", "_")


def _attempt(
    cell: Cell, challenge: Challenge, results: Path, reported: Mapping[str, Any]
) -> Attempt:
    """Returns the attempt of a cell. Nothing that ingestion wrote is trusted: its container
    ran the submission."""
    status, mask, error = Status.OK, None, ""
    path = results / cell.file
    if path.exists():
        try:
            budget = budget_of(cell.density, challenge.network.total)
            mask = read_answer(path, challenge.network, budget)
        except MaskError as problem:
            status, error = Status.INVALID, str(problem)
    else:
        known = [one for one in Status if one == reported.get("status") and one is not Status.OK]
        status = known[0] if known else Status.CRASH
        error = str(reported.get("error", "left no mask"))
    return Attempt(
        pruner=_PRUNER,
        target_density=cell.density,
        is_planted_density=cell.is_planted_density,
        seed=cell.seed,
        status=status.value,
        mask=mask,
        error=clean(error),
        seconds=_number(reported.get("seconds")),
        peak_rss_mib=_number(reported.get("peak_rss_mib")),
    )


def _reported(path: Path) -> Mapping[str, Mapping[str, Any]]:
    if not path.is_file() or path.is_symlink() or path.stat().st_size > _MOST_ATTEMPTS_BYTES:
        return {}
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return {}
    if not isinstance(value, dict):
        return {}
    return {name: one for name, one in value.items() if isinstance(one, dict)}


def _number(value: object) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    number = float(value) if is_number else 0.0  # type: ignore[arg-type]
    return number if math.isfinite(number) and number >= 0 else 0.0


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
    if standing.f1 is not None:
        scores["f1"] = standing.f1
    for challenge in challenges:
        mine = [record for record in records if record.bundle_sha256 == challenge.digest]
        scores[_score_key(challenge)] = fmean(
            seed_score(challenge, [r for r in mine if r.seed == seed]).total(plan.protocol)
            for seed in range(plan.protocol.seeds)
        )
    # Where overlap is a column but no planted density was run there is no F1.
    return {column["key"]: scores.get(column["key"], 0.0) for column in columns(challenges)}


def _details(challenges: Sequence[Challenge], records: Sequence[Record]) -> str:
    """Returns a page of means by density. Overlap with the ticket is left out: by density it
    would help to guess the ticket."""
    rows = []
    for challenge in challenges:
        mine = [record for record in records if record.bundle_sha256 == challenge.digest]
        for density in sorted({record.target_density for record in mine}):
            group = [record for record in mine if record.target_density == density]
            failed = [record for record in group if record.status != "ok"]
            cells = (
                challenge.id,
                f"{density:.4g}",
                f"{fmean(record.strong.recovered_accuracy for record in group):.3f}",
                f"{fmean(record.weak.recovered_accuracy for record in group):.3f}",
                f"{len(failed)} of {len(group)}",
                failed[0].error if failed else "",
            )
            rows.append("".join(f"<td>{html.escape(cell)}</td>" for cell in cells))
    head = "".join(
        f"<th>{title}</th>"
        for title in ("challenge", "density", "strong", "weak", "failed runs", "first error")
    )
    body = "\n".join(f"<tr>{row}</tr>" for row in rows)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Details</title>'
        "</head><body>\n<p>strong, weak: recovered accuracy untrained and trained, means over "
        f"seeds.</p>\n<table>\n<tr>{head}</tr>\n{body}\n</table>\n</body></html>\n"
    )
