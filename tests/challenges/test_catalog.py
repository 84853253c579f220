"""Finding challenges and suites."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest
from fuzzing import freeze

from plantkit.challenges import catalog
from plantkit.challenges.bundles import read_manifest
from plantkit.errors import BundleError, UnknownNameError, UsageError


def test_shipped_challenges_and_suites(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = catalog.find()
    starter = found.suite("starter")
    assert {"relu-5x100", "circle-5x100", "helix-5x100"} <= set(starter.challenges)
    assert set(starter.challenges) <= set(found.bundles)
    assert starter.densities == ("1x", "3x", "10x")
    for name in ("starter", "hidden", "paper", "contest"):
        assert set(found.suite(name).challenges) <= set(found.bundles)
        assert found.suite(name).baselines == ("random", "magnitude", "snip", "grasp", "synflow")


def test_suites_hold_what_their_titles_say():
    found = catalog.find()
    plantings = {
        name: {
            read_manifest(found.bundle(one))[0]["planting"]["method"] for one in suite.challenges
        }
        for name, suite in found.suites.items()
    }
    assert plantings["paper"] == {"faithful"}
    assert plantings["contest"] == {"anchored", "selected"}
    hidden = [read_manifest(found.bundle(one))[0] for one in found.suite("contest").challenges]
    assert all(manifest["planting"]["hidden"] for manifest in hidden)


def test_a_suite_may_name_its_baselines_or_none(tiny_challenges, tmp_path):
    text = (tiny_challenges / "suites.toml").read_text().partition("baselines")[0]
    path = tmp_path / "suites.toml"
    for line, expected in [
        ("", None),
        ("baselines = []", ()),
        ('baselines = ["b", "a"]', ("b", "a")),
    ]:
        path.write_text(text + line + "\n")
        assert catalog.read_suites(path)["tiny"].baselines == expected
    path.write_text(text + 'baselines = ["A pruner"]\n')
    with pytest.raises(BundleError, match="baselines"):
        catalog.read_suites(path)


def test_challenges_in_the_working_directory(tiny_challenges, tmp_path, monkeypatch):
    shutil.copytree(tiny_challenges, tmp_path / "challenges")
    monkeypatch.chdir(tmp_path)
    found = catalog.find()
    assert found.bundle("circle-3x60") == (tmp_path / "challenges" / "circle-3x60").resolve()
    assert found.suite("tiny").seeds == 2


def test_given_directories_come_first(tiny_challenges):
    found = catalog.find([tiny_challenges])
    assert found.bundle("relu-3x8") == tiny_challenges / "relu-3x8"


def test_a_path_is_a_bundle_too(tiny_challenges):
    path = tiny_challenges / "relu-3x8"
    assert catalog.Catalog().bundle(str(path)) == path


def test_unknown_names(tiny_challenges):
    found = catalog.find([tiny_challenges])
    with pytest.raises(UnknownNameError, match="did you mean 'circle-3x60'"):
        found.bundle("circle-3x61")
    with pytest.raises(UnknownNameError, match="did you mean 'tiny'"):
        found.suite("tinny")


def test_a_directory_that_does_not_exist(tmp_path):
    with pytest.raises(UsageError, match="is not a directory"):
        catalog.find([tmp_path / "nowhere"])


def test_two_different_bundles_of_one_name(tiny_challenges, tmp_path):
    shutil.copytree(tiny_challenges, tmp_path / "other")
    catalog.find([tiny_challenges, tmp_path / "other"])  # equal ones are fine
    manifest = tmp_path / "other" / "relu-3x8" / "challenge.json"
    manifest.write_bytes(freeze(json.loads(manifest.read_text()) | {"title": "another"}))
    with pytest.raises(UsageError, match="two different bundles are named 'relu-3x8'"):
        catalog.find([tiny_challenges, tmp_path / "other"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[x", "not valid TOML"),
        ("[x]\ntitle = 'a'", "is a required property"),
        (
            "[x]\ntitle='a'\nchallenges=['b']\ndensities=[0]\nseeds=1",
            "$.x.densities[0]",
        ),
        ("[x]\ntitle='a'\nchallenges=['b']\ndensities=[1]\nseeds=0", "$.x.seeds"),
    ],
)
def test_broken_suites(tmp_path, text, expected):
    (tmp_path / "suites.toml").write_text(text)
    with pytest.raises(BundleError) as error:
        catalog.read_suites(tmp_path / "suites.toml")
    assert expected in str(error.value)


@pytest.mark.parametrize(
    "arguments", ["list suites", "list challenges", "show circle-5x100", "--help"]
)
def test_what_is_listed_needs_no_torch(arguments, tmp_path):
    code = (
        "import sys; from plantkit.cli import main\n"
        f"try: main({arguments.split()!r})\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
