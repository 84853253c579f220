"""GitHub-flavoured Markdown."""

from plantkit.reporters._tabulated import TabulatedReporter

reporter = TabulatedReporter(
    name="markdown",
    table_format="github",
    heading=lambda title: f"## {title}\n",
    paragraph=lambda notes: "\n" + "\n".join(f"- {note}" for note in notes),
)
