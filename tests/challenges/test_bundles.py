"""Bundles: what is frozen loads unchanged, and nothing in it can be altered unseen."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fuzzing import freeze
from safetensors.numpy import load_file

from plantkit.challenges import bundles, freezing
from plantkit.challenges.bundles import Challenge
from plantkit.challenges.drafting import Order, draft_challenge
from plantkit.challenges.manifests import read_manifest
from plantkit.challenges.verification import verify_bundle
from plantkit.errors import BundleError, UsageError
from plantkit.networks.training import Recipe

FILES = ["challenge.json", "train.safetensors", "truth.safetensors", "weights.safetensors"]


def edit_manifest(bundle: Path, change) -> None:
    """Changes a manifest and has its digest fit again, as whoever wrote the bundle could."""
    path = bundle / "challenge.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_bytes(freeze(manifest))


def expect_error(bundle: Path, file: str, text: str) -> None:
    with pytest.raises(BundleError) as error:
        bundles.load(bundle)
    assert error.value.path.name == file
    assert text in str(error.value)
    assert error.value.exit_code == 4


def test_files_and_shapes(tiny_challenges, circle):
    assert sorted(path.name for path in (tiny_challenges / "circle-3x60").iterdir()) == FILES
    assert circle.network.widths == (2, 60, 4)
    assert circle.planted_density == circle.truth.ticket.kept / circle.network.total
    assert len(circle.train) == 320
    assert len(circle.truth.test) == 100
    assert circle.truth.planting_seed == (b"\1" * 32).hex()
    assert len(bytes.fromhex(circle.truth.salt)) == 32


def test_reference_figures_from_numpy_alone(tiny_challenges):
    """A checker without plantkit: safetensors and NumPy recompute the ticket's accuracy."""
    path = tiny_challenges / "circle-3x60"
    weights = load_file(path / "weights.safetensors")
    truth = load_file(path / "truth.safetensors")
    hidden = truth["test.inputs"]
    for layer in range(2):
        name = f"layers.{layer}."
        weight = weights[f"{name}weight"] * truth[f"ticket.{name}weight"]
        bias = weights[f"{name}bias"] * truth[f"ticket.{name}bias"]
        hidden = (np.maximum(hidden, 0) if layer else hidden) @ weight.T + bias
    accuracy = float((hidden.argmax(axis=1) == truth["test.targets"]).mean())
    manifest = json.loads((path / "challenge.json").read_text())
    assert accuracy == pytest.approx(manifest["reference"]["ticket"]["strong"], abs=1e-9)
    commitment = hashlib.sha256(
        b"plantkit-truth-1\n" + (path / "truth.safetensors").read_bytes()
    ).hexdigest()
    assert commitment == manifest["truth"]["commitment"]


def test_same_seed_same_bytes(tmp_path):
    order = Order(
        family="helix",
        depth=3,
        width=32,
        recipe=Recipe(epochs=1),
        train_samples=64,
        test_samples=16,
    )
    contents = []
    for name in ("one", "two"):
        draft, _ = draft_challenge(order, b"seed")
        path = freezing.freeze(draft, tmp_path / name)
        contents.append([(path / file).read_bytes() for file in FILES])
    assert contents[0] == contents[1]


def test_the_public_files_do_not_hold_the_seed_or_the_ticket(tiny_challenges, circle):
    for name in ("challenge.json", "weights.safetensors", "train.safetensors"):
        content = (tiny_challenges / "circle-3x60" / name).read_bytes()
        assert circle.truth.planting_seed.encode() not in content
        assert circle.truth.salt.encode() not in content
        assert b"ticket.layers" not in content


def test_a_frozen_bundle_is_never_overwritten(tiny_challenges, circle):
    order = Order(family="circle", depth=3, width=60, train_samples=8, test_samples=8)
    draft, _ = draft_challenge(order, b"seed")
    with pytest.raises(UsageError, match="exists already"):
        freezing.freeze(draft, tiny_challenges / "circle-3x60")


def test_a_freeze_that_fails_leaves_nothing(tmp_path):
    order = Order(family="relu", depth=3, width=8, train_samples=8, test_samples=8)
    draft, _ = draft_challenge(order, b"seed")

    broken = replace(draft, files={**draft.files, "train.safetensors": b""})
    with pytest.raises(BundleError):
        freezing.freeze(broken, tmp_path / "relu")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("file", FILES[1:])
