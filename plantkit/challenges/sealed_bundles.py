"""Sealing a frozen bundle's truth, and putting it back as it was."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from plantkit.challenges.bundles import (
    MANIFEST,
    SEALED,
    TRUTH,
    load_contents,
    open_contents,
    plain_manifest,
    render_manifest,
    seal_contents,
    write_bundle,
)
from plantkit.challenges.files import read_bounded
from plantkit.challenges.sealing import Key, SecretKey
from plantkit.errors import BundleError, UsageError


def seal_bundle(directory: Path, key: Key, out: Path | None = None) -> Path:
    """Seals the truth of the bundle in `directory` and returns where the result is.

    Args:
        out: the new directory that is written; None replaces the bundle itself.

    Raises:
        UsageError: its truth is sealed already, or `out` exists.
        BundleError: the bundle is invalid, or its manifest is not as plantkit writes it, so
            that it could not be restored.
    """
    public, contents = load_contents(directory)
    if public.is_sealed:
        raise UsageError(f"{directory} is sealed already; plantkit unseal opens it")
    manifest = public.manifest
    path = directory / MANIFEST
    if read_bounded(path, len(render_manifest(manifest))) != render_manifest(manifest):
        raise BundleError(
            path, "is not laid out as plantkit writes it, so unsealing could not restore it"
        )
    return _write(*seal_contents(manifest, contents, key), directory, out)


def unseal_bundle(directory: Path, key: SecretKey, out: Path | None = None) -> Path:
    """Puts the truth of the sealed bundle in `directory` back in the clear, every file as it
    was before it was sealed; returns where the result is.

    Args:
        out: the new directory that is written; None replaces the bundle itself.

    Raises:
        UsageError: its truth is in the clear already, or `out` exists.
        SealedTruthError: it is sealed for another key.
        BundleError: the bundle is invalid.
    """
    public, contents = load_contents(directory)
    if not public.is_sealed:
        raise UsageError(f"{directory} is not sealed; its truth is in {TRUTH}")
    truth = open_contents(public, contents[SEALED], key)
    files = {name: content for name, content in contents.items() if name != SEALED}
    return _write(plain_manifest(public.manifest), {**files, TRUTH: truth}, directory, out)


def _write(
    manifest: Mapping[str, Any], files: Mapping[str, bytes], directory: Path, out: Path | None
) -> Path:
    if out is not None:
        return write_bundle(manifest, files, out)
    where = directory.resolve()  # so that "." and links can be replaced, too
    with tempfile.TemporaryDirectory(dir=where.parent, prefix=".plantkit-") as scratch:
        made = write_bundle(manifest, files, Path(scratch) / "new" / where.name)
        old = Path(scratch) / "old"
        where.rename(old)
        try:
            shutil.move(made, where)
        except OSError:
            old.rename(where)
            raise
    return directory
