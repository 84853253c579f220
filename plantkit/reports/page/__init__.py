"""The report of an evaluation: one HTML file that opens offline, and its figures as files.

`figures` says what is shown, `charts` how it is drawn, `drawings` packs the networks, and
`sections` has the tables and the words. The template, the style and the script are next to them.
"""

from plantkit.reports.page.plots import can_draw, check_plots, write_plots
from plantkit.reports.page.rendering import plain_page, render_page
from plantkit.reports.page.tickets import public_tickets

__all__ = ["can_draw", "check_plots", "plain_page", "public_tickets", "render_page", "write_plots"]
