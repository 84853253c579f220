"""GitHub-flavoured Markdown."""

import re

from plantkit.reports._tabulated import TabulatedReporter


def _escape(text: str) -> str:
    """Returns `text` without what Markdown would take for markup."""
    return re.sub(r"([\\`*<>\[\]])", r"\\\1", text)


reporter = TabulatedReporter(
    name="markdown",
    table_format="github",
    heading=lambda title: f"## {title}\n",
    paragraph=lambda notes: "\n" + "\n".join(f"- {_escape(note)}" for note in notes),
    cell=lambda text: _escape(text).replace("|", "\\|"),
)
