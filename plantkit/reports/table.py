"""Plain text for a terminal."""

from plantkit.reports._tabulated import TabulatedReporter

reporter = TabulatedReporter(
    name="table",
    table_format="simple",
    heading=lambda title: f"{title}\n",
    paragraph="\n".join,
)
