"""LaTeX tables with booktabs rules."""

from plantkit.reports.rendering import render_evaluation
from plantkit.scoring.evaluation import Evaluation

name = "latex"
_SPECIAL = str.maketrans(
    {c: f"\\{c}" for c in "&%$#_{}"} | {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
)


def render(evaluation: Evaluation) -> str:
    return render_evaluation(
        evaluation,
        "latex_booktabs",
        heading=lambda title: f"\\subsection*{{{_escape(title)}}}",
        paragraphs=lambda notes: "\n\n".join(map(_escape, notes)),
    )


def _escape(text: str) -> str:
    return text.replace("\\", r"\textbackslash ").translate(_SPECIAL)
