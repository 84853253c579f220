"""One run of every submission made again: whose, which one, and what is said of it."""

from __future__ import annotations

import pytest
from builders import random_mask

from plantkit.evaluation.attempts import Part, make_attempts
from plantkit.evaluation.grid import cells_of
from plantkit.evaluation.pruning import Pruning
from plantkit.evaluation.repeats import repeat
from plantkit.evaluation.resources import Resources
from plantkit.evaluation.slots import Slots
from plantkit.isolation.jobs import Outcome
from plantkit.isolation.wire import Limits, Status
from plantkit.networks.masks import Mask
from plantkit.networks.training.executors import LocalExecutor
from plantkit.pruners.sources import PrunerSource
from plantkit.scoring.entries import Entry
from plantkit.scoring.evaluation import Settings
from plantkit.scoring.protocol import Protocol


class Fake:
    """A backend whose masks are `made` of a job and the number of earlier runs of it."""

    def __init__(self, made, seconds=lambda job: 0.1):
        self.made, self.seconds = made, seconds
        self.asked = []

    def start(self):
        pass

    def stop(self):
        pass

    def run(self, job):
        key = job.source.path, job.density, job.seed
        mask = self.made(job, self.asked.count(key))
        self.asked.append(key)
        return Outcome(
            status=Status.OK if mask is not None else Status.CRASH,
            mask=mask,
            error="" if mask is not None else "ValueError: no luck (line 3)",
            seconds=self.seconds(job),
            peak_rss_mib=None,
        )


def steady(job, _):
    return random_mask(job.network, job.density, seed=job.seed)


def moody(job, earlier):
    return random_mask(job.network, job.density, seed=job.seed + 100 * earlier)


def failing(job, earlier):
    return None if earlier else steady(job, 0)


def entry(name, *, path="{}.py", **more):
    return Entry(label=name, source=PrunerSource(path=path and path.format(name)), **more)


def pruning_of(challenge, directory, backend, isolation="full"):
    return Pruning(
        challenge=challenge,
        problem_directory=directory,
        resources=Resources(
            settings=Settings(isolation=isolation),
            limits=Limits(),
            backends=[backend],
            scratch=directory,
            executor=LocalExecutor(),
        ),
    )


@pytest.fixture
def repeated(circle, tmp_path):
    """Prunes circle at two densities and two seeds, repeats, and returns backend and attempts."""

    def run(backend, *entries, done=(), isolation="full", densities=(0.1, 0.5)):
        pruning = pruning_of(circle, tmp_path, backend, isolation)
        cells = cells_of(entries, circle, Protocol(densities=densities, seeds=2))
        part = Part(pruning=pruning, cells=cells)
        with Slots([backend]) as slots:
            [attempts] = make_attempts([part], slots, label="circle")
            before = len(backend.asked)
            [noted], names = repeat([part], [attempts], slots, done=done, label="circle")
        assert [one.mask for one in noted] == [one.mask for one in attempts]
        return backend.asked[before:], [one.note for one in noted], names

    return run


def test_the_same_mask_again_is_not_worth_a_note(repeated):
    asked, notes, names = repeated(Fake(steady), entry("one"), entry("two"))
    assert asked == [("one.py", 0.1, 0), ("two.py", 0.1, 0)]
    assert set(notes) == {""}
    assert names == {"one", "two"}


def test_another_mask_is_noted_at_its_row(repeated):
    _, notes, _ = repeated(Fake(moody), entry("one"))
    assert notes[0].startswith("a second run with the same seed gave another mask; draw from")
    assert set(notes[1:]) == {""}


def test_a_second_run_that_fails_is_noted(repeated):
    _, notes, _ = repeated(Fake(failing), entry("one"))
    assert notes[0] == (
        "a second run with the same seed ended as crash: ValueError: no luck (line 3)"
    )


def test_of_several_challenges_the_first_that_tells_is_run_again(circle, relu, tmp_path):
    backend = Fake(lambda job, n: steady(job, n) if job.network == relu.network else None)
    protocol = Protocol(densities=(0.5,), seeds=1)
    parts = [
        Part(
            pruning=pruning_of(one, tmp_path, backend),
            cells=cells_of([entry("one"), entry("two")], one, protocol),
        )
        for one in (circle, relu, relu)
    ]
    with Slots([backend]) as slots:
        attempts = make_attempts(parts, slots, label="three")
        before = len(backend.asked)
        noted, names = repeat(parts, attempts, slots, done=["two"], label="three")
    assert backend.asked[before:] == [("one.py", 0.5, 0)]
    assert names == {"one"}
    assert [len(some) for some in noted] == [2, 2, 2]


def test_who_is_left_out(repeated):
    installed = entry("snip", path=None)
    assert repeated(Fake(moody), installed, entry("one"), done=["one"])[0] == []
    assert repeated(Fake(moody), entry("one"), isolation="none")[0] == []


def test_a_mask_without_a_choice_tells_nothing(repeated, circle):
    full = Mask.full(circle.network)
    none = Mask({name: value & False for name, value in full.items()})
    for mask in (full, none, None):
        asked, _, names = repeated(Fake(lambda *_, mask=mask: mask), entry("one"))
        assert asked == []
        assert names == set()


@pytest.mark.parametrize(
    ("seconds", "is_made"),
    [
        (lambda job: 4.9, True),
        (lambda job: 10.0, False),  # a quarter of four runs
        (lambda job: 10.0 if job.density < 0.3 else 30.0, True),  # an eighth
    ],
)
def test_a_long_run_is_made_again_only_if_there_are_many(seconds, is_made, repeated):
    asked, _, names = repeated(Fake(moody, seconds), entry("one"))
    assert bool(asked) == is_made
    assert names == ({"one"} if is_made else set())


def test_a_pruner_without_use_for_seeds_runs_with_the_first_one(repeated):
    asked, _, _ = repeated(Fake(steady), entry("one", is_seeded=False))
    assert asked == [("one.py", 0.1, 0)]


def test_a_mask_that_keeps_nothing_has_a_note(repeated, circle):
    none = Mask({name: value & False for name, value in Mask.full(circle.network).items()})
    _, notes, _ = repeated(Fake(lambda *_: none), entry("one"))
    assert notes[0].startswith("the mask keeps none of 424 parameters and may keep 42, so")
    assert notes[2].startswith("the mask keeps none of 424 parameters and may keep 212, so")
