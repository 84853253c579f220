"""`plantkit check`: does a pruner keep the contract?"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plantkit.cli.options import (
    memory_limit_option,
    process_isolation_option,
    result_file_option,
    time_limit_option,
)

if TYPE_CHECKING:
    from plantkit.pruners.sources import PrunerSource
    from plantkit.testing import CheckResult, Laboratory

#: Columns of the last part of the table.
_TEXT_WIDTH = 76


@click.command()
@click.argument("pruner", required=False)
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
)
@result_file_option
@time_limit_option(60.0)
@memory_limit_option(4096)
@process_isolation_option
@click.option(
    "--trusted",
    "is_trusted",
    is_flag=True,
    help="The file is yours: run it without protection, too, and compare.",
)
@click.option("--list", "list_checks", is_flag=True, help="List the checks and end.")
@click.pass_context
def command(
    ctx: click.Context,
    pruner: str | None,
    output_format: str,
    output: Path | None,
    time_limit: float,
    memory_limit: int,
    isolation: str,
    is_trusted: bool,
    list_checks: bool,
) -> None:
    """Check that PRUNER keeps the contract.

    PRUNER is a Python file or the name of an installed pruner, with options after a colon
    where it has any. Its code only runs in child processes. The networks are multilayer
    perceptrons, the only kind that plantkit has so far. The exit code is 1 if a check failed.

    \b
    Examples:
      plantkit check submissions/my_pruner.py
      plantkit check synflow:iterations=10
      plantkit check my_pruner.py --format json
    """
    from plantkit.cli import warn, write_output

    if list_checks:
        write_output(_listed(output_format), output)
        return
    if pruner is None:
        raise click.UsageError("missing argument PRUNER: a Python file or a pruner's name", ctx)
    if output is not None and not output.parent.is_dir():
        raise click.UsageError(f"--output: {output.parent} is not a directory", ctx)
    from plantkit.isolation.levels import Isolation, choose
    from plantkit.isolation.probe import probe_machine
    from plantkit.isolation.wire import Limits
    from plantkit.pruners.sources import parse_pruner
    from plantkit.testing import CheckStatus, Laboratory

    source = parse_pruner(pruner)
    limits = Limits(time_seconds=time_limit, memory_mib=memory_limit)
    level, warning = choose(isolation, probe_machine())
    if warning:
        warn(warning)
    with Laboratory(limits=limits, isolation=Isolation(level=level)) as laboratory:
        pruners = _pruners_of(laboratory, source)
        laboratory.start()  # the second interpreter gets ready while the first is at work
        reports = [_examine(laboratory, found, pruner, is_trusted=is_trusted) for found in pruners]
    write_output(_render(reports, output_format), output)
    if output is not None:
        click.echo(f"results written to {output}", err=True)
    if any(result.status is CheckStatus.FAILED for report in reports for result in report.results):
        ctx.exit(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Report:
    """The results of one pruner. given: what the user typed."""

    name: str
    given: str
    results: Sequence[CheckResult]

    def count(self, status: str) -> int:
        return sum(result.status == status for result in self.results)

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "given": self.given,
            "ok": self.count("ok"),
            "failed": self.count("failed"),
            "skipped": self.count("skipped"),
            "checks": [result.to_json() for result in self.results],
        }


def _pruners_of(laboratory: Laboratory, source: PrunerSource) -> list[PrunerSource]:
    """Returns one source for every pruner; a file that cannot be loaded stays as it is."""
    from dataclasses import replace

    from plantkit.errors import PluginError
    from plantkit.testing.laboratory import resolve_installed

    if source.path is None:
        return [resolve_installed(source)]
    try:
        described = laboratory.describe(source)
    except PluginError:
        return [source]  # the first check says why
    return [replace(source, name=pruner.name) for pruner in described]


def _examine(
    laboratory: Laboratory, source: PrunerSource, given: str, *, is_trusted: bool
) -> _Report:
    from plantkit.testing import CHECKS, run_checks

    name = source.name or Path(given).stem
    results = []
    for result in run_checks(source, laboratory, is_trusted=is_trusted):
        results.append(result)
        if sys.stderr.isatty():
            click.echo(f"\r{name}: {len(results)} of {len(CHECKS)} checks", err=True, nl=False)
    if sys.stderr.isatty():
        click.echo("\r\033[K", err=True, nl=False)
    return _Report(name=name, given=given, results=results)


def _render(reports: Sequence[_Report], output_format: str) -> str:
    if output_format == "json":
        from plantkit.version import __version__

        value = {
            "schema_version": 1,
            "plantkit_version": __version__,
            "pruners": [report.to_json() for report in reports],
        }
        return json.dumps(value, indent=2)
    return "\n\n".join(_table(report) for report in reports)


def _table(report: _Report) -> str:
    from tabulate import tabulate

    rows = [(result.check, _mark(result), _told(result)) for result in report.results]
    table = tabulate(
        rows, headers=("check", "result", "what was expected and got"), disable_numparse=True
    )
    counts = ", ".join(
        f"{report.count(status)} {status}"
        for status in ("ok", "failed", "skipped")
        if report.count(status)
    )
    return f"{report.name}\n\n{table}\n\n{report.name}: {counts}"


def _mark(result: CheckResult) -> str:
    return "FAILED" if result.status == "failed" else str(result.status)


def _told(result: CheckResult) -> str:
    if result.status == "failed":
        parts = [result.description, f"expected {result.expected}", f"got {result.got}"]
    else:
        parts = [result.reason or result.description]
    return "\n".join(line for part in parts for line in textwrap.wrap(part, _TEXT_WIDTH))


def _listed(output_format: str) -> str:
    from plantkit.testing import CHECKS

    if output_format == "json":
        return json.dumps(
            [{"check": check.name, "description": check.description} for check in CHECKS], indent=2
        )
    from tabulate import tabulate

    rows = [(check.name, check.description) for check in CHECKS]
    return tabulate(rows, headers=("check", "description"), disable_numparse=True)
