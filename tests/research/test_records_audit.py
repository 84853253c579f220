"""Audit summaries: what a report gives, and what `show` refuses."""

from __future__ import annotations

import datetime
import json
import shutil
import subprocess
import sys

import pytest

from plantkit.challenges.bundles import load, read_manifest, read_stated
from plantkit.challenges.catalog import shipped_directory
from plantkit.challenges.freezing import add_record
from plantkit.challenges.frozen import AUDIT
from plantkit.errors import BundleError, UsageError
from plantkit.research.records import check_records, describe_audit, read_audit, summarise
from plantkit.schemas import violations

ESTIMATE = {"value": 0.52, "low": 0.5, "high": 0.54}
LIFT = {"value": 1.5, "low": None, "high": None}


def report_of(manifest, **changes):
    return {
        "plantkit_version": "0.1.0",
        "planting": {
            "family": manifest["family"],
            "network": manifest["network"],
            "method": manifest["planting"]["method"],
        },
        "limits": {"auc": 0.58, "lift": 2.0},
        "training_networks": 100,
        "test_networks": 25,
        "verdict": "hidden",
        "attackers": [
            {
                "name": "strongest",
                "overall": {"auc": ESTIMATE, "lift": LIFT},
                "strata": {"layers.0.weight": {"auc": ESTIMATE, "lift": LIFT}},
            }
        ],
    } | changes


@pytest.fixture
def bundle(tiny_challenges, tmp_path):
    return shutil.copytree(tiny_challenges / "circle-3x60", tmp_path / "circle-3x60")


def write(bundle, summary):
    add_record(bundle, AUDIT, json.dumps(summary).encode())


def test_a_summary_stands_next_to_a_bundle_and_leaves_its_digest_alone(bundle):
    manifest, digest = read_manifest(bundle)
    assert read_audit(bundle, read_stated(bundle)) is None
    summary = summarise(report_of(manifest), datetime.date(2026, 1, 2))
    assert violations(summary, "audit-summary") == []
    write(bundle, summary)
    assert read_audit(bundle, read_stated(bundle)) == summary
    assert load(bundle).digest == digest
    line = describe_audit(summary)
    assert line.startswith("hidden: AUC within strata 0.520 [0.500, 0.540] (limit 0.58)")
    assert "over chance 1.500; 100 training and 25 test networks, 2026-01-02" in line


@pytest.mark.parametrize(("name", "value"), [("method", "anchored"), ("family", "helix")])
def test_an_audit_of_another_planting_is_refused(bundle, name, value):
    manifest, _ = read_manifest(bundle)
    summary = summarise(report_of(manifest), datetime.date(2026, 1, 2))
    write(bundle, summary | {"planting": summary["planting"] | {name: value}})
    with pytest.raises(BundleError, match=f"is an audit of {name} {value}"):
        read_audit(bundle, read_stated(bundle))


def test_hidden_beyond_its_own_limit_is_refused(bundle):
    manifest, _ = read_manifest(bundle)
    summary = summarise(report_of(manifest), datetime.date(2026, 1, 2))
    write(bundle, summary | {"auc": {"value": 0.99, "low": 0.98, "high": 1.0}})
    with pytest.raises(
        BundleError, match=r"its AUC of 0\.99, at most 1, exceeds its limit of 0\.58"
    ):
        read_audit(bundle, read_stated(bundle))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"auc": ESTIMATE | {"high": 0.59}}, r"AUC of 0\.52, at most 0\.59, exceeds its limit"),
        (
            {"lift": LIFT | {"value": 2.5}},
            r"over chance of 2\.5, at most 2\.5, exceeds its limit of 2",
        ),
        ({"auc": {"value": 0.5, "low": 0.6, "high": 0.5}}, "lies between 0.6 and 0.5: cannot be"),
        ({"verdict": "leaks", "auc": {"value": 2, "low": None, "high": None}}, "AUC of 2"),
        ({"strata": {"layers.7.weight": ESTIMATE}}, "has figures of 'layers.7.weight'"),
    ],
)
def test_figures_that_cannot_be_of_the_bundle_are_refused(bundle, change, message):
    manifest, _ = read_manifest(bundle)
    summary = summarise(report_of(manifest), datetime.date(2026, 1, 2))
    write(bundle, summary)
    assert check_records(bundle, read_stated(bundle)) == [AUDIT]
    write(bundle, summary | change)
    with pytest.raises(BundleError, match=message):
        check_records(bundle, read_stated(bundle))


def test_what_was_read_is_what_is_told_though_the_file_is_exchanged(bundle):
    manifest, _ = read_manifest(bundle)
    summary = summarise(report_of(manifest), datetime.date(2026, 1, 2))
    write(bundle, summary)
    stated = read_stated(bundle)
    other = json.dumps(summary | {"date": "2026-01-03"})
    (bundle / AUDIT).write_text(other, encoding="utf-8", newline="\n")
    assert read_audit(bundle, stated) == summary


def test_a_broken_summary_is_named(bundle):
    manifest, _ = read_manifest(bundle)
    write(bundle, summarise(report_of(manifest), datetime.date(2026, 1, 2)) | {"verdict": "good"})
    with pytest.raises(BundleError, match="breaks its schema"):
        read_audit(bundle, read_stated(bundle))


def test_an_audit_without_figures_has_no_summary(bundle):
    manifest, _ = read_manifest(bundle)
    empty = report_of(manifest, attackers=[{"name": "strongest", "overall": None, "strata": {}}])
    with pytest.raises(UsageError, match="nothing to tell apart"):
        summarise(empty, datetime.date(2026, 1, 2))


def test_shipped_summaries_hold_for_their_bundles():
    found = list(shipped_directory().glob(f"*/{AUDIT}"))
    assert found
    for path in found:
        assert AUDIT in check_records(path.parent, read_stated(path.parent))


def test_reading_records_imports_neither_torch_nor_scikit_learn():
    heavy = "{'torch', 'sklearn'} & set(sys.modules)"
    code = f"import sys, plantkit.research.records; sys.exit(bool({heavy}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
