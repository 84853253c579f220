"""Options that several commands share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from plantkit.isolation.levels import AUTO, REQUESTS, Level

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class FiniteRange(click.FloatRange):
    """A range of floats that `nan` and `inf` are not in."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not finite; expected a number")
        return number


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


def _isolation(requests: Sequence[str]) -> Decorator:
    return click.option(
        "--isolation",
        type=click.Choice(requests),
        default=AUTO,
        show_default=True,
        help="How far pruners are locked away; see: plantkit doctor.",
    )


isolation_option = _isolation(REQUESTS)
#: For what is observed from outside, which takes a process of its own.
process_isolation_option = _isolation([one for one in REQUESTS if one != Level.NONE])

jobs_option = click.option(
    "--jobs", type=click.IntRange(min=1), help="Parallel runs.  [default: all cores]"
)

result_file_option = click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the results to this file.",
)


def time_limit_option(default: float) -> Decorator:
    """Returns the option for the wall time of one run, in seconds; it arrives as `time_limit`."""
    return click.option(
        "--time-limit",
        type=FiniteRange(min=0, min_open=True, max=1e7),
        default=default,
        show_default=True,
        metavar="SECONDS",
        help="Wall time of one run of one pruner.",
    )


def memory_limit_option(default: int) -> Decorator:
    """Returns the option for the memory of one run, in MiB; it arrives as `memory_limit`."""
    return click.option(
        "--memory-limit",
        type=click.IntRange(min=1, max=2**24),
        default=default,
        show_default=True,
        metavar="MIB",
        help="Memory of one run beyond Python and torch.",
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


dial_option = click.option(
    "--dial",
    "dials",
    metavar="NAME=VALUE",
    multiple=True,
    help="Sets a dial of the family, such as in_degree=6; may be given again.",
)


def parse_dials(texts: tuple[str, ...]) -> dict[str, str]:
    """Returns dials, name to text, of texts such as `units=8`.

    Raises:
        UsageError: a text is not NAME=VALUE, or a name comes twice.
    """
    from plantkit.errors import UsageError

    dials: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals and value) or name in dials:
            raise UsageError(f"dial is {text!r}; expected NAME=VALUE, each name once")
        dials[name] = value
    return dials
