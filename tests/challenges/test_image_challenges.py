"""Tests of challenges on images: from an order to a bundle, and to others like it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from toy_images import FAMILY, NETWORKS

from plantkit.challenges import bundles
from plantkit.challenges.bundles import Bundle, challenge_of
from plantkit.challenges.drafting import IMAGE_DENSITIES, Order, draft_challenge, order_like
from plantkit.challenges.freezing import freeze
from plantkit.challenges.fresh import fresh_challenges
from plantkit.challenges.manifests import render_manifest
from plantkit.challenges.verification import verify_bundle, verify_reveal
from plantkit.errors import BundleError, UnknownNameError, UsageError
from plantkit.networks.training import Recipe
from plantkit.planting import families
from plantkit.scoring.structures import costs_of

SECRET = "sixteen characters"


@pytest.fixture(autouse=True)
def bars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(families.FAMILIES, "bars", FAMILY)  # type: ignore[arg-type]


def order_of(network: str | None = None, variant: str = "") -> Order:
    recipe = Recipe(epochs=1, batch_size=64)
    return Order(family="bars", network=network, variant=variant, recipe=recipe)


def drafted(network: str) -> Bundle:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(families.FAMILIES, "bars", FAMILY)  # type: ignore[arg-type]
        return draft_challenge(order_of(network), b"seed")[0]


@pytest.fixture(scope="module")
def residual() -> Bundle:
    return drafted("residual")


@pytest.fixture(scope="module")
def plain() -> Bundle:
    """The one that is planted soonest, for tests that plant more."""
    return drafted("plain")


def test_a_bundle_of_images_says_what_its_data_are(residual: Bundle, tmp_path: Path) -> None:
    challenge = bundles.load(freeze(residual, tmp_path / "bars-residual"))
    manifest = challenge.manifest
    assert challenge.id == "bars-residual"
    assert challenge.network == NETWORKS["residual"]
    assert challenge.title == "Bars: four classes of 8x8 pixels, in residual"
    assert (manifest["data"]["source"], manifest["data"]["noise"]) == ("made for a test", 0.0)
    assert manifest["data"]["normalisation"] == "pixel / 255"
    assert manifest["planting"]["labels"] == "data"
    assert manifest["planting"]["exactness"]["relative_error"] <= 1e-4
    assert "directory" not in manifest["planting"]["dials"]
    assert challenge.densities == IMAGE_DENSITIES
    assert not challenge.overlap_scored
    assert challenge.trivial < 0.5 < challenge.ticket.strong
    train, test = FAMILY.split(b"seed")
    assert torch.equal(challenge.train.inputs, train.inputs)
    assert torch.equal(challenge.truth.test.targets, test.targets)
    assert "costs" not in manifest["ticket"]
    assert not any(cost.any() for cost in costs_of(challenge).values())


def test_a_bundle_of_images_is_verified_and_planted_again(plain: Bundle, tmp_path: Path) -> None:
    path = freeze(plain, tmp_path / "bars-plain")
    assert "commitment and reference figures as stated" in verify_bundle(path)
    assert "weights, ticket and data are the same" in verify_reveal(path, path)


def test_others_like_a_challenge_on_images_are_planted(plain: Bundle) -> None:
    order = order_like(plain.manifest, variant="b")
    expected = replace(
        order_of("plain", "b"),
        planting="trained",
        dials={name: str(value) for name, value in FAMILY.dials.items()},
        overlap_scored=False,
    )
    assert order == expected
    one, two = fresh_challenges([plain.manifest], 2, SECRET)
    [again] = fresh_challenges([plain.manifest], 1, SECRET)
    assert (one.id, two.id) == ("bars-plain-fresh1", "bars-plain-fresh2")
    assert one.digest == again.digest != two.digest
    assert not torch.equal(one.train.inputs, two.train.inputs)


def test_a_network_of_another_size_is_not_planted_again(residual: Bundle) -> None:
    network = {**residual.manifest["network"], "stages": [[16, 1, 1]]}
    with pytest.raises(UsageError, match="expected one that 'bars' is planted in: plain, deep, re"):
        order_like({**residual.manifest, "network": network}, variant="b")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"stages": [[16, 1, 64], [16, 1, 64]]}, None),
        ({"stem_kernel": 0}, "network.stem_kernel"),
        ({"padding": 1}, "network"),
        ({"kind": "transformer"}, "network.kind"),
        ({"image": [1, 8]}, "network.image"),
    ],
)
def test_a_network_that_cannot_be_makes_a_bundle_invalid(
    residual: Bundle, tmp_path: Path, change: dict[str, object], expected: str | None
) -> None:
    path = freeze(residual, tmp_path / "bars-residual")
    manifest = json.loads((path / "challenge.json").read_text(encoding="utf-8"))
    manifest["network"] |= change
    (path / "challenge.json").write_bytes(render_manifest(manifest))
    with pytest.raises(BundleError) as caught:
        bundles.load(path)
    assert caught.value.exit_code == 4
    if expected is not None:
        assert f"$.{expected}" in str(caught.value)


@pytest.mark.parametrize(
    ("family", "useless", "expected"),
    [
        ("bars", {"depth": 3}, "leave depth out"),
        ("bars", {"width": 3}, "leave width out"),
        ("bars", {"noise": 0.1}, "leave noise out"),
        ("bars", {"train_samples": 100}, "leave train samples out"),
        ("circle", {"network": "plain"}, "leave network out"),
        ("circle", {"data": Path()}, "leave data out"),
    ],
)
def test_what_a_family_has_no_use_for_is_refused(
    family: str, useless: dict[str, object], expected: str
) -> None:
    with pytest.raises(UsageError, match=expected):
        Order(family=family, **useless)  # type: ignore[arg-type]


def test_an_unknown_network_is_told_with_those_there_are() -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean 'residual'(.|\n)*plain, deep, res"):
        Order(family="bars", network="residul")
    with pytest.raises(UnknownNameError, match=r"networks of digits: lenet, vgg, resnet"):
        Order(family="digits", network="vgg16")


def test_families_have_sizes_of_their_own_by_default() -> None:
    assert (Order(family="bars").id, Order(family="digits").id) == ("bars-plain", "digits-lenet")
    assert (Order(family="circle").id, Order(family="mnist").id) == ("circle-5x100", "mnist-lenet5")


def test_the_costs_of_perceptrons_are_measured_as_ever(tmp_path: Path) -> None:
    order = Order(family="relu", depth=3, width=8, train_samples=64, test_samples=64)
    challenge = challenge_of(draft_challenge(order, b"1")[0])
    assert challenge.manifest["ticket"]["costs"]
    assert any(cost.any() for cost in costs_of(challenge).values())


@pytest.mark.parametrize(("pull", "is_poor"), [("10", True), ("0.1", False)])
def test_a_ticket_far_behind_the_dense_network_is_told(plantkit_cli, tmp_path, pull, is_poor):
    outcome = plantkit_cli(
        *("plant", "bars", "--network", "plain", "--dial", f"pull={pull}"),
        *("--seed", "00", "--out", tmp_path),
    )
    assert outcome.code == 0, outcome
    assert ("points behind the dense network" in outcome.err) == is_poor
