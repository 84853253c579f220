"""Challenge bundles on disk: freezing, loading, validating. Nothing is ever unpickled.

A bundle is a directory with `challenge.json`, `weights.safetensors`, `train.safetensors` and
`truth.safetensors`, or `truth.sealed` where the truth is encrypted. Every load checks the
manifest against its schema, every file against its SHA-256, and the truth against the
manifest's commitment. Any mismatch is a `BundleError`.

A challenge's digest is the SHA-256 of its `challenge.json` with the truth in the clear. A
sealed manifest holds all that is needed to restore that one, byte for byte, so that a
challenge has one digest, sealed or not, and no key is needed to compute it.
"""

from __future__ import annotations

import hashlib
import math
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as save_tensors
from torch import Tensor

from plantkit.challenges import sealing
from plantkit.challenges.files import (
    MOST_HEADER_BYTES,
    parse_tensors,
    read_digested,
)
from plantkit.challenges.manifests import (
    MANIFEST,
    SCHEMA_VERSION,
    SEALED,
    TRAIN,
    TRUTH,
    WEIGHTS,
    plain_manifest,
    read_manifest,
    render_manifest,
)
from plantkit.errors import BundleError, SealedTruthError, UsageError
from plantkit.networks import PerceptronSpec
from plantkit.networks.masks import Mask
from plantkit.networks.tasks import Task, TaskKind, task_from_json
from plantkit.networks.training import Recipe, Samples
from plantkit.networks.training.accuracy import Accuracies
from plantkit.pruners.problem import Problem

#: What belongs to manifests, for those who load bundles, too.
__all__ = [
    "MANIFEST",
    "SEALED",
    "TRAIN",
    "TRUTH",
    "WEIGHTS",
    "plain_manifest",
    "read_manifest",
    "render_manifest",
]

PLANTED = "planted"

_COMMITMENT_DOMAIN = b"plantkit-truth-1\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """The hidden half: the ticket, the test data, the planting seed and the salt."""

    ticket: Mask
    test: Samples
    planting_seed: str
    salt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicChallenge:
    """A loaded bundle, less its truth: all that a pruner needs, and nothing that it must not see.

    digest: the challenge's identity, the same sealed or not; see the module.
    densities: the protocol's densities, each a number or "planted".
    trivial, ticket, dense: reference accuracies on the test data.
    """

    id: str
    title: str
    family: str
    hidden: bool
    path: Path
    digest: str
    network: PerceptronSpec
    task: Task
    recipe: Recipe
    densities: tuple[float | str, ...]
    overlap_scored: bool
    ticket_kept: int
    trivial: float
    ticket: Accuracies
    dense: Accuracies
    weights: Mapping[str, Tensor]
    train: Samples
    manifest: Mapping[str, Any]

    @property
    def planted_density(self) -> float:
        return self.ticket_kept / self.network.total

    @property
    def is_sealed(self) -> bool:
        return bool(self.manifest["truth"]["storage"] == "sealed")

    def problem(self, *, density: float, seed: int) -> Problem:
        """Returns what a pruner may see of this challenge."""
        return Problem(
            name=self.id,
            network=self.network,
            task=self.task,
            weights=self.weights,
            train=self.train,
            density=density,
            seed=seed,
            recipe=self.recipe,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge(PublicChallenge):
    """A loaded bundle with its truth."""

    truth: Truth


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """All that goes into a bundle, before it is frozen.

    weights: the mother network with the ticket in it, name to float32 tensor.
    planting_facts: what the manifest says of the planting beside its method and `hidden`.
    """

    id: str
    title: str
    family: str
    method: str
    hidden: bool
    noise: float
    network: PerceptronSpec
    task: Task
    recipe: Recipe
    densities: tuple[float | str, ...]
    overlap_scored: bool
    trivial: float
    ticket_accuracy: Accuracies
    dense_accuracy: Accuracies
    training_seeds: int
    weights: Mapping[str, Tensor]
    train: Samples
    truth: Truth
    planter_version: str
    planting_facts: Mapping[str, Any] = field(default_factory=dict)
    licence: str = "CC0-1.0"


def freeze(draft: Draft, directory: Path, *, key: sealing.Key | None = None) -> Path:
    """Writes a bundle into the new `directory` and returns it. All or nothing.

    With a `key` the truth is sealed, and never written in the clear.

    Raises:
        UsageError: `directory` exists.
    """
    manifest, files = contents_of(draft)
    if key is not None:
        manifest, files = seal_contents(manifest, files, key)
    return write_bundle(manifest, files, directory)


def write_bundle(manifest: Mapping[str, Any], files: Mapping[str, bytes], directory: Path) -> Path:
    """Writes a bundle's files into the new `directory` and returns it. All or nothing.

    Raises:
        UsageError: `directory` exists.
        BundleError: what was written would not load.
    """
    if directory.exists():
        raise UsageError(f"{directory} exists already; a frozen bundle is never overwritten")
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".plantkit-") as scratch:
        staged = Path(scratch) / directory.name
        staged.mkdir()
        for name, content in files.items():
            (staged / name).write_bytes(content)
        (staged / MANIFEST).write_bytes(render_manifest(manifest))
        if SEALED in files:  # what is frozen must load
            load_public(staged)
        else:
            load(staged)
        shutil.move(staged, directory)
    return directory


def contents_of(draft: Draft) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Returns the manifest and the files of a bundle with its truth in the clear."""
    truth = _truth_bytes(draft.truth)
    files = {
        WEIGHTS: save_tensors({name: draft.weights[name] for name in draft.network.shapes}),
        TRAIN: save_tensors({"inputs": draft.train.inputs, "targets": draft.train.targets}),
        TRUTH: truth,
    }
    return _manifest(draft, files, _commitment(truth)), files


