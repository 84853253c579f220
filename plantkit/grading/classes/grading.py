"""Grades a class: whoever was not graded yet, or not as things are now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from plantkit.errors import PlantkitError, UnknownNameError
from plantkit.evaluation.requests import DEFAULT_SUITE, Progress, Warn
from plantkit.grading.classes.directory import ClassDirectory
from plantkit.grading.classes.graded import ERROR, GRADED, MISSING, GradedHandIn
from plantkit.grading.classes.job import ClassJob, digest_of
from plantkit.grading.classes.state import State
from plantkit.grading.grade import clean
from plantkit.grading.handins import HandIns
from plantkit.isolation.levels import Level

if TYPE_CHECKING:
    from plantkit.evaluation.workplace import Trial
    from plantkit.grading.grader import Graded, Grader
    from plantkit.grading.plan import GradingPlan
    from plantkit.networks.masks import Mask

#: Called with every hand-in and its last grade, when one has got another.
OnGraded = Callable[[Sequence[GradedHandIn]], None]


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
        UsageError: most of those who have a grade are not there any more.
        UnknownNameError: `only` names nobody.
        PlantkitError: as `open_grader`; nobody can be graded.
    """
    known = {one.id for one in handins.handins}
    for name in job.only or ():
        if name not in known:
            raise UnknownNameError("hand-in", name, known)
    state = State(job, handins, directory)
    state.check_class()
    if directory.is_new_secret and state.fresh_secret == directory.secret:
        warn(
            f"{job.rubric.run.fresh_seed_env} is not set; fresh instances come from "
            f"{directory.secret_file}, which was made now: keep it, and give it to nobody"
        )
    for one in state.missing():
        state.keep(one, MISSING, "handed in nothing")
    on_graded(state.all())
    if state.due():
        if job.level is not Level.FULL:
            warn(
                f"isolation is '{job.level}': hand-ins can read and change what you can, other "
                f"hand-ins and {directory.path} too; grade only code that you trust, or see "
                "'plantkit doctor'"
            )
        _grade(job, state, warn=warn, progress=progress, on_graded=on_graded)
    return state.all()


def _grade(
    job: ClassJob, state: State, *, warn: Warn, progress: Progress, on_graded: OnGraded
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
        _run_references(grader, state.directory, warn)
        due = state.due()
        progress(label, 0, len(due))
        found = grader.grade([str(one.path) for one in due])
        for count, (position, graded) in enumerate(found, start=1):
            handin = due[position]
            if isinstance(graded, Exception):
                state.keep(handin, ERROR, _reason(graded))
            elif not state.is_same(handin, graded.sha256):
                state.keep(handin, ERROR, "its files changed while the class was graded")
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
    where = digest_of(unseen)[:16]
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


def _reason(error: Exception) -> str:
    name = "" if isinstance(error, PlantkitError) else f"{type(error).__name__}: "
    return clean(f"{name}{error}", 500)
