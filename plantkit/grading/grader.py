"""Runs submissions on what their rubric asks for, and marks every criterion."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plantkit.errors import PluginError
from plantkit.evaluation.opening import open_workplace
from plantkit.evaluation.requests import Progress, Request, Warn
from plantkit.grading.criteria import Bench, Measured, kind_of
from plantkit.grading.criteria.conformance import examine
from plantkit.grading.grade import Grade, Mark, MarkVerdict, clean, verdict_of
from plantkit.grading.rubric import Criterion, Rubric
from plantkit.isolation.levels import Level
from plantkit.pruners.sources import is_path, parse_pruner, split_options
from plantkit.submissions.reading import STANDARD_INPUT
from plantkit.testing import Laboratory

if TYPE_CHECKING:
    from plantkit.evaluation.slots import Slot
    from plantkit.evaluation.workplace import Trial, Workplace
    from plantkit.grading.plan import GradingPlan
    from plantkit.networks.masks import Mask
    from plantkit.scoring.records import Record
    from plantkit.testing import CheckResult

_UNLOADABLE = Measured(
    value=None,
    got="nothing",
    message="the submission cannot be loaded",
    fault=MarkVerdict.ERROR,
)
#: Kinds of criteria that run a submission again, in another interpreter.
_RUNS_AGAIN = {"conformance", "determinism"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Graded:
    """A submission's grade, and what it comes from.

    sha256: of the files that were graded, None if they cannot be read. records: of all its runs.
    masks: of the records, None where a run failed. tracebacks: what failed, and the traceback in
    the submission's own lines, of runs on challenges that students know.
    """

    grade: Grade
    sha256: str | None = None
    records: Sequence[Record] = ()
    masks: Sequence[Mask | None] = ()
    tracebacks: Sequence[tuple[str, str]] = ()


def grade_submission(
    rubric: Rubric,
    request: Request,
    *,
    with_hidden: bool = False,
    missing_is_zero: bool = False,
    warn: Warn,
    progress: Progress = lambda *_: None,
    on_errors: Callable[[Iterable[tuple[str, str]]], None] = lambda _: None,
) -> Grade:
    """Returns the grade of a submission; one that cannot be loaded gets no points.

    Args:
        request: the one pruner, where its challenges are found, and how it is run. The rubric
            says what it is run on.
        with_hidden: whether hidden criteria are run.
        missing_is_zero: whether a path that does not exist is a submission without points.
        on_errors: called with what failed and its traceback in the submission's own lines. It is
            not told on which challenge, which may be hidden.

    Raises: as `open_grader` and:
        UsageError: the submission's file does not exist.
    """
    (pruner,) = request.pruners
    base, _ = split_options(pruner)
    if is_path(base) and not Path(base).exists() and not missing_is_zero:
        parse_pruner(pruner)  # says what is wrong before anything starts
    with open_grader(
        rubric, request, with_hidden=with_hidden, warn=warn, progress=progress
    ) as grader:
        [(_, graded)] = grader.grade([pruner])
    if isinstance(graded, Exception):
        raise graded
    on_errors(graded.tracebacks)
    return graded.grade


@contextmanager
def open_grader(
    rubric: Rubric,
    request: Request,
    *,
    with_hidden: bool = False,
    secret: str | None = None,
    warn: Warn,
    progress: Progress = lambda *_: None,
) -> Iterator[Grader]:
    """Starts what grades submissions: challenges, baselines and processes are prepared once.

    Args:
        request: where challenges are found, and how submissions are run. The rubric says what
            they are run on.
        with_hidden: whether hidden criteria are run.
        secret: what fresh instances are planted from; that of the rubric's variable if None.

    Raises:
        RubricError: the rubric asks for something that does not exist.
        UsageError: a density that cannot be used, or no secret for fresh instances.
        BundleError: a challenge is invalid.
        SealedTruthError: a challenge is sealed, and its key was not given.
        IsolationError: full isolation was asked for and this machine lacks it.
    """
    active = [criterion for criterion in rubric.criteria if with_hidden or not criterion.hidden]
    for criterion in active:
        if criterion.is_stub:
            raise rubric.fault(
                criterion,
                "it is hidden and has no details here; grade with the rubric of course staff, or "
                "with --hidden skip",
            )

    def plan(jobs: int) -> GradingPlan:
        from plantkit.challenges.fresh import secret_from
        from plantkit.grading.plan import make_plan

        return make_plan(
            rubric,
            active,
            request,
            secret=lambda: secret or secret_from(rubric.run.fresh_seed_env, os.environ),
            jobs=jobs,
            warn=warn,
            progress=progress,
        )

    with (
        open_workplace(
            replace(
                request,
                time_seconds=rubric.run.time_seconds,
                memory_mib=rubric.run.memory_mib,
            ),
            plan,
            runs_again=any(criterion.kind in _RUNS_AGAIN for criterion in active),
            warn=warn,
            progress=progress,
        ) as workplace,
        ExitStack() as stack,
    ):
        yield Grader(rubric, active, workplace, stack)


class Grader:
    """Grades submissions by one rubric; `open_grader` makes it.

    Attributes:
        plan: what submissions are run on.
    """

    def __init__(
        self,
        rubric: Rubric,
        active: Sequence[Criterion],
        workplace: Workplace[GradingPlan],
        stack: ExitStack,
    ) -> None:
        self.plan = workplace.plan
        self._rubric = rubric
        self._active = active
        self._workplace = workplace
        self._stack = stack
        self._laboratories: dict[int, Laboratory] = {}  # by the slot's number
        self._baselines = [
            record for trial in workplace.baselines.values() for record in trial.records
        ]

    def grade(self, pruners: Sequence[str]) -> Iterator[tuple[int, Graded | Exception]]:
        """Yields each submission's position and what came of it, as soon as that is known.

        That is the same whatever else is graded. An error is not the submission's fault.

        Args:
            pruners: each as on the command line. A path that does not exist is one without points.
        """
        return self._workplace.run(pruners, self._graded)

    def run(self, pruners: Sequence[str]) -> Iterator[tuple[int, Trial | Exception]]:
        """Yields each pruner's position and its runs, without a grade; see `grade`."""
        return self._workplace.run(pruners, lambda trial, _: trial)

    def _graded(self, trial: Trial, slot: Slot) -> Graded:
        """Marks what came of a submission. Called in a slot's thread."""
        if trial.entry is None:
            assert trial.error is not None
            return self._unloadable(trial, trial.error)
        path, label = trial.entry.source.path, trial.entry.label
        invalid = [one for one in trial.records if one.status == "invalid"]
        return Graded(
            grade=self._grade(
                lambda criterion: self._measured(criterion, trial, slot),
                submission=clean(label, 200),
                path=trial.pruner if path is not None else None,
                format_errors=_format_errors(
                    [one for one in invalid if one.bundle_sha256 in self.plan.visible]
                ),
                seconds=lambda: trial.seconds,
            ),
            sha256=trial.sha256,
            records=trial.records,
            masks=trial.masks,
            tracebacks=[
                (label, one.traceback)
                for one in trial.records
                if one.bundle_sha256 in self.plan.visible
            ],
        )

    def _grade(
        self,
        measure: Callable[[Criterion], Measured],
        *,
        seconds: Callable[[], float],
        **found: Any,
    ) -> Grade:
        marks = [
            _mark(criterion, measure(criterion) if criterion in self._active else None)
            for criterion in self._rubric.criteria
        ]
        return Grade(
            title=clean(self._rubric.title),
            marks=marks,
            pass_share=self._rubric.pass_share,
            decimals=self._rubric.decimals,
            seconds=seconds(),
            hidden_visibility=self._rubric.gradescope_hidden,
            **found,
        )

    def _unloadable(self, trial: Trial, error: PluginError) -> Graded:
        """Returns the grade of a submission that cannot be loaded."""
        message = _in_place(trial.pruner, error)
        # A line of a helper, or of a notebook's cell, is not one of the file that was given.
        named = None if error.place else re.search(r"\bline (\d{1,6})\b", message)
        line = None if error.place else error.line
        grade = self._grade(
            lambda _: _UNLOADABLE,
            seconds=lambda: trial.seconds,
            submission=clean(Path(trial.pruner).name, 200),
            path=trial.pruner,
            error=message,
            error_line=line or (int(named[1]) if named else None),
            format_errors=[message],
        )
        return Graded(
            grade=grade,
            sha256=trial.sha256,
            tracebacks=[(Path(trial.pruner).name, error.traceback)],
        )

    def _measured(self, criterion: Criterion, trial: Trial, slot: Slot) -> Measured:
        entry = trial.entry
        assert entry is not None
        bench = Bench(
            mine=trial.records,
            baselines=self._baselines,
            challenges=self.plan.looked_at[criterion.position],
            protocol=self.plan.protocol,
            run_again=lambda record: self._workplace.run_again(record, entry, slot),
            examine=lambda: self._examined(trial, slot),
        )
        return kind_of(criterion).measure(criterion, bench)

    def _examined(self, trial: Trial, slot: Slot) -> Sequence[CheckResult]:
        """Returns the results of the checks of a submission."""
        assert trial.entry is not None
        if slot.number not in self._laboratories:
            apart = slot.isolation.level is not Level.NONE
            self._laboratories[slot.number] = self._stack.enter_context(
                Laboratory(
                    limits=self._workplace.resources.limits,
                    isolation=slot.isolation,
                    servers=slot.servers if apart else None,
                )
            )
        laboratory = self._laboratories[slot.number]
        return examine(trial.entry.source, laboratory, hangs=trial.hangs)


