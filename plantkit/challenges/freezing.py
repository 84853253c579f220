"""Writing bundles: from a manifest and tensors to a directory, sealing its truth, and freezing it
anew where an organiser changed something on purpose."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as save_tensors
from torch import Tensor

from plantkit.challenges import sealing, signing
from plantkit.challenges.bundles import (
    Bundle,
    Truth,
    bundle_of,
    challenge_of,
    commitment_to,
    open_truth,
    public_of,
    read_bundle,
)
from plantkit.challenges.frozen import file_entry, freeze_manifest, render_manifest
from plantkit.challenges.manifests import (
    MANIFEST,
    SEALED,
    TRAIN,
    TRUTH,
    WEIGHTS,
    Stated,
    manifest_content,
    plain_manifest,
    read_anyway,
    read_stated,
    sealed_manifest,
)
from plantkit.challenges.suites import write_pins
from plantkit.errors import BundleError, UsageError
from plantkit.files import about, write_whole
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
        for name, content in {**bundle.files, **bundle.records}.items():
            (staged / name).write_bytes(content)
        (staged / MANIFEST).write_bytes(_frozen_content(bundle))
        check = public_of if bundle.is_sealed else challenge_of
        check(read_bundle(staged))  # what is frozen must load
        shutil.move(staged, directory)
    return directory


def _frozen_content(bundle: Bundle) -> bytes:
    return render_manifest(freeze_manifest(bundle.manifest, bundle.records))


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """What came of freezing a bundle anew.

    before, after: what its manifest stated. pinned: each `suites.toml` that now pins it.
    signed: who signed it, if anybody did. unsigned: whether a signature was removed that does not
    fit any more.
    """

    before: Stated
    after: Stated
    pinned: Sequence[Path]
    signed: signing.Signer | None = None
    unsigned: bool = False

    def lines(self) -> list[str]:
        """Returns lines for people on what changed."""
        before, after = self.before.whole, self.after.whole
        was = "" if before is None else ", as before" if before == after else f", before {before}"
        lines = [
            f"frozen: the whole bundle has the digest {after}{was}",
            f"results name the challenge by {self.after.digest}",
        ]
        lines += [f"pinned in {path}" for path in self.pinned]
        if self.signed is not None:
            lines.append(f"signed with the key {self.signed.id}")
        if self.unsigned:
            lines.append("its signature did not fit any more and was removed: sign it again")
        return lines


def freeze_anew(directory: Path, *, key: signing.SigningKey | None = None) -> Frozen:
    """Freezes the bundle in `directory` as it is now, its manifest and its records changed.

    Its weights, data and truth must be as the manifest states: other ones are another planting.
    Where a `suites.toml` next to the bundle names it, that pins it as it is now.

    Args:
        key: signs the bundle.

    Raises:
        BundleError: the manifest breaks its schema, or a file is not as it states.
        OSError: it cannot be written; the error names the file.
    """
    before = read_anyway(directory)
    bundle = bundle_of(before, directory)
    check = public_of if bundle.is_sealed else challenge_of
    check(bundle)
    return _replace_manifest(bundle, before, key)


def add_record(directory: Path, name: str, content: bytes) -> Frozen:
    """Writes a record into the directory of a bundle, and freezes that anew.

    Raises:
        BundleError: the bundle was altered before.
        OSError: it cannot be written; the error names the file.
    """
    before = read_stated(directory)
    bundle = bundle_of(before, directory)
    write_whole(directory / name, content)
    records = {**bundle.records, name: content}
    return _replace_manifest(replace(bundle, records=records), before, None)


def _replace_manifest(bundle: Bundle, before: Stated, key: signing.SigningKey | None) -> Frozen:
    """Writes the manifest of a bundle that is there, its pin and its signature."""
    directory = bundle.path
    write_whole(directory / MANIFEST, _frozen_content(bundle))
    whole = read_anyway(directory).whole
    assert whole is not None
    pinned = write_pins(directory, bundle.manifest["id"], whole)
    after = read_stated(directory)
    path = directory / signing.SIGNATURE
    if key is not None:
        write_whole(path, signing.sign(after.manifest["id"], whole, key))
        return Frozen(before=before, after=after, pinned=pinned, signed=key.public)
    unsigned = path.exists() and whole != before.whole
    if unsigned:
        path.unlink()
    return Frozen(before=before, after=after, pinned=pinned, unsigned=unsigned)


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
    if manifest_content(directory) not in (
        _frozen_content(bundle),
        render_manifest(bundle.manifest),
    ):
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
        return _with_signature(freeze(bundle, out), bundle)
    where = bundle.path.resolve()  # so that "." and links can be replaced, too
    with tempfile.TemporaryDirectory(dir=where.parent, prefix=".plantkit-") as scratch:
        made = _with_signature(freeze(bundle, Path(scratch) / "new" / where.name), bundle)
        old = Path(scratch) / "old"
        where.rename(old)
        try:
            shutil.move(made, where)
        except OSError:
            old.rename(where)
            raise
    return bundle.path


def _with_signature(made: Path, bundle: Bundle) -> Path:
    """Copies the signature of the bundle that was sealed or unsealed: it fits either."""
    signature = bundle.path / signing.SIGNATURE
    if signature.is_file():
        shutil.copyfile(signature, made / signing.SIGNATURE)
    return made
