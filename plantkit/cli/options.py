"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

challenges_option = click.option(
    "--challenges",
    "challenge_directories",
    type=click.Path(path_type=Path),
    multiple=True,
    envvar="PLANTKIT_CHALLENGES",
    help="A directory that holds bundles, searched before the usual places. Repeatable.",
)


key_option = click.option(
    "--key",
    "key_file",
    type=click.Path(path_type=Path),
    help="File with the key of sealed challenges.  [default: the variable PLANTKIT_KEY]",
)


class Density(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A number in (0, 1], or "planted"."""

    name = "density"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | str:
        if value == "planted":
            return "planted"
        try:
            density = float(value)
        except ValueError:
            self.fail(f"{value!r} is no density; expected a number in (0, 1] or 'planted'")
        if not 0.0 < density <= 1.0:
            self.fail(f"{value} is out of range; expected a number in (0, 1] or 'planted'")
        return density
