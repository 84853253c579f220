"""A duel as tables for people, as JSON and as CSV."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, fields
from typing import Any

from plantkit.reports.spreadsheets import csv_text
from plantkit.research.duel.duel import Duel, Meeting
from plantkit.version import __version__

SCHEMA_VERSION = 1

Cell = Callable[[Meeting], str]
#: Headings and rows of a table, and the line above it.
Table = tuple[str, list[str], list[list[str]]]


def tables(duel: Duel) -> list[Table]:
    """Returns the table of planters and seekers, and one of what the shares come to."""
    plan = duel.plan
    setting = f"{plan.instances} new instances of each planter"
    if plan.attackers:
        setting += f", attackers learned from {plan.training_networks} others"
    head = ["seeker", *duel.densities]
    return [
        (f"Share of the ticket found ({setting})", head, [*_chances(duel), *_rows(duel, _found)]),
        (
            "Accuracy recovered untrained / trained; attackers: AUC",
            head,
            _rows(duel, _worth),
        ),
    ]


def to_json(duel: Duel) -> dict[str, Any]:
    """Returns the duel as its JSON Schema, `plantkit schema duel`, says."""
    plan = duel.plan
    return {
        "schema_version": SCHEMA_VERSION,
        "plantkit_version": __version__,
        "instances": plan.instances,
        "training_networks": plan.training_networks if plan.attackers else 0,
        "depth": plan.depth,
        "width": plan.width,
        "densities": dict(duel.densities),
        "meetings": [asdict(meeting) for meeting in duel.meetings],
    }


def to_csv(duel: Duel) -> str:
    """Returns one line for each meeting."""
    columns = [field.name for field in fields(Meeting)]
    return csv_text(columns, [[asdict(one)[name] for name in columns] for one in duel.meetings])


def _chances(duel: Duel) -> list[list[str]]:
    """Returns a row for each side: what a random choice finds of each planter's tickets."""
    rows = []
    for side in ("pruner", "attacker"):
        chances = {one.planter: one.chance for one in duel.meetings if one.side == side}
        if chances:
            cells = [chances.get(planter) for planter in duel.densities]
            words = ["" if one is None else f"{one:.3f}" for one in cells]
            rows.append([f"({side}s: chance)", *words])
    return rows


def _rows(duel: Duel, cell: Cell) -> list[list[str]]:
    """Returns a row for each seeker, with a cell for each planter."""
    found = {(one.side, one.seeker, one.planter): one for one in duel.meetings}
    seekers = dict.fromkeys((one.side, one.seeker) for one in duel.meetings)
    rows = []
    for side, seeker in seekers:
        meetings = [found.get((side, seeker, planter)) for planter in duel.densities]
        name = seeker if side == "pruner" else f"attacker: {seeker}"
        rows.append([name, *("" if one is None else cell(one) for one in meetings)])
    return rows


def _found(meeting: Meeting) -> str:
    return "" if meeting.found is None else f"{meeting.found:.3f}"


def _worth(meeting: Meeting) -> str:
    if meeting.side == "pruner":
        return f"{meeting.strong:.2f} / {meeting.weak:.2f}"
    return "" if meeting.auc is None else f"{meeting.auc:.3f}"