@pytest.mark.parametrize("position", [0, 7, 100, -1])
def test_flipped_bit(copied_bundle, file, position):
    content = bytearray((copied_bundle / file).read_bytes())
    content[position] ^= 1
    (copied_bundle / file).write_bytes(content)
    expect_error(copied_bundle, file, "has been altered: its SHA-256 is")


@pytest.mark.parametrize("file", FILES)
def test_missing_file(copied_bundle, file):
    (copied_bundle / file).unlink()
    expect_error(copied_bundle, file, "is missing")


@pytest.mark.parametrize("file", FILES)
def test_truncated_file(copied_bundle, file):
    content = (copied_bundle / file).read_bytes()
    (copied_bundle / file).write_bytes(content[: len(content) // 2])
    with pytest.raises(BundleError):
        bundles.load(copied_bundle)


@pytest.mark.parametrize(
    ("version", "advice"), [(2, "update plantkit"), (0, "freeze the bundle again")]
)
def test_unknown_schema_version(copied_bundle, version, advice):
    edit_manifest(copied_bundle, lambda m: m.update(schema_version=version))
    expect_error(copied_bundle, "challenge.json", f"schema_version is {version}")
    expect_error(copied_bundle, "challenge.json", advice)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda m: m.pop("task"), "'task' is a required property"),
        (lambda m: m.update(extra=1), "Additional properties"),
        (lambda m: m["ticket"].update(kept=0), "$.ticket.kept"),
        (lambda m: m["files"].update({"../../etc/passwd": {"sha256": "0" * 64, "bytes": 1}}), "$"),
        (lambda m: m["network"].update(widths=[2, 60, 5]), "does not fit network"),
        (lambda m: m["ticket"].update(total=1), "ticket.total is 1"),
        (lambda m: m["reference"].update(trivial=0.999), "no better than the constant"),
        (
            lambda m: m["truth"].update(storage="sealed"),
            "expected weights.safetensors, train.safetensors, truth.sealed",
        ),
        (lambda m: m.update(id="../x"), "$.id"),
        (lambda m: m.update(id="circle-3x60\n"), "$.id"),
        (lambda m: m.update(title="\x1b[2J"), "$.title"),
        (lambda m: m["protocol"]["training"].update(epochs=2.0), "is not of type 'integer'"),
        (lambda m: m["reference"].update(trivial=float("nan")), "NaN is not a number in JSON"),
        (lambda m: m["ticket"].update(kept=2**60), "too large an integer"),
        (lambda m: m["ticket"].update(density=0.9), "ticket.density is 0.9"),
        (lambda m: m["ticket"].update(total_weights=7), "ticket.total_weights is 7"),
    ],
)
def test_altered_manifest(copied_bundle, change, text):
    edit_manifest(copied_bundle, change)
    expect_error(copied_bundle, "challenge.json", text)


def test_ticket_that_is_not_the_committed_one(copied_bundle):
    edit_manifest(copied_bundle, lambda m: m["truth"].update(commitment="0" * 64))
    expect_error(copied_bundle, "truth.safetensors", "does not open the commitment")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"id": 1, "id": 2}', b"1e999"],
)
def test_manifest_that_is_no_manifest(copied_bundle, content):
    (copied_bundle / "challenge.json").write_bytes(content)
    with pytest.raises(BundleError) as error:
        bundles.load(copied_bundle)
    assert error.value.path.name == "challenge.json"


def test_duplicate_key_is_named(copied_bundle):
    (copied_bundle / "challenge.json").write_text('{"id": "a", "id": "b"}')
    expect_error(copied_bundle, "challenge.json", "key 'id' appears twice")


def test_huge_manifest(copied_bundle):
    (copied_bundle / "challenge.json").write_text(" " * 1_000_001)
    expect_error(copied_bundle, "challenge.json", "larger than")


