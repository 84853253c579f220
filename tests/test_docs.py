"""The code in the documentation runs, every hook is documented, and links lead somewhere."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from plantkit import hookspecs
from plantkit.errors import PluginError
from plantkit.plugins import Registry, load_submission
from plantkit.scoring.metrics import Evidence
from plantkit.scoring.ranking import Standing

ROOT = Path(__file__).parent.parent
PAGES = ["README.md", *sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").glob("*.md"))]
HOOKS = sorted(name for name in vars(hookspecs) if name.startswith("plantkit_"))


def blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


@pytest.mark.parametrize(
    ("page", "number"),
    [
        *[("README.md", 0), ("README.md", 1), ("docs/students.md", 0), ("docs/students.md", 1)],
        ("docs/authors.md", 1),
    ],
)
def test_pruners_in_the_documentation(page, number, write, circle):
    path = write(blocks(page)[number])
    [found] = load_submission(path)
    problem = circle.problem(density=0.4, seed=0)
    mask = found.pruner.prune(problem, 0.4, seed=0)
    assert sum(int(value.sum()) for value in mask.values()) == problem.budget


@pytest.fixture
def hook(tmp_path):
    """Registers the example of a hook and returns the registry."""

    def make(name: str) -> Registry:
        [code] = [b for b in blocks("docs/authors.md") if b.startswith(f"# hook: {name}\n")]
        path = tmp_path / f"{name}.py"
        path.write_text(code)
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        registry = Registry()
        assert registry.register(module, name) == (name,)
        return registry

    return make


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_is_documented_by_an_example(name, hook):
    hook(name)


def test_example_of_pruners(hook, circle):
    [found] = hook("plantkit_pruners").pruners()
    problem = circle.problem(density=0.4, seed=0)
    assert found.pruner.prune(problem, 0.4, seed=0).kept == problem.budget


def test_example_of_metrics(hook, circle):
    [metric] = hook("plantkit_metrics").metrics()
    full = circle.problem(density=1.0, seed=0).full_mask()
    evidence = Evidence(
        network=circle.network, mask=full, ticket=circle.truth.ticket, strong=0.0, weak=0.0
    )
    assert metric.compute(evidence) == pytest.approx((60 * 2 + 60) / circle.network.total)


def test_example_of_reporters(hook):
    [reporter] = hook("plantkit_reporters").reporters()
    standing = Standing(
        rank=1,
        pruner="snip",
        score=50.0,
        low=49.0,
        high=51.0,
        strong_area=0.5,
        weak_area=0.5,
        f1=None,
        failures=0,
        seconds=1.0,
    )

    class Evaluation:
        standings = (standing,)

    assert reporter.render(Evaluation()) == "1. snip (50.0)\n"


def test_example_of_challenges(hook, tmp_path):
    assert hook("plantkit_challenges").challenge_directories() == [tmp_path / "challenges"]


def test_example_of_commands(hook):
    group = click.Group()
    hook("plantkit_commands").add_commands(group)
    assert CliRunner().invoke(group, ["greet", "you"]).output == "hello you\n"


def test_a_misspelt_hook_of_an_object_is_found():
    with pytest.raises(PluginError, match="unknown hook"):
        Registry().register(type("P", (), {"plantkit_prunes": lambda self: []})(), "p")


def test_a_bundle_is_checked_without_plantkit(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    [code] = blocks("docs/challenges.md")
    assert "plantkit" not in code
    exec(compile(code, "challenges.md", "exec"), {})
    recomputed, stated = map(float, capsys.readouterr().out.split())
    assert recomputed == pytest.approx(stated, abs=1e-9)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!http)([^)#]+)", (ROOT / page).read_text()):
        assert ((ROOT / page).parent / target).exists(), f"{page}: {target}"
