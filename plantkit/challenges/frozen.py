"""What makes a bundle frozen: digests in its manifest that cover every byte of it.

A frozen manifest ends with two fields. `records` states the files that organisers add to a bundle,
such as an audit. `frozen` is the SHA-256 of the rest of the manifest, which states all other files.
So nothing in a bundle can change by accident, and nobody changes it on purpose without a new
`frozen`, which pins and signatures would not fit.

Neither field counts for the challenge's digest, by which results name it: an audit can be repeated
with better attackers while the challenge stays the same. Nothing here imports torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from plantkit.challenges.files import read_bounded
from plantkit.errors import BundleError

AUDIT = "audit.json"
ALTERNATIVES = "alternatives.json"
#: The records that a bundle may have, and the most bytes of each.
RECORDS: Mapping[str, int] = {AUDIT: 64 * 1024, ALTERNATIVES: 1024 * 1024}
#: The fields of a manifest that freeze it.
FIELDS = ("records", "frozen")


def render_manifest(manifest: Mapping[str, Any]) -> bytes:
    """Returns the bytes of `challenge.json` as plantkit writes it."""
    return (json.dumps(manifest, indent=2, ensure_ascii=False) + "\n").encode()


def file_entry(content: bytes) -> dict[str, Any]:
    """Returns what a manifest says of a file."""
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def freeze_manifest(manifest: Mapping[str, Any], records: Mapping[str, bytes]) -> dict[str, Any]:
    """Returns `manifest` with the two fields that freeze it and the `records` of its bundle."""
    stated = {name: file_entry(records[name]) for name in RECORDS if name in records}
    value = {**manifest, "records": stated}
    return {**value, "frozen": _digest(value)}


def split_manifest(
    path: Path, value: Mapping[str, Any], content: bytes
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Returns a manifest without the fields that freeze it, and its `records`, None if it is not
    frozen.

    Args:
        path: of the manifest, for messages.
        value: what it holds.
        content: its bytes, which must be the ones that plantkit writes where it is frozen.

    Raises:
        BundleError: it was altered since it was frozen.
    """
    if "frozen" not in value:
        return dict(value), None
    rest = render_manifest({name: entry for name, entry in value.items() if name != "frozen"})
    found = hashlib.sha256(rest).hexdigest()
    if value["frozen"] != found:
        raise BundleError(
            path,
            f"has been altered: the SHA-256 of its other fields is {found}; its field frozen says "
            f"{value['frozen']}: get it again. If you meant to change it: plantkit freeze "
            f"{path.parent}",
        )
    if content != rest.removesuffix(b"\n}\n") + f',\n  "frozen": "{found}"\n}}\n'.encode():
        raise BundleError(
            path,
            "is not laid out as plantkit writes it: get it again, or plantkit freeze "
            f"{path.parent}",
        )
    return {name: value[name] for name in value if name not in FIELDS}, value["records"]


def frozen_digest(manifest: Mapping[str, Any]) -> str:
    """Returns what the field `frozen` of a manifest should be, whatever it is."""
    return _digest({name: value for name, value in manifest.items() if name != "frozen"})


def whole_digest(manifest: Mapping[str, Any], records: Mapping[str, Any]) -> str:
    """Returns the SHA-256 that covers a whole bundle, which pins and signatures are of.

    Args:
        manifest: with the truth in the clear, so that sealing changes nothing.
        records: as the manifest states them.
    """
    return _digest({**manifest, "records": records})


def read_record(directory: Path, name: str) -> bytes | None:
    """Returns the content of a record in a bundle's directory, or None if there is none.

    Git on Windows may check it out with other line ends, which are changed back.

    Raises:
        BundleError: it is too large, or not a regular file.
    """
    path = directory / name
    if not path.is_file() and not path.is_symlink():
        return None
    return unix_lines(read_bounded(path, RECORDS[name]))


def read_records(directory: Path, stated: Mapping[str, Any] | None) -> dict[str, bytes]:
    """Returns the records in a bundle's directory, by name.

    Args:
        stated: what the manifest says of them; None where it is not frozen.

    Raises:
        BundleError: one is not as stated.
    """
    found: dict[str, bytes] = {}
    for name in RECORDS:
        content = read_record(directory, name)
        if content is not None:
            found[name] = content
        if stated is None or (None if content is None else file_entry(content)) == stated.get(name):
            continue
        if content is None:
            what = "is missing: get the bundle again"
        elif name not in stated:
            what = "is not stated in challenge.json, so that nothing covers it: remove it"
        else:
            what = (
                f"has been altered: its SHA-256 is {file_entry(content)['sha256']}; expected "
                f"{stated[name]['sha256']}: get it again"
            )
        raise BundleError(
            directory / name, f"{what}. If you meant to change it: plantkit freeze {directory}"
        )
    return found


def unix_lines(content: bytes) -> bytes:
    """Returns text with the line ends that plantkit writes, where all of them are Windows'."""
    text = content.replace(b"\r\n", b"\n")
    return text if text.replace(b"\n", b"\r\n") == content else content


def _digest(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(render_manifest(manifest)).hexdigest()
