"""`plantkit check`: does a pruner keep the contract?"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
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
    list_checks: bool,
) -> None:
    """Check that PRUNER keeps the contract.

    PRUNER is a Python file, a notebook, a folder or zip that holds one, - for standard input, or
    the name of an installed pruner, with options after a colon where it has any. A submission's
    code only runs in child processes. The exit code is 1 if a check failed.

    \b
    Examples:
      plantkit check submissions/my_pruner.py
      plantkit check synflow:iterations=10
      plantkit check my_pruner.py --format json
    """
    from plantkit.testing import CHECKS, CheckStatus, Laboratory

    if list_checks:
        rows = [(check.name, check.description) for check in CHECKS]
        write_output(table_text(("check", "description"), rows, output_format), output)
        return
    if pruner is None:
        raise click.UsageError("missing argument PRUNER: a submission or a pruner's name", ctx)
    from plantkit.isolation.levels import Isolation, choose
    from plantkit.isolation.probe import probe_machine
    from plantkit.isolation.wire import Limits
    from plantkit.pruners.sources import parse_pruner
    from plantkit.testing import run_checks
    from plantkit.version import __version__

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
    if output_format == "json":
        pruners = [_report(name, pruner, results) for name, results in found.items()]
        value = {"schema_version": 1, "plantkit_version": __version__, "pruners": pruners}
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
