"""Sphinx configuration; build with: sphinx-build -W docs docs/_build."""

from __future__ import annotations

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
