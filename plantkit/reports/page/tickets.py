"""Tickets that a report may draw: only those that everybody can read already."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from plantkit.challenges import bundles
from plantkit.challenges.catalog import shipped_directory
from plantkit.challenges.facts import ChallengeFacts
from plantkit.challenges.manifests import MANIFEST, read_manifest
from plantkit.networks.masks import Mask


def public_tickets(
    challenges: Iterable[ChallengeFacts], directories: Sequence[Path] = ()
) -> dict[str, Mask]:
    """Returns the tickets of `challenges`, by digest, that unsealed bundles in the open hold.

    These are the bundles that ship with plantkit, and those in `directories`. No ticket comes
    from memory: that of a sealed, fresh or secret challenge is not found, whoever evaluated it.

    Raises:
        BundleError: a bundle was altered.
    """
    wanted = {(one.id, one.digest) for one in challenges}
    found: dict[str, Mask] = {}
    for root in (shipped_directory(), *directories):
        for manifest_path in sorted(root.glob(f"*/{MANIFEST}")):
            directory = manifest_path.parent
            if directory.name not in {name for name, _ in wanted}:
                continue
            manifest, digest = read_manifest(directory)
            is_plain = manifest["truth"]["storage"] == "plain"
            if is_plain and digest not in found and (manifest["id"], digest) in wanted:
                found[digest] = bundles.load(directory).truth.ticket
    return found
