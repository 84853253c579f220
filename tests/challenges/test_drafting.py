"""Drafting: from an order to a bundle whose figures and facts hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from plantkit.challenges import bundles, drafting
from plantkit.challenges.bundles import Challenge
from plantkit.challenges.drafting import Order, draft_challenge
from plantkit.challenges.freezing import freeze
from plantkit.challenges.verification import verify_bundle
from plantkit.errors import PlantingError, UnknownNameError, UsageError
from plantkit.networks.training import Recipe
from plantkit.planting import find_family
from plantkit.schemas import violations

RECIPE = Recipe(epochs=1, batch_size=32, learning_rate=0.01)


def order(**changes: object) -> Order:
    values = {
        "family": "teacher",
        "depth": 4,
        "width": 40,
        "recipe": RECIPE,
        "train_samples": 300,
        "test_samples": 200,
    }
    return Order(**(values | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Challenge]:
    root = tmp_path_factory.mktemp("drafted")

    def make(kind: str) -> Challenge:
        dials = {"outputs": "3", "kind": kind, "inputs": "2"}
        wanted = order(dials=dials, variant=kind, noise=0.0)
        draft, _ = draft_challenge(wanted, b"\3" * 32)
        return bundles.load(freeze(draft, root / wanted.id))

    return make


@pytest.mark.parametrize("kind", ["regression", "classification"])
def test_a_teachers_ticket_is_exact_and_the_manifest_says_how_it_was_planted(
    frozen: Callable[[str], Challenge], kind: str
) -> None:
    challenge = frozen(kind)
    assert challenge.hidden
    assert challenge.overlap_scored
    assert challenge.ticket.strong == pytest.approx(1, abs=1e-6)
    planting = challenge.manifest["planting"]
    assert (planting["method"], planting["labels"]) == ("selected", "ticket")
    assert planting["dials"] == dict(
        find_family("teacher").with_dials({"outputs": "3", "kind": kind, "inputs": "2"}).dials
    )
    assert planting["alternatives"]["known"] == "unknown"
    assert violations(challenge.manifest, "challenge") == []
    assert "reference figures as stated" in verify_bundle(challenge.path)


def test_formula_families_are_drawn_from_the_formula_and_counted() -> None:
    draft, planted = draft_challenge(order(family="relu", width=8, noise=0.0), b"\1" * 32)
    planting = draft.manifest["planting"]
    assert (planting["method"], planting["hidden"]) == ("faithful", False)
    train = bundles.public_of(draft).train
    np.testing.assert_allclose(train.targets.numpy(), np.maximum(train.inputs.numpy(), 0))
    assert planting["labels"] == "formula"
    assert planting["alternatives"]["count"] == planted.alternatives.count


def test_a_ticket_that_has_learned_nothing_is_told_before_the_reference_trainings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("trained")

    monkeypatch.setattr(drafting, "measure_all", fail)
    monkeypatch.setattr(drafting, "strong_accuracy", lambda *_, **__: [-0.1])
    with pytest.raises(PlantingError, match=r"is -0\.100, no better .* --dial epochs=N"):
        draft_challenge(order(), b"\3" * 32)


def test_unknown_plantings_and_dials_are_usage_errors() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'selected'"):
        draft_challenge(order(planting="slected"), b"1")
    with pytest.raises(UsageError, match="cannot plant family 'teacher'"):
        draft_challenge(order(planting="faithful"), b"1")
    with pytest.raises(UsageError, match="has no dial 'unit'"):
        draft_challenge(order(dials={"unit": "3"}), b"1")


def test_the_command_takes_plantings_and_dials(
    plantkit_cli: Callable[..., object], tmp_path: Path
) -> None:
    arguments = ["plant", "teacher", "--depth", "3", "--width", "12", "--out", tmp_path]
    outcome = plantkit_cli(*arguments, "--planting", "selected", "--dial", "outputs=2")
    assert outcome.code == 0, outcome  # type: ignore[attr-defined]
    assert "(selected)" in outcome.out  # type: ignore[attr-defined]
    [line] = outcome.err.splitlines()  # type: ignore[attr-defined]
    assert line.startswith("warning: nobody audited networks planted like this one")
    for extra, text in (
        (["--as-published"], "planting 'as-published' cannot plant family 'teacher'"),
        (["--as-published", "--planting", "selected"], "a kind of faithful planting"),
        (["--dial", "outputs"], "dial is 'outputs'; expected NAME=VALUE"),
        (["--dial", "units=4", "--dial", "units=5"], "each name once"),
    ):
        refused = plantkit_cli(*arguments, "--variant", "x", *extra)
        assert refused.code == 2  # type: ignore[attr-defined]
        assert text in refused.err  # type: ignore[attr-defined]
