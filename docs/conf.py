"""Sphinx configuration; build with: sphinx-build -W docs docs/_build."""

from __future__ import annotations

from typing import Any

import plantkit

project = "plantkit"
author = "the plantkit contributors"
project_copyright = "2026, the plantkit contributors"
version = release = plantkit.__version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "sphinx_design",
]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_type_aliases = {
    name: name for name in ("PrunerLike", "ChallengeLike", "DensityLike", "Progress")
}
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80
smartquotes = False  # options begin with two dashes
default_role = "literal"
html_theme = "furo"
html_title = f"plantkit {release}"
html_static_path = ["_static"]
html_css_files = ["plantkit.css"]
html_show_sphinx = False


def show_examples_as_code(_app: Any, _context: Any, lines: list[str]) -> None:
    """Makes code of the examples in a command's help, which it holds as lines of a line block."""
    starts = [place for place, line in enumerate(lines) if line.strip() == "| Examples:"]
    for start in starts:
        end = start + 1
        while end < len(lines) and lines[end].startswith("|"):
            end += 1
        code = [f"   {line.removeprefix('|').strip()}" for line in lines[start + 1 : end]]
        lines[start:end] = ["Examples:", "", ".. code-block:: sh", "", *code, ""]


def setup(app: Any) -> None:
    for part in ("description", "epilog"):
        app.connect(f"sphinx-click-process-{part}", show_examples_as_code)