def _mark(criterion: Criterion, measured: Measured | None) -> Mark:
    """Returns the mark of a criterion, which was not run if `measured` is None."""
    mark = Mark(
        name=clean(criterion.name, 200),
        description=clean(criterion.description),
        points=0.0,
        max_points=criterion.points,
        verdict=MarkVerdict.NOT_RUN,
        hidden=criterion.hidden,
    )
    if measured is None:
        return mark
    points = criterion.credit.earned(measured.value)
    return replace(
        mark,
        points=points,
        verdict=verdict_of(points, criterion.points, fault=measured.fault),
        expected=kind_of(criterion).expected(criterion),
        got=clean(measured.got, 200),
        value=measured.value,
        message=clean(measured.message),
        seconds=measured.seconds,
    )


def _in_place(pruner: str, error: PluginError) -> str:
    """Returns why a submission cannot be loaded; its file is called by its name alone."""
    base, _ = split_options(pruner)
    path, name = str(Path(base).resolve()), Path(base).name
    if base == STANDARD_INPUT:
        return clean(error)
    message = clean(error).replace(path, name).removeprefix(f"{name}: {name}, ")
    return message if message.startswith(name) else f"{name}, {message}"


def _format_errors(records: Iterable[Record]) -> list[str]:
    """Returns what is wrong with the masks of runs."""
    return list(
        dict.fromkeys(
            clean(f"{record.challenge} at density {record.target_density:.4g}: {record.error}")
            for record in records
        )
    )
