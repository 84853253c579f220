"""`plantkit new`: a pruner, a plugin of some kind or an assignment to start from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from plantkit.cli import SuggestingGroup, options


class _Kinds(SuggestingGroup):
    noun = "kind of template"


@click.group(cls=_Kinds)
def command() -> None:
    """Make a pruner, a plugin or an assignment to start from. Nothing is ever overwritten.

    A plugin is a package that brings a pruner (plugin), a family of challenges (family) or an
    attacker of planted tickets (attacker).

    \b
    Examples:
      plantkit new pruner submissions/my_pruner.py
      plantkit new plugin plantkit-gradient
      plantkit new family plantkit-spiral
      plantkit new attacker plantkit-reader
      plantkit new assignment pruning-2027 --title "Find the ticket"
    """


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
def pruner(file: Path) -> None:
    """Make FILE, a pruner that works, to be changed into your own."""
    from plantkit.cli.new.scaffolding import new_pruner

    _tell(new_pruner(file), [f"plantkit check {file}", f"plantkit evaluate {file}"])


def _package(kind: str, check: str, after: Sequence[str] = ()) -> click.Command:
    """Returns the command that makes a package with a pruner, a family or an attacker.

    check: the option of `plantkit check` that it takes. after: more commands to go on with.
    """

    @command.command(
        name="plugin" if kind == "pruner" else kind,
        help=f"""Make the directory NAME, a package that pip installs, with a {kind} and its tests.

        The {kind} is called like the package, without the prefix plantkit-.
        """.replace(" a a", " an a"),
    )
    @click.argument("name")
    @click.option(
        "--directory",
        type=options.OutputDirectory(),
        default=Path(),
        help="Where the package's directory goes.",
    )
    def make(name: str, directory: Path) -> None:
        from plantkit.cli.new.scaffolding import new_package

        files = new_package("plugin" if kind == "pruner" else kind, name, directory)
        item = name.removeprefix("plantkit-")
        commands = [
            f"cd {directory / name}",
            'python -m pip install -e ".[dev]"',
            f"plantkit check {check}{item}",
            "pytest",
        ]
        _tell(files, [*commands, *(line.format(item=item) for line in after)])

    return make


plugin = _package("pruner", "")
family = _package("family", "--family ", ["plantkit plant {item} --depth 4 --width 60"])
attacker = _package("attacker", "--attacker ")


@command.command()
@click.argument("directory", type=options.OutputDirectory())
@click.option("--title", help="Title of the assignment.  [default: made of the directory's name]")
@click.option(
    "--plantkit-from",
    metavar="REQUIREMENT",
    help="What students and graders install: a requirement, a URL that pip takes, or the path of "
    "a wheel or of plantkit's source; a wheel is put into the repository.  "
    "[default: this version from the package index]",
)
def assignment(directory: Path, title: str | None, plantkit_from: str | None) -> None:
    """Make DIRECTORY, a repository for students, with the staff's files in staff/.

    \b
    Examples:
      plantkit new assignment pruning-2027 --title "Find the ticket"
      plantkit new assignment pruning-2027 --plantkit-from ./plantkit
    """
    from plantkit.cli.new.scaffolding import new_assignment

    files = new_assignment(directory, title=title, plantkit_from=plantkit_from)
    _tell(
        files,
        [
            f"cd {directory}",
            "plantkit grade submissions/my_pruner.py --rubric rubric.toml",
            "python staff/gradescope/make_zip.py",
        ],
    )
    click.echo("Read staff/README.md before you give the repository to students.", err=True)


def _tell(files: list[Path], commands: list[str]) -> None:
    for path in files:
        click.echo(path)
    click.echo("Next:", err=True)
    for line in commands:
        click.echo(f"  {line}", err=True)
