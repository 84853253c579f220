"""Plain text for a terminal."""

from plantkit.reports.rendering import render_evaluation
from plantkit.scoring.evaluation import Evaluation

name = "table"


def render(evaluation: Evaluation) -> str:
    return render_evaluation(evaluation, "simple", heading="{}\n".format, paragraphs="\n".join)
