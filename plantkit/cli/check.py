"""`plantkit check`: does a pruner keep the contract?"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plantkit.cli import options
from plantkit.cli.output import json_text, print_tracebacks, table_text, warn, write_output
from plantkit.cli.progress import ProgressBar, Verbosity

if TYPE_CHECKING:
    from plantkit.pruners.sources import PrunerSource
    from plantkit.testing import CheckResult, Laboratory

#: Columns of the last part of the table.
_TEXT_WIDTH = 76


@click.command()
@click.argument("pruner", required=False)
@options.formats("table", "json")
@options.output
@options.limits(seconds=60.0)
@options.process_isolation
@options.show_errors
@options.progress
@click.option(
    "--trusted",
    "is_trusted",
    is_flag=True,
    help="The file is yours: run it without protection, too, and compare.",
)
@click.option("--family", metavar="NAME", help="Check a family of an installed plugin instead.")
@click.option(
    "--planting", metavar="NAME", help="As planted by this method.  [default: the family's]"
)
@options.dials
@click.option(
    "--depth", type=click.IntRange(min=2), default=4, help="Layers of neurons, of a --family."
)
@click.option(
    "--width",
    type=click.IntRange(min=1, max=100_000),
    default=60,
    help="Units per hidden layer, of a --family.",
)
@click.option("--attacker", metavar="NAME", help="Check an attacker of tickets instead.")
@click.option("--list", "list_checks", is_flag=True, help="List the checks and end.")
@click.pass_context
def command(
    ctx: click.Context,
    pruner: str | None,
    output_format: str,
    output: Path | None,
    time_seconds: float,
    memory_mib: int,
    isolation: str,
    show_errors: bool,
    verbosity: Verbosity,
    is_trusted: bool,
    family: str | None,
    planting: str | None,
    dials: dict[str, str],
    depth: int,
    width: int,
    attacker: str | None,
    list_checks: bool,
) -> None:
    """Check that PRUNER, or the family or attacker of a plugin, keeps the contract.

    PRUNER is a Python file, a notebook, a folder or zip that holds one, - for standard input, or
    the name of an installed pruner, with options after a colon where it has any. A submission's
    code only runs in child processes. A family or an attacker runs in this process, as you have
    installed it. The exit code is 1 if a check failed.

    \b
    Examples:
      plantkit check submissions/my_pruner.py
      plantkit check synflow:iterations=10
      plantkit check my_pruner.py --format json
      plantkit check --family circle --planting anchored
      plantkit check --attacker joint
    """
    from plantkit.testing import ATTACKER_CHECKS, CHECKS, PLANTING_CHECKS, Laboratory

    if sum(one is not None for one in (pruner, family, attacker)) > 1:
        raise click.UsageError("PRUNER, --family and --attacker exclude each other", ctx)
    if family is None and (planting is not None or dials):
        raise click.UsageError("--planting and --dial need --family NAME", ctx)
    checks = CHECKS
    if family is not None:
        checks = PLANTING_CHECKS
    elif attacker is not None:
        checks = ATTACKER_CHECKS
    if list_checks:
        rows = [(check.name, check.description) for check in checks]
        write_output(table_text(("check", "description"), rows, output_format), output)
        return
    if family is not None or attacker is not None:
        planter = {"planting": planting, "dials": dials, "depth": depth, "width": width}
        kind = "families" if family is not None else "attackers"
        name = family or attacker or ""
        running = _family(name, planter) if family is not None else _attacker(name)
        with ProgressBar(verbosity) as progress:
            results = []
            for result in running:
                results.append(result)
                progress.show(name, len(results), len(checks))
        _tell(ctx, kind, name, {name: results}, output_format, output, show_errors)
        return
    if pruner is None:
        raise click.UsageError("missing argument PRUNER: a submission or a pruner's name", ctx)
    from plantkit.isolation.levels import Isolation, choose
    from plantkit.isolation.probe import probe_machine
    from plantkit.isolation.wire import Limits
    from plantkit.pruners.sources import parse_pruner
    from plantkit.testing import run_checks

    source = parse_pruner(pruner)
    limits = Limits(time_seconds=time_seconds, memory_mib=memory_mib)
    level, warning = choose(isolation, probe_machine())
    if warning:
        warn(warning)
    found: dict[str, list[CheckResult]] = {}
    with Laboratory(limits=limits, isolation=Isolation(level=level)) as laboratory:
        sources = _pruners_of(laboratory, source)
        laboratory.start()  # the second interpreter gets ready while the first is at work
        with ProgressBar(verbosity) as progress:
            for one in sources:
                name = one.name or Path(pruner).stem
                results = found[name] = []
                for result in run_checks(one, laboratory, is_trusted=is_trusted):
                    results.append(result)
                    progress.show(name, len(results), len(CHECKS))
    _tell(ctx, "pruners", pruner, found, output_format, output, show_errors)


def _family(name: str, planter: dict[str, Any]) -> Iterator[CheckResult]:
    """Returns the results of a family's checks as they come.

    Raises:
        UnknownNameError: no such family or planting method.
    """
    from plantkit.errors import UsageError
    from plantkit.planting import ImageFamily, find_family, find_method
    from plantkit.plugins import load_plantings
    from plantkit.testing import Planter, run_family_checks

    for failure in load_plantings(name, planter["planting"]):
        warn(failure)
    if isinstance(find_family(name).with_dials(planter["dials"]), ImageFamily):
        raise UsageError(f"{name!r} is a family of images; --family examines those in perceptrons")
    if planter["planting"] is not None:
        find_method(planter["planting"])
    return run_family_checks(Planter(given=name, **planter))


def _attacker(name: str) -> Iterator[CheckResult]:
    """Returns the results of an attacker's checks as they come.

    Raises:
        UnknownNameError: no such attacker.
    """
    from plantkit.hookspecs import PROJECT
    from plantkit.plugins import load_installed
    from plantkit.research.audit.attackers import choose_attackers
    from plantkit.testing import run_attacker_checks

    plugins = load_installed(without=PROJECT)
    others = [*plugins.attackers().values()]
    for failure in plugins.failures:
        warn(failure)
    return run_attacker_checks(choose_attackers([name], others)[-1])


def _tell(
    ctx: click.Context,
    kind: str,
    given: str,
    found: dict[str, list[CheckResult]],
    output_format: str,
    output: Path | None,
    show_errors: bool,
) -> None:
    """Prints results by name, and ends with 1 if a check failed."""
    from plantkit.testing import CheckStatus
    from plantkit.version import __version__

    if output_format == "json":
        subjects = [_report(name, given, results) for name, results in found.items()]
        value = {"schema_version": 1, "plantkit_version": __version__, kind: subjects}
        write_output(json_text(value), output)
    else:
        tables = [_table(name, results) for name, results in found.items()]
        write_output("\n\n".join(tables), output)
    if output is not None:
        click.echo(f"results written to {output}", err=True)
    if show_errors:
        print_tracebacks(
            (f"{name}: {result.check}", result.traceback)
            for name, results in found.items()
            for result in results
        )
    if any(result.status is CheckStatus.FAILED for each in found.values() for result in each):
        ctx.exit(1)


def _pruners_of(laboratory: Laboratory, source: PrunerSource) -> list[PrunerSource]:
    """Returns one source for every pruner; a file that cannot be loaded stays as it is."""
    from plantkit.errors import PluginError
    from plantkit.testing.laboratory import resolve_installed

    if source.path is None:
        return [resolve_installed(source)]
    try:
        source = source.read()
        described = laboratory.describe(source)
    except PluginError:
        return [source]  # the first check says why
    return [replace(source, name=pruner.name) for pruner in described]


def _counts(results: Sequence[CheckResult]) -> dict[str, int]:
    return {
        status: sum(result.status == status for result in results)
        for status in ("ok", "failed", "skipped")
    }


def _report(name: str, given: str, results: Sequence[CheckResult]) -> dict[str, Any]:
    checks = [result.to_json() for result in results]
    return {"name": name, "given": given, **_counts(results), "checks": checks}


def _table(name: str, results: Sequence[CheckResult]) -> str:
    rows = []
    for result in results:
        parts, mark = [result.reason or result.description], str(result.status)
        if result.status == "failed":
            parts = [result.description, f"expected {result.expected}", f"got {result.got}"]
            mark = "FAILED"
        lines = [line for part in parts for line in textwrap.wrap(part, _TEXT_WIDTH)]
        rows.append((result.check, mark, "\n".join(lines)))
    table = table_text(("check", "result", "what was expected and got"), rows)
    counts = ", ".join(f"{count} {status}" for status, count in _counts(results).items() if count)
    return f"{name}\n\n{table}\n\n{name}: {counts}"
