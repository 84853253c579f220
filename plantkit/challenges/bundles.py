"""Challenge bundles on disk: what one holds, reading it, and checking all of it.

A bundle is a directory with `challenge.json`, `weights.safetensors`, `train.safetensors` and
`truth.safetensors`, or `truth.sealed` where the truth is encrypted. Every load checks the
manifest against its schema and its own digest (see `plantkit.challenges.frozen`), every file
against its SHA-256, and the truth against the manifest's commitment. Any mismatch is a
`BundleError`. Nothing is ever unpickled.

A challenge's digest is the SHA-256 of its manifest with the truth in the clear, without what
freezes it. A sealed manifest holds all that is needed to restore that one, byte for byte. So a
challenge has one digest, sealed or not, and you need no key to compute it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from plantkit.challenges import densities, sealing
from plantkit.challenges.facts import ChallengeFacts
from plantkit.challenges.files import MOST_HEADER_BYTES, parse_tensors, read_digested
from plantkit.challenges.frozen import file_entry
from plantkit.challenges.manifests import (
    MANIFEST,
    SEALED,
    TRAIN,
    TRUTH,
    WEIGHTS,
    Stated,
    read_manifest,
    read_stated,
)
from plantkit.errors import BundleError, SealedTruthError, UsageError
from plantkit.networks import Network, network_from_json
from plantkit.networks.masks import Mask
from plantkit.networks.tasks import Task, TaskKind, task_from_json
from plantkit.networks.training import Recipe, Samples
from plantkit.pruners.problem import Problem

#: Names of `manifests` that code which loads bundles needs too.
__all__ = ["MANIFEST", "SEALED", "TRUTH", "read_manifest"]

#: The most numbers that a network may make of one sample; VGG-16 makes 29 million of 224 x 224
#: pixels.
MOST_ACTIVATIONS = 100_000_000

_COMMITMENT_DOMAIN = b"plantkit-truth-1\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """The hidden half: the ticket, the test data, the planting seed and the salt."""

    ticket: Mask
    test: Samples
    planting_seed: str
    salt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicChallenge(ChallengeFacts):
    """A challenge without its truth: all that a pruner needs, and nothing it must not see."""

    path: Path
    network: Network
    task: Task
    recipe: Recipe
    weights: Mapping[str, Tensor] = field(repr=False)
    train: Samples = field(repr=False)

    def problem(self, *, density: float | str, seed: int) -> Problem:
        """Returns what a pruner may see of this challenge.

        Args:
            density: in (0, 1], or a multiple of the planted density such as "3x".

        Raises:
            UsageError: it is neither, or the multiple is above 1.
        """
        try:
            asked = densities.parse_density(str(density))
        except ValueError as error:
            raise UsageError(str(error)) from None
        found = self.density_of(asked)
        if found is None:
            raise UsageError(
                f"density {density} is above 1 on {self.id}, whose planted density is "
                f"{self.planted_density:.4g}"
            )
        return Problem(
            name=self.id,
            network=self.network,
            task=self.task,
            weights=self.weights,
            train=self.train,
            density=found,
            seed=seed,
            recipe=self.recipe,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge(PublicChallenge):
    """A challenge with its truth."""

    truth: Truth = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A bundle's bytes in memory: its manifest, and the content of every other file by name.

    path: the directory that it was read from or is made for; messages name it.
    manifest: without the fields that freeze it.
    files: that the manifest states: weights, training data and truth.
    records: that organisers added; see `plantkit.challenges.frozen`.
    """

    path: Path
    manifest: Mapping[str, Any]
    digest: str
    files: Mapping[str, bytes]
    records: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def is_sealed(self) -> bool:
        return SEALED in self.files


def load(directory: Path, *, key: sealing.SecretKey | None = None) -> Challenge:
    """Returns the challenge in `directory`, every byte of it checked.

    Raises:
        BundleError: a file is missing, altered or breaks the contract; `path` names it.
        SealedTruthError: its truth is sealed, and `key` is None or another.
    """
    return challenge_of(read_bundle(directory), key=key)


def load_public(directory: Path) -> PublicChallenge:
    """Returns the public half of the challenge in `directory`; every file's digest is checked.

    Raises:
        BundleError: a file is missing, altered or breaks the contract; `path` names it.
    """
    return public_of(read_bundle(directory))


def read_bundle(directory: Path) -> Bundle:
    """Returns the files in `directory`: a valid manifest, and contents that match its digests.

    Raises:
        BundleError: a file is missing or altered; `path` names it.
    """
    return bundle_of(read_stated(directory), directory)


def bundle_of(stated: Stated, directory: Path) -> Bundle:
    """Returns what `read_bundle` does, of a manifest that has been read."""
    manifest = stated.manifest
    try:
        most = most_bytes(manifest)
    except ValueError as error:  # such as images that are too small for the network
        raise BundleError(directory / MANIFEST, f"network cannot be: {error}") from error
    files = {
        name: read_digested(
            directory / name, sha256=entry["sha256"], size=entry["bytes"], most_bytes=most[name]
        )
        for name, entry in manifest["files"].items()
    }
    return Bundle(
        path=directory,
        manifest=manifest,
        digest=stated.digest,
        files=files,
        records=stated.records,
    )


