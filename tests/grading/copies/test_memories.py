"""Memorised answers are named, and honest pruners are not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from plantkit.grading.copies.memories import (
    LEAST_GAIN,
    MOST_FRESH,
    OVERLAP,
    STRONG,
    find_memories,
)

MEASURED = Path(__file__).parents[3] / "docs" / "results" / "memories.json"
PUBLIC, FRESH = "p" * 64, "f" * 64


def record(digest: str, challenge: str, overlap: float, strong: float = 0.0, **more: Any) -> Any:
    return {
        "bundle_sha256": digest,
        "challenge": challenge,
        "density_multiple": 3.0,
        "status": "ok",
        "overlap": {"adjusted_recall": overlap},
        "strong": {"recovered_digits": strong},
        **more,
    }


def find(public: Mapping[str, Any], *fresh: Mapping[str, Any]) -> list[Any]:
    return find_memories({"gita": [public, *fresh]}, {FRESH[:16]})


def test_a_ticket_that_is_known_where_it_is_public_is_named():
    [memory] = find(
        record(PUBLIC, "circle-5x100", 1.0, 1.0),
        record(FRESH, "circle-5x100-fresh1", 0.02),
        record(FRESH[:16] + "2", "circle-5x100-fresh2", 0.0, density_multiple=3.01),
    )
    assert (memory.id, memory.challenge, memory.multiple) == ("gita", "circle-5x100", 3.0)
    assert (memory.what, memory.known) == (OVERLAP, 1.0)
    assert memory.fresh == pytest.approx(0.01)
    assert memory.instances == 2


def test_a_mask_that_works_untrained_is_named_without_the_ticket():
    [memory] = find(
        record(PUBLIC, "circle-5x100-b", 0.05, 0.8), record(FRESH, "circle-5x100-fresh1", 0.0, 0.05)
    )
    assert memory.what == STRONG


@pytest.mark.parametrize(
    "fresh",
    [
        record(FRESH, "circle-5x100-fresh1", 1.01 - LEAST_GAIN[OVERLAP], MOST_FRESH + 0.01),
        record(FRESH, "circle-5x100-fresh1", 0.0, density_multiple=10.0),
        record(FRESH, "helix-5x100-fresh1", 0.0),
        record(FRESH, "circle-5x100-faithful-fresh1", 0.0),
        record(PUBLIC, "circle-5x100-c", 0.0),
    ],
    ids=["also good", "other density", "other kind", "other planting", "not fresh"],
)
def test_nobody_is_named_without_a_fresh_run_to_compare_with(fresh):
    assert find(record(PUBLIC, "circle-5x100", 1.0, 1.0), fresh) == []


def test_failed_runs_hide_no_memory():
    [memory] = find(
        record(PUBLIC, "circle-5x100", 1.0),
        record(PUBLIC, "circle-5x100", 0.0, status="crash"),
        record(FRESH, "circle-5x100-fresh1", 0.02),
        record(FRESH[:16] + "2", "circle-5x100-fresh2", 0.0, status="crash"),
    )
    assert (memory.known, memory.fresh, memory.instances) == (1.0, 0.02, 1)


def test_who_finds_the_public_ticket_and_fails_elsewhere_is_named():
    fresh = record(FRESH, "circle-5x100-fresh1", 0.0, status="timeout")
    [memory] = find(record(PUBLIC, "circle-5x100", LEAST_GAIN[OVERLAP]), fresh)
    assert (memory.what, memory.fresh, memory.instances) == (OVERLAP, None, 1)
    honest = find(record(PUBLIC, "circle-5x100", LEAST_GAIN[OVERLAP] - 0.01, 1.0), fresh)
    assert honest == find(record(PUBLIC, "circle-5x100", 1.0, status="crash"), fresh) == []


@pytest.mark.parametrize("fallback", [0.12, 0.5])
def test_a_fallback_on_fresh_instances_hides_no_memory(fallback):
    fresh = record(FRESH, "circle-5x100-fresh1", fallback, fallback)
    [memory] = find(record(PUBLIC, "circle-5x100", 1.0, 1.0), fresh)
    assert (memory.what, memory.fresh) == (OVERLAP, fallback)


def test_a_mask_that_works_untrained_is_not_named_where_fresh_ones_work_too():
    """Honest pruners find such masks on some instances of relu, and worse ones on others."""
    fresh = record(FRESH, "relu-5x100-fresh1", 0.0, MOST_FRESH + 0.01)
    assert find(record(PUBLIC, "relu-5x100", 0.1, 1.0), fresh) == []
    failed = record(FRESH, "relu-5x100-fresh1", 0.0, status="timeout")
    assert find(record(PUBLIC, "relu-5x100", 0.1, 1.0), failed) == []


def test_seeds_and_instances_are_averaged():
    public = [record(PUBLIC, "c-5x100", value) for value in (0.9, 0.0, 0.0)]
    assert find_memories({"a": [*public, record(FRESH, "c-5x100-fresh1", 0.0)]}, {FRESH}) == []


def test_a_challenge_is_named_once_at_its_clearest_density():
    runs = [record(PUBLIC, "c-5x100", value, density_multiple=d) for d, value in [(1, 0.6), (3, 1)]]
    runs += [record(FRESH, "c-5x100-fresh1", 0.0, density_multiple=d) for d in (1, 3)]
    [memory] = find_memories({"a": runs}, {FRESH})
    assert memory.multiple == 3


def test_nothing_is_fresh_where_no_instance_is():
    runs = [record(PUBLIC, "c-5x100", 1.0), record(FRESH, "c-5x100-fresh1", 0.0)]
    assert find_memories({"a": runs}, set()) == []


def test_no_honest_pruner_came_near_to_the_bounds():
    """Of reference pruners, each pair of instances once as public and once as fresh."""
    measured = json.loads(MEASURED.read_text(encoding="utf-8"))
    assert measured["comparisons"] > 1000
    assert measured["named"] == 0
    for what, least in LEAST_GAIN.items():
        assert measured["most_gain"][what] < 0.8 * least
    assert measured["most_found"] < 0.8 * LEAST_GAIN[OVERLAP]
