"""LaTeX tables with booktabs rules."""

from plantkit.reports._tabulated import TabulatedReporter

_SPECIAL = str.maketrans(
    {c: f"\\{c}" for c in "&%$#_{}"} | {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
)


def _escape(text: str) -> str:
    return text.replace("\\", r"\textbackslash ").translate(_SPECIAL)


reporter = TabulatedReporter(
    name="latex",
    table_format="latex_booktabs",
    heading=lambda title: f"\\subsection*{{{_escape(title)}}}",
    paragraph=lambda notes: "\n\n".join(_escape(note) for note in notes),
)
