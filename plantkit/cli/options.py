"""Options that several commands share, and the types of their values."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from plantkit.challenges.densities import parse_density
from plantkit.cli.progress import Verbosity
from plantkit.errors import UsageError
from plantkit.files import check_directory, check_file
from plantkit.isolation.levels import AUTO, REQUESTS, Level
from plantkit.reports import FORMATS

#: A directory that is read.
DIRECTORY = click.Path(file_okay=False, path_type=Path)

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class FiniteRange(click.FloatRange):
    """A range of floats without `nan` and `inf`."""

    def convert(self, value: Any, param: Any, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not finite; expected a number")
        return number


class OutputFile(click.Path):
    """A file that a command writes, in a directory that exists; tried before the work starts."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, path_type=Path)

    def convert(self, value: Any, param: Any, ctx: click.Context | None) -> Any:
        path = Path(str(super().convert(value, param, ctx)))
        if not path.parent.is_dir():
            raise click.UsageError(f"{param.opts[-1]}: {path.parent} is not a directory", ctx)
        return tried(check_file, path, param.opts[-1])


class OutputDirectory(click.Path):
    """A directory that a command writes to, or makes; tried before the work starts."""

    def __init__(self) -> None:
        super().__init__(file_okay=False, path_type=Path)

    def convert(self, value: Any, param: Any, ctx: click.Context | None) -> Any:
        path = Path(str(super().convert(value, param, ctx)))
        return tried(check_directory, path, param.opts[-1])


def tried(check: Callable[[Path], None], path: Path, option: str) -> Path:
    """Returns `path`, which `check` found can be written.

    Raises:
        UsageError: it cannot be; the message names the `option`.
    """
    try:
        check(path)
    except OSError as error:
        raise UsageError(f"{option}: {path} cannot be written: {error.strerror}") from error
    return path


def density(text: str) -> float | str:
    """Returns a density, see `parse_density`."""
    try:
        return parse_density(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def seed(text: str) -> bytes:
    """Returns the bytes of a seed in hexadecimal digits."""
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if not value:
        raise click.BadParameter(
            f"{text!r} is not a seed; expected hexadecimal digits, two per byte"
        )
    return value


def formats(*names: str) -> Decorator:
    """Returns the option for one of the named output formats; the first is the default."""
    return click.option(
        "--format",
        "output_format",
        type=click.Choice(names),
        default=names[0],
        help="How to print.",
    )


def limits(*, seconds: float = 300.0, mib: int = 4096) -> Decorator:
    """Returns the options for the time and memory of one run, `time_seconds` and `memory_mib`."""
    time = click.option(
        "--time-limit",
        "time_seconds",
        type=FiniteRange(min=0, min_open=True, max=1e7),
        default=seconds,
        metavar="SECONDS",
        help="Wall time of one run of one pruner.",
    )
    memory = click.option(
        "--memory-limit",
        "memory_mib",
        type=click.IntRange(min=1, max=2**24),
        default=mib,
        metavar="MIB",
        help="Memory of one run beyond Python and torch.",
    )
    return lambda command: time(memory(command))


def densities(whose: str) -> Decorator:
    """Returns the option for densities to use instead of `whose`."""
    return click.option(
        "--density",
        "densities",
        type=density,
        multiple=True,
        help=f"A density in (0, 1], or a multiple of the planted one such as 3x, instead of the "
        f"{whose}'s. Repeatable.",
    )


def _isolation(requests: Sequence[str]) -> Decorator:
    return click.option(
        "--isolation",
        type=click.Choice(requests),
        default=AUTO,
        help="How far pruners are locked away; see: plantkit doctor.",
    )


isolation = _isolation(REQUESTS)
#: For what is observed from outside, which takes a process of its own.
process_isolation = _isolation([one for one in REQUESTS if one != Level.NONE])

challenges = click.option(
    "--challenges",
    "challenge_directories",
    type=click.Path(path_type=Path),
    multiple=True,
    envvar="PLANTKIT_CHALLENGES",
    help="A directory that holds bundles, searched before the usual places. Repeatable.",
)

key = click.option(
    "--key",
    "key_file",
    type=click.Path(path_type=Path),
    help="File with the key of sealed challenges.  [default: the variable PLANTKIT_KEY]",
)

jobs = click.option(
    "--jobs", type=click.IntRange(min=1), help="Parallel runs.  [default: all cores]"
)

show_errors = click.option(
    "--show-errors",
    is_flag=True,
    help="Print the traceback of what failed, in the submission's own lines.",
)


def progress(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options for how much progress is shown, which a command gets as `verbosity`."""

    @click.option(
        "-q", "--quiet", is_flag=True, help="No progress: results, warnings and errors only."
    )
    @click.option("-v", "--verbose", is_flag=True, help="A line for every step, instead of bars.")
    @functools.wraps(command)
    def with_verbosity(*args: Any, quiet: bool, verbose: bool, **values: Any) -> Any:
        if quiet and verbose:
            raise UsageError("--quiet and --verbose exclude each other; give one of them")
        verbosity = Verbosity.QUIET if quiet else Verbosity.VERBOSE if verbose else Verbosity.NORMAL
        return command(*args, verbosity=verbosity, **values)

    return with_verbosity


#: How an evaluation is printed; a plugin can add formats.
evaluation_format = click.option(
    "--format",
    "output_format",
    default="table",
    metavar="NAME",
    help=f"One of {', '.join(FORMATS)}, or a plugin's.",
)

details = click.option(
    "--details",
    is_flag=True,
    help="Before the standings, print a table per kind of challenge, every failure, and what the "
    "columns mean. Other formats than table have it all.",
)

output = click.option("-o", "--output", type=OutputFile(), help="Write the results to this file.")


def _parse_dials(_ctx: click.Context, _param: click.Parameter, texts: Sequence[str]) -> Any:
    dials: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals and value) or name in dials:
            raise UsageError(f"dial is {text!r}; expected NAME=VALUE, each name once")
        dials[name] = value
    return dials


dials = click.option(
    "--dial",
    "dials",
    metavar="NAME=VALUE",
    multiple=True,
    callback=_parse_dials,
    help="Sets a dial of the family, such as in_degree=6. Repeatable.",
)


def mother(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds what says which network a family is planted in, and where its images are."""
    for option in reversed(
        (
            click.option(
                "--depth",
                type=click.IntRange(min=2),
                help="Layers of neurons.  [default: 5; not for images]",
            ),
            click.option(
                "--width",
                type=click.IntRange(min=1, max=100_000),
                help="Units per hidden layer.  [default: 100; not for images]",
            ),
            click.option(
                "--network",
                metavar="NAME",
                help="Of an image family, such as resnet20.  [default: its first]",
            ),
            image_files,
        )
    ):
        command = option(command)
    return command


image_files = click.option(
    "--data",
    type=DIRECTORY,
    help="Directory of the files of MNIST, Fashion-MNIST or CIFAR-10; nothing is downloaded.  "
    "[default: what PLANTKIT_DATA names]",
)

device = click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    default="cpu",
    help="What trains the networks.",
)


def executor(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds what says where work is done."""
    for option in reversed(
        (
            click.option(
                "--executor",
                type=click.Choice(["local", "dask"]),
                default="local",
                help="Work on this machine, or on a Dask cluster.",
            ),
            click.option(
                "--scheduler",
                metavar="ADDRESS",
                help="Scheduler of the Dask cluster, tcp://HOST:PORT.",
            ),
        )
    ):
        command = option(command)
    return command
