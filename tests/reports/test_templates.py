"""Templates are filled in whole, or not at all."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from plantkit.reports.templates import fill_in


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    directory = tmp_path / "pages_of_a_test"
    directory.mkdir()
    (directory / "__init__.py").touch()
    (directory / "page.md").write_text("{% if shown %}\n  {{ text }}\n{% endif %}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, directory.name, raising=False)
    return directory.name


def test_lines_of_statements_leave_nothing(package: str) -> None:
    assert fill_in(package, "page.md", shown=True, text="a < b") == "  a < b\n"
    assert fill_in(package, "page.md", shown=False) == ""


def test_markup_is_escaped_on_demand(package: str) -> None:
    found = fill_in(package, "page.md", autoescape=True, shown=True, text="a < b")
    assert found == "  a &lt; b\n"


def test_a_missing_value_raises(package: str) -> None:
    with pytest.raises(UndefinedError, match="'text' is undefined"):
        fill_in(package, "page.md", shown=True)
