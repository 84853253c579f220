"""The code in the documentation runs, its figures are as their sources say, and names exist."""

from __future__ import annotations

import dataclasses
import importlib.util
import re
import shlex
import shutil
from pathlib import Path
from pkgutil import resolve_name
from types import ModuleType

import click
import pytest
from click.testing import CliRunner
from cryptography.exceptions import InvalidSignature

import plantkit as pk
from plantkit import SaliencyPruner, hookspecs
from plantkit.challenges.freezing import freeze_anew
from plantkit.challenges.signing import SigningKey
from plantkit.errors import PluginError
from plantkit.planting import FAMILIES, IMAGES
from plantkit.plugins import Registry, load_installed, load_submission
from plantkit.reports.pictures import save_picture
from plantkit.research.studies import find_study
from plantkit.scoring.metrics import Evidence
from plantkit.scoring.ranking import Standing

ROOT = Path(__file__).parent.parent
PAGES = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md"]
PAGES += sorted(
    p.relative_to(ROOT).as_posix() for p in (ROOT / "docs").rglob("*.md") if "_build" not in p.parts
)
HOOKS = sorted(name for name in vars(hookspecs) if name.startswith("plantkit_"))


def blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def figures() -> ModuleType:
    return load(ROOT / "docs/figures.py")


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
        registry = Registry()
        assert registry.register(load(path), name) == (name,)
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
        overlap_area=None,
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


def test_a_bundle_is_checked_without_plantkit(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(ROOT)
    figures, digests = blocks("docs/challenges.md")
    assert "import plantkit" not in figures + digests
    assert "from plantkit" not in figures + digests
    names: dict[str, object] = {}
    exec(compile(figures, "challenges.md", "exec"), names)
    recomputed, stated = map(float, capsys.readouterr().out.split())
    assert recomputed == pytest.approx(stated, abs=1e-9)
    exec(compile(digests, "challenges.md", "exec"), names)
    signed = Path(shutil.copytree(ROOT / "challenges/relu-5x100", tmp_path / "relu-5x100"))
    freeze_anew(signed, key=SigningKey.generate())
    names["path"] = signed
    exec(compile(digests, "challenges.md", "exec"), names)
    other = (signed / "challenge.sig").read_text(encoding="ascii").replace("0", "1")
    (signed / "challenge.sig").write_text(other, encoding="ascii", newline="\n")
    with pytest.raises((InvalidSignature, ValueError)):
        exec(compile(digests, "challenges.md", "exec"), names)
    (signed / "audit.json").write_text("{}", encoding="ascii", newline="\n")
    with pytest.raises(AssertionError, match=r"audit\.json"):
        exec(compile(digests, "challenges.md", "exec"), names)


def test_the_page_on_networks_prints_what_it_says(capsys):
    [code] = blocks("docs/networks.md")
    exec(compile(code, "networks.md", "exec"), {})
    [shown] = re.findall(r"```text\n(.*?)```", (ROOT / "docs/networks.md").read_text(), re.DOTALL)
    assert capsys.readouterr().out == shown


def test_the_page_on_python_runs_from_top_to_bottom(monkeypatch):
    monkeypatch.chdir(ROOT)
    names: dict[str, object] = {}
    for code in blocks("docs/python.md"):
        exec(compile(code, "python.md", "exec"), names)
    assert names["result"]["gradient_flow"].errors == []
    assert 0 < names["weak"] < 1
    assert names["mask"].kept == names["challenge"].ticket_kept
    assert sorted(names["compared"]) == ["synflow-1", "synflow-10"]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!http)([^)#]+)", (ROOT / page).read_text()):
        assert ((ROOT / page).parent / target).exists(), f"{page}: {target}"


@pytest.mark.parametrize("page", PAGES)
def test_names_and_files_exist(page):
    text = (ROOT / page).read_text()
    if page == "docs/extending.md":  # its code has what it adds, and a test of its own
        text = re.sub("```.*?```", "", text, flags=re.DOTALL)
    for name in re.findall(r"\bplantkit(?:\.[a-z_]+)+", text):
        resolve_name(name)
    for path in re.findall(
        r"`((?:plantkit|plugins|docs|benchmarks|examples|tests)/[^`* ]*)`", text
    ):
        assert (ROOT / path).exists(), f"{page}: {path}"


def test_what_draws_the_pictures_can_be_imported():
    assert callable(load(ROOT / "docs/pictures.py").main)


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - set(IMAGES)))
def test_pictures_of_families_are_what_the_kit_draws(family, tmp_path):
    challenge = pk.load_challenge(load(ROOT / "docs/pictures.py").example_of(family))
    save_picture(pk.draw_challenge(challenge, challenge.truth.ticket), tmp_path / "new.svg")
    new, stored = (
        path.read_text(encoding="utf-8")
        for path in (tmp_path / "new.svg", ROOT / f"docs/images/{family}.svg")
    )
    for part in (r"<text[^>]*>([^<]*)</text>", r"<(?:path|line)\b"):
        assert re.findall(part, new) == re.findall(part, stored)


