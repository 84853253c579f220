"""`plantkit list`: what pruners, challenges, suites and plugins there are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from plantkit.cli import options
from plantkit.cli.output import table_text, warn, write_output

Rows = tuple[Sequence[str], list[Sequence[str]]]

_KINDS = ("pruners", "challenges", "suites", "families", "plantings", "attackers", "plugins")


@click.command()
@click.argument("what", type=click.Choice(_KINDS))
@options.formats("table", "markdown", "csv", "json")
@options.challenges
def command(what: str, output_format: str, challenge_directories: tuple[Path, ...]) -> None:
    """List what there is, from plantkit and from plugins.

    \b
    Examples:
      plantkit list pruners
      plantkit list challenges --format json
    """
    headers, rows = _MAKERS[what](challenge_directories)
    write_output(table_text(headers, rows, output_format))


def _pruners(_: Sequence[Path]) -> Rows:
    from plantkit.plugins import load_installed, name_clashes
    from plantkit.pruners.options import options_of

    registry = load_installed()
    pruners = registry.pruners()
    for failure in [*registry.failures, *name_clashes(pruners)]:
        warn(failure)
    rows: list[Sequence[str]] = []
    for registered in pruners:
        pruner = registered.pruner
        options = ", ".join(f"{name}={value}" for name, value in options_of(pruner).items())
        rows.append((registered.name, options, registered.plugin, pruner.reference))
    return ("name", "options", "plugin", "reference"), rows


def _plugins(_: Sequence[Path]) -> Rows:
    from plantkit.plugins import load_installed

    registry = load_installed()
    for failure in registry.failures:
        warn(failure)
    return ("name", "module", "package", "version", "hooks"), [
        (plugin.name, plugin.module, plugin.distribution, plugin.version, ", ".join(plugin.hooks))
        for plugin in registry.plugins
    ]


def _challenges(directories: Sequence[Path]) -> Rows:
    from plantkit.challenges.manifests import network_words, read_manifest
    from plantkit.errors import BundleError
    from plantkit.plugins import find_challenges

    rows: list[Sequence[str]] = []
    for name, path in find_challenges(directories).bundles.items():
        try:
            manifest, _ = read_manifest(path)
        except BundleError as error:
            warn(error)
            continue
        rows.append(
            (
                name,
                manifest["task"]["kind"],
                network_words(manifest["network"]),
                f"{manifest['ticket']['density']:.4g}",
                "yes" if manifest["planting"]["hidden"] else "no",
                "yes" if manifest["overlap_scored"] else "no",
            )
        )
    return ("id", "task", "network", "planted density", "hidden", "overlap scored"), rows


def _suites(directories: Sequence[Path]) -> Rows:
    from plantkit.plugins import find_challenges

    return ("name", "title", "challenges", "densities", "seeds"), [
        (
            suite.name,
            suite.title,
            ", ".join(suite.challenges),
            ", ".join(map(str, suite.densities)),
            str(suite.seeds),
        )
        for suite in find_challenges(directories).suites.values()
    ]


def _families(_: Sequence[Path]) -> Rows:
    from plantkit.planting import known_families, known_methods

    _load_plantings()
    rows: list[Sequence[str]] = []
    for name, family in sorted(known_families().items()):
        fitting = [one.name for one in known_methods().values() if one.fits(family)]
        dials = ", ".join(f"{dial}={value}" for dial, value in family.dials.items())
        sizes = f"{family.inputs} to {family.outputs}"
        rows.append((name, family.kind.value, sizes, ", ".join(fitting), dials, family.title))
    return ("name", "task", "sizes", "plantings", "dials", "title"), rows


def _plantings(_: Sequence[Path]) -> Rows:
    from plantkit.planting import known_methods

    _load_plantings()
    return ("name", "hidden", "plants in", "title"), [
        (one.name, "yes" if one.hidden else "no", one.networks_words, one.title)
        for one in known_methods().values()
    ]


def _load_plantings() -> None:
    from plantkit.plugins import load_plantings

    for failure in load_plantings():
        warn(failure)


def _attackers(_: Sequence[Path]) -> Rows:
    from plantkit.hookspecs import PROJECT
    from plantkit.plugins import load_installed
    from plantkit.research.audit.attackers import choose_attackers

    plugins = load_installed(without=PROJECT)
    found = choose_attackers(others=[*plugins.attackers().values()], warn=warn)
    for failure in plugins.failures:
        warn(failure)
    return ("name", "builds on", "title"), [
        (one.name, ", ".join(one.builds_on), one.title) for one in found
    ]


_MAKERS = {
    "pruners": _pruners,
    "challenges": _challenges,
    "suites": _suites,
    "families": _families,
    "plantings": _plantings,
    "attackers": _attackers,
    "plugins": _plugins,
}
