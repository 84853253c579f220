"""One HTML page without scripts or outside resources."""

from html import escape
from string import Template

from plantkit.reports.rendering import render_evaluation
from plantkit.scoring.evaluation import Evaluation

name = "html"
_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 0.5rem 0; }
th, td { padding: 0.2rem 0.7rem; border-bottom: 1px solid #ddd; }
tbody tr:hover { background: #f4f6f4; }
</style>
</head>
<body>
<h1>$title</h1>
$body</body>
</html>
""")


def render(evaluation: Evaluation) -> str:
    body = render_evaluation(
        evaluation,
        "html",
        heading=lambda title: f"<h2>{escape(title)}</h2>",
        paragraphs=lambda notes: "".join(f"<p>{escape(note)}</p>" for note in notes),
    )
    return page("plantkit results", body)


def page(title: str, body: str) -> str:
    """Returns a page; title and body are HTML already."""
    return _PAGE.substitute(title=title, body=body)
