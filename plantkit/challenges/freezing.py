"""Writing bundles: from a manifest and tensors to a directory, and sealing its truth."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as save_tensors
from torch import Tensor

from plantkit.challenges import sealing
from plantkit.challenges.bundles import (
    Bundle,
    Truth,
    challenge_of,
    commitment_to,
    file_entry,
    open_truth,
    public_of,
    read_bundle,
)
from plantkit.challenges.manifests import (
    MANIFEST,
    SEALED,
    TRAIN,
    TRUTH,
    WEIGHTS,
    manifest_content,
    plain_manifest,
    render_manifest,
    sealed_manifest,
)
from plantkit.errors import BundleError, UsageError
from plantkit.files import about
from plantkit.networks.training import Samples
from plantkit.version import __version__


def assemble(
    facts: Mapping[str, Any], *, weights: Mapping[str, Tensor], train: Samples, truth: Truth
) -> Bundle:
    """Returns the bundle of a challenge, in memory only, with its truth in the clear.

    Args:
        facts: its manifest, without what the files and this version of plantkit say.
        weights: the mother network with the ticket in it, name to float32 tensor.
    """
    hidden = {f"ticket.{name}": value for name, value in truth.ticket.items()}
    hidden |= {"test.inputs": truth.test.inputs, "test.targets": truth.test.targets}
    hidden["salt"] = torch.tensor(list(bytes.fromhex(truth.salt)), dtype=torch.uint8)
    files = {
        WEIGHTS: save_tensors({name: weights[name] for name in truth.ticket}),
        TRAIN: save_tensors({"inputs": train.inputs, "targets": train.targets}),
        # One key only: safetensors writes several in no fixed order, and bytes must not vary.
        TRUTH: save_tensors(hidden, metadata={"planting_seed": truth.planting_seed}),
    }
    licence = facts.get("licence", "CC0-1.0")
    manifest = {
        **{name: value for name, value in facts.items() if name != "licence"},
        "files": {name: file_entry(content) for name, content in files.items()},
        "truth": {"storage": "plain", "commitment": commitment_to(files[TRUTH])},
        "planter_version": __version__,
        "licence": licence,
    }
    digest = hashlib.sha256(render_manifest(manifest)).hexdigest()
    return Bundle(path=Path(manifest["id"]), manifest=manifest, digest=digest, files=files)


def freeze(bundle: Bundle, directory: Path, *, key: sealing.Key | None = None) -> Path:
    """Writes `bundle` into the new `directory` and returns it. All or nothing.

    With a `key` the truth is sealed first, and never written in the clear.

    Raises:
        UsageError: `directory` exists.
        BundleError: what was written would not load.
        OSError: it cannot be written; the error names `directory`.
    """
    if directory.exists():
        raise UsageError(f"{directory} exists already; a frozen bundle is never overwritten")
    if key is not None:
        bundle = _sealed(bundle, key)
    with about(directory):
        directory.parent.mkdir(parents=True, exist_ok=True)
        return _freeze(bundle, directory)


def _freeze(bundle: Bundle, directory: Path) -> Path:
    """Writes `bundle` next to the new `directory`, checks it, and moves it into place."""
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".plantkit-") as scratch:
        staged = Path(scratch) / directory.name
        staged.mkdir()
        for name, content in bundle.files.items():
            (staged / name).write_bytes(content)
        (staged / MANIFEST).write_bytes(render_manifest(bundle.manifest))
        check = public_of if bundle.is_sealed else challenge_of
        check(read_bundle(staged))  # what is frozen must load
        shutil.move(staged, directory)
    return directory


def seal_bundle(directory: Path, key: sealing.Key, out: Path | None = None) -> Path:
    """Seals the truth of the bundle in `directory` and returns where the result is.

    Args:
        out: the new directory that is written; None replaces the bundle itself.

    Raises:
        UsageError: its truth is sealed already, or `out` exists.
        BundleError: the bundle is invalid, or its manifest is not as plantkit writes it, so
            that it could not be restored.
    """
    bundle = read_bundle(directory)
    if bundle.is_sealed:
        raise UsageError(f"{directory} is sealed already; plantkit unseal opens it")
    if manifest_content(directory) != render_manifest(bundle.manifest):
        raise BundleError(
            directory / MANIFEST,
            "is not laid out as plantkit writes it, so unsealing could not restore it",
        )
    return _put(_sealed(bundle, key), out)


def unseal_bundle(directory: Path, key: sealing.SecretKey, out: Path | None = None) -> Path:
    """Puts the truth of the sealed bundle in `directory` back in the clear, every file as it
    was before it was sealed; returns where the result is.

    Args:
        out: the new directory that is written; None replaces the bundle itself.

    Raises:
        UsageError: its truth is in the clear already, or `out` exists.
        SealedTruthError: it is sealed for another key.
        BundleError: the bundle is invalid.
    """
    bundle = read_bundle(directory)
    if not bundle.is_sealed:
        raise UsageError(f"{directory} is not sealed; its truth is in {TRUTH}")
    truth = open_truth(bundle, key)
    return _put(_stored_as(bundle, plain_manifest(bundle.manifest), TRUTH, truth), out)


def _sealed(bundle: Bundle, key: sealing.Key) -> Bundle:
    manifest = bundle.manifest
    content = sealing.seal(
        bundle.files[TRUTH],
        key,
        challenge_id=manifest["id"],
        commitment=manifest["truth"]["commitment"],
    )
    return _stored_as(bundle, sealed_manifest(manifest, file_entry(content)), SEALED, content)


def _stored_as(bundle: Bundle, manifest: Mapping[str, Any], name: str, truth: bytes) -> Bundle:
    """Returns the bundle with its truth in the file `name` instead."""
    public = {WEIGHTS: bundle.files[WEIGHTS], TRAIN: bundle.files[TRAIN]}
    return replace(bundle, manifest=manifest, files={**public, name: truth})


def _put(bundle: Bundle, out: Path | None) -> Path:
    """Writes `bundle` to the new directory `out`, or in place of what is at its own path."""
    if out is not None:
        return freeze(bundle, out)
    where = bundle.path.resolve()  # so that "." and links can be replaced, too
    with tempfile.TemporaryDirectory(dir=where.parent, prefix=".plantkit-") as scratch:
        made = freeze(bundle, Path(scratch) / "new" / where.name)
        old = Path(scratch) / "old"
        where.rename(old)
        try:
            shutil.move(made, where)
        except OSError:
            old.rename(where)
            raise
    return bundle.path
