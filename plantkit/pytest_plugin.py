"""Fixtures for plain pytest tests of pruners; loaded in every pytest run of the environment.

So nothing heavy is imported here: torch comes with the first fixture that is used.

    def test_half_of_the_network_is_enough(plantkit_evaluate):
        result = plantkit_evaluate("submissions/my_pruner.py", challenge="circle-5x100",
                                   densities=[0.5], seeds=1)
        assert result["my_pruner"].recovered("weak") >= 0.9
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from plantkit.evaluation.results import EvaluationResult
    from plantkit.pruners.problem import Problem

#: Family and width of the tiny challenges. They are for practice: anybody may know their seeds.
_TINY = (("relu", 8), ("circle", 60))
_TINY_SUITE = """
[tiny]
title = "Two tiny challenges, planted for this test run"
challenges = ["relu-3x8", "circle-3x60"]
densities = ["planted", 0.5]
seeds = 1
"""


@pytest.fixture(scope="session")
def plantkit_tiny_challenges(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the tiny planted challenges relu-3x8 and circle-3x60 and suite `tiny`."""
    from plantkit.challenges.drafting import Order, draft_challenge
    from plantkit.challenges.freezing import freeze
    from plantkit.networks.training import Recipe

    root: Path = tmp_path_factory.mktemp("plantkit-challenges")
    for number, (family, width) in enumerate(_TINY):
        order = Order(
            family=family,
            depth=3,
            width=width,
            densities=("planted", 0.5),
            recipe=Recipe(epochs=2, batch_size=32, learning_rate=0.01),
            train_samples=320,
            test_samples=100,
        )
        draft, _ = draft_challenge(order, bytes([number] * 32))
        freeze(draft, root / order.id)
    (root / "suites.toml").write_bytes(_TINY_SUITE.encode())
    return root


@pytest.fixture
def plantkit_problem(plantkit_tiny_challenges: Path) -> Callable[..., Problem]:
    """Returns a problem as a pruner gets it: `plantkit_problem("circle-3x60", density=0.5)`."""
    from plantkit.challenges import bundles, catalog

    def make(challenge: str = "circle-3x60", *, density: float = 0.5, seed: int = 0) -> Problem:
        found = catalog.find([plantkit_tiny_challenges])
        return bundles.load(found.bundle(challenge)).problem(density=density, seed=seed)

    return make


@pytest.fixture
def plantkit_evaluate(plantkit_tiny_challenges: Path) -> Callable[..., EvaluationResult]:
    """Runs pruners and returns their results: `plantkit.evaluate` on the tiny challenges, too.

    `plantkit_evaluate(*pruners, challenge=None, suite=None, densities=(), **options)`: the options
    are those of `plantkit.evaluate`. Without challenge and suite it takes the tiny circle-3x60.
    """

    def run(
        *pruners: str | Path,
        challenge: str | Sequence[str] | None = None,
        suite: str | None = None,
        densities: Sequence[float | str] = (),
        **options: Any,
    ) -> EvaluationResult:
        from plantkit.evaluation.evaluating import evaluate

        if challenge is None and suite is None:
            challenge = "circle-3x60"
        return evaluate(
            pruners,
            challenge=challenge,
            suite=suite,
            density=densities,
            directories=[plantkit_tiny_challenges],
            **options,
        )

    return run
