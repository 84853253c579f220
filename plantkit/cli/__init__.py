"""The command line: parse, one library call, echo.

A command is one module in this folder, with a click command called `command`. Its name is the
module's and its help the docstring's. `plantkit --help` imports them all, so that none may import
torch at its top.
"""

from __future__ import annotations

import atexit
import errno
import gc
import importlib
import io
import os
import pkgutil
import signal
import sys
import traceback
import warnings
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import click

from plantkit.cli import failures
from plantkit.cli.output import warn
from plantkit.errors import PlantkitError, UnfrozenWarning, UsageError, did_you_mean
from plantkit.version import __version__

#: Modules of this folder that are not commands.
_SHARED = {"failures", "options", "output", "progress"}
#: Command name to module: every other one. `list_` has the underscore because of Python's own.
COMMANDS = {
    module.name.rstrip("_").replace("_", "-"): f"{__name__}.{module.name}"
    for module in pkgutil.iter_modules(__path__)
    if module.name not in _SHARED
}

#: Objects made before garbage is looked for; Python's 700 suits programs that import little.
_GARBAGE_THRESHOLD = 50_000

#: What writing to a pipe that nobody reads raises; Windows says EINVAL.
_CLOSED_PIPE = {errno.EPIPE, errno.EINVAL} if sys.platform == "win32" else {errno.EPIPE}
#: The exit code then: that of a shell for a program that SIGPIPE, 13, ended.
_NO_READER = 128 + 13

EPILOG = """\b
Examples:
  plantkit evaluate submissions/my_pruner.py
  plantkit list pruners
  plantkit show circle-5x100

Exit codes: 0 done, 1 the submission failed, 2 usage error or a file that cannot be read or
written, 3 internal error, 4 a bundle is invalid or has been altered, 5 nothing was evaluated.
"""


class SuggestingGroup(click.Group):
    """Suggests the nearest command, or lists them all, for a name that does not exist."""

    noun = "command"

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            known = self.list_commands(ctx)
            nearest = did_you_mean(name, known) or f"; expected {', '.join(known)}"
            raise click.UsageError(f"no {self.noun} is named {name!r}{nearest}", ctx)
        return super().resolve_command(ctx, args)


class LazyGroup(SuggestingGroup):
    """Imports a command when it is used; plugins' commands when no built-in one matches."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*COMMANDS, *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in COMMANDS:
            command: click.Command = importlib.import_module(COMMANDS[cmd_name]).command
            command.name = cmd_name  # all of them are called `command` where they are defined
            return command
        if cmd_name not in self.commands and not ctx.resilient_parsing:
            from plantkit.plugins import load_installed

            registry = load_installed()
            registry.add_commands(self)
            for failure in registry.failures:
                warn(failure)
        return super().get_command(ctx, cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except OSError as error:  # the reader went away; click would say 1, a failed submission
            if error.filename is not None or error.errno not in _CLOSED_PIPE:
                raise
            failures.drop_output()
            ctx.exit(_NO_READER)
        return result


@click.group(
    cls=LazyGroup,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
)
@click.version_option(__version__, prog_name="plantkit")
@click.option("--debug", is_flag=True, help="Show the traceback of errors; also after a command.")
def cli(debug: bool) -> None:
    """Pruning challenges whose right answer is known.

    plantkit runs pruners on networks that hide a planted ticket, scores their masks on
    recovered accuracy, sparsity and overlap with the ticket, and ranks them.
    """


#: What Python shows warnings with.
_show_any_warning = warnings.showwarning


def _show_warning(
    message: Warning | str, category: type[Warning], *where: Any, **others: Any
) -> None:
    """Prints a warning of plantkit's own in its words, without the line of code that made it."""
    if issubclass(category, UnfrozenWarning):
        warn(message)
    else:
        _show_any_warning(message, category, *where, **others)


def main(args: Sequence[str] | None = None) -> None:
    """Runs the command line and exits with one of the documented codes."""
    arguments = list(sys.argv[1:] if args is None else args)
    debug = "--debug" in arguments  # taken before or after the command
    arguments = [argument for argument in arguments if argument != "--debug"]
    signal.signal(signal.SIGTERM, _terminate)
    warnings.showwarning = _show_warning
    _show_all_characters()
    # Searching torch's modules for garbage takes a tenth of its import, and a third of a second
    # at the end, when the system takes all memory back anyway.
    gc.set_threshold(_GARBAGE_THRESHOLD)
    atexit.register(gc.freeze)
    failures.open_streams()
    try:
        failures.check_directory_exists()
        code = cli.main(
            args=arguments, prog_name="plantkit", standalone_mode=False, color=_colour()
        )
    except click.exceptions.Exit as error:
        code = error.exit_code
    except click.Abort:
        click.echo("plantkit: interrupted", err=True)
        code = 130
    except click.ClickException as error:
        with suppress(OSError):
            error.show()
        code = error.exit_code
    except PlantkitError as error:
        _show(error, debug)
        code = error.exit_code
    except Exception as error:
        code = _unexpected(error, debug)
    sys.exit(_flushed(code if isinstance(code, int) else 0, debug))


def _colour() -> bool | None:
    """Returns False where the user or the terminal wants no colour, else None: on terminals."""
    is_unwanted = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    return False if is_unwanted else None


def _show_all_characters() -> None:
    """Makes output show a character that its encoding lacks as an escape: files and consoles on
    Windows often have the encoding cp1252."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _unexpected(error: Exception, debug: bool) -> int:
    """Says what the system refused, or that there is a bug, and returns the exit code."""
    words = failures.explain(error)
    if words is not None:
        _show(error, debug, words)
        return UsageError.exit_code
    _show(error, debug)
    if not debug:
        with suppress(OSError):
            click.echo("This is a bug in plantkit; add --debug for the traceback.", err=True)
    return 3


def _flushed(code: int, debug: bool) -> int:
    """Writes out what standard output and error have kept, and returns the exit code.

    What a stream does not take is dropped: Python would try again at its end, and exit with 120.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        failures.drop_output()
        if not code:
            code = _NO_READER if error.errno in _CLOSED_PIPE else _unexpected(error, debug)
    try:
        sys.stderr.flush()
    except OSError:
        failures.drop_output("stderr")
    return code


def _terminate(number: int, frame: object) -> None:
    """Ends like an interrupt does, so that children and scratch files go too."""
    raise SystemExit(128 + number)


def _show(error: Exception, debug: bool, words: str | None = None) -> None:
    """Shows an error on standard error, in `words` or its own."""
    if debug:
        traceback.print_exception(error)
    if words is None:
        name = "" if isinstance(error, PlantkitError) else f"{type(error).__name__}: "
        words = f"{name}{error}"
    with suppress(OSError):  # where standard error is broken, the exit code says enough
        click.echo(
            f"{click.style('error', fg='red', bold=True)}: {words}", err=True, color=_colour()
        )
