"""`plantkit doctor`: what this machine offers to lock pruners away."""

from __future__ import annotations

import platform
from dataclasses import asdict

import click

from plantkit.cli import options
from plantkit.cli.output import json_text, write_output
from plantkit.isolation.levels import Level
from plantkit.machine import PYTHONS, SYSTEMS, is_supported, system_name

_SUPPORTED = "plantkit is tested on {}, with Python {} to {}".format(
    ", ".join(SYSTEMS.values()), *(".".join(map(str, version)) for version in PYTHONS)
)

_PROMISES = {
    "full": "reaches no file but its libraries, its problem and its scratch; no network; "
    "no other process",
    "process": "has a process of its own with limits and a clean environment; it can read what "
    "you can read",
    "watched": "has a process of its own with a clean environment, which is ended with all that it "
    "started when it is seen to break a limit; it can read what you can read",
    "none": "runs inside of plantkit, for debugging; promises nothing",
}


@click.command()
@options.formats("text", "json")
def command(output_format: str) -> None:
    """Show whether this system is supported, which levels of isolation it offers, what is missing.

    Everything is really tried, in throw-away processes. `plantkit evaluate` takes the best
    level that is available; --isolation asks for another.

    \b
    Examples:
      plantkit doctor
      plantkit doctor --format json
    """
    from plantkit.isolation.probe import probe_machine

    offer = probe_machine()
    chosen = offer.best
    system = {
        "name": system_name(),
        "python": platform.python_version(),
        "supported": is_supported(),
    }
    if output_format == "json":
        levels = {
            level: {
                "available": offer.offers(level),
                "missing": [check.name for check in offer.missing(level)],
            }
            for level in Level
        }
        checks = [asdict(check) for check in offer.checks]
        value = {"system": system, "isolation": chosen, "levels": levels, "checks": checks}
        write_output(json_text(value))
        return
    known = "supported" if system["supported"] else f"not supported: {_SUPPORTED}"
    click.echo(f"system: {system['name']}, Python {system['python']}: {known}")
    for level in Level:
        available = offer.offers(level)
        mark = click.style("available", fg="green") if available else click.style("no", fg="red")
        click.echo(f"{level}: {mark}")
        click.echo(f"  a pruner {_PROMISES[level]}")
        for check in offer.checks:
            if check.level is not level:
                continue
            click.echo(f"  {'ok     ' if check.works else 'missing'} {check.name}: {check.detail}")
            if check.remedy:
                click.echo(f"          to do: {check.remedy}")
    only = " (only if you add --isolation none)" if chosen is Level.NONE else ""
    click.echo(f"plantkit evaluate uses: {chosen}{only}")
