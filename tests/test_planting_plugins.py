"""Families, planting methods and attackers of plugins, as their users meet them."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys

import numpy as np
import pytest

from plantkit import hookimpl
from plantkit.errors import UnknownNameError, UsageError
from plantkit.planting import Family, default_method, families, find_family, find_method, methods
from plantkit.planting.family import LineFamily
from plantkit.planting.methods.selected import SelectedMethod
from plantkit.plugins import Registry, load_plantings

PLUGIN = """
from dataclasses import dataclass

import numpy as np

from plantkit.planting.exposed import Attacker
from plantkit.planting.family import LineFamily
from plantkit.planting.methods.faithful import FaithfulMethod


@dataclass(frozen=True, slots=True, kw_only=True)
class Ripple(LineFamily):
    name = "ripple"
    title = "Ripple: y = cos(frequency x)"
    outputs = 1
    knots = 8
    frequency: float = 2.0

    def formula(self, inputs):
        return np.cos(self.frequency * inputs)


class Plain(FaithfulMethod):
    name = "plain"
    title = "another way to plant"


class Magnitudes(Attacker):
    name = "magnitudes"
    title = "large entries"

    def train(self, cases, rng):
        return lambda network: {n: np.abs(v).ravel() for n, v in network.parameters.items()}


class Failing(Attacker):
    name = "failing"
    title = "fails"

    def train(self, cases, rng):
        raise ValueError("not today")


def plantkit_families():
    return [Ripple()]


def plantkit_planting_methods():
    return [Plain()]


def plantkit_attackers():
    return [Magnitudes(), Failing()]
"""


@pytest.fixture
def forgotten(monkeypatch):
    """What plugins brought in other tests is not known."""
    monkeypatch.setattr(families, "_added", {})
    monkeypatch.setattr(methods, "_added", {})


@pytest.fixture
def plugin(tmp_path, monkeypatch, forgotten):
    """An installed plugin with a family, a method and two attackers, one of which fails."""
    (tmp_path / "ripple_plugin.py").write_text(PLUGIN, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "ripple_plugin", raising=False)
    real = importlib.metadata.entry_points
    point = importlib.metadata.EntryPoint("ripple-plugin", "ripple_plugin", "plantkit")
    monkeypatch.setattr(
        importlib.metadata,
        "entry_points",
        lambda **kw: [*real(**kw), *([point] if kw.get("group") == "plantkit" else [])],
    )


@pytest.fixture
def planted(plugin, plantkit_cli, tmp_path):
    """The directory with a bundle of the plugin's family."""
    out = tmp_path / "made"
    options = ("--depth", "3", "--width", "20", "--dial", "frequency=1.5", "--out", out)
    outcome = plantkit_cli("plant", "ripple", "--planting", "plain", *options)
    assert outcome.code == 0, outcome
    return out


def test_a_plugins_family_is_planted_by_a_plugins_method(planted, plantkit_cli):
    manifest = json.loads((planted / "ripple-3x20/challenge.json").read_text(encoding="utf-8"))
    assert manifest["family"] == "ripple"
    assert manifest["planting"]["method"] == "plain"
    assert manifest["planting"]["dials"] == {"frequency": 1.5}
    assert manifest["planting"]["labels"] == "formula"
    assert plantkit_cli("show", "ripple-3x20", "--challenges", planted).code == 0
    assert plantkit_cli("verify", planted / "ripple-3x20").code == 0


def test_fresh_instances_have_the_dials(planted, plantkit_cli):
    options = ("--challenge", "ripple-3x20", "--challenges", planted, "--fresh", "1")
    outcome = plantkit_cli(
        *("evaluate", "magnitude", "--baselines", "none", "--density", "1x", "--seeds", "1"),
        *(*options, "--format", "json"),
    )
    assert outcome.code == 0, outcome
    [challenge] = json.loads(outcome.out)["challenges"]
    assert challenge["id"] == "ripple-3x20-fresh1"
    assert challenge["manifest"]["planting"]["dials"] == {"frequency": 1.5}


def test_without_the_plugin_its_bundles_are_scored_and_the_rest_is_said(
    planted, plantkit_cli, monkeypatch
):
    monkeypatch.undo()  # the plugin is gone
    monkeypatch.setattr(families, "_added", {})
    monkeypatch.setattr(methods, "_added", {})
    options = ("--challenge", "ripple-3x20", "--challenges", planted)
    given = ("evaluate", "magnitude", "--baselines", "none", "--density", "1x", "--seeds", "1")
    scored = plantkit_cli(*given, *options)
    assert scored.code == 0, scored
    assert "magnitude" in scored.out
    fresh = plantkit_cli(*given, *options, "--fresh", "1")
    assert fresh.code == 2
    assert "no target family is named 'ripple'" in fresh.err
    assert "The plugin must be installed to plant more like it" in fresh.err
    verified = plantkit_cli("verify", planted / "ripple-3x20")
    assert verified.code == 0, verified
    audited = plantkit_cli("audit", planted / "ripple-3x20", "--train", "4", "--test", "1")
    assert audited.code == 2
    assert "ripple-3x20 is of a plugin's family" in audited.err