def replace_file(bundle: Path, name: str, content: bytes) -> None:
    """Replaces a file and makes the digests fit, as whoever wrote the bundle could."""

    def change(manifest) -> None:
        digest = hashlib.sha256(content).hexdigest()
        manifest["files"][name] = {"sha256": digest, "bytes": len(content)}
        if name == "truth.safetensors":
            committed = hashlib.sha256(b"plantkit-truth-1\n" + content).hexdigest()
            manifest["truth"]["commitment"] = committed

    (bundle / name).write_bytes(content)
    edit_manifest(bundle, change)


@pytest.mark.parametrize("file", FILES[1:])
@pytest.mark.parametrize("content", [b"x", b"\xff" * 64, b"\x02" + b"\0" * 7 + b"{}"])
def test_well_signed_nonsense(copied_bundle, file, content):
    replace_file(copied_bundle, file, content)
    with pytest.raises(BundleError) as error:
        bundles.load(copied_bundle)
    assert error.value.path.name == file


def test_wrong_types_shapes_and_values(copied_bundle, circle):
    import torch
    from safetensors.torch import save

    weights = dict(circle.weights)
    name = "layers.0.weight"
    for change, text in [
        ({name: weights[name].T.contiguous()}, "expected torch.float32 of shape (60, 2)"),
        ({name: weights[name].double()}, "is torch.float64"),
        ({name: weights[name] * torch.nan}, "infinities or NaN"),
        ({"extra": torch.zeros(1)}, "unknown tensors 'extra'"),
    ]:
        replace_file(copied_bundle, "weights.safetensors", save({**weights, **change}))
        expect_error(copied_bundle, "weights.safetensors", text)
    replace_file(copied_bundle, "weights.safetensors", save(weights))
    data = {"inputs": circle.train.inputs, "targets": circle.train.targets + 1}
    replace_file(copied_bundle, "train.safetensors", save(data))
    expect_error(copied_bundle, "train.safetensors", "classes outside 0..3")


def test_verify_recomputes_the_figures(copied_bundle):
    assert "reference figures as stated" in verify_bundle(copied_bundle)
    edit_manifest(copied_bundle, lambda m: m["reference"]["ticket"].update(strong=0.99999))
    bundles.load(copied_bundle)  # well formed, but not true
    with pytest.raises(BundleError, match=r"reference\.ticket\.strong is 0\.99999.*recomputed"):
        verify_bundle(copied_bundle)


def test_verify_counts_the_entries_that_cost_something(copied_bundle):
    costs = read_manifest(copied_bundle)[0]["ticket"]["costs"]
    assert [one["at_least"] for one in costs] == [0.1, 0.01, 0.001]
    wrong = [*costs[:2], costs[2] | {"entries": costs[2]["entries"] + 100}]
    edit_manifest(copied_bundle, lambda m: m["ticket"].update(costs=wrong))
    message = rf"ticket\.costs\[2\] says that {wrong[2]['entries']} entries cost at least 0\.001; "
    with pytest.raises(BundleError, match=rf"{message}recomputed {costs[2]['entries']}"):
        verify_bundle(copied_bundle)
    edit_manifest(copied_bundle, lambda m: m["ticket"].pop("costs"))  # bundles may leave them out
    assert "reference figures as stated" in verify_bundle(copied_bundle)


def test_the_digest_covers_everything(tiny_challenges, copied_bundle):
    original = bundles.load(tiny_challenges / "circle-3x60").digest
    assert bundles.load(copied_bundle).digest == original
    edit_manifest(copied_bundle, lambda m: m.update(title="another"))
    assert bundles.load(copied_bundle).digest != original


def test_bundles_can_be_moved(copied_bundle, tmp_path):
    moved = shutil.move(copied_bundle, tmp_path / "elsewhere")
    assert bundles.load(Path(moved)).id == "circle-3x60"


@pytest.mark.parametrize(
    ("density", "message"),
    [("1y", "not a density"), (5, "out of range"), ("9999x", "is above 1 on circle-3x60")],
)
def test_a_problem_of_no_density_is_an_error(
    circle: Challenge, density: float | str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        circle.problem(density=density, seed=0)


def test_a_problem_may_be_asked_for_by_a_multiple(circle: Challenge) -> None:
    assert circle.problem(density="2x", seed=0).budget == 2 * circle.ticket_kept
