"""The manifest of a challenge bundle: everything public in it except the tensors.

A challenge's digest is the SHA-256 of its manifest with the truth in the clear, without the fields
that freeze it; see `plantkit.challenges.bundles`. Nothing here imports torch.
"""

from __future__ import annotations

import functools
import hashlib
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plantkit.challenges.files import check_schema, parse_json, read_bounded
from plantkit.challenges.frozen import (
    FIELDS,
    frozen_digest,
    read_records,
    render_manifest,
    split_manifest,
    unix_lines,
    whole_digest,
)
from plantkit.challenges.suites import check_pin
from plantkit.errors import BundleError, UnfrozenWarning

SCHEMA_VERSION = 1
MANIFEST = "challenge.json"
WEIGHTS = "weights.safetensors"
TRAIN = "train.safetensors"
TRUTH = "truth.safetensors"
SEALED = "truth.sealed"

_MOST_MANIFEST_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """What a bundle's `challenge.json` states.

    manifest: without the fields that freeze it.
    digest: the challenge's, by which results name it; see `plantkit.challenges.bundles`.
    whole: the digest that covers the whole bundle, the same sealed or not; None if it is not
        frozen.
    records: what else is known of it, the content of `audit.json` and the like by name.
    """

    manifest: dict[str, Any]
    digest: str
    whole: str | None
    records: Mapping[str, bytes]


def read_manifest(directory: Path) -> tuple[dict[str, Any], str]:
    """Returns the validated manifest of a bundle and the challenge's digest; see `read_stated`."""
    stated = read_stated(directory)
    return stated.manifest, stated.digest


def read_stated(directory: Path) -> Stated:
    """Returns what the manifest of a bundle states, and the records in its directory, checked.

    It reads no tensors. A bundle that is not frozen makes an `UnfrozenWarning`.

    Raises:
        BundleError: the manifest is missing, not JSON, breaks its schema, or was altered since it
            was frozen; or a record was altered; or a `suites.toml` next to the bundle pins another.
    """
    path, content = directory / MANIFEST, manifest_content(directory)
    value = _parse(path, content)
    manifest, stated = split_manifest(path, value, content)
    digest, plain = _identity(path, manifest)
    records = read_records(directory, stated)
    whole = value.get("frozen")
    if stated is not None and plain is not manifest:  # sealed: frozen is of this form only
        whole = whole_digest(plain, stated)
    if whole is None:
        names = "".join(f", {name}" for name in records)
        warnings.warn(
            f"{directory} is of an older plantkit: no digest protects its {MANIFEST}{names}; "
            f"plantkit freeze {directory} adds one",
            UnfrozenWarning,
            stacklevel=1,  # so that Python shows it once, whoever reads the bundle
        )
    check_pin(directory, manifest["id"], whole)
    return Stated(manifest=manifest, digest=digest, whole=whole, records=records)


def read_anyway(directory: Path) -> Stated:
    """Returns what `read_stated` does of a bundle whose manifest and records may have been changed
    on purpose: what freezes them is not checked. `whole` is as before the change, where the
    manifest says it.

    Raises:
        BundleError: the manifest is missing, not JSON, breaks its schema or contradicts itself.
    """
    path = directory / MANIFEST
    value = _parse(path, manifest_content(directory))
    manifest = {name: entry for name, entry in value.items() if name not in FIELDS}
    digest, plain = _identity(path, manifest)
    whole = value.get("frozen")
    if whole == frozen_digest(value) and plain is not manifest:  # that of the sealed form
        whole = whole_digest(plain, value["records"])
    return Stated(
        manifest=manifest, digest=digest, whole=whole, records=read_records(directory, None)
    )


def manifest_content(directory: Path) -> bytes:
    """Returns the content of a bundle's `challenge.json`, with the line ends that plantkit writes.

    Git on Windows may check a text file out with others. JSON means the same with either.

    Raises:
        BundleError: it is missing, or not a regular file of a proper size.
    """
    content = read_bounded(
        directory / MANIFEST,
        _MOST_MANIFEST_BYTES,
        missing=f"is missing; expected a bundle directory with a {MANIFEST}",
    )
    return unix_lines(content)


