"""Challenge bundles on disk: freezing, loading, validating. Nothing is ever unpickled.

A bundle is a directory with `challenge.json`, `weights.safetensors`, `train.safetensors` and
`truth.safetensors`. Every load checks the manifest against its schema, every file against its
SHA-256, and the truth against the manifest's commitment. Any mismatch is a `BundleError`.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from plantkit.errors import BundleError, UsageError
from plantkit.masks import Mask
from plantkit.networks import NetworkSpec
from plantkit.performance import Performances
from plantkit.problem import Problem
from plantkit.schemas import violations
from plantkit.tasks import Task, TaskKind, task_from_json
from plantkit.training import Recipe, Samples

SCHEMA_VERSION = 1
MANIFEST = "challenge.json"
WEIGHTS = "weights.safetensors"
TRAIN = "train.safetensors"
TRUTH = "truth.safetensors"
PLANTED = "planted"

_MOST_MANIFEST_BYTES = 1_000_000
_COMMITMENT_DOMAIN = b"plantkit-truth-1\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """The hidden half: the ticket, the test data, the planting seed and the salt."""

    ticket: Mask
    test: Samples
    planting_seed: str
    salt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """A loaded bundle.

    digest: SHA-256 of `challenge.json`, which holds the digests of all other files.
    densities: the protocol's densities, each a number or "planted".
    trivial, ticket, dense: reference performances on the test data.
    """

    id: str
    title: str
    family: str
    hidden: bool
    path: Path
    digest: str
    network: NetworkSpec
    task: Task
    recipe: Recipe
    densities: tuple[float | str, ...]
    overlap_scored: bool
    ticket_kept: int
    trivial: float
    ticket: Performances
    dense: Performances
    weights: Mapping[str, Tensor]
    train: Samples
    truth: Truth
    manifest: Mapping[str, Any]

    @property
    def planted_density(self) -> float:
        return self.ticket_kept / self.network.total

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
    network: NetworkSpec
    task: Task
    recipe: Recipe
    densities: tuple[float | str, ...]
    overlap_scored: bool
    trivial: float
    ticket_performance: Performances
    dense_performance: Performances
    training_seeds: int
    weights: Mapping[str, Tensor]
    train: Samples
    truth: Truth
    planter_version: str
    planting_facts: Mapping[str, Any] = field(default_factory=dict)
    licence: str = "CC0-1.0"


def freeze(draft: Draft, directory: Path) -> Path:
    """Writes a bundle into the new `directory` and returns it. All or nothing.

    Raises:
        UsageError: `directory` exists.
    """
    if directory.exists():
        raise UsageError(f"{directory} exists already; a frozen bundle is never overwritten")
    truth = _truth_bytes(draft.truth)
    files = {
        WEIGHTS: save_tensors({name: draft.weights[name] for name in draft.network.shapes}),
        TRAIN: save_tensors({"inputs": draft.train.inputs, "targets": draft.train.targets}),
        TRUTH: truth,
    }
    manifest = _manifest(draft, files, _commitment(truth))
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".plantkit-") as scratch:
        staged = Path(scratch) / directory.name
        staged.mkdir()
        for name, content in files.items():
            (staged / name).write_bytes(content)
        text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
        (staged / MANIFEST).write_text(text, encoding="utf-8")
        load(staged)  # what is frozen must load
        shutil.move(staged, directory)
    return directory


def load(directory: Path) -> Challenge:
    """Returns the challenge in `directory`, every byte of it checked.

    Raises:
        BundleError: a file is missing, altered or breaks the contract; `path` names it.
    """
    manifest, digest = read_manifest(directory)
    contents = {
        name: _read_file(directory / name, entry["sha256"], entry["bytes"])
        for name, entry in manifest["files"].items()
    }
    path = directory / MANIFEST
    if manifest["truth"]["storage"] != "plain" or TRUTH not in contents:
        raise BundleError(path, "its truth is not stored in the clear; this version cannot open it")
    if _commitment(contents[TRUTH]) != manifest["truth"]["commitment"]:
        raise BundleError(directory / TRUTH, f"does not open the commitment in {MANIFEST}")
    network = NetworkSpec.from_json(manifest["network"])
    task = task_from_json(manifest["task"])
    if task.outputs != network.outputs or task.metric != manifest["task"]["metric"]:
        raise BundleError(path, f"task {manifest['task']} does not fit network {network.widths}")
    weights = _parse(directory / WEIGHTS, contents[WEIGHTS])
    _check_parameters(directory / WEIGHTS, weights, network, torch.float32)
    train_tensors = _parse(directory / TRAIN, contents[TRAIN])
    train = _samples(directory / TRAIN, train_tensors, "", network, task, manifest["data"]["train"])
    truth = _read_truth(directory / TRUTH, contents[TRUTH], network, task, manifest["data"]["test"])
    if truth.ticket.kept != manifest["ticket"]["kept"]:
        raise BundleError(
            directory / TRUTH,
            f"ticket keeps {truth.ticket.kept} parameters; expected {manifest['ticket']['kept']}",
        )
    if manifest["ticket"]["total"] != network.total:
        raise BundleError(
            path, f"ticket.total is {manifest['ticket']['total']}; expected {network.total}"
        )
    reference = manifest["reference"]
    if reference["ticket"]["strong"] <= reference["trivial"]:
        raise BundleError(path, "the ticket does no better than the constant predictor")
    return Challenge(
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
        ticket_kept=truth.ticket.kept,
        trivial=reference["trivial"],
        ticket=Performances(**reference["ticket"]),
        dense=Performances(**reference["dense"]),
        weights={name: weights[name] for name in network.shapes},
        train=train,
        truth=truth,
        manifest=manifest,
    )


def read_manifest(directory: Path) -> tuple[dict[str, Any], str]:
    """Returns the validated manifest of a bundle and its SHA-256, reading no other file.

    Raises:
        BundleError: it is missing, no JSON, or breaks its schema.
    """
    path = directory / MANIFEST
    if not path.is_file():
        raise BundleError(path, f"is missing; expected a bundle directory with a {MANIFEST}")
    with path.open("rb") as file:
        content = file.read(_MOST_MANIFEST_BYTES + 1)
    if len(content) > _MOST_MANIFEST_BYTES:
        raise BundleError(path, f"is larger than {_MOST_MANIFEST_BYTES} bytes")
    try:
        manifest = json.loads(content.decode("utf-8"), object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError) as error:
        raise BundleError(path, f"is not valid JSON: {error}") from error
    version = manifest.get("schema_version") if isinstance(manifest, dict) else None
    if isinstance(version, int) and version != SCHEMA_VERSION:
        raise BundleError(
            path,
            f"schema_version is {version}; this plantkit reads {SCHEMA_VERSION}: "
            + ("update plantkit" if version > SCHEMA_VERSION else "freeze the bundle again"),
        )
    broken = violations(manifest, "challenge")
    if broken:
        raise BundleError(path, f"breaks its schema at {'; '.join(broken[:3])}")
    checked: dict[str, Any] = manifest
    return checked, hashlib.sha256(content).hexdigest()


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
            "ticket": _performance_json(draft.ticket_performance),
            "dense": _performance_json(draft.dense_performance),
            "training_seeds": draft.training_seeds,
        },
        "files": {
            name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
            for name, content in files.items()
        },
        "truth": {"storage": "plain", "commitment": commitment},
        "planter_version": draft.planter_version,
        "licence": draft.licence,
    }


def _performance_json(value: Performances) -> dict[str, float]:
    return {"strong": value.strong, "weak": value.weak}


def _truth_bytes(truth: Truth) -> bytes:
    tensors = {f"ticket.{name}": value for name, value in truth.ticket.items()}
    tensors |= {"test.inputs": truth.test.inputs, "test.targets": truth.test.targets}
    tensors["salt"] = torch.tensor(list(bytes.fromhex(truth.salt)), dtype=torch.uint8)
    # One key only: safetensors writes several in no fixed order, and bytes must not vary.
    return save_tensors(tensors, metadata={"planting_seed": truth.planting_seed})


def _commitment(truth: bytes) -> str:
    return hashlib.sha256(_COMMITMENT_DOMAIN + truth).hexdigest()


def _read_file(path: Path, sha256: str, size: int) -> bytes:
    if not path.is_file():
        raise BundleError(path, "is missing; get the bundle again")
    if path.stat().st_size != size:
        raise BundleError(path, f"has {path.stat().st_size} bytes; expected {size}")
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise BundleError(
            path, f"has been altered: its SHA-256 is {found}; expected {sha256}: get it again"
        )
    return content


def _parse(path: Path, content: bytes) -> dict[str, Tensor]:
    try:
        return load_tensors(content)
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError, OverflowError) as error:
        raise BundleError(path, f"is not a valid safetensors file: {error}") from error


def _read_truth(path: Path, content: bytes, network: NetworkSpec, task: Task, count: int) -> Truth:
    tensors = _parse(path, content)
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
        planting_seed=_metadata(path, content).get("planting_seed", ""),
        salt=bytes(salt.tolist()).hex(),
    )


def _metadata(path: Path, content: bytes) -> dict[str, str]:
    header = content[8 : 8 + int.from_bytes(content[:8], "little")]
    try:
        metadata = json.loads(header).get("__metadata__", {})
    except ValueError as error:
        raise BundleError(path, f"has an unreadable header: {error}") from error
    return {str(key): str(value) for key, value in metadata.items()}


def _check_parameters(
    path: Path, tensors: Mapping[str, Tensor], network: NetworkSpec, dtype: torch.dtype
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
    unknown = [name for name in tensors if name not in network.shapes]
    if unknown:
        raise BundleError(path, f"has unknown tensors {', '.join(unknown)}")


def _samples(
    path: Path,
    tensors: Mapping[str, Tensor],
    prefix: str,
    network: NetworkSpec,
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


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"key {twice!r} appears twice")
    return value
