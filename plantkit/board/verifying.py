"""Scoring submissions again from their masks and the published tickets, by whoever likes to."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from plantkit.board.contest import Content, Phase, Submission
from plantkit.board.database import reading
from plantkit.board.entering import differences, digest_of_masks, read_mask
from plantkit.challenges import bundles
from plantkit.challenges.bundles import Challenge
from plantkit.challenges.catalog import Catalog
from plantkit.challenges.sealing import SecretKey
from plantkit.errors import BundleError, MaskError, ResultsError
from plantkit.evaluation.measuring import score_all
from plantkit.evaluation.requests import Progress
from plantkit.networks.budget import budget_of
from plantkit.networks.masks import Mask, validate_mask
from plantkit.networks.training.executors import LocalExecutor
from plantkit.scoring.attempts import Attempt
from plantkit.scoring.merging import contradictions
from plantkit.scoring.protocol import Protocol
from plantkit.scoring.ranking import rank
from plantkit.scoring.records import Record

#: How far two figures may lie apart that need no training, relative to their size.
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What came of scoring a submission again in a phase.

    runs: how many have a mask and were scored again. failed: how many have none, since they
    failed. largest: the largest difference of a figure that comes from training. score, again: as
    on the board, and as computed now. problems: what differs, a line each.
    """

    submission: Submission
    phase: Phase
    runs: int
    failed: int
    largest: float
    score: float
    again: float
    problems: Sequence[str] = field(default_factory=tuple)


def published(
    content: Content, phase: Phase, found: Catalog, key: SecretKey | None
) -> dict[str, Challenge]:
    """Returns the challenges of a phase with their tickets, by digest.

    Raises:
        BundleError: a bundle is invalid, or another than that of the board.
        SealedTruthError: its truth is sealed, and `key` is None or another.
        UnknownNameError: it was not found.
    """
    loaded = {}
    for facts in content.phases[phase].challenges:
        challenge = bundles.load(found.bundle(facts.id), key=key)
        if challenge.digest != facts.digest:
            raise BundleError(
                challenge.path,
                f"is another bundle than that of the board: its digest is {challenge.digest}, "
                f"expected {facts.digest}",
            )
        loaded[facts.digest] = challenge
    return loaded


def problems_of_phase(
    path: Path,
    content: Content,
    phase: Phase,
    found: Catalog,
) -> list[str]:
    """Returns what is wrong with a phase as the board has it, a line each.

    That is: a protocol that is not the suite's, where the suite is among `found`, and a mask that
    no run has. That manifests are those of the bundles follows from their digests.

    Args:
        path: the board's file.
    """
    evaluation = content.phases[phase]
    lines: list[str] = []
    if (suite := found.suites.get(evaluation.suite or "")) is not None:
        stated = replace(evaluation, challenges=[], protocol=Protocol.of(suite))
        lines += contradictions({f"the suite {suite.name}": stated, "the board": evaluation})
    named = {
        record.mask_sha256
        for one in content.submissions
        for run in one.runs.values()
        for record in run.records
    }
    with reading(path) as connection:
        kept = {row["sha256"] for row in connection.execute("SELECT sha256 FROM masks")}
    lines += [f"no run has the mask {digest}" for digest in sorted(kept - named)]
    return lines


def protocol_words(content: Content, phase: Phase) -> str:
    """Returns what scores of a phase depend on beside its challenges."""
    protocol = content.phases[phase].protocol
    families = {name: weight for name, weight in protocol.family_weights.items() if weight != 1}
    return (
        f"suite {content.phases[phase].suite}: densities "
        f"{', '.join(map(str, protocol.densities))}; seeds {protocol.seeds}; weights strong "
        f"{protocol.strong_weight:g}, weak {protocol.weak_weight:g}, overlap "
        f"{protocol.overlap_weight:g}"
        + "".join(f"; family {name} {weight:g}" for name, weight in sorted(families.items()))
    )


def verify(
    path: Path,
    content: Content,
    submissions: Sequence[Submission],
    phase: Phase,
    challenges: Mapping[str, Challenge],
    *,
    tolerance: float,
    jobs: int,
    progress: Progress = lambda *_: None,
) -> list[Verified]:
    """Returns what comes of scoring the runs of `submissions` in a phase again.

    Args:
        path: the board's file, which has the masks.
        challenges: with their tickets, by digest; see `published`.
        tolerance: how far accuracies after training, and what they recover, may lie apart: each
            kind of processor rounds a little differently.
    """
    tasks: dict[str, list[tuple[int, Record, Mask]]] = {digest: [] for digest in challenges}
    problems: dict[int, list[str]] = {one.id: [] for one in submissions}
    with reading(path) as connection:
        for one in submissions:
            try:
                run = one.runs[phase].evaluation(content.phases[phase])
            except ResultsError as error:
                problems[one.id].append(str(error))
                continue
            problems[one.id] += differences(run, content.phases[phase])
            if digest_of_masks(run.records) != one.runs[phase].masks_sha256:
                problems[one.id].append("its masks are not those that it was added with")
            for record in run.records:
                if record.status != "ok":
                    if record.mask_sha256 is not None:
                        problems[one.id].append(
                            f"{_words(record)}: failed on the board ({record.status}), but it has "
                            f"the mask {record.mask_sha256}"
                        )
                    continue
                try:
                    mask = _mask_of(connection, record, challenges[record.bundle_sha256])
                except (ResultsError, MaskError) as error:
                    problems[one.id].append(f"{_words(record)}: {error}")
                    continue
                tasks[record.bundle_sha256].append((one.id, record, mask))
    again: dict[int, list[tuple[Record, Record]]] = {one.id: [] for one in submissions}
    batches = [
        (challenges[digest], [_attempt(record, mask) for _, record, mask in found])
        for digest, found in tasks.items()
    ]
    with LocalExecutor(jobs) as executor:
        scored = score_all(batches, executor=executor, progress=partial(progress, "scoring again"))
    for found, records in zip(tasks.values(), scored, strict=True):
        for (number, before, _), after in zip(found, records, strict=True):
            again[number].append((before, after))
    return [
        _verified(
            content,
            one,
            phase,
            list(challenges.values()),
            again[one.id],
            problems[one.id],
            tolerance,
        )
        for one in submissions
    ]


