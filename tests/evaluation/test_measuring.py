"""What scoring keeps of a challenge, and what it never writes down."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from builders import random_mask, score_attempts

from plantkit.challenges.bundles import Challenge
from plantkit.evaluation import measuring
from plantkit.evaluation.cache import Cache, costs_key
from plantkit.scoring.attempts import Attempt
from plantkit.scoring.records import Record


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def scored(circle: Challenge, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Scores a mask on a challenge and returns how often costs were computed for that."""
    costs_of, computed = measuring.costs_of, []
    results: list[Record] = []

    def counting(challenge: Challenge) -> object:
        computed.append(challenge.id)
        return costs_of(challenge)

    def score(challenge: Challenge = circle) -> int:
        computed.clear()
        mask = random_mask(challenge.network, 0.5)
        attempt = Attempt(
            pruner="one",
            target_density=0.5,
            is_planted_density=False,
            seed=0,
            status="ok",
            mask=mask,
            error="",
            seconds=1.0,
            peak_rss_mib=None,
        )
        results.extend(score_attempts(challenge, [attempt], cache=cache))
        assert results[-1].overlap == results[0].overlap
        return len(computed)

    monkeypatch.setattr(measuring, "costs_of", counting)
    return score


def file_of_costs(cache: Cache, challenge: Challenge) -> Path:
    key = costs_key(challenge.digest)
    return cache.directory / key[:2] / f"{key[2:]}.safetensors"


def test_costs_are_computed_once_for_a_challenge_that_lies_open(
    scored: Callable[..., int], cache: Cache, circle: Challenge
) -> None:
    assert [scored(), scored()] == [1, 0]
    file = file_of_costs(cache, circle)
    assert os.name == "nt" or stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_bytes(b"damaged")
    assert [scored(), scored()] == [1, 0]


def test_costs_of_a_ticket_that_no_file_tells_are_never_written(
    scored: Callable[..., int], cache: Cache, circle: Challenge, relu: Challenge, tmp_path: Path
) -> None:
    in_memory = replace(circle, path=tmp_path / "nowhere")
    of_another = replace(circle, path=relu.path)  # as a file of its name may lie where one works
    sealed = {**circle.manifest, "truth": {**circle.manifest["truth"], "storage": "sealed"}}
    for hidden in (in_memory, of_another, replace(circle, manifest=sealed)):
        assert [scored(hidden), scored(hidden)] == [1, 1]
        assert not file_of_costs(cache, circle).exists()
