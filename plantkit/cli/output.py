"""What commands print and write: warnings, results, tables and JSON."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plantkit.errors import PluginError, UsageError
from plantkit.files import write_whole

if TYPE_CHECKING:
    from plantkit.reports import Reporter
    from plantkit.reports.tables import Table
    from plantkit.scoring.evaluation import Evaluation


def warn(message: object) -> None:
    """Prints one line of warning on standard error; work goes on where that is broken."""
    with suppress(OSError):
        say(f"{click.style('warning', fg='yellow')}: {message}")


def complain(error: Exception) -> None:
    """Prints one line of an error on standard error, where work goes on after it."""
    with suppress(OSError):
        say(f"{click.style('error', fg='red', bold=True)}: {error}")


def say(text: str) -> None:
    """Prints text on standard error, above the bars of a progress that is shown there.

    `click.echo(err=True)` would write past what rich put in place of the stream, into the bars.
    """
    if sys.stderr is not None:
        click.echo(text, file=sys.stderr)


#: Most lines that rows of a table take on average; else each row becomes a block of lines.
_MOST_LINES = 5


@contextmanager
def warnings(*, show_errors: bool) -> Iterator[Callable[[object], None]]:
    """Yields a function that warns of an error.

    show_errors: whether the traceback in a submission is printed, too, of what it is called with
    and of what is raised in the block.
    """

    def tell(message: object) -> None:
        warn(message)
        show(message)

    def show(error: object) -> None:
        if show_errors and isinstance(error, PluginError) and error.traceback:
            say(error.traceback.rstrip())

    try:
        yield tell
    except PluginError as error:
        show(error)
        raise


def print_tracebacks(found: Iterable[tuple[str, str]]) -> None:
    """Prints every distinct traceback on standard error, after who raised it first and where."""
    seen: set[str] = set()
    for where, traceback in found:
        if traceback and traceback not in seen:
            seen.add(traceback)
            say(f"\n{where}:\n{traceback.rstrip()}")


def write_output(text: str, output: Path | None = None, *, option: str = "--output") -> None:
    """Writes to a file, all or nothing, or to standard output where `output` is None.

    Text that cannot be written is printed instead, so that nothing is lost: on standard output,
    or on standard error. `option` is what asked for the file, for messages.

    Raises:
        UsageError: it could not be written.
    """
    line = text if text.endswith("\n") else f"{text}\n"
    try:
        if output is None:
            click.echo(line, nl=False)
        else:
            write_whole(output, text)
    except BrokenPipeError:
        raise
    except OSError as error:
        with suppress(OSError):
            click.echo(line, nl=False, err=output is None)
        where = "standard output" if output is None else f"{option}: {output}"
        raise UsageError(f"{where} cannot be written: {error.strerror}") from error


def write_record(bundle: Path, name: str, record: Any, *, option: str) -> None:
    """Writes a record into a bundle's directory and freezes that anew; says what it changed.

    Args:
        name: of the file.
        option: what asked for it, for messages.

    Raises:
        UsageError: it could not be written.
        BundleError: the bundle was altered.
    """
    from plantkit.challenges.freezing import add_record

    try:
        frozen = add_record(bundle, name, json_text(record).encode())
    except OSError as error:
        say(json_text(record))
        raise UsageError(
            f"{option}: {error.filename} cannot be written: {error.strerror}"
        ) from error
    for line in frozen.lines():
        say(f"{bundle / name}: {line}")


def evaluation_text(
    evaluation: Evaluation,
    reporter: Reporter,
    *,
    details: bool = False,
    styled: bool = False,
    tables: Sequence[Table] = (),
    notes: Sequence[str] = (),
) -> str:
    """Returns an evaluation in a format; the rest is for the table only, see its `render`."""
    if reporter.name != "table":
        return reporter.render(evaluation)
    from plantkit.reports import table

    return table.render(evaluation, details=details, tables=tables, notes=notes, styled=styled)


def write_report(
    evaluation: Evaluation,
    path: Path,
    *,
    option: str,
    notes: Sequence[str] = (),
    ticket_directories: Sequence[Path] = (),
) -> None:
    """Writes the page of an evaluation; `option` is what asked for the file.

    Args:
        notes: how runs that were merged differ.
        ticket_directories: hold bundles whose tickets readers may know, too.

    Raises:
        UsageError: it could not be written.
        BundleError: a bundle with one of the tickets was altered.
    """
    from plantkit.plugins import load_installed
    from plantkit.reports.page import can_draw, public_tickets, render_page

    if not can_draw():
        warn('the page has no charts: they need an extra: pip install "plantkit[report]"')
    directories = [*load_installed().challenge_directories(), *ticket_directories]
    tickets = public_tickets(evaluation.challenges, directories)
    write_output(render_page(evaluation, tickets, notes=notes), path, option=option)
    click.echo(f"report written to {path}", err=True)


def json_text(value: Any) -> str:
    """Returns `value` as people and programs read it."""
    return json.dumps(value, indent=2) + "\n"


def table_text(
    headers: Sequence[str], rows: Sequence[Sequence[Any]], output_format: str = "table"
) -> str:
    """Returns rows as a table, or in the format "markdown", "csv" or "json"."""
    if output_format == "json":
        keys = [header.replace(" ", "_") for header in headers]
        return json_text([dict(zip(keys, row, strict=True)) for row in rows])
    if output_format == "csv":
        from plantkit.reports.spreadsheets import csv_text

        return csv_text(headers, rows)
    words = [[str(cell) for cell in row] for row in rows]
    if output_format == "markdown":
        from plantkit.reports.tables import render_table

        return render_table(headers, words, "github")
    from plantkit.reports.grids import grid, printable

    # A pipe gets words whole, so that they can be looked for.
    text = grid(headers, words, width=_width(), breaks_words=_is_terminal())
    if text.count("\n") > _MOST_LINES * (len(rows) + 1):
        blocks = []
        for name, *others in words:
            known = pairs_text(list(zip(headers[1:], others, strict=True)))
            blocks.append(f"{printable(name)}\n{textwrap.indent(known, '  ')}")
        return "\n\n".join(blocks)
    return text


def pairs_text(pairs: Sequence[tuple[str, str]]) -> str:
    """Returns names with what is known of each next to it, wrapped between words."""
    from plantkit.reports.grids import printable

    start = max(len(name) for name, _ in pairs) + 2
    lines = []
    for name, text in pairs:
        first, *others = textwrap.wrap(
            printable(text),
            max(20, _width() - start - 2),
            break_long_words=False,
            break_on_hyphens=False,
        ) or [""]
        lines += [f"{name:{start}}{first}".rstrip(), *(" " * start + other for other in others)]
    return "\n".join(lines)


def _is_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()


def _width() -> int:
    """Returns the columns of the terminal, 80 where there is none."""
    return shutil.get_terminal_size().columns
