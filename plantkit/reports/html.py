"""One HTML page without scripts or outside resources."""

from html import escape

from plantkit.reports._tabulated import TabulatedReporter

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 0.5rem 0; }
th, td { padding: 0.2rem 0.7rem; border-bottom: 1px solid #ddd; }
tbody tr:hover { background: #f4f6f4; }
"""


def _page(body: str) -> str:
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>plantkit results</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>plantkit results</h1>\n{body}</body>\n</html>\n"
    )


reporter = TabulatedReporter(
    name="html",
    table_format="html",
    heading=lambda title: f"<h2>{escape(title)}</h2>",
    paragraph=lambda notes: "".join(f"<p>{escape(note)}</p>" for note in notes),
    wrap=_page,
)
