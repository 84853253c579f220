"""Sphinx configuration; build with: sphinx-build -W docs docs/_build."""

from __future__ import annotations

import plantkit

project = "plantkit"
author = "the plantkit contributors"
project_copyright = "2026, the plantkit contributors"
version = release = plantkit.__version__
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = f"plantkit {release}"
html_show_sphinx = False