def challenge_of(bundle: Bundle, *, key: sealing.SecretKey | None = None) -> Challenge:
    """Returns the challenge that `bundle` holds, checked.

    Raises:
        BundleError: a file breaks the contract; `path` names it.
        SealedTruthError: its truth is sealed, and `key` is None or another.
    """
    public = public_of(bundle)
    if bundle.is_sealed:
        return with_truth(public, open_truth(bundle, key), bundle.path / SEALED)
    return with_truth(public, bundle.files[TRUTH], bundle.path / TRUTH)


def open_truth(bundle: Bundle, key: sealing.SecretKey | None) -> bytes:
    """Returns the bytes of `truth.safetensors` that a sealed bundle holds.

    Raises:
        SealedTruthError: `key` is None, or another.
        BundleError: altered, or of another challenge.
    """
    path, entry = bundle.path / SEALED, bundle.manifest["truth"]
    if key is None:
        raise SealedTruthError(
            path,
            "is sealed, and no key was given; add --key FILE or set "
            f"{sealing.KEY_VARIABLE}: without it a challenge can be shown, verified and pruned, "
            "but not scored",
        )
    try:
        truth = sealing.open_sealed(
            bundle.files[SEALED],
            key,
            path=path,
            challenge_id=bundle.manifest["id"],
            commitment=entry["commitment"],
        )
    except ValueError as error:
        raise BundleError(path, str(error)) from error
    if file_entry(truth) != entry["plain"]:
        raise BundleError(path, f"does not hold the truth that truth.plain in {MANIFEST} states")
    return truth


def with_truth(public: PublicChallenge, content: bytes, path: Path) -> Challenge:
    """Returns the challenge whose truth is the safetensors file `content`, checked.

    Args:
        path: where `content` comes from, for messages.

    Raises:
        BundleError: it does not open the commitment, or breaks the contract.
    """
    manifest = public.manifest
    if commitment_to(content) != manifest["truth"]["commitment"]:
        raise BundleError(path, f"does not open the commitment in {MANIFEST}")
    tensors, metadata = parse_tensors(path, content)
    shapes = {f"ticket.{name}": shape for name, shape in public.network.shapes.items()}
    _check_tensors(path, tensors, shapes, torch.bool)
    _refuse_others(path, [name for name in tensors if name.startswith("ticket.")], shapes)
    ticket = Mask({name: tensors[f"ticket.{name}"] for name in public.network.shapes})
    salt = tensors.get("salt", torch.empty(0))
    if salt.dtype != torch.uint8 or salt.numel() < 16:
        raise BundleError(path, "has no salt; expected a uint8 tensor of 16 bytes or more")
    count = manifest["data"]["test"]
    truth = Truth(
        ticket=ticket,
        test=_samples(path, tensors, "test.", public.network, public.task, count),
        planting_seed=metadata.get("planting_seed", ""),
        salt=bytes(salt.tolist()).hex(),
    )
    counted = ticket_counts(ticket)
    for name in ("kept", "kept_weights"):
        if counted[name] != manifest["ticket"][name]:
            raise BundleError(
                path,
                f"ticket.{name} is {counted[name]}; {MANIFEST} says {manifest['ticket'][name]}",
            )
    return Challenge(**_fields_of(public), truth=truth)


def public_of(bundle: Bundle) -> PublicChallenge:
    """Returns the public half of the challenge that `bundle` holds, checked.

    Raises:
        BundleError: a file breaks the contract; `path` names it.
    """
    manifest, path = bundle.manifest, bundle.path
    facts = ChallengeFacts.of(manifest, bundle.digest)
    network, task = network_from_json(manifest["network"]), task_from_json(manifest["task"])
    if task.outputs != network.outputs or task.metric != manifest["task"]["metric"]:
        raise BundleError(
            path / MANIFEST, f"task {manifest['task']} does not fit network {network.label}"
        )
    weights, _ = parse_tensors(path / WEIGHTS, bundle.files[WEIGHTS])
    _check_tensors(path / WEIGHTS, weights, network.shapes, torch.float32)
    _refuse_others(path / WEIGHTS, weights, network.shapes)
    tensors, _ = parse_tensors(path / TRAIN, bundle.files[TRAIN])
    train = _samples(path / TRAIN, tensors, "", network, task, manifest["data"]["train"])
    _check_counts(path / MANIFEST, manifest["ticket"], network)
    if facts.ticket.strong <= facts.trivial:
        raise BundleError(path / MANIFEST, "the ticket does no better than the constant predictor")
    return PublicChallenge(
        **_fields_of(facts),
        path=path,
        network=network,
        task=task,
        recipe=Recipe.from_json(manifest["protocol"]["training"]),
        weights={name: weights[name] for name in network.shapes},
        train=train,
    )


