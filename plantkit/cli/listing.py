"""`plantkit list`: what pruners, challenges, suites and plugins there are."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from plantkit.cli.options import challenges_option

Rows = tuple[Sequence[str], list[Sequence[str]]]


@click.command()
@click.argument("what", type=click.Choice(["pruners", "challenges", "suites", "plugins"]))
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["table", "markdown", "csv", "json"]),
    default="table",
    show_default=True,
)
@challenges_option
def command(what: str, output_format: str, challenge_directories: tuple[Path, ...]) -> None:
    """List what there is: pruners, challenges, suites or plugins.

    \b
    Examples:
      plantkit list pruners
      plantkit list challenges --format json
    """
    makers: dict[str, Callable[[], Rows]] = {
        "pruners": _pruners,
        "plugins": _plugins,
        "challenges": lambda: _challenges(challenge_directories),
        "suites": lambda: _suites(challenge_directories),
    }
    headers, rows = makers[what]()
    click.echo(_render(headers, rows, output_format))


def _pruners() -> Rows:
    import dataclasses

    from plantkit.cli import warn
    from plantkit.plugins import load_installed, name_clashes

    registry = load_installed()
    pruners = registry.pruners()
    for failure in [*registry.failures, *name_clashes(pruners)]:
        warn(failure)
    rows = []
    for registered in pruners:
        options = ""
        if dataclasses.is_dataclass(registered.pruner):
            options = ", ".join(
                f"{field.name}={getattr(registered.pruner, field.name)}"
                for field in dataclasses.fields(registered.pruner)
            )
        rows.append((registered.name, options, registered.plugin, registered.pruner.reference))
    return ("name", "options", "plugin", "reference"), list(rows)


def _plugins() -> Rows:
    from plantkit.cli import warn
    from plantkit.plugins import load_installed

    registry = load_installed()
    for failure in registry.failures:
        warn(failure)
    rows = [
        (plugin.name, plugin.module, plugin.distribution, plugin.version, ", ".join(plugin.hooks))
        for plugin in registry.plugins
    ]
    return ("name", "module", "package", "version", "hooks"), list(rows)


def _challenges(directories: Sequence[Path]) -> Rows:
    from plantkit.challenges import catalog, manifests
    from plantkit.cli import warn
    from plantkit.errors import BundleError
    from plantkit.plugins import challenge_directories as plugin_directories

    found = catalog.find(directories, plugins=plugin_directories())
    rows = []
    for name, path in found.bundles.items():
        try:
            manifest, _ = manifests.read_manifest(path)
        except BundleError as error:
            warn(error)
            continue
        rows.append(
            (
                name,
                manifest["task"]["kind"],
                "-".join(str(width) for width in manifest["network"]["widths"]),
                f"{manifest['ticket']['density']:.4g}",
                "yes" if manifest["planting"]["hidden"] else "no",
                "yes" if manifest["overlap_scored"] else "no",
            )
        )
    return ("id", "task", "network", "planted density", "hidden", "overlap scored"), list(rows)


def _suites(directories: Sequence[Path]) -> Rows:
    from plantkit.challenges import catalog
    from plantkit.plugins import challenge_directories as plugin_directories

    found = catalog.find(directories, plugins=plugin_directories())
    rows = [
        (
            suite.name,
            suite.title,
            ", ".join(suite.challenges),
            ", ".join(map(str, suite.densities)),
            str(suite.seeds),
        )
        for suite in found.suites.values()
    ]
    return ("name", "title", "challenges", "densities", "seeds"), list(rows)


def _render(headers: Sequence[str], rows: list[Sequence[str]], output_format: str) -> str:
    if output_format == "json":
        keys = [header.replace(" ", "_") for header in headers]
        return json.dumps([dict(zip(keys, row, strict=True)) for row in rows], indent=2)
    if output_format == "csv":
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([headers, *rows])
        return text.getvalue().rstrip("\n")
    from tabulate import tabulate

    kind = "github" if output_format == "markdown" else "simple"
    return tabulate(rows, headers=headers, tablefmt=kind, disable_numparse=True)
