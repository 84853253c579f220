"""Audits that are kept, and what planting says of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from plantkit.challenges.freezing import add_record
from plantkit.challenges.frozen import AUDIT
from plantkit.challenges.manifests import read_manifest, read_stated
from plantkit.networks import PerceptronSpec
from plantkit.planting import find_family
from plantkit.research.audit import messages
from plantkit.research.audits import ENOUGH, FIRST_ATTACKERS, SHIPPED, best_audit, keep_audit
from plantkit.research.records import planting_of

QUICK = ("--train", "4", "--test", "1", "--no-curve")


@pytest.fixture
def manifest(tiny_challenges: Path) -> dict:
    return read_manifest(tiny_challenges / "circle-3x60")[0]


def summary_of(manifest: dict, **changes) -> dict:
    estimate = {"value": 0.52, "low": 0.5, "high": 0.54}
    return {
        "schema_version": 1,
        "plantkit_version": "0.2.0",
        "date": "2026-01-02",
        "planting": planting_of(manifest),
        "attackers": ["strongest", *sorted(FIRST_ATTACKERS), "repeats"],
        "training_networks": 100,
        "test_networks": 25,
        "auc": estimate,
        "auc_limit": 0.58,
        "lift": {"value": 1.5, "low": 1.2, "high": 1.8},
        "lift_limit": 2.0,
        "strata": {"layers.0.weight": estimate},
        "verdict": "hidden",
    } | changes


def test_the_audit_with_the_most_training_networks_is_the_best(manifest, tmp_path):
    assert best_audit(manifest, directory=tmp_path) is None
    small = summary_of(manifest, training_networks=20, date="2026-03-04")
    keep_audit(small, tmp_path)
    assert best_audit(manifest, directory=tmp_path) == small
    keep_audit(summary_of(manifest), tmp_path)
    newer = summary_of(manifest, date="2026-02-03")
    keep_audit(newer, tmp_path)
    keep_audit(small, tmp_path)
    assert best_audit(manifest, directory=tmp_path) == newer


@pytest.mark.parametrize(
    "other",
    [
        {"family": "helix"},
        {"network": {"kind": "mlp", "widths": [2, 61, 4]}},
        {"planting": {"method": "anchored"}},
        {"planting": {"method": "faithful", "dials": {"tilt": 2}}},
    ],
)
def test_an_audit_of_another_planting_says_nothing(manifest, tmp_path, other):
    keep_audit(summary_of(manifest), tmp_path)
    assert best_audit(manifest | other, directory=tmp_path) is None


@pytest.mark.parametrize(
    "content",
    ["{", "{}", '{"verdict": "hidden"}', "contradiction", "of another planting", "escapes"],
)
def test_what_cannot_be_read_is_not_quoted(manifest, tmp_path, content):
    path = keep_audit(summary_of(manifest), tmp_path)
    if content == "contradiction":
        changed = {"auc": {"value": 0.9, "low": 0.8, "high": 1}}
        content = json.dumps(summary_of(manifest, **changed))
    elif content == "of another planting":
        content = json.dumps(summary_of(manifest, planting=planting_of(manifest) | {"family": "x"}))
    elif content == "escapes":  # the terminal gets what is quoted
        content = json.dumps(summary_of(manifest, plantkit_version="1\x1b[2K\rhidden"))
    path.write_text(content, encoding="utf-8", newline="\n")
    assert best_audit(manifest, directory=tmp_path) is None


def test_audits_of_bundles_count_unless_they_were_altered(manifest, copied_bundle, tmp_path):
    kept = summary_of(manifest, training_networks=20)
    keep_audit(kept, tmp_path / "kept")
    best = summary_of(manifest)
    add_record(copied_bundle, AUDIT, json.dumps(best).encode())
    places = [copied_bundle, tmp_path / "nowhere"]
    assert best_audit(manifest, places, tmp_path / "kept") == best
    assert best_audit(manifest, places, tmp_path / "none") == best
    path = copied_bundle / AUDIT
    path.write_bytes(path.read_bytes().replace(b"2026", b"2025"))
    assert best_audit(manifest, places, tmp_path / "kept") == kept


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.json")), ids=lambda path: path.stem)
def test_audits_that_come_with_the_kit_are_quoted_and_manifests_say_what_they_found(path, tmp_path):
    summary = json.loads(path.read_text(encoding="utf-8"))
    planting = summary["planting"]
    manifest = planting | {"planting": {"method": planting["method"], "dials": planting["dials"]}}
    assert best_audit(manifest, directory=tmp_path) == summary
    assert summary["training_networks"] >= ENOUGH
    assert set(summary["attackers"]) > FIRST_ATTACKERS
    spec = PerceptronSpec(widths=tuple(planting["network"]["widths"]))
    if planting["method"] == "anchored":
        assert find_family(planting["family"]).hides(spec) is (summary["verdict"] == "hidden")


@pytest.fixture
def own_cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("PLANTKIT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(messages, "EPOCHS", 1)  # the attacker that takes longest
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache"


def test_an_audit_by_some_attackers_is_no_record(plantkit_cli, own_cache, copied_bundle):
    """One by the weakest attacker alone would say that any planting is hidden."""
    before = {path.name: path.read_bytes() for path in copied_bundle.iterdir()}
    command = ("audit", copied_bundle, *QUICK, "--attacker", "position prior", "--summary")
    outcome = plantkit_cli(*command, copied_bundle / AUDIT)
    assert outcome.code == 2, outcome
    assert "must be by all attackers" in " ".join(outcome.err.split())
    assert {path.name: path.read_bytes() for path in copied_bundle.iterdir()} == before
    outcome = plantkit_cli(*command, own_cache.parent / "summary.json")
    assert outcome.code in {0, 1}, outcome
    assert not list(own_cache.rglob("audits/**/*.json"))


def test_planting_offers_an_audit_and_quotes_it_from_then_on(plantkit_cli, own_cache, tmp_path):
    plant = ("plant", "teacher", "--depth", "3", "--width", "12", "--variant")
    outcome = plantkit_cli(*plant, "a")
    assert outcome.code == 0, outcome
    bundle = Path("challenges") / "teacher-3x12-a"
    told = " ".join(outcome.err.split())
    assert "warning: nobody audited networks planted like this one" in told
    assert f"plantkit audit {bundle} finds out" in told
    before = read_stated(bundle)
    outcome = plantkit_cli("audit", bundle, *QUICK, "--summary", bundle / AUDIT)
    assert outcome.code in {0, 1}, outcome
    assert f"{bundle / AUDIT}: frozen: the whole bundle has the digest" in outcome.err
    after = read_stated(bundle)
    assert after.digest == before.digest
    assert after.whole != before.whole
    summary = json.loads(after.records[AUDIT])
    shutil.rmtree(bundle)
    outcome = plantkit_cli(*plant, "b")
    assert outcome.code == 0, outcome
    found = f"by plantkit {summary['plantkit_version']}: {summary['verdict']}: AUC within strata"
    assert f"audit of such networks {found}" in outcome.out
    assert "nobody audited" not in outcome.err
    assert "not use it for a contest" in " ".join(outcome.err.split())
    # What ended up next to evaluations stays when those are removed.
    from plantkit.evaluation.cache import Cache

    Cache(own_cache).trim(0)
    assert "audit of such networks" in plantkit_cli(*plant, "c").out


def test_a_summary_of_another_planting_is_not_put_into_a_bundle(
    plantkit_cli, own_cache, copied_bundle
):
    before = {path.name: path.read_bytes() for path in copied_bundle.iterdir()}
    outcome = plantkit_cli(
        "audit", "circle", "--depth", "3", "--width", "61", *QUICK,
        "--summary", copied_bundle / AUDIT,
    )  # fmt: skip
    assert outcome.code == 2, outcome
    assert f"--summary: {copied_bundle} was planted with network" in outcome.err
    assert {path.name: path.read_bytes() for path in copied_bundle.iterdir()} == before


def test_a_faithful_planting_needs_no_audit(plantkit_cli, own_cache):
    outcome = plantkit_cli("plant", "relu", "--depth", "3", "--width", "8")
    assert outcome.code == 0, outcome
    assert "this planting can be read off the weights; do not use it for a contest" in (
        " ".join(outcome.err.split())
    )
    assert "audit" not in outcome.err


def test_a_broken_bundle_elsewhere_does_not_stop_a_planting(plantkit_cli, own_cache):
    """What comes after the planting looks for audits, also in bundles that have one name."""
    broken = Path("challenges") / "circle-5x100-b" / "challenge.json"
    broken.parent.mkdir(parents=True)
    broken.write_text("{", encoding="utf-8", newline="\n")
    outcome = plantkit_cli("plant", "teacher", "--depth", "3", "--width", "12")
    assert outcome.code == 0, outcome
    told = " ".join(outcome.err.split())
    assert "warning: audits of other bundles are not looked for: " in told
    assert "nobody audited networks planted like this one" in told


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"verdict": "leaks"}, "do not use it for a contest"),
        ({"training_networks": 20}, "(fewer than 100 training networks); plantkit audit"),
        ({"auc_limit": 0.9}, "(its limits are lenient); plantkit audit"),
        ({"lift_limit": 9}, "(its limits are lenient); plantkit audit"),
        (
            {"attackers": ["strongest", "repeats"]},
            "(only some attackers took part); plantkit audit",
        ),
        ({}, None),
    ],
)
def test_what_planting_says_of_an_audit(manifest, own_cache, capsys, changes, told):
    from plantkit.cli.plant import _tell_of_audits
    from plantkit.planting import find_method

    planted = manifest | {"planting": {"method": "selected", "hidden": True}}
    keep_audit(summary_of(planted, **{"auc_limit": 0.55} | changes))
    _tell_of_audits(Path("mine"), planted, find_method("selected"))
    printed = capsys.readouterr()
    assert "audit of such networks by plantkit 0.2.0" in printed.out
    assert (told or "") in " ".join(printed.err.split())
    assert bool(printed.err) == (told is not None)
