"""Pruners and challenges from Python."""

from __future__ import annotations

import pytest

import plantkit as pk
from plantkit.challenges.bundles import Challenge
from plantkit.errors import BundleError, PlantingError, UnknownNameError, UsageError

TINY = {"depth": 3, "width": 8, "train_samples": 320, "test_samples": 100, "jobs": 1}


def test_challenges_are_listed_and_loaded(tiny_challenges):
    assert "circle-3x60" in pk.list_challenges(directories=[tiny_challenges])
    loaded = pk.load_challenge("circle-3x60", directories=[str(tiny_challenges)])
    assert loaded.truth.ticket.kept == loaded.ticket_kept
    by_path = pk.load_challenge(tiny_challenges / "circle-3x60")
    assert by_path.digest == loaded.digest


def test_the_truth_is_read_only_where_it_is_asked_for(tiny_challenges):
    public = pk.load_challenge(tiny_challenges / "circle-3x60", truth=False)
    assert not isinstance(public, Challenge)
    assert not hasattr(public, "truth")


def test_what_a_challenge_shows_fits_a_screen_and_tells_nothing(relu):
    shown = repr(relu)
    assert len(shown) < 1500
    assert "tensor" not in shown
    assert relu.truth.planting_seed not in shown


def test_an_altered_bundle_is_refused(copied_bundle):
    (copied_bundle / "weights.safetensors").write_bytes(b"other")
    with pytest.raises(BundleError, match=r"weights\.safetensors"):
        pk.load_challenge(copied_bundle)


def test_pruners_are_listed_and_loaded():
    assert {"magnitude", "synflow"} <= set(pk.list_pruners())
    assert pk.load_pruner("synflow", iterations=3).iterations == 3
    with pytest.raises(UnknownNameError, match="did you mean 'synflow'"):
        pk.load_pruner("sinflow")
    with pytest.raises(UnknownNameError, match="did you mean 'iterations'"):
        pk.load_pruner("synflow", iteration=3)
    with pytest.raises(UsageError, match="expected int"):
        pk.load_pruner("synflow", iterations="many")


def test_planting_in_memory_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    one, same = (pk.plant("relu", seed=b"1", **TINY) for _ in range(2))
    assert one.digest == same.digest
    assert list(tmp_path.iterdir()) == []
    assert pk.plant("relu", **TINY).digest != one.digest


def test_planting_into_a_directory(tmp_path):
    made = pk.plant("relu", seed=b"1", out=tmp_path, variant="x", **TINY)
    assert made.path == tmp_path / "relu-3x8-x"
    assert pk.load_challenge(made.path).digest == made.digest
    with pytest.raises(UsageError, match="exists already"):
        pk.plant("relu", seed=b"2", out=tmp_path, variant="x", **TINY)


@pytest.mark.parametrize(
    ("family", "options", "error", "words"),
    [
        ("sphere", {}, UnknownNameError, "target families: cifar10, circle"),
        ("relu", {"planting": "hidden"}, UsageError, "no planting"),
        ("relu", {"dials": {"units": 3}}, UsageError, "has no dial 'units'"),
        ("relu", {"depth": 2}, UsageError, "needs a depth of at least 3"),
        ("circle", {}, UsageError, "use a width of at least"),
        ("relu", {"width": "x"}, UsageError, "width is 'x'; expected an integer, at least 1"),
        ("relu", {"train_samples": 0}, UsageError, "train_samples is 0"),
        ("relu", {"seed": 7}, UsageError, "seed is 7; expected at least one byte"),
        ("relu", {"seed": b""}, UsageError, "expected at least one byte"),
    ],
)
def test_what_cannot_be_planted_is_said(family, options, error, words):
    with pytest.raises((error, PlantingError), match=words):
        pk.plant(family, **(TINY | options))
