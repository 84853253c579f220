"""Grades a class: whoever was not graded yet, or not as things are now."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from plantkit.errors import PlantkitError, PluginError, UnknownNameError
from plantkit.evaluation.requests import DEFAULT_SUITE, Progress, Request, Warn
from plantkit.grading.classes.directory import ClassDirectory
from plantkit.grading.classes.graded import ERROR, GRADED, MISSING, Basis, GradedHandIn, Grading
from plantkit.grading.grade import Grade, clean
from plantkit.grading.handins import HandIn, HandIns
from plantkit.submissions.reading import read_submission
from plantkit.version import __version__

if TYPE_CHECKING:
    from plantkit.evaluation.workplace import Trial
    from plantkit.grading.grader import Graded, Grader
    from plantkit.grading.plan import GradingPlan
    from plantkit.grading.rubric import Rubric
    from plantkit.networks.masks import Mask

#: Called with every hand-in and its last grade, when one has got another.
OnGraded = Callable[[Sequence[GradedHandIn]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassJob:
    """What a class is graded by.

    request: where challenges are found, and how submissions are run. only: ids of those that are
    graded now, whether or not anything has changed; all that need it if None.
    """

    rubric: Rubric
    request: Request
    only: Collection[str] | None = None


def grade_class(
    job: ClassJob,
    handins: HandIns,
    directory: ClassDirectory,
    *,
    warn: Warn,
    progress: Progress = lambda *_: None,
    on_graded: OnGraded = lambda _: None,
) -> list[GradedHandIn]:
    """Returns every hand-in with its last grade, in the order of `handins`.

    Graded are those that have no grade yet, whose files have changed, or whose grade comes from
    another rubric, other challenges or another version. Each grade is kept as soon as it is known.

    Raises:
        UsageError: the variable for fresh instances holds no secret.
        RubricError: the rubric lacks the details of hidden criteria.
        UnknownNameError: `only` names nobody.
        PlantkitError: as `open_grader`; nobody can be graded.
    """
    for criterion in job.rubric.criteria:
        if criterion.is_stub:
            raise job.rubric.fault(
                criterion,
                "it is hidden and has no details here; grade with the rubric of course staff",
            )
    known = {one.id for one in handins.handins}
    for name in job.only or ():
        if name not in known:
            raise UnknownNameError("hand-in", name, known)
    state = _State(job, handins, directory)
    if directory.is_new_secret and state.fresh_secret == directory.secret:
        warn(
            f"{job.rubric.run.fresh_seed_env} is not set; fresh instances come from "
            f"{directory.secret_file}, which was made now: keep it, and give it to nobody"
        )
    for one in state.missing():
        state.keep(one, MISSING, "handed in nothing")
    on_graded(state.all())
    if state.due():
        _grade(job, state, warn=warn, progress=progress, on_graded=on_graded)
    return state.all()


def _grade(
    job: ClassJob, state: _State, *, warn: Warn, progress: Progress, on_graded: OnGraded
) -> None:
    from plantkit.grading.grader import open_grader

    label = "preparing"

    def show(what: str, done: int, total: int) -> None:
        if label == "preparing":  # from then on hand-ins are counted, not runs
            progress(what, done, total)

    with open_grader(
        job.rubric,
        job.request,
        with_hidden=True,
        secret=state.fresh_secret,
        warn=warn,
        progress=show,
    ) as grader:
        label = "hand-ins graded"
        state.set_challenges(grader.plan)
        _run_references(grader, state.directory, warn)
        due = state.due()
        progress(label, 0, len(due))
        found = grader.grade([str(one.path) for one in due])
        for count, (position, graded) in enumerate(found, start=1):
            handin = due[position]
            if isinstance(graded, Exception):
                state.keep(handin, ERROR, _reason(graded))
            else:
                state.directory.write_runs(
                    handin.id, graded.records, unseen_masks(graded, grader.plan)
                )
                state.keep(handin, GRADED, grade=graded.grade)
            on_graded(state.all())
            progress(label, count, len(due))


def _run_references(grader: Grader, directory: ClassDirectory, warn: Warn) -> None:
    """Keeps the masks of reference pruners on challenges that students do not know.

    They tell what many come to by themselves from what was copied.
    """
    unseen = sorted(
        task.challenge.digest
        for task in grader.plan.tasks
        if task.challenge.digest not in grader.plan.visible
    )
    if not unseen:
        return
    from plantkit.challenges import catalog

    suite = catalog.find().suite(DEFAULT_SUITE)
    where = _digest(unseen)[:16]
    names = [name for name in suite.baselines or () if not directory.has_reference(where, name)]
    for position, trial in grader.run(names):
        if isinstance(trial, Exception):
            warn(f"{names[position]}: its masks are not compared with: {trial}")
        else:
            directory.write_reference(where, names[position], unseen_masks(trial, grader.plan))


def unseen_masks(graded: Graded | Trial, plan: GradingPlan) -> dict[str, Mask]:
    """Returns the masks on challenges that students do not know, by run."""
    return {
        f"{record.bundle_sha256[:16]} {record.target_density!r} {record.seed}": mask
        for record, mask in zip(graded.records, graded.masks, strict=True)
        if mask is not None and record.bundle_sha256 not in plan.visible
    }


class _State:
    """What is known of each hand-in, and what a grade would depend on now."""

    def __init__(self, job: ClassJob, handins: HandIns, directory: ClassDirectory) -> None:
        self.directory = directory
        self.fresh_secret = _fresh_secret(job.rubric, directory)
        self._job = job
        self._handins = handins.handins
        self._digests = {one.id: files_digest(one.path) for one in self._handins}
        self._last = directory.last()
        self._begun = datetime.now(UTC).isoformat()
        self._done: set[str] = set()
        self._basis = Basis(rubric=_rubric_digest(job.rubric, self.fresh_secret))

    def set_challenges(self, plan: GradingPlan) -> None:
        """Takes note of what is run on."""
        digests = sorted(task.challenge.digest for task in plan.tasks)
        self._basis = replace(self._basis, challenges=_digest(digests))

    def missing(self) -> list[HandIn]:
        """Returns those who handed in nothing, of whom that is not yet known."""
        return [
            one
            for one in self._handins
            if one.path is None and (one.id not in self._last or self._last[one.id].digest)
        ]

    def due(self) -> list[HandIn]:
        """Returns those that are to be graded."""
        return [one for one in self._handins if one.path is not None and self._why(one)]

    def _why(self, one: HandIn) -> str:
        """Returns why a hand-in is to be graded now, or ""."""
        if one.id in self._done:
            return ""
        if self._job.only is not None:
            return "asked for" if one.id in self._job.only else ""
        last = self._last.get(one.id)
        if last is None:
            return "first"
        if last.digest != self._digests[one.id]:
            return "files changed"
        if last.status == ERROR:
            return "tried again"
        if last.basis.rubric != self._basis.rubric:
            return "rubric, secret or plantkit changed"
        if self._basis.challenges and last.basis.challenges != self._basis.challenges:
            return "challenges changed"
        return ""

    def keep(self, one: HandIn, status: str, message: str = "", grade: Grade | None = None) -> None:
        """Keeps what came of a hand-in."""
        grading = Grading(
            id=one.id,
            name=clean(one.name, 200),
            status=status,
            graded=datetime.now(UTC).isoformat(timespec="seconds"),
            digest=self._digests[one.id],
            basis=self._basis,
            why=self._why(one) or "first",
            grade=None if grade is None else grade.to_json(),
            message=message,
        )
        self.directory.add(grading)
        self._last[one.id] = grading
        self._done.add(one.id)
        self.directory.write_feedback(self.graded(one))

    def all(self) -> list[GradedHandIn]:
        """Returns every hand-in with its last grade."""
        return [self.graded(one) for one in self._handins]

    def graded(self, one: HandIn) -> GradedHandIn:
        """Returns a hand-in with its last grade, of whatever files that was."""
        last = self._last.get(one.id)
        if last is None:
            return GradedHandIn(handin=one)
        grade = last.grade and Grade.from_json(
            last.grade,
            decimals=self._job.rubric.decimals,
            hidden_visibility=self._job.rubric.gradescope_hidden,
        )
        return GradedHandIn(
            handin=one,
            grade=grade or None,
            status=last.status,
            graded=last.graded,
            digest=last.digest,
            message=last.message,
        )


def files_digest(path: Path | None) -> str:
    """Returns a digest of the files of a hand-in, "" if there are none.

    Of one that cannot be read, it is a digest of the reason.
    """
    if path is None:
        return ""
    try:
        return read_submission(path).digest
    except PluginError as error:
        return _digest(["unreadable", str(error)])


def _fresh_secret(rubric: Rubric, directory: ClassDirectory) -> str:
    """Returns what fresh instances are planted from: the rubric's variable, or the class's secret.

    Returns "" where there are no fresh instances.

    Raises:
        UsageError: the variable is set, and its value is no secret.
    """
    if all(criterion.fresh is None for criterion in rubric.criteria):
        return ""
    if rubric.run.fresh_seed_env not in os.environ:
        return directory.secret
    from plantkit.challenges.fresh import secret_from

    return secret_from(rubric.run.fresh_seed_env, os.environ)


def _rubric_digest(rubric: Rubric, secret: str) -> str:
    from plantkit.scoring.score import SCORING_VERSION

    text = rubric.path.read_text(encoding="utf-8")
    return _digest([text, secret, SCORING_VERSION, __version__])


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def _reason(error: Exception) -> str:
    name = "" if isinstance(error, PlantkitError) else f"{type(error).__name__}: "
    return clean(f"{name}{error}", 500)
