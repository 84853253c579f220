"""What a bundle in memory must hold: every refusal, its words, and the figures by hand."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor

from plantkit.challenges import bundles
from plantkit.challenges.bundles import (
    Bundle,
    Challenge,
    challenge_of,
    commitment_to,
    file_entry,
    most_bytes,
    open_truth,
    public_of,
    read_bundle,
    ticket_counts,
    with_truth,
)
from plantkit.challenges.freezing import seal_bundle
from plantkit.challenges.sealing import OVERHEAD_BYTES, SecretKey
from plantkit.errors import BundleError, SealedTruthError
from plantkit.networks.masks import Mask

WEIGHTS, TRAIN, TRUTH = "weights.safetensors", "train.safetensors", "truth.safetensors"
Change = Callable[[dict[str, Tensor]], Any]


@pytest.fixture
def circle_bundle(tiny_challenges: Path) -> Bundle:
    """Of classification: 320 and 100 samples of 2 inputs, 4 classes, widths 2, 60, 4."""
    return read_bundle(tiny_challenges / "circle-3x60")


@pytest.fixture
def relu_bundle(tiny_challenges: Path) -> Bundle:
    """Of regression: 320 and 100 samples of 1 input and 1 output, widths 1, 8, 1."""
    return read_bundle(tiny_challenges / "relu-3x8")


def refused(bundle: Bundle, file: str) -> str:
    """Returns why the bundle is refused, without the path of `file` that comes first."""
    with pytest.raises(BundleError) as caught:
        challenge_of(bundle)
    path = bundle.path / file
    assert caught.value.path == path
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value).removeprefix(f"{path}: ")


def with_tensors(bundle: Bundle, file: str, change: Change, **metadata: str) -> Bundle:
    """Returns the bundle with other tensors in a file, and a commitment that fits them."""
    tensors = load(bundle.files[file])
    change(tensors)
    content = save(tensors, metadata)
    manifest = copy.deepcopy(dict(bundle.manifest))
    if file == TRUTH:
        manifest["truth"]["commitment"] = commitment_to(content)
    return replace(bundle, manifest=manifest, files={**bundle.files, file: content})


def with_manifest(bundle: Bundle, change: Callable[[dict[str, Any]], Any]) -> Bundle:
    manifest = copy.deepcopy(dict(bundle.manifest))
    change(manifest)
    return replace(bundle, manifest=manifest)


# --- what comes out


def test_a_challenge_is_what_its_manifest_and_files_say(circle_bundle: Bundle) -> None:
    manifest = circle_bundle.manifest
    found = challenge_of(circle_bundle)
    assert (found.id, found.title, found.family) == (
        manifest["id"],
        manifest["title"],
        "circle",
    )
    assert found.hidden is manifest["planting"]["hidden"]
    assert (found.path, found.digest) == (circle_bundle.path, circle_bundle.digest)
    assert found.manifest == manifest
    assert found.densities == ("planted", 0.5)
    assert found.recipe.to_json() == manifest["protocol"]["training"]
    assert found.overlap_scored is manifest["overlap_scored"]
    assert found.ticket_kept == manifest["ticket"]["kept"]
    assert found.trivial == manifest["reference"]["trivial"]
    for name in ("ticket", "dense"):
        accuracies, stated = getattr(found, name), manifest["reference"][name]
        assert (accuracies.strong, accuracies.weak) == (stated["strong"], stated["weak"])
    weights = load(circle_bundle.files[WEIGHTS])
    assert list(found.weights) == list(found.network.shapes)
    assert all(torch.equal(found.weights[name], weights[name]) for name in weights)
    for samples, file, prefix in (
        (found.train, TRAIN, ""),
        (found.truth.test, TRUTH, "test."),
    ):
        tensors = load(circle_bundle.files[file])
        assert torch.equal(samples.inputs, tensors[f"{prefix}inputs"])
        assert torch.equal(samples.targets, tensors[f"{prefix}targets"])
    truth = load(circle_bundle.files[TRUTH])
    assert list(found.truth.ticket) == list(found.network.shapes)
    assert all(
        torch.equal(entries, truth[f"ticket.{name}"])
        for name, entries in found.truth.ticket.items()
    )
    assert bytes.fromhex(found.truth.salt) == bytes(truth["salt"].tolist())


def test_the_public_half_is_the_same_without_the_truth(circle_bundle: Bundle) -> None:
    whole, public = challenge_of(circle_bundle), public_of(circle_bundle)
    assert not isinstance(public, Challenge)
    assert not hasattr(public, "truth")
    assert public.id == whole.id
    assert public.is_sealed is whole.is_sealed is False


def test_a_problem_has_what_a_pruner_may_see_and_no_more(circle: Challenge) -> None:
    problem = circle.problem(density=0.25, seed=7)
    assert (problem.name, problem.density, problem.seed) == ("circle-3x60", 0.25, 7)
    assert problem.network == circle.network
    assert problem.task == circle.task
    assert problem.recipe == circle.recipe
    assert torch.equal(problem.train.inputs, circle.train.inputs)
    assert torch.equal(problem.train.targets, circle.train.targets)
    assert all(torch.equal(problem.weights[name], circle.weights[name]) for name in circle.weights)


def test_a_truth_without_a_planting_seed_has_none(circle_bundle: Bundle) -> None:
    without = with_tensors(circle_bundle, TRUTH, lambda tensors: None)
    assert challenge_of(without).truth.planting_seed == ""
    given = with_tensors(circle_bundle, TRUTH, lambda tensors: None, planting_seed="ab")
    assert challenge_of(given).truth.planting_seed == "ab"


# --- figures by hand


def test_most_bytes_by_hand() -> None:
    # 2 x 3 + 3 and 3 x 4 + 4 parameters: 25. A sample is 2 inputs of 4 bytes and its target.
    manifest: dict[str, Any] = {
        "network": {"kind": "mlp", "widths": [2, 3, 4]},
        "data": {"train": 10, "test": 5},
        "task": {"kind": "classification"},
    }
    header = 1 << 20
    for kind, target in (("classification", 8), ("regression", 4 * 4)):
        manifest["task"]["kind"] = kind
        truth = 25 + 5 * (8 + target) + header
        assert most_bytes(manifest) == {
            WEIGHTS: 4 * 25 + header,
            TRAIN: 10 * (8 + target) + header,
            TRUTH: truth,
            "truth.sealed": truth + OVERHEAD_BYTES,
        }


def test_networks_that_make_too_many_numbers_are_refused() -> None:
    manifest = {
        "network": {
            "kind": "convolution", "image": [1, 1, 1], "outputs": 2, "blocks": [[1] * 2, [1] * 6],
            "kernel": 1000, "padding": 999, "pooling": "none",
        },
        "data": {"train": 1, "test": 1},
        "task": {"kind": "classification"},
    }  # fmt: skip
    with pytest.raises(ValueError, match=r"it makes .* numbers of a sample; expected at most"):
        most_bytes(manifest)


def test_what_a_manifest_says_of_a_file() -> None:
    assert file_entry(b"abc") == {
        "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "bytes": 3,
    }
    expected = hashlib.sha256(b"plantkit-truth-1\nabc").hexdigest()
    assert commitment_to(b"abc") == expected


def test_a_tickets_counts_by_hand() -> None:
    ticket = Mask(
        {
            "layers.0.weight": torch.tensor([[1, 0], [1, 1]]),
            "layers.0.bias": torch.tensor([1, 0]),
            "layers.1.weight": torch.tensor([[0, 1]]),
            "layers.1.bias": torch.tensor([0]),
        }
    )
    assert ticket_counts(ticket) == {
        "kept": 5,
        "total": 9,
        "density": 5 / 9,
        "kept_weights": 4,
        "total_weights": 6,
        "density_weights_only": 4 / 6,
    }


# --- manifests that do not fit


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda m: m["task"].update(outputs=5),
            "task {'kind': 'classification', 'outputs': 5, 'metric': 'accuracy'} does not fit "
            "network 3x60",
        ),
        (
            lambda m: m["task"].update(metric="r2"),
            "task {'kind': 'classification', 'outputs': 4, 'metric': 'r2'} does not fit "
            "network 3x60",
        ),
        (lambda m: m["ticket"].update(total=425), "ticket.total is 425; expected 424"),
        (
            lambda m: m["ticket"].update(total_weights=424),
            "ticket.total_weights is 424; expected 360",
        ),
        (
            lambda m: m["ticket"].update(kept=212, density=0.5001),
            "ticket.density is 0.5001; expected 212/424",
        ),
        (
            lambda m: m["ticket"].update(kept=425, density=425 / 424),
            f"ticket.density is {425 / 424}; expected 425/424",
        ),
        (
            lambda m: m["ticket"].update(kept_weights=180, density_weights_only=0.4),
            "ticket.density_weights_only is 0.4; expected 180/360",
        ),
        (
            lambda m: m["ticket"].update(kept_weights=361, density_weights_only=361 / 360),
            f"ticket.density_weights_only is {361 / 360}; expected 361/360",
        ),
        (
            lambda m: m["reference"].update(trivial=m["reference"]["ticket"]["strong"]),
            "the ticket does no better than the constant predictor",
        ),
    ],
    ids=range(9),
)
def test_a_manifest_that_contradicts_itself(
    circle_bundle: Bundle, change: Callable[[Any], Any], words: str
) -> None:
    assert refused(with_manifest(circle_bundle, change), "challenge.json") == words


def test_a_density_may_differ_in_its_last_digits_only(circle_bundle: Bundle) -> None:
    density = circle_bundle.manifest["ticket"]["density"]

    def scaled(factor: float) -> Bundle:
        return with_manifest(circle_bundle, lambda m: m["ticket"].update(density=density * factor))

    challenge_of(scaled(1 + 5e-10))
    assert refused(scaled(1 + 2e-9), "challenge.json").startswith("ticket.density is ")


def test_a_ticket_that_keeps_everything_is_within_bounds(circle_bundle: Bundle) -> None:
    """The manifest fits itself, but not the ticket in the truth."""
    changed = with_manifest(
        circle_bundle,
        lambda m: m["ticket"].update(
            kept=424, density=1.0, kept_weights=360, density_weights_only=1.0
        ),
    )
    public_of(changed)
    kept = circle_bundle.manifest["ticket"]["kept"]
    assert refused(changed, TRUTH) == f"ticket.kept is {kept}; challenge.json says 424"


def test_a_ticket_with_other_weights_of_the_same_number(circle_bundle: Bundle) -> None:
    kept = circle_bundle.manifest["ticket"]["kept_weights"]
    changed = with_manifest(
        circle_bundle,
        lambda m: m["ticket"].update(kept_weights=kept - 1, density_weights_only=(kept - 1) / 360),
    )
    assert refused(changed, TRUTH) == (
        f"ticket.kept_weights is {kept}; challenge.json says {kept - 1}"
    )


# --- tensors that do not fit


def first(tensors: dict[str, Tensor], value: float, name: str = "layers.0.weight") -> None:
    tensors[name].view(-1)[0] = value


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        (
            WEIGHTS,
            lambda t: t.pop("layers.0.bias"),
            "tensor 'layers.0.bias' is missing; expected torch.float32 of shape (60,)",
        ),
        (
            WEIGHTS,
            lambda t: t.update({"layers.0.weight": torch.zeros(2, 60)}),
            "tensor 'layers.0.weight' is torch.float32 of shape (2, 60); "
            "expected torch.float32 of shape (60, 2)",
        ),
        (
            WEIGHTS,
            lambda t: t.update({"layers.1.bias": torch.zeros(4, dtype=torch.float64)}),
            "tensor 'layers.1.bias' is torch.float64 of shape (4,); "
            "expected torch.float32 of shape (4,)",
        ),
        (
            WEIGHTS,
            lambda t: first(t, torch.inf),
            "tensor 'layers.0.weight' holds infinities or NaN",
        ),
        (
            WEIGHTS,
            lambda t: first(t, torch.nan),
            "tensor 'layers.0.weight' holds infinities or NaN",
        ),
        (
            WEIGHTS,
            lambda t: t.update({f"x{n}": torch.zeros(1) for n in range(7)}),
            "has unknown tensors 'x0', 'x1', 'x2', 'x3', 'x4'",
        ),
        (
            WEIGHTS,
            lambda t: t.update({"y" * 81: torch.zeros(1)}),
            f"has unknown tensors '{'y' * 80}'",
        ),
        (
            TRAIN,
            lambda t: t.pop("targets"),
            "tensor 'targets' is missing; expected torch.int64 of shape (320,)",
        ),
        (
            TRAIN,
            lambda t: t.update(inputs=t["inputs"][:-1].clone()),
            "tensor 'inputs' is torch.float32 of shape (319, 2); "
            "expected torch.float32 of shape (320, 2)",
        ),
        (
            TRAIN,
            lambda t: first(t, torch.nan, "inputs"),
            "tensor 'inputs' holds infinities or NaN",
        ),
        (TRAIN, lambda t: first(t, -1, "targets"), "'targets' holds classes outside 0..3"),
        (TRAIN, lambda t: first(t, 4, "targets"), "'targets' holds classes outside 0..3"),
        (
            TRUTH,
            lambda t: t.pop("ticket.layers.0.weight"),
            "tensor 'ticket.layers.0.weight' is missing; expected torch.bool of shape (60, 2)",
        ),
        (
            TRUTH,
            lambda t: t.update({"ticket.layers.1.bias": torch.zeros(4, dtype=torch.uint8)}),
            "tensor 'ticket.layers.1.bias' is torch.uint8 of shape (4,); "
            "expected torch.bool of shape (4,)",
        ),
        (
            TRUTH,
            lambda t: t.update({"ticket.layers.7.bias": torch.zeros(1, dtype=torch.bool)}),
            "has unknown tensors 'ticket.layers.7.bias'",
        ),
        (
            TRUTH,
            lambda t: t.pop("salt"),
            "has no salt; expected a uint8 tensor of 16 bytes or more",
        ),
        (
            TRUTH,
            lambda t: t.update(salt=torch.zeros(15, dtype=torch.uint8)),
            "has no salt; expected a uint8 tensor of 16 bytes or more",
        ),
        (
            TRUTH,
            lambda t: t.update(salt=torch.zeros(16, dtype=torch.int8)),
            "has no salt; expected a uint8 tensor of 16 bytes or more",
        ),
        (
            TRUTH,
            lambda t: t.update({"test.inputs": t["test.inputs"][:99].clone()}),
            "tensor 'test.inputs' is torch.float32 of shape (99, 2); "
            "expected torch.float32 of shape (100, 2)",
        ),
        (
            TRUTH,
            lambda t: first(t, 4, "test.targets"),
            "'test.targets' holds classes outside 0..3",
        ),
        (
            TRUTH,
            lambda t: t["ticket.layers.0.weight"].view(torch.uint8).view(-1)[:1].fill_(2),
            "tensor 'ticket.layers.0.weight' holds bytes other than 0 and 1",
        ),
    ],
    ids=range(21),
)
def test_tensors_that_do_not_fit(
    circle_bundle: Bundle, file: str, change: Change, words: str
) -> None:
    assert refused(with_tensors(circle_bundle, file, change), file) == words


def test_targets_of_regression_are_numbers_for_each_output(relu_bundle: Bundle) -> None:
    challenge_of(relu_bundle)
    flat = with_tensors(
        relu_bundle, TRAIN, lambda t: t.update(targets=t["targets"].reshape(-1).clone())
    )
    assert refused(flat, TRAIN) == (
        "tensor 'targets' is torch.float32 of shape (320,); "
        "expected torch.float32 of shape (320, 1)"
    )
    wide = with_tensors(
        relu_bundle, TRAIN, lambda t: t.update(targets=t["targets"].to(torch.int64))
    )
    assert "is torch.int64 of shape (320, 1); expected torch.float32" in refused(wide, TRAIN)


def test_a_salt_of_sixteen_bytes_and_other_tensors_of_the_truth_are_taken(
    circle_bundle: Bundle,
) -> None:
    salt = torch.arange(16, dtype=torch.uint8)
    changed = with_tensors(
        circle_bundle, TRUTH, lambda t: t.update(salt=salt, notes=torch.zeros(1))
    )
    assert challenge_of(changed).truth.salt == "000102030405060708090a0b0c0d0e0f"


def test_classes_up_to_the_last_are_taken(circle_bundle: Bundle) -> None:
    for value in (0, 3):
        challenge_of(with_tensors(circle_bundle, TRAIN, lambda t, v=value: first(t, v, "targets")))  # type: ignore[misc]


# --- the truth


def test_another_truth_does_not_open_the_commitment(circle_bundle: Bundle) -> None:
    files = {**circle_bundle.files, TRUTH: circle_bundle.files[TRUTH] + b"\0"}
    expected = "does not open the commitment in challenge.json"
    assert refused(replace(circle_bundle, files=files), TRUTH) == expected
    with pytest.raises(BundleError, match=r"elsewhere: does not open the commitment") as caught:
        with_truth(public_of(circle_bundle), b"x", Path("elsewhere"))
    assert caught.value.path == Path("elsewhere")


def test_a_sealed_truth(copied_bundle: Path, circle: Challenge) -> None:
    plain = read_bundle(copied_bundle)
    key = SecretKey.generate()
    bundle = read_bundle(seal_bundle(copied_bundle, key.public))
    assert (plain.is_sealed, bundle.is_sealed) == (False, True)
    assert public_of(bundle).is_sealed is True
    assert open_truth(bundle, key) == plain.files[TRUTH]
    opened = challenge_of(bundle, key=key)
    assert opened.truth.ticket.digest() == circle.truth.ticket.digest()
    assert opened.digest == circle.digest
    assert bundles.load(copied_bundle, key=key).id == "circle-3x60"
    path = copied_bundle / "truth.sealed"

    with pytest.raises(SealedTruthError) as missing:
        open_truth(bundle, None)
    assert missing.value.path == path
    assert str(missing.value) == (
        f"{path}: is sealed, and no key was given; add --key FILE or set PLANTKIT_KEY: without it "
        "a challenge can be shown, verified and pruned, but not scored"
    )
    with pytest.raises(SealedTruthError, match=f"{path}: is sealed for the key") as other:
        open_truth(bundle, SecretKey.generate())
    assert other.value.path == path

    def wrong(change: Callable[[Any], Any]) -> str:
        with pytest.raises(BundleError) as caught:
            open_truth(with_manifest(bundle, change), key)
        assert caught.value.path == path
        return str(caught.value).removeprefix(f"{path}: ")

    altered = "cannot be opened with its key: it was altered, or belongs to another challenge"
    assert wrong(lambda m: m.update(id="circle-3x61")) == altered
    assert wrong(lambda m: m["truth"].update(commitment="0" * 64)) == altered
    stated: Mapping[str, Any] = {"sha256": "0" * 64, "bytes": 1}
    assert wrong(lambda m: m["truth"].update(plain=stated)) == (
        "does not hold the truth that truth.plain in challenge.json states"
    )
