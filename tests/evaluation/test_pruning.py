"""Running the cells of a grid: what is run, and what one run serves."""

from __future__ import annotations

from pathlib import Path

import pytest

from plantkit.evaluation import pruning
from plantkit.evaluation.grid import cells_of
from plantkit.evaluation.pruning import Pruning
from plantkit.evaluation.resources import Resources
from plantkit.isolation.client import Isolation, Outcome, PrunerServer
from plantkit.isolation.levels import Level
from plantkit.isolation.wire import Limits, Status
from plantkit.networks.masks import Mask
from plantkit.networks.training.executors import LocalExecutor
from plantkit.pruners.sources import PrunerSource
from plantkit.scoring.entries import Entry
from plantkit.scoring.evaluation import Settings
from plantkit.scoring.protocol import Protocol


@pytest.mark.parametrize(("is_seeded", "seeds"), [(True, [0, 1, 2]), (False, [0])])
def test_a_pruner_without_use_for_the_seed_runs_once_a_density(
    is_seeded, seeds, circle, tmp_path, monkeypatch
):
    asked = []

    def run_pruner(*_, density, seed, **__):
        asked.append((density, seed))
        mask = Mask.full(circle.network)
        return Outcome(
            status=Status.OK, mask=mask, error="", seconds=10 * density + seed, peak_rss_mib=None
        )

    monkeypatch.setattr(pruning, "run_pruner", run_pruner)
    monkeypatch.setattr(PrunerServer, "start", lambda self: None)
    progress: list[tuple[int, int]] = []
    made = Pruning(
        challenge=circle,
        problem_directory=Path(tmp_path),
        resources=Resources(
            settings=Settings(isolation="none"),
            limits=Limits(),
            servers=[PrunerServer(Isolation(level=Level.NONE))],
            scratch=Path(tmp_path),
            executor=LocalExecutor(),
        ),
    )
    entries = [Entry(label="one", source=PrunerSource(name="one"), is_seeded=is_seeded)]
    cells = cells_of(entries, circle, Protocol(densities=(0.5, 1.0), seeds=3))
    attempts = made.attempts(cells, progress=lambda _, done, total: progress.append((done, total)))
    assert sorted(asked) == [(density, seed) for density in (0.5, 1.0) for seed in seeds]
    assert progress == [(done + 1, len(asked)) for done in range(len(asked))]
    assert [(attempt.target_density, attempt.seed) for attempt in attempts] == [
        (density, seed) for density in (0.5, 1.0) for seed in range(3)
    ]
    expected = [10 * cell.density + (cell.seed if is_seeded else 0) for cell in cells]
    assert [attempt.seconds for attempt in attempts] == expected
