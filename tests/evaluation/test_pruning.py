"""Running the cells of a grid: what is run, and what one run serves."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from plantkit.errors import IsolationError
from plantkit.evaluation.attempts import Part, make_attempts
from plantkit.evaluation.cache import Answer, Cache, answer_key
from plantkit.evaluation.grid import cells_of
from plantkit.evaluation.pruning import Pruning
from plantkit.evaluation.resources import Resources
from plantkit.evaluation.slots import Slots
from plantkit.isolation.jobs import Outcome, PruneJob
from plantkit.isolation.wire import Limits, Status
from plantkit.networks.masks import Mask
from plantkit.networks.training.executors import LocalExecutor
from plantkit.pruners.sources import PrunerSource
from plantkit.scoring.attempts import Attempt
from plantkit.scoring.entries import Entry
from plantkit.scoring.evaluation import Settings
from plantkit.scoring.protocol import Protocol


class Recorder:
    """A backend that gives every job a full mask, and remembers it."""

    def __init__(self, fails: bool = False, effort: float | None = None) -> None:
        self.asked: list[tuple[float, int]] = []
        self.fails = fails
        self.effort = effort
        self.started = self.stopped = 0

    def start(self) -> None:
        self.started += 1

    def run(self, job: PruneJob) -> Outcome:
        self.asked.append((job.density, job.seed))
        if self.fails:
            raise IsolationError("nothing runs")
        return Outcome(
            status=Status.OK,
            mask=Mask.full(job.network),
            error="",
            seconds=10 * job.density + job.seed,
            peak_rss_mib=None,
            cpu_seconds=4.0,
            effort=self.effort,
        )

    def stop(self) -> None:
        self.stopped += 1


def attempts_of(pruning: Pruning, cells, progress=lambda *_: None) -> list[Attempt]:
    with Slots(pruning.resources.backends) as slots:
        part = Part(pruning=pruning, cells=cells)
        [attempts] = make_attempts([part], slots, label="circle", progress=progress)
    return attempts


def pruning_of(circle, directory, backends, speed: float | None = None) -> Pruning:
    return Pruning(
        challenge=circle,
        problem_directory=directory,
        resources=Resources(
            settings=Settings(isolation="none", speed=speed),
            limits=Limits(),
            backends=backends,
            scratch=directory,
            executor=LocalExecutor(),
        ),
    )


@pytest.mark.parametrize(("is_seeded", "seeds"), [(True, [0, 1, 2]), (False, [0])])
def test_a_pruner_without_use_for_the_seed_runs_once_a_density(is_seeded, seeds, circle, tmp_path):
    backend = Recorder()
    progress: list[tuple[int, int]] = []
    made = pruning_of(circle, tmp_path, [backend])
    entries = [Entry(label="one", source=PrunerSource(name="one"), is_seeded=is_seeded)]
    cells = cells_of(entries, circle, Protocol(densities=(0.5, 1.0), seeds=3))
    attempts = attempts_of(made, cells, lambda _, done, total: progress.append((done, total)))
    assert sorted(backend.asked) == [(density, seed) for density in (0.5, 1.0) for seed in seeds]
    assert progress == [(done, len(backend.asked)) for done in range(len(backend.asked) + 1)]
    assert [(attempt.target_density, attempt.seed) for attempt in attempts] == [
        (density, seed) for density in (0.5, 1.0) for seed in range(3)
    ]
    expected = [10 * cell.density + (cell.seed if is_seeded else 0) for cell in cells]
    assert [attempt.seconds for attempt in attempts] == expected


def test_backends_work_side_by_side_on_the_runs_of_all_challenges(circle, relu, tmp_path):
    meeting = threading.Barrier(3, timeout=20)

    class Meeting(Recorder):
        def run(self, job: PruneJob) -> Outcome:
            meeting.wait()  # breaks where fewer than three run at a time
            return super().run(job)

    backends = [Meeting() for _ in range(3)]
    entries = [Entry(label="one", source=PrunerSource(name="one"), is_seeded=True)]
    parts = [
        Part(pruning=pruning_of(one, tmp_path, backends), cells=cells_of(entries, one, protocol))
        for one, protocol in (
            (circle, Protocol(densities=(0.5,), seeds=2)),
            (relu, Protocol(densities=(1.0,), seeds=1)),
        )
    ]
    with Slots(backends) as slots:
        found = make_attempts(parts, slots, label="both")
    assert [[(one.target_density, one.seed) for one in some] for some in found] == [
        [(0.5, 0), (0.5, 1)],
        [(1.0, 0)],
    ]
    assert [backend.stopped for backend in backends] == [0, 0, 0]


def test_what_a_backend_raises_stops_every_backend(circle, tmp_path):
    backends = [Recorder(fails=True), Recorder(fails=True)]
    entries = [Entry(label="one", source=PrunerSource(name="one"), is_seeded=True)]
    cells = cells_of(entries, circle, Protocol(densities=(0.5,), seeds=9))
    with pytest.raises(IsolationError, match="nothing runs"):
        attempts_of(pruning_of(circle, tmp_path, backends), cells)
    assert [backend.stopped for backend in backends] == [1, 1]


@pytest.mark.parametrize(
    ("there", "here", "effort"), [(None, None, None), (None, 0.5, 2.0), (9.0, 0.5, 9.0)]
)
def test_effort_is_by_the_speed_of_the_machine_that_ran_it(there, here, effort, circle, tmp_path):
    made = pruning_of(circle, tmp_path, [Recorder(effort=there)], here)
    entries = [Entry(label="one", source=PrunerSource(name="one"))]
    [attempt] = attempts_of(made, cells_of(entries, circle, Protocol(densities=(0.5,), seeds=1)))
    assert (attempt.cpu_seconds, attempt.effort) == (4.0, effort)


def test_a_step_that_the_training_lacks_is_not_run(circle, tmp_path):
    steps = circle.recipe.steps(len(circle.train))
    backend = Recorder()
    entries = [
        Entry(label=f"{rewind}", source=PrunerSource(name="one"), rewind=rewind)
        for rewind in (0, steps - 1, steps)
    ]
    cells = cells_of(entries, circle, Protocol(densities=(0.5,), seeds=1))
    attempts = attempts_of(pruning_of(circle, tmp_path, [backend]), cells)
    assert [attempt.status for attempt in attempts] == ["ok", "ok", "invalid"]
    assert [attempt.rewind_step for attempt in attempts] == [0, steps - 1, steps]
    assert attempts[2].error.startswith(f"rewind is {steps}; expected at most {steps - 1}")
    assert len(backend.asked) == 2


def test_an_answer_of_a_study_gets_its_effort(circle, tmp_path):
    """Studies keep answers too, and count no effort."""
    backend, cache = Recorder(), Cache(tmp_path / "cache")
    made = pruning_of(circle, tmp_path, [backend], speed=0.5)
    made = replace(made, resources=replace(made.resources, cache=cache))
    entry = Entry(label="one", source=PrunerSource(name="one"), module="plantkit_baselines.random")
    key = answer_key(
        module=entry.module, pruner="one", options={}, bundle=circle.digest, density=1.0, seed=0
    )
    mask = Mask.full(circle.network)
    cache.keep_answer(key, Answer(mask=mask, seconds=7.0, peak_rss_mib=None, cpu_seconds=4.0))
    [attempt] = attempts_of(made, cells_of([entry], circle, Protocol(densities=(1.0,), seeds=1)))
    assert backend.asked == []
    assert (attempt.seconds, attempt.cpu_seconds, attempt.effort) == (7.0, 4.0, 2.0)
