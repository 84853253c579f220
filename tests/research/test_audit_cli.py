"""`plantkit audit` as its users meet it."""

from __future__ import annotations

import json
import shutil

import pytest

from plantkit.planting import find_family
from plantkit.research.audit import inspection, recipes
from plantkit.schemas import violations

QUICK = ("--train", "5", "--test", "4", "--seed-hex", "0a")


@pytest.fixture
def audit(plantkit_cli):
    return lambda *arguments: plantkit_cli("audit", *arguments)


@pytest.mark.slow
def test_a_family(audit, tmp_path):
    path = tmp_path / "audit.json"
    cached = ("--cache", tmp_path / "cache")
    options = ("helix", "--depth", "4", "--width", "36", *QUICK, *cached)
    outcome = audit(*options, "--format", "json", "-o", path)
    assert outcome.code == 1, outcome
    assert outcome.out == ""
    report = json.loads(path.read_text())
    assert violations(report, "audit") == []
    assert report["verdict"] == "leaks"
    assert report["passed"] is False
    assert report["training_networks"] == 5
    assert report["attackers"][0]["overall"]["auc"]["value"] > 0.7
    assert report["bundle"] is None
    again = audit(*options, "--auc-limit", "1", "--lift-limit", "1000")  # of the same networks
    assert again.code == 0, again
    value = report["attackers"][0]["overall"]["auc"]["value"]
    assert f"AUC {value:.3f} [" in again.out
    assert "Within the limits." in again.out
    assert "`layers.2.bias` (wholly ticket)" in again.out
    for heading in ("Strata", "Attackers", "Learning curve", "Single features", "Whole networks"):
        assert f"## {heading}" in again.out
    assert "planting 5 + 4 networks: helix-4x36, faithful planting" in again.err


@pytest.mark.slow
def test_a_bundle(audit, tiny_challenges):
    outcome = audit(tiny_challenges / "circle-3x60", *QUICK, "--no-curve", "--format", "json")
    assert outcome.code == 1, outcome
    report = json.loads(outcome.out)
    assert violations(report, "audit") == []
    assert report["bundle"]["id"] == "circle-3x60"
    assert report["bundle"]["verdict"] == "leaks"
    auc = report["bundle"]["overall"]["auc"]
    assert auc["value"] > 0.9
    assert (auc["low"], auc["high"]) == (None, None)
    assert report["planting"]["network"]["widths"] == [2, 60, 4]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["circl"], "did you mean 'circle'"),
        (["circle", "--planting", "faithfull"], "did you mean 'faithful'"),
        (["circle", "--seed-hex", "xyz"], "expected hexadecimal digits"),
        (["circle", "--train", "3"], "3 is not in the range x>=4"),
        (["circle", "--width", "5"], "use a width of at least"),
    ],
)
def test_usage_errors(audit, arguments, message):
    outcome = audit(*arguments)
    assert outcome.code == 2
    assert message in outcome.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["digits", "--planting", "faithful"], "'faithful' cannot plant family 'digits'"),
        (["circle", "--planting", "trained"], "'trained' cannot plant family 'circle'"),
        (["mnist", "--data", "nowhere"], "nowhere"),
        (["mnist", "--data", "."], "has no train-images-idx3-ubyte"),
        (["mnist"], "give their directory with --data DIR"),
    ],
)
def test_what_cannot_be_planted_is_said_before_planting(
    audit, monkeypatch, tmp_path, arguments, message
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PLANTKIT_DATA", raising=False)
    outcome = audit(*arguments)
    assert outcome.code == 2
    assert message in outcome.err
    assert "planting 100" not in outcome.err


def test_a_long_planting_is_forecast_but_for_what_is_kept(monkeypatch, tmp_path):
    class BegunError(Exception):
        pass

    def begin(*_args, **_options):
        raise BegunError

    monkeypatch.setattr(inspection, "plant_samples", begin)
    monkeypatch.setattr(inspection, "planting_seconds", lambda *_: 60.0)

    def told(**options) -> list[str]:
        lines: list[str] = []
        wanted = inspection.Inspection(train_networks=100, test_networks=50, **options)
        with pytest.raises(BegunError):
            inspection.inspect("digits", wanted, seed=b"1", progress=lines.append)
        return lines

    assert told()[0] == "planting will take about 2.5 hours, on 1 core"
    assert told(jobs=2)[0] == "planting will take about 75 minutes, on 2 cores"
    [none] = told(jobs=100)  # soon
    assert none.startswith("planting 100 + 50 networks")
    recipe = recipes.PlantingRecipe(
        family="digits", spec=find_family("digits").network(None), method="trained"
    )
    kept = [
        *recipes._paths(recipe, 100, "train", tmp_path)[:90],
        *recipes._paths(recipe, 50, "test", tmp_path)[:50],
    ]
    kept[0].parent.mkdir()
    for path in kept:
        path.touch()
    assert told(cache=tmp_path)[0] == "planting will take about 10 minutes, on 1 core"


def test_a_bundle_says_itself_how_it_was_planted(audit, tiny_challenges):
    outcome = audit(tiny_challenges / "relu-3x8", "--depth", "4")
    assert outcome.code == 2
    assert "the depth, the width and the network out" in outcome.err


def test_a_directory_that_is_no_bundle(audit, tmp_path):
    outcome = audit(tmp_path)
    assert outcome.code == 2
    assert "is not a bundle" in outcome.err


def test_a_sealed_bundle_takes_its_key(audit, plantkit_cli, tiny_challenges, tmp_path):
    bundle, key = tmp_path / "circle-3x60", tmp_path / "key"
    shutil.copytree(tiny_challenges / "circle-3x60", bundle)
    assert plantkit_cli("keygen", "--out", key).code == 0
    assert plantkit_cli("seal", bundle, "--key", key).code == 0
    outcome = audit(bundle, "--train", "4", "--test", "1", "--no-curve")
    assert outcome.code == 2, outcome
    assert "is sealed, and no key was given" in outcome.err
    arguments = ("--train", "4", "--test", "1", "--no-curve", "--attacker", "joint")
    outcome = audit(bundle, "--key", key, *arguments, "--format", "json")
    assert json.loads(outcome.out)["bundle"]["id"] == "circle-3x60"


def test_a_place_for_the_summary_is_looked_for_before_the_work(audit, tmp_path):
    outcome = audit("circle", "--summary", tmp_path / "nowhere" / "audit.json")
    assert outcome.code == 2
    assert "--summary" in outcome.err
    assert "is not a directory" in outcome.err