def test_lists_show_what_plugins_bring(plugin, plantkit_cli):
    for what, name in (
        ("families", "ripple"),
        ("plantings", "plain"),
        ("attackers", "magnitudes"),
    ):
        outcome = plantkit_cli("list", what, "--format", "json")
        assert name in {row["name"] for row in json.loads(outcome.out)}, outcome
    rows = json.loads(plantkit_cli("list", "families", "--format", "json").out)
    ripple = next(row for row in rows if row["name"] == "ripple")
    assert ripple["dials"] == "frequency=2.0"
    assert "plain" in ripple["plantings"]


def test_an_audit_runs_plugins_attackers_and_goes_on_without_one_that_fails(plugin, plantkit_cli):
    options = ("--depth", "3", "--width", "20", "--train", "4", "--test", "2", "--no-curve")
    chosen = ("--attacker", "magnitudes", "--attacker", "failing", "--attacker", "repeats")
    outcome = plantkit_cli("audit", "ripple", *options, *chosen, "--format", "json")
    assert outcome.code in {0, 1}, outcome
    report = json.loads(outcome.out)
    assert [one["name"] for one in report["attackers"]] == ["strongest", "magnitudes", "repeats"]
    assert report["pooled"] is None
    assert "attacker failing: ValueError: not today; the audit goes on without it" in outcome.err
    alone = plantkit_cli("audit", "ripple", *options, "--attacker", "failing")
    assert alone.code == 1, alone
    assert "not today" in alone.err


def test_nothing_is_loaded_where_all_names_ship_with_the_kit(monkeypatch):
    def load(*_, **__):
        raise AssertionError

    monkeypatch.setattr("plantkit.plugins.load_installed", load)
    assert load_plantings("circle", None) == []
    assert load_plantings("teacher", "selected") == []
    with pytest.raises(AssertionError):
        load_plantings("circle", "mine")


def test_help_and_the_package_are_still_imported_without_torch():
    code = (
        "import sys, plantkit, plantkit.hookspecs, plantkit.plugins\n"
        "from plantkit.cli import cli, COMMANDS\n"
        "import importlib\n"
        "[importlib.import_module(name) for name in COMMANDS.values()]\n"
        "assert not {'torch', 'numpy', 'sklearn', 'rich'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# --- what a plugin may get wrong


class Fine(LineFamily):
    name = "fine"
    title = "Fine"
    outputs = 1

    def formula(self, inputs):
        return np.cos(inputs)


def registry_with(hook: str, *items: object, plugins: int = 1) -> Registry:
    registry = Registry()
    for number in range(plugins):

        class Plugin:
            pass

        setattr(Plugin, hook, staticmethod(hookimpl(lambda: list(items))))
        registry.register(Plugin, f"plugin{number}")
    return registry


class Circle(Fine):
    name = "circle"


class Shouting(Fine):
    name = "SHOUT"


class Kindless(Fine):
    name = "kindless"
    kind = "regression?"


class Empty(Fine):
    name = "empty"
    outputs = 0


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (Fine, "Fine is a class; expected an instance: Fine()"),
        (Circle(), "family name 'circle' is one of plantkit's own"),
        (Shouting(), "expected lower-case letters, digits and dashes"),
        (Kindless(), "expected TaskKind."),
        (Empty(), "has 0 outputs; expected an int, 1 or more"),
        (object(), "object is of another kind; expected an instance of a subclass of"),
    ],
)
def test_a_family_that_cannot_be_used_is_a_failure(item, words):
    registry = registry_with("plantkit_families", item)
    assert registry.families() == {}
    [failure] = registry.failures
    assert words in str(failure)
    assert failure.plugin == "plugin0"


def test_a_name_that_two_plugins_claim_is_nobodys():
    registry = registry_with("plantkit_families", Fine(), plugins=2)
    assert registry.families() == {}
    [failure] = registry.failures
    assert "family name 'fine' is also claimed by plugin1; none of them is used" in str(failure)
    assert list(registry_with("plantkit_families", Fine()).families()) == ["fine"]


def test_a_planting_method_cannot_take_a_name_of_the_kit():
    registry = registry_with("plantkit_planting_methods", SelectedMethod())
    assert registry.planting_methods() == {}
    assert "planting method 'selected' is one of plantkit's own" in str(registry.failures[0])


def test_an_attacker_must_be_one():
    registry = registry_with("plantkit_attackers", Fine())
    assert registry.attackers() == {}
    assert "Fine is of another kind; expected an instance of a subclass of" in str(
        registry.failures[0]
    )
    assert "plantkit.planting.exposed.attacker.Attacker" in str(registry.failures[0])


def test_added_families_are_found_and_the_kits_keep_their_names(forgotten):
    families.add_families({"fine": Fine(), "circle": Circle()})
    assert isinstance(find_family("fine"), Fine)
    assert not isinstance(find_family("circle"), Circle)
    methods.add_methods({"selected": Fine()})
    assert isinstance(find_method("selected"), SelectedMethod)
    with pytest.raises(UnknownNameError, match="did you mean 'fine'"):
        find_family("fin")


def test_a_family_that_no_method_fits_says_so(forgotten):
    class Bare(Family):
        name = "bare"

    with pytest.raises(UsageError, match="no planting method fits family 'bare'"):
        default_method(Bare())
