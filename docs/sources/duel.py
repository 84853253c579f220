"""Figures of the duel of planters and seekers."""

from __future__ import annotations

from typing import Any

from sources import RESULTS, read, source, table

DUEL = RESULTS / "duel.json"


def meetings() -> dict[tuple[str, str, str], dict[str, Any]]:
    """Returns the meetings by side, seeker and planter."""
    return {(one["side"], one["seeker"], one["planter"]): one for one in read(DUEL)["meetings"]}


def rows(side: str, cell: Any) -> list[list[str]]:
    found, planters = meetings(), read(DUEL)["densities"]
    seekers = dict.fromkeys(seeker for one, seeker, _ in found if one == side)
    return [
        [seeker, *(cell(found[side, seeker, planter]) for planter in planters)]
        for seeker in seekers
    ]


def share(one: dict[str, Any]) -> str:
    return "" if one["found"] is None else f"{one['found']:.2f}"


def head(first: str) -> str:
    return " | ".join([first, *(f"`{planter}`" for planter in read(DUEL)["densities"])])


@source
def duel_found(side: str) -> str:
    """Returns a table: the share of each planter's ticket that each pruner, or attacker, found."""
    found = {one["planter"]: one["chance"] for key, one in meetings().items() if key[0] == side}
    chance = [f"{found[planter]:.2f}" for planter in read(DUEL)["densities"]]
    return table(head(side), [["chance", *chance], *rows(side, share)])


@source
def duel_worth(side: str) -> str:
    """Returns a table: what pruners recover, untrained / trained, or the attackers' AUC."""
    if side == "pruner":
        return table(head(side), rows(side, lambda one: f"{one['strong']:.2f} / {one['weak']:.2f}"))
    return table(head(side), rows(side, lambda one: f"{one['auc']:.2f}"))


@source
def duel_setting(name: str) -> str:
    """Returns a number of the duel, such as `instances`."""
    return str(read(DUEL)[name])


@source
def duel_figure(side: str, seeker: str, planter: str, name: str = "found") -> str:
    """Returns one figure; the words of a seeker's name are joined by dashes."""
    return f"{meetings()[side, seeker.replace('-', ' '), planter][name]:.2f}"