def _fields_of(challenge: ChallengeFacts) -> dict[str, Any]:
    return {field.name: getattr(challenge, field.name) for field in fields(challenge)}


def most_bytes(manifest: Mapping[str, Any]) -> dict[str, int]:
    """Returns the most bytes that each file can need, so that no more is ever read.

    Raises:
        ValueError: the network cannot be, or makes too many numbers of a sample.
    """
    network = network_from_json(manifest["network"])
    if network.activations > MOST_ACTIVATIONS:
        raise ValueError(
            f"it makes {network.activations:,} numbers of a sample; expected at most "
            f"{MOST_ACTIVATIONS:,}"
        )
    classes = manifest["task"]["kind"] == TaskKind.CLASSIFICATION
    sample = 4 * network.inputs + (8 if classes else 4 * network.outputs)
    truth = network.total + manifest["data"]["test"] * sample + MOST_HEADER_BYTES
    return {
        WEIGHTS: 4 * network.total + MOST_HEADER_BYTES,
        TRAIN: manifest["data"]["train"] * sample + MOST_HEADER_BYTES,
        TRUTH: truth,
        SEALED: truth + sealing.OVERHEAD_BYTES,
    }


def commitment_to(truth: bytes) -> str:
    """Returns the commitment that the file `truth` opens."""
    return hashlib.sha256(_COMMITMENT_DOMAIN + truth).hexdigest()


def ticket_counts(ticket: Mask) -> dict[str, Any]:
    """Returns what a manifest says of the ticket's size."""
    weights = [entries for name, entries in ticket.items() if name.endswith(".weight")]
    kept_weights = sum(int(entries.sum()) for entries in weights)
    total_weights = sum(entries.numel() for entries in weights)
    return {
        "kept": ticket.kept,
        "total": ticket.total,
        "density": ticket.density,
        "kept_weights": kept_weights,
        "total_weights": total_weights,
        "density_weights_only": kept_weights / total_weights,
    }


def _check_counts(path: Path, ticket: Mapping[str, Any], network: Network) -> None:
    whole = ticket_counts(Mask.full(network))
    for name in ("total", "total_weights"):
        if ticket[name] != whole[name]:
            raise BundleError(path, f"ticket.{name} is {ticket[name]}; expected {whole[name]}")
    for name, kept, total in (
        ("density", ticket["kept"], ticket["total"]),
        ("density_weights_only", ticket["kept_weights"], ticket["total_weights"]),
    ):
        if kept > total or not math.isclose(ticket[name], kept / total, rel_tol=1e-9):
            raise BundleError(path, f"ticket.{name} is {ticket[name]}; expected {kept}/{total}")


def _check_tensors(
    path: Path,
    tensors: Mapping[str, Tensor],
    shapes: Mapping[str, tuple[int, ...]],
    dtype: torch.dtype,
) -> None:
    """Raises `BundleError` unless `tensors` holds finite ones of these shapes and type."""
    for name, shape in shapes.items():
        found = tensors.get(name)
        if found is None or tuple(found.shape) != shape or found.dtype != dtype:
            shown = "missing" if found is None else f"{found.dtype} of shape {tuple(found.shape)}"
            raise BundleError(
                path, f"tensor {name!r} is {shown}; expected {dtype} of shape {shape}"
            )
        if found.is_floating_point() and not bool(torch.isfinite(found).all()):
            raise BundleError(path, f"tensor {name!r} holds infinities or NaN")
        if dtype == torch.bool and bool((found.view(torch.uint8) > 1).any()):
            raise BundleError(path, f"tensor {name!r} holds bytes other than 0 and 1")


def _refuse_others(path: Path, names: Iterable[str], expected: Container[str]) -> None:
    unknown = sorted(name for name in names if name not in expected)
    if unknown:
        shown = ", ".join(repr(name[:80]) for name in unknown[:5])
        raise BundleError(path, f"has unknown tensors {shown}")


def _samples(
    path: Path,
    tensors: Mapping[str, Tensor],
    prefix: str,
    network: Network,
    task: Task,
    count: int,
) -> Samples:
    inputs, targets = f"{prefix}inputs", f"{prefix}targets"
    _check_tensors(path, tensors, {inputs: (count, network.inputs)}, torch.float32)
    if task.kind is TaskKind.CLASSIFICATION:
        _check_tensors(path, tensors, {targets: (count,)}, torch.int64)
        if not bool(((tensors[targets] >= 0) & (tensors[targets] < task.outputs)).all()):
            raise BundleError(path, f"{targets!r} holds classes outside 0..{task.outputs - 1}")
    else:
        _check_tensors(path, tensors, {targets: (count, network.outputs)}, torch.float32)
    return Samples(inputs=tensors[inputs], targets=tensors[targets])
