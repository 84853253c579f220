"""Audits that were made before: `plantkit audit` keeps their summaries, `plantkit plant` quotes
the best one of the same planting.

They are kept with the cache of evaluations, each in a file of its own, and are not removed with
old entries. The summaries in bundles count, too, and those that come with the kit.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from plantkit.challenges.files import check_schema, parse_json, read_bounded
from plantkit.challenges.frozen import AUDIT, RECORDS
from plantkit.challenges.manifests import read_stated
from plantkit.errors import BundleError, UnfrozenWarning
from plantkit.evaluation.cache import default_directory
from plantkit.files import write_whole
from plantkit.research.records import check_verdict, planting_of, read_audit

#: Summaries of audits that come with the kit: of networks of which it has no bundle.
SHIPPED = Path(__file__).parent / "audited"
#: Training networks of an audit that says something; attackers trained on fewer find less.
ENOUGH = 100
#: Those of every audit by all attackers of its time. One without them does not say much either.
FIRST_ATTACKERS = frozenset({"boosting", "cautious boosting", "second order", "joint"})


def keep_audit(summary: Mapping[str, Any], directory: Path | None = None) -> Path:
    """Keeps a summary in place of one of the same planting with as many training networks.

    Args:
        summary: as `records.summarise` returns it.
        directory: where audits are kept; a part of the cache if None.

    Raises:
        OSError: it cannot be written; the error names the file.
    """
    path = _shelf(summary["planting"], directory) / f"{summary['training_networks']}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(summary, indent=2) + "\n")
    return path


def best_audit(
    manifest: Mapping[str, Any], bundles: Iterable[Path] = (), directory: Path | None = None
) -> dict[str, Any] | None:
    """Returns the summary with the most training networks, then the newest, of the planting that
    a bundle with this manifest has; None if nobody audited it.

    Args:
        bundles: whose summaries count, too; those that were altered are left out.
        directory: where audits are kept; a part of the cache if None.
    """
    planting = planting_of(manifest)
    kept = [*_shelf(planting, directory).glob("*.json"), *SHIPPED.glob("*.json")]
    found = [*_read(planting, sorted(kept)), *_in_bundles(planting, bundles)]
    return max(found, key=lambda one: (one["training_networks"], one["date"]), default=None)


def _read(planting: Mapping[str, Any], paths: Iterable[Path]) -> Iterator[dict[str, Any]]:
    for path in paths:
        with suppress(BundleError):
            summary = parse_json(path, read_bounded(path, RECORDS[AUDIT]))
            check_schema(path, summary, "audit-summary")
            check_verdict(path, summary)
            if summary["planting"] == planting:
                yield summary


def _in_bundles(planting: Mapping[str, Any], bundles: Iterable[Path]) -> Iterator[dict[str, Any]]:
    for path in bundles:
        with suppress(BundleError), warnings.catch_warnings():
            warnings.simplefilter("ignore", UnfrozenWarning)  # of bundles that nobody asked about
            if not (path / AUDIT).is_file():
                continue
            stated = read_stated(path)
            if planting_of(stated.manifest) == planting:
                summary = read_audit(path, stated)
                if summary is not None:
                    yield summary


def _shelf(planting: Mapping[str, Any], directory: Path | None) -> Path:
    """Returns the directory of a planting's audits, which is too deep for the cache to trim."""
    root = default_directory() / "audits" if directory is None else directory
    key = hashlib.sha256(json.dumps(planting, sort_keys=True).encode()).hexdigest()[:16]
    return root / f"{planting['family']}-{planting['method']}-{key}"