def _mask_of(connection: sqlite3.Connection, record: Record, challenge: Challenge) -> Mask:
    """Returns the mask of a run, which keeps no more than was asked for."""
    row = connection.execute(
        "SELECT content FROM masks WHERE sha256 = ?", (record.mask_sha256,)
    ).fetchone()
    if row is None:
        raise ResultsError(f"the mask {record.mask_sha256} is missing")
    budget = budget_of(record.target_density, challenge.network.total)
    mask = read_mask(row["content"], str(record.mask_sha256))
    return validate_mask(mask, challenge.network, budget)


def _attempt(record: Record, mask: Mask) -> Attempt:
    return Attempt(
        pruner=record.pruner,
        target_density=record.target_density,
        is_planted_density=record.is_planted_density,
        seed=record.seed,
        status=record.status,
        mask=mask,
        error="",
        seconds=record.seconds,
        peak_rss_mib=record.peak_rss_mib,
        rewind_step=record.rewind_step,
    )


def _verified(
    content: Content,
    one: Submission,
    phase: Phase,
    challenges: Sequence[Challenge],
    pairs: Sequence[tuple[Record, Record]],
    problems: Sequence[str],
    tolerance: float,
) -> Verified:
    evaluation, records = content.phases[phase], one.runs[phase].records
    found, largest = list(problems), 0.0
    for before, after in pairs:
        lines, apart = _compared(before, after, tolerance)
        found += lines
        largest = max(largest, apart)
    new = {after.key: after for _, after in pairs}
    unknown = [replace(one, status="invalid") for one in records]  # what scores nothing
    (stored,), (computed,) = (
        rank(facts, each, evaluation.protocol)
        for facts, each in (
            (evaluation.challenges, records),
            (challenges, [new.get(record.key, record) for record in unknown]),
        )
    )
    apart = abs(stored.score - computed.score)
    most = _most_apart(challenges, evaluation.protocol, len(pairs), tolerance)
    if not found and apart > most:
        found.append(
            f"its score is {stored.score:.4f} on the board, {computed.score:.4f} computed again: "
            f"{apart:.2g} apart, where chance gives {most:.2g} at most"
        )
    return Verified(
        submission=one,
        phase=phase,
        runs=len(pairs),
        failed=sum(record.status != "ok" for record in records),
        largest=largest,
        score=stored.score,
        again=computed.score,
        problems=found,
    )


def _most_apart(
    challenges: Sequence[Challenge], protocol: Protocol, runs: int, tolerance: float
) -> float:
    """Returns how far scores in [0, 100] may lie apart whose runs differ by `tolerance` at most.

    Rounding goes up as often as down, so that the mean of n runs differs by a root of n less.
    """
    parts = protocol.strong_weight + protocol.weak_weight
    if all(challenge.overlap_scored for challenge in challenges):
        parts += protocol.overlap_weight
    share = protocol.weak_weight / parts if parts else 0.0
    return 100 * tolerance * share / math.sqrt(runs or 1) + _ROUNDING


def _compared(before: Record, after: Record, tolerance: float) -> tuple[list[str], float]:
    """Returns what differs, and by how much figures of training differ at most."""
    exact = {
        "density": (before.density, after.density),
        "effective density": (before.effective_density, after.effective_density),
        "collapsed layers": (before.collapsed_layers, after.collapsed_layers),
        "strong accuracy": (before.strong.performance, after.strong.performance),
        "strong digits": (before.strong.recovered_digits, after.strong.recovered_digits),
        # A saliency is not kept, so that its average precision cannot be computed again.
        **{f"overlap {name}": (before.overlap.get(name, math.nan), value)
           for name, value in after.overlap.items()},
    }  # fmt: skip
    trained = {
        "weak accuracy": (before.weak.performance, after.weak.performance),
        "weak recovered": (before.weak.recovered_accuracy, after.weak.recovered_accuracy),
        "weak digits": (before.weak.recovered_digits, after.weak.recovered_digits),
    }
    lines = [
        f"{_words(before)}: {name} is {old:.6g} on the board, {new:.6g} computed again"
        for pairs, rounding in ((exact, _ROUNDING), (trained, tolerance))
        for name, (old, new) in pairs.items()
        if not math.isclose(old, new, rel_tol=_ROUNDING, abs_tol=rounding)
    ]
    return lines, max(abs(old - new) for old, new in trained.values())


def _words(record: Record) -> str:
    return f"{record.challenge} at density {record.target_density:.4g}, seed {record.seed}"
