"""The report: one HTML file that opens offline; see `plantkit.reports.page`."""

from plantkit.reports.page import public_tickets, render_page
from plantkit.scoring.evaluation import Evaluation

name = "html"


def render(evaluation: Evaluation) -> str:
    return render_page(evaluation, public_tickets(evaluation.challenges))