def seal_contents(
    manifest: Mapping[str, Any], files: Mapping[str, bytes], key: sealing.Key
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Returns the manifest and the files of a bundle with its truth sealed by `key`."""
    commitment = manifest["truth"]["commitment"]
    sealed = sealing.seal(files[TRUTH], key, challenge_id=manifest["id"], commitment=commitment)
    renamed = {SEALED if name == TRUTH else name: value for name, value in files.items()}
    entries = {
        SEALED if name == TRUTH else name: file_entry(sealed) if name == TRUTH else entry
        for name, entry in manifest["files"].items()
    }
    truth = {
        "storage": "sealed",
        "commitment": commitment,
        "plain": dict(manifest["files"][TRUTH]),
    }
    return {**manifest, "files": entries, "truth": truth}, {**renamed, SEALED: sealed}


def load(directory: Path, *, key: sealing.SecretKey | None = None) -> Challenge:
    """Returns the challenge in `directory`, every byte of it checked.

    Raises:
        BundleError: a file is missing, altered or breaks the contract; `path` names it.
        SealedTruthError: its truth is sealed, and `key` is None or another.
    """
    public, contents = load_contents(directory)
    if not public.is_sealed:
        return with_truth(public, contents[TRUTH], directory / TRUTH)
    return with_truth(public, open_contents(public, contents[SEALED], key), directory / SEALED)


def load_public(directory: Path) -> PublicChallenge:
    """Returns the public half of the challenge in `directory`; every file's digest is checked.

    Raises:
        BundleError: a file is missing, altered or breaks the contract; `path` names it.
    """
    return load_contents(directory)[0]


def load_contents(directory: Path) -> tuple[PublicChallenge, dict[str, bytes]]:
    """Returns the public half of the challenge in `directory`, and its files by name.

    Raises:
        BundleError: a file is missing, altered or breaks the contract; `path` names it.
    """
    manifest, digest = read_manifest(directory)
    most = _most_bytes(manifest)
    contents = {
        name: read_digested(
            directory / name, sha256=entry["sha256"], size=entry["bytes"], most_bytes=most[name]
        )
        for name, entry in manifest["files"].items()
    }
    return _public(directory, manifest, digest, contents), contents


def open_contents(public: PublicChallenge, content: bytes, key: sealing.SecretKey | None) -> bytes:
    """Returns the bytes of `truth.safetensors` that are sealed in `content`.

    Raises:
        SealedTruthError: `key` is None, or another.
        BundleError: altered, or of another challenge.
    """
    path, entry = public.path / SEALED, public.manifest["truth"]
    if key is None:
        raise SealedTruthError(
            path,
            "is sealed, and no key was given; add --key FILE or set "
            f"{sealing.KEY_VARIABLE}: without it a challenge can be shown, verified and pruned, "
            "but not scored",
        )
    try:
        truth = sealing.open_sealed(
            content, key, path=path, challenge_id=public.id, commitment=entry["commitment"]
        )
    except ValueError as error:
        raise BundleError(path, str(error)) from error
    if file_entry(truth) != entry["plain"]:
        raise BundleError(path, f"does not hold the truth that truth.plain in {MANIFEST} states")
    return truth


def of_draft(draft: Draft) -> Challenge:
    """Returns the challenge that freezing and loading `draft` would give, in memory only.

    Raises:
        BundleError: the draft breaks the contract.
    """
    manifest, files = contents_of(draft)
    directory = Path(draft.id)
    digest = hashlib.sha256(render_manifest(manifest)).hexdigest()
    return with_truth(_public(directory, manifest, digest, files), files[TRUTH], directory / TRUTH)


def with_truth(public: PublicChallenge, content: bytes, path: Path) -> Challenge:
    """Returns the challenge whose truth is the safetensors file `content`, checked.

    Args:
        path: where `content` comes from, for messages.

    Raises:
        BundleError: it does not open the commitment, or breaks the contract.
    """
    manifest, network = public.manifest, public.network
    if _commitment(content) != manifest["truth"]["commitment"]:
        raise BundleError(path, f"does not open the commitment in {MANIFEST}")
    truth = _read_truth(path, content, network, public.task, manifest["data"]["test"])
    kept_weights = sum(
        int(entries.sum()) for name, entries in truth.ticket.items() if name.endswith(".weight")
    )
    for name, found in (("kept", truth.ticket.kept), ("kept_weights", kept_weights)):
        if found != manifest["ticket"][name]:
            raise BundleError(
                path, f"ticket.{name} is {found}; {MANIFEST} says {manifest['ticket'][name]}"
            )
    shared = {field.name: getattr(public, field.name) for field in fields(PublicChallenge)}
    return Challenge(**shared, truth=truth)


def _most_bytes(manifest: Mapping[str, Any]) -> dict[str, int]:
    """Returns the most bytes that each file can need, so that no more is ever read."""
    network = PerceptronSpec.from_json(manifest["network"])
    classes = manifest["task"]["kind"] == TaskKind.CLASSIFICATION
    sample = 4 * network.inputs + (8 if classes else 4 * network.outputs)
    truth = network.total + manifest["data"]["test"] * sample + MOST_HEADER_BYTES
    return {
        WEIGHTS: 4 * network.total + MOST_HEADER_BYTES,
        TRAIN: manifest["data"]["train"] * sample + MOST_HEADER_BYTES,
        TRUTH: truth,
        SEALED: truth + sealing.OVERHEAD_BYTES,
    }


def _public(
    directory: Path, manifest: Mapping[str, Any], digest: str, contents: Mapping[str, bytes]
) -> PublicChallenge:
    path = directory / MANIFEST
    network = PerceptronSpec.from_json(manifest["network"])
    task = task_from_json(manifest["task"])
    if task.outputs != network.outputs or task.metric != manifest["task"]["metric"]:
        raise BundleError(path, f"task {manifest['task']} does not fit network {network.widths}")
    weights, _ = parse_tensors(directory / WEIGHTS, contents[WEIGHTS])
    _check_parameters(directory / WEIGHTS, weights, network, torch.float32)
    tensors, _ = parse_tensors(directory / TRAIN, contents[TRAIN])
    train = _samples(directory / TRAIN, tensors, "", network, task, manifest["data"]["train"])
    _check_counts(path, manifest["ticket"], network)
    reference = manifest["reference"]
    if reference["ticket"]["strong"] <= reference["trivial"]:
        raise BundleError(path, "the ticket does no better than the constant predictor")
    return PublicChallenge(
        id=manifest["id"],
        title=manifest["title"],
        family=manifest["family"],
        hidden=manifest["planting"]["hidden"],
        path=directory,
        digest=digest,
        network=network,
        task=task,
        recipe=Recipe.from_json(manifest["protocol"]["training"]),
        densities=tuple(manifest["protocol"]["densities"]),
        overlap_scored=manifest["overlap_scored"],
        ticket_kept=manifest["ticket"]["kept"],
        trivial=reference["trivial"],
        ticket=Accuracies(**reference["ticket"]),
        dense=Accuracies(**reference["dense"]),
        weights={name: weights[name] for name in network.shapes},
        train=train,
        manifest=manifest,
    )


def _check_counts(path: Path, ticket: Mapping[str, Any], network: PerceptronSpec) -> None:
    total_weights = sum(math.prod(s) for n, s in network.shapes.items() if n.endswith(".weight"))
    for name, wanted in (("total", network.total), ("total_weights", total_weights)):
        if ticket[name] != wanted:
            raise BundleError(path, f"ticket.{name} is {ticket[name]}; expected {wanted}")
    for name, kept, total in (
        ("density", ticket["kept"], network.total),
        ("density_weights_only", ticket["kept_weights"], total_weights),
    ):
        if kept > total or not math.isclose(ticket[name], kept / total, rel_tol=1e-9):
            raise BundleError(path, f"ticket.{name} is {ticket[name]}; expected {kept}/{total}")


def file_entry(content: bytes) -> dict[str, Any]:
    """Returns what a manifest says of a file."""
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def _manifest(draft: Draft, files: Mapping[str, bytes], commitment: str) -> dict[str, Any]:
    ticket = draft.truth.ticket
    weight_names = [name for name in ticket if name.endswith(".weight")]
    kept_weights = sum(int(ticket[name].sum()) for name in weight_names)
    total_weights = sum(ticket[name].numel() for name in weight_names)
    return {
        "schema_version": SCHEMA_VERSION,
        "id": draft.id,
        "title": draft.title,
        "family": draft.family,
        "planting": {"method": draft.method, "hidden": draft.hidden, **draft.planting_facts},
        "task": draft.task.to_json(),
        "network": draft.network.to_json(),
        "data": {
            "train": len(draft.train),
            "test": len(draft.truth.test),
            "noise": draft.noise,
        },
        "protocol": {"densities": list(draft.densities), "training": draft.recipe.to_json()},
        "overlap_scored": draft.overlap_scored,
        "ticket": {
            "kept": ticket.kept,
            "total": ticket.total,
            "density": ticket.density,
            "kept_weights": kept_weights,
            "total_weights": total_weights,
            "density_weights_only": kept_weights / total_weights,
        },
        "reference": {
            "trivial": draft.trivial,
            "ticket": _performance_json(draft.ticket_accuracy),
            "dense": _performance_json(draft.dense_accuracy),
            "training_seeds": draft.training_seeds,
        },
        "files": {name: file_entry(content) for name, content in files.items()},
        "truth": {"storage": "plain", "commitment": commitment},
        "planter_version": draft.planter_version,
        "licence": draft.licence,
    }


def _performance_json(value: Accuracies) -> dict[str, float]:
    return {"strong": value.strong, "weak": value.weak}


def _truth_bytes(truth: Truth) -> bytes:
    tensors = {f"ticket.{name}": value for name, value in truth.ticket.items()}
    tensors |= {"test.inputs": truth.test.inputs, "test.targets": truth.test.targets}
    tensors["salt"] = torch.tensor(list(bytes.fromhex(truth.salt)), dtype=torch.uint8)
    # One key only: safetensors writes several in no fixed order, and bytes must not vary.
    return save_tensors(tensors, metadata={"planting_seed": truth.planting_seed})


def _commitment(truth: bytes) -> str:
    return hashlib.sha256(_COMMITMENT_DOMAIN + truth).hexdigest()


def _read_truth(
    path: Path, content: bytes, network: PerceptronSpec, task: Task, count: int
) -> Truth:
    tensors, metadata = parse_tensors(path, content)
    ticket = {
        name.removeprefix("ticket."): value
        for name, value in tensors.items()
        if name.startswith("ticket.")
    }
    _check_parameters(path, ticket, network, torch.bool)
    salt = tensors.get("salt", torch.empty(0))
    if salt.dtype != torch.uint8 or salt.numel() < 16:
        raise BundleError(path, "has no salt; expected a uint8 tensor of 16 bytes or more")
    return Truth(
        ticket=Mask({name: ticket[name] for name in network.shapes}),
        test=_samples(path, tensors, "test.", network, task, count),
        planting_seed=metadata.get("planting_seed", ""),
        salt=bytes(salt.tolist()).hex(),
    )


def _check_parameters(
    path: Path, tensors: Mapping[str, Tensor], network: PerceptronSpec, dtype: torch.dtype
) -> None:
    for name, shape in network.shapes.items():
        if name not in tensors:
            raise BundleError(path, f"has no tensor {name!r}; expected one of shape {shape}")
        found = tensors[name]
        if tuple(found.shape) != shape or found.dtype != dtype:
            raise BundleError(
                path,
                f"tensor {name!r} is {found.dtype} of shape {tuple(found.shape)}; "
                f"expected {dtype} of shape {shape}",
            )
        if found.is_floating_point() and not bool(torch.isfinite(found).all()):
            raise BundleError(path, f"tensor {name!r} holds infinities or NaN")
        if dtype == torch.bool and bool((found.view(torch.uint8) > 1).any()):
            raise BundleError(path, f"tensor {name!r} holds bytes other than 0 and 1")
    unknown = [name for name in tensors if name not in network.shapes]
    if unknown:
        shown = ", ".join(repr(name[:80]) for name in unknown[:5])
        raise BundleError(path, f"has unknown tensors {shown}")


def _samples(
    path: Path,
    tensors: Mapping[str, Tensor],
    prefix: str,
    network: PerceptronSpec,
    task: Task,
    count: int,
) -> Samples:
    classes = task.kind is TaskKind.CLASSIFICATION
    expected: dict[str, tuple[tuple[int, ...], torch.dtype]] = {
        f"{prefix}inputs": ((count, network.inputs), torch.float32),
        f"{prefix}targets": ((count,), torch.int64)
        if classes
        else ((count, network.outputs), torch.float32),
    }
    for name, (shape, dtype) in expected.items():
        found = tensors.get(name)
        if found is None or tuple(found.shape) != shape or found.dtype != dtype:
            shown = "missing" if found is None else f"{found.dtype} of shape {tuple(found.shape)}"
            raise BundleError(path, f"tensor {name!r} is {shown}; expected {dtype} of {shape}")
        if found.is_floating_point() and not bool(torch.isfinite(found).all()):
            raise BundleError(path, f"tensor {name!r} holds infinities or NaN")
    inputs, targets = tensors[f"{prefix}inputs"], tensors[f"{prefix}targets"]
    if classes and not bool(((targets >= 0) & (targets < task.outputs)).all()):
        raise BundleError(path, f"'{prefix}targets' holds classes outside 0..{task.outputs - 1}")
    return Samples(inputs=inputs, targets=targets)
