"""The page: fills the template in, and puts style, scripts and data into the one file."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from markupsafe import Markup

from plantkit.networks.masks import Mask
from plantkit.reports.page.charts import COLOURS, DASHES, SHAPES, specification
from plantkit.reports.page.drawings import drawings_of
from plantkit.reports.page.figure import Figure
from plantkit.reports.page.figures import figures_of
from plantkit.reports.page.plots import can_draw
from plantkit.reports.page.sections import Sections
from plantkit.reports.templates import fill_in
from plantkit.scoring.evaluation import Evaluation

#: Pruners that a page shows at first; more lines than this cannot be told apart.
_FIRST_SHOWN = 8


def render_page(
    evaluation: Evaluation, tickets: Mapping[str, Mask], *, notes: Sequence[str] = ()
) -> str:
    """Returns the report as one HTML page that needs no network.

    Without the extra `report` it has no charts, and says how to get them; all else is there.

    Args:
        tickets: by challenge digest, those that readers may know; see `public_tickets`. Of other
            challenges the page holds no mask and no overlap per density.
        notes: what readers should know of runs that were merged.
    """
    figures = figures_of(evaluation)
    drawings = drawings_of(evaluation, tickets)
    has_charts = bool(figures) and can_draw()
    scripts = _scripts(has_charts)
    return fill_in(
        __package__,
        "page.html.j2",
        autoescape=True,
        evaluation=evaluation,
        sections=Sections(evaluation, figures, tickets, notes),
        figures=figures,
        has_charts=has_charts,
        drawings=drawings,
        pruners=_pruners(evaluation),
        style=Markup(_text("page.css")),
        policy=_policy(scripts),
        scripts=[Markup(script) for script in scripts],
        charts=_charts(evaluation, figures) if has_charts else {},
        networks=drawings.value,
    )


def plain_page(title: str, body: str) -> str:
    """Returns a page without scripts, in the style of the report; `body` is HTML already."""
    return fill_in(
        __package__,
        "plain.html.j2",
        autoescape=True,
        title=title,
        style=Markup(_text("page.css")),
        body=Markup(body),
    )


def _pruners(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Returns the pruners in the order of the standings: how they look, and who is shown first.

    Those that are files, which somebody is working on, come before the best of the others.
    """
    submitted = {entry.label for entry in evaluation.entries if entry.sha256 is not None}
    names = [standing.pruner for standing in evaluation.standings]
    first = sorted(names, key=lambda name: name not in submitted)[:_FIRST_SHOWN]
    return [
        {
            "name": name,
            "colour": place % len(COLOURS),
            "dash": " ".join(map(str, DASHES[min(place // len(COLOURS), len(DASHES) - 1)])),
            "shape": SHAPES[place % len(SHAPES)],
            "shown": name in first,
        }
        for place, name in enumerate(names)
    ]


def _charts(evaluation: Evaluation, figures: list[Figure]) -> dict[str, Any]:
    """Returns one Vega specification a kind of figure, and the rows of every figure."""
    import vl_convert

    pruners = [standing.pruner for standing in evaluation.standings]
    figures = [figure for figure in figures if figure.kind != "heat_map"]  # the page's is a table
    kinds = dict.fromkeys(figure.kind for figure in figures)
    return {
        "specifications": {
            kind: vl_convert.vegalite_to_vega(specification(kind, pruners)) for kind in kinds
        },
        "rows": {figure.name: dict(figure.data) for figure in figures},
    }


def _scripts(has_charts: bool) -> list[str]:
    """Returns the scripts of a page: Vega, where there are charts, and our own."""
    own = _text("page.js")
    return [_vega(), own] if has_charts else [own]


@cache
def _vega() -> str:
    """Returns the script that draws charts; it takes two seconds to put together."""
    import vl_convert

    script: str = vl_convert.javascript_bundle(snippet="window.vegaEmbed = vegaEmbed;")
    return script


def _policy(scripts: Sequence[str]) -> str:
    """Returns the page's content security policy: these scripts, and nothing from outside."""
    digests = [hashlib.sha256(script.encode()).digest() for script in scripts]
    allowed = [f"'sha256-{base64.b64encode(digest).decode('ascii')}'" for digest in digests]
    return (
        f"default-src 'none'; script-src {' '.join(allowed)}; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _text(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")
