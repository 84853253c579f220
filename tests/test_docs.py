"""The code in the documentation runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from plantkit.plugins import load_submission

ROOT = Path(__file__).parent.parent


def blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


@pytest.mark.parametrize("number", [0, 1])
def test_pruners_in_the_readme(number, write, circle):
    path = write(blocks("README.md")[number])
    [found] = load_submission(path)
    problem = circle.problem(density=0.4, seed=0)
    mask = found.pruner.prune(problem, 0.4, seed=0)
    assert sum(int(value.sum()) for value in mask.values()) == problem.budget


def test_a_bundle_is_checked_without_plantkit(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    [code] = blocks("docs/challenges.md")
    assert "plantkit" not in code
    exec(compile(code, "challenges.md", "exec"), {})
    recomputed, stated = map(float, capsys.readouterr().out.split())
    assert recomputed == pytest.approx(stated, abs=1e-9)


def test_links_between_pages_exist():
    for page in ["README.md", *(str(p.relative_to(ROOT)) for p in (ROOT / "docs").glob("*.md"))]:
        for target in re.findall(r"\]\((?!http)([^)#]+)", (ROOT / page).read_text()):
            assert ((ROOT / page).parent / target).exists(), f"{page}: {target}"
