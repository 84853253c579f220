"""GitHub-flavoured Markdown."""

import re

from plantkit.reports.rendering import render_evaluation
from plantkit.scoring.evaluation import Evaluation

name = "markdown"


def render(evaluation: Evaluation) -> str:
    return render_evaluation(
        evaluation,
        "github",
        heading="## {}\n".format,
        paragraphs=lambda notes: "\n" + "\n".join(f"- {_escape(note)}" for note in notes),
        cell=_escape,
    )


def _escape(text: str) -> str:
    """Returns `text` with a backslash before what Markdown would take for markup."""
    return re.sub(r"([\\`*<>\[\]])", r"\\\1", text)