@pytest.mark.parametrize("page", PAGES)
def test_figures_are_as_their_sources_say(figures, page):
    assert figures.differences(ROOT / page) == []


def test_a_stale_figure_is_found_and_written_anew(figures, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(figures, "ROOT", tmp_path)
    (tmp_path / "docs").mkdir()
    page = tmp_path / "README.md"
    page.write_text("It has <!-- count pruners -->3<!-- / --> pruners.\n")
    assert figures.main(["--check"]) == 1
    said = "README.md: <!-- count pruners --> has '3', not '23'\n"
    assert capsys.readouterr().out == said
    assert figures.main([]) == 0
    assert page.read_text() == "It has <!-- count pruners -->23<!-- / --> pruners.\n"
    assert figures.main(["--check"]) == 0


def test_stored_commands_are_run_again(figures, tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "ROOT", tmp_path)
    monkeypatch.setattr(figures.outputs, "OUTPUTS", tmp_path / "outputs.json")
    (tmp_path / "docs").mkdir()
    figures.outputs.OUTPUTS.write_text('{"echo one two": ["stale"]}')
    page = tmp_path / "README.md"
    page.write_text("<!-- output echo one two --><!-- / -->\n")
    figures.main(["--run"])
    shown = "```console\n$ echo one two\none two\n```"
    assert page.read_text() == f"<!-- output echo one two -->\n\n{shown}\n\n<!-- / -->\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("of <!-- counts pruners -->3<!-- / -->", "no figure is called 'counts'"),
        ("a\n<!-- count pruners -->3<!-- / -->", "begins a line"),
        ("a\n- <!-- count pruners -->3<!-- / -->", "begins a line"),
        ("a <!-- output plantkit nothing -->3<!-- / -->", "no output of 'plantkit nothing'"),
    ],
)
def test_a_marker_that_cannot_be_written(figures, text, words):
    with pytest.raises(figures.FigureError, match=words):
        figures.written(text)


def test_stored_results_of_commands_that_pages_show_are_there(figures):
    for command, printed in figures.read(figures.outputs.OUTPUTS).items():
        assert printed, command


def test_the_page_on_pruners_has_every_reference_pruner_with_its_options():
    common = {field.name for field in dataclasses.fields(SaliencyPruner)}
    stated = {}
    for line in (ROOT / "docs/pruners.md").read_text().split("## What they reach")[0].splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if cells and (name := re.fullmatch(r"`([a-z-]+)`", cells[0])):
            stated[name[1]] = set(re.findall(r"`(\w+)`", cells[3])) if len(cells) > 4 else None
    installed = {entry.name: entry.pruner for entry in load_installed().pruners()}
    assert stated.keys() == installed.keys()
    for name, options in stated.items():
        pruner = installed[name]
        own = {field.name for field in dataclasses.fields(pruner)}
        if isinstance(pruner, SaliencyPruner):
            own -= common
        assert options is None or options == own, name


@pytest.mark.parametrize(
    "command",
    [
        "plantkit study",
        "plantkit exists relu --depth 3 --epsilon 0.1",
        "plantkit exists relu --depth 5 --epsilon 0.1",
        "plantkit exists relu --depth 10 --epsilon 0.1",
        "plantkit exists circle --depth 5 --epsilon 0.1",
        "plantkit exists helix --depth 5 --epsilon 0.1",
    ],
)
def test_stored_outputs_that_are_the_same_everywhere_are_what_commands_print(
    figures, plantkit_cli, command
):
    printed = plantkit_cli(*shlex.split(command)[1:]).out.rstrip().splitlines()
    assert printed == figures.outputs.lines(command)


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("plant-n-seek", "studies"),
        ("lottery", "studies-lottery"),
        ("stability", "studies-lottery"),
        ("seek", "studies-seek"),
    ],
)
def test_the_pages_on_studies_have_every_claim_with_its_source_and_criterion(name, page):
    text = (ROOT / "docs" / f"{page}.md").read_text()
    for claim in find_study(name).claims:
        assert f"| {claim.claim} | {claim.source} | {claim.criterion} |" in text
