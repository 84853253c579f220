"""The manifest of a challenge bundle: everything public in it except the tensors.

A challenge's digest is the SHA-256 of its `challenge.json` with the truth in the clear; see
`plantkit.challenges.bundles`. Nothing here imports torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from plantkit.challenges.files import parse_json, read_bounded
from plantkit.errors import BundleError
from plantkit.schemas import violations

SCHEMA_VERSION = 1
MANIFEST = "challenge.json"
WEIGHTS = "weights.safetensors"
TRAIN = "train.safetensors"
TRUTH = "truth.safetensors"
SEALED = "truth.sealed"

_MOST_MANIFEST_BYTES = 64 * 1024


def read_beside(directory: Path, name: str, schema: str, most_bytes: int) -> dict[str, Any] | None:
    """Returns the JSON file `name` next to a manifest, or None if there is none.

    No digest covers such a file.

    Raises:
        BundleError: it is larger than `most_bytes`, not JSON, or breaks its `schema`.
    """
    path = directory / name
    if not path.is_file():
        return None
    value: dict[str, Any] = parse_json(path, read_bounded(path, most_bytes, missing="is gone"))
    check_schema(path, value, schema)
    return value


def check_schema(path: Path, value: Any, schema: str) -> None:
    """Raises `BundleError` unless `value`, read from `path`, keeps the schema of this name."""
    try:
        broken = violations(value, schema)
    except (RecursionError, ValueError) as error:  # a huge integer cannot even be quoted
        raise BundleError(path, f"cannot be checked: {error}") from error
    if broken:
        raise BundleError(path, f"breaks its schema at {'; '.join(broken[:3])}")


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
    return content.replace(b"\r\n", b"\n")


def read_manifest(directory: Path) -> tuple[dict[str, Any], str]:
    """Returns the validated manifest of a bundle and the challenge's digest.

    It reads no other file.

    Raises:
        BundleError: it is missing, not JSON, or breaks its schema.
    """
    path, content = directory / MANIFEST, manifest_content(directory)
    manifest = parse_json(path, content)
    version = manifest.get("schema_version") if isinstance(manifest, dict) else None
    if isinstance(version, int) and version != SCHEMA_VERSION:
        raise BundleError(
            path,
            f"schema_version is {version}; this plantkit reads {SCHEMA_VERSION}: "
            + ("update plantkit" if version > SCHEMA_VERSION else "freeze the bundle again"),
        )
    check_schema(path, manifest, "challenge")
    checked: dict[str, Any] = manifest
    storage = checked["truth"]["storage"]
    stored = TRUTH if storage == "plain" else SEALED
    if set(checked["files"]) != {WEIGHTS, TRAIN, stored}:
        raise BundleError(
            path,
            f"truth.storage is {storage!r}, and files are {', '.join(checked['files'])}; "
            f"expected {WEIGHTS}, {TRAIN}, {stored}",
        )
    if ("plain" in checked["truth"]) != (storage == "sealed"):
        raise BundleError(path, "truth.plain is there if and only if truth.storage is 'sealed'")
    if storage == "sealed":
        if content != render_manifest(checked):  # the digest is of what it stands for
            raise BundleError(path, "is not laid out as plantkit writes it: get it again")
        content = render_manifest(plain_manifest(checked))
    return checked, hashlib.sha256(content).hexdigest()


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


def render_manifest(manifest: Mapping[str, Any]) -> bytes:
    """Returns the bytes of `challenge.json` as plantkit writes it."""
    return (json.dumps(manifest, indent=2, ensure_ascii=False) + "\n").encode()


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