def _parse(path: Path, content: bytes) -> dict[str, Any]:
    """Returns the manifest in `content`, of a version that this plantkit reads.

    Raises:
        BundleError: it is not JSON, of another version, or breaks its schema.
    """
    _check(path, content)
    manifest: dict[str, Any] = parse_json(path, content)
    return manifest


@functools.lru_cache(maxsize=256)
def _check(path: Path, content: bytes) -> None:
    """Raises what `_parse` does; content that passed is not checked again at the same path."""
    manifest = parse_json(path, content)
    version = manifest.get("schema_version") if isinstance(manifest, dict) else None
    if isinstance(version, int) and version != SCHEMA_VERSION:
        raise BundleError(
            path,
            f"schema_version is {version}; this plantkit reads {SCHEMA_VERSION}: "
            + ("update plantkit" if version > SCHEMA_VERSION else "freeze the bundle again"),
        )
    check_schema(path, manifest, "challenge")
    if b"\\ud" in content.lower():  # half of a character, maybe, which nothing can write again
        try:
            render_manifest(manifest)
        except UnicodeEncodeError as error:
            raise BundleError(path, f"holds text that is not Unicode: {error}") from error


def _identity(path: Path, manifest: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Returns the challenge's digest, and its manifest with the truth in the clear.

    Args:
        manifest: without the fields that freeze it.

    Raises:
        BundleError: it contradicts itself.
    """
    storage = manifest["truth"]["storage"]
    stored = TRUTH if storage == "plain" else SEALED
    if set(manifest["files"]) != {WEIGHTS, TRAIN, stored}:
        raise BundleError(
            path,
            f"truth.storage is {storage!r}, and files are {', '.join(manifest['files'])}; "
            f"expected {WEIGHTS}, {TRAIN}, {stored}",
        )
    if ("plain" in manifest["truth"]) != (storage == "sealed"):
        raise BundleError(path, "truth.plain is there if and only if truth.storage is 'sealed'")
    plain = manifest if storage == "plain" else plain_manifest(manifest)
    return challenge_digest(plain), plain


def challenge_digest(manifest: Mapping[str, Any]) -> str:
    """Returns the digest of the challenge with this manifest, without the fields that freeze it."""
    is_plain = manifest["truth"]["storage"] == "plain"
    plain = manifest if is_plain else plain_manifest(manifest)
    return hashlib.sha256(render_manifest(plain)).hexdigest()


def network_words(network: Mapping[str, Any]) -> str:
    """Returns a manifest's `network` in short, read without torch: `2-100-100-4`."""
    if "widths" in network:
        return "-".join(map(str, network["widths"]))
    return f"{network['kind']} on {'x'.join(map(str, network['image']))}"


def plain_manifest(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the manifest that a sealed bundle has with its truth in the clear."""
    truth = {"storage": "plain", "commitment": manifest["truth"]["commitment"]}
    return _restated(manifest, TRUTH, manifest["truth"]["plain"], truth)


def sealed_manifest(manifest: Mapping[str, Any], sealed: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the manifest that a bundle has with its truth in the file that `sealed` states."""
    plain = manifest["files"][TRUTH]
    return _restated(
        manifest, SEALED, sealed, {**manifest["truth"], "storage": "sealed", "plain": plain}
    )


def _restated(
    manifest: Mapping[str, Any], name: str, entry: Mapping[str, Any], truth: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns `manifest` with its truth in another file, stated in the same place."""
    files = {
        name if stated in {TRUTH, SEALED} else stated: entry if stated in {TRUTH, SEALED} else kept
        for stated, kept in manifest["files"].items()
    }
    return {**manifest, "files": files, "truth": truth}


def kind_of(manifest: Mapping[str, Any]) -> str:
    """Returns what instances of one kind of challenge share, as a key: the law of their planting.

    That is family, network, method and dials, the noise of the labels, and how networks are
    trained.
    """
    planting = manifest["planting"]
    law = [
        manifest["family"],
        manifest["network"],
        planting["method"],
        planting.get("dials", {}),
        manifest["data"]["noise"],
        manifest["data"]["train"],
        manifest["protocol"]["training"],
    ]
    return json.dumps(law, sort_keys=True)
