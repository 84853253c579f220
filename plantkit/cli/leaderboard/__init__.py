"""`plantkit leaderboard`: the board of a contest, from its first team to its final scores."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plantkit.cli import SuggestingGroup, options
from plantkit.cli.leaderboard.showing import board_option, build, show, verify
from plantkit.cli.output import warn
from plantkit.errors import UsageError

if TYPE_CHECKING:
    from plantkit.board.board import Board
    from plantkit.board.contest import Contest


class _Commands(SuggestingGroup):
    noun = "command of plantkit leaderboard"


def _time(text: str) -> datetime | None:
    from plantkit.board.contest import parse_time

    try:
        return None if text == "none" else parse_time(text)
    except UsageError as error:
        raise click.BadParameter(str(error)) from None


_reason = click.option("--reason", required=True, help="Why; it stands in the history.")


def _settings(command: Any) -> Any:
    for option in (
        click.option(
            "--closes",
            type=_time,
            metavar="TIME",
            help="No submission is taken after this time, UTC.",
        ),
        click.option(
            "--opens",
            type=_time,
            metavar="TIME",
            help="No submission is taken before this time, UTC.",
        ),
        click.option(
            "--daily-limit",
            type=click.IntRange(min=0),
            help="Submissions of a team on a day in UTC; 0 for no limit.",
        ),
        click.option(
            "--rule",
            type=click.Choice(["best", "last"]),
            help="Which submission of a team counts, by public scores.",
        ),
        click.option("--title", help="Of the contest."),
    ):
        command = option(command)
    return command


@click.group(cls=_Commands)
def command() -> None:
    """Keep the board of a contest, in one SQLite file.

    \b
    Examples:
      plantkit leaderboard init contest --public starter --final contest --daily-limit 5
      plantkit leaderboard team "Lucky Tickets" --author "Ada L." --author "Alan T."
      plantkit leaderboard add runs/lucky-1 --team "Lucky Tickets"
      plantkit leaderboard show
      plantkit leaderboard build site
    """


@command.command()
@click.argument("directory", type=options.OutputDirectory())
@click.option("--public", required=True, metavar="SUITE", help="What all may see the scores of.")
@click.option("--final", metavar="SUITE", help="What is kept for the end.  [default: nothing]")
@_settings
@click.option(
    "--plantkit-from",
    metavar="REQUIREMENT",
    help="What the workflow installs; see plantkit new assignment --help.  "
    "[default: this version from the package index]",
)
@options.limits()
@options.challenges
def init(
    directory: Path,
    public: str,
    final: str | None,
    plantkit_from: str | None,
    challenge_directories: tuple[Path, ...],
    time_seconds: float,
    memory_mib: int,
    **settings: Any,
) -> None:
    """Make DIRECTORY, a repository with a new board and the workflow that publishes it.

    The challenges and the protocol of the suites are copied into the board. Later changes of the
    suites do not change it. Submissions must be evaluated with the same limits.
    """
    from plantkit.board.board import create
    from plantkit.board.contest import Contest, Phase
    from plantkit.board.database import BOARD_FILE
    from plantkit.board.phases import phase_of_suite
    from plantkit.cli.new.scaffolding import new_leaderboard
    from plantkit.isolation.leftovers import scratch_directory
    from plantkit.plugins import find_challenges

    found = find_challenges(challenge_directories)
    phases = {
        phase: phase_of_suite(found, suite, time_seconds=time_seconds, memory_mib=memory_mib)
        for phase, suite in ((Phase.PUBLIC, public), (Phase.FINAL, final))
        if suite is not None
    }
    title = settings["title"] or found.suite(public).title
    contest = _changed(Contest(title=title), settings | {"title": title})
    with scratch_directory() as scratch:
        create(scratch / BOARD_FILE, contest, phases)
        files = new_leaderboard(
            directory,
            title=title,
            board=(scratch / BOARD_FILE).read_bytes(),
            plantkit_from=plantkit_from,
        )
    for path in files:
        click.echo(path)
    for phase, evaluation in phases.items():
        leaking = [one.id for one in evaluation.challenges if not one.hidden]
        if leaking:
            warn(
                f"not for prizes: in these challenges of the {phase} phase the ticket can be read "
                f"off the weights, or no audit says that it cannot: {', '.join(leaking)}"
            )
    click.echo("Next:", err=True)
    click.echo(f"  cd {directory}", err=True)
    click.echo("  plantkit leaderboard team NAME --author NAME", err=True)


@command.command()
@click.argument("name")
@click.option("--author", "authors", multiple=True, help="Repeatable; replaces all that were.")
@click.option("--rename", "new_name", metavar="NAME", help="A new name for the team.")
@click.option(
    "--reference", "is_reference", is_flag=True, help="Shown for comparison, without a rank."
)
@board_option
def team(
    name: str, authors: tuple[str, ...], new_name: str | None, board: Path, *, is_reference: bool
) -> None:
    """Enter the team NAME, or change it.

    A name that a team had is not given to another one.
    """
    from plantkit.board.content import read_content

    opened = _opened(board)
    known = {one.name.casefold() for one in read_content(board).teams}
    if new_name is not None or name.casefold() in known:
        if is_reference:
            raise UsageError("--reference is for a new team; what one is stays")
        opened.change_team(name, new_name=new_name, authors=authors)
        click.echo(f"{new_name or name}: changed")
    else:
        opened.add_team(name, authors, is_reference=is_reference)
        click.echo(f"{name}: entered")


@command.command()
@_settings
@board_option
def change(board: Path, **settings: Any) -> None:
    """Change the title, the rule, the limit or the times. The history says so.

    --opens none and --closes none take a time away.
    """
    from plantkit.board.content import read_content

    contest = _changed(read_content(board).contest, settings)
    _opened(board).change_contest(
        title=contest.title,
        rule=contest.rule,
        daily_limit=contest.daily_limit,
        opens=contest.opens,
        closes=contest.closes,
    )
    click.echo("changed")


@command.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=options.DIRECTORY)
@click.option("--team", "team_name", required=True, metavar="NAME", help="Who handed it in.")
@click.option("--pruner", metavar="LABEL", help="Which pruner of the run; needed for several.")
@click.option("--submitted", type=_time, metavar="TIME", help="When, in UTC.  [default: now]")
@click.option(
    "--again",
    is_flag=True,
    help="Enter one anew that was retracted, for example since its run failed by our fault.",
)
@board_option
def add(
    runs: tuple[Path, ...],
    team_name: str,
    pruner: str | None,
    submitted: datetime | None,
    board: Path,
    *,
    again: bool,
) -> None:
    """Add RUN..., directories of plantkit evaluate --run-dir.

    A run goes to the phase whose challenges it was run on. The same submission again changes
    nothing.

    \b
    Examples:
      plantkit leaderboard add runs/lucky-1 --team "Lucky Tickets"
      plantkit leaderboard add runs/all --team "Lucky Tickets" --pruner lucky
    """
    from plantkit.evaluation.run_directory import read_run

    opened = _opened(board)
    evaluations = [read_run(run) for run in runs]
    for evaluation in evaluations:
        done = opened.add(
            evaluation, team=team_name, pruner=pruner, submitted=submitted, again=again
        )
        if done.is_new:
            click.echo(f"submission {done.submission} of {done.team}: {done.phase} run added")
        for note in done.notes:
            warn(f"submission {done.submission} of {done.team}: {note}")


@command.command()
@click.argument("number", type=click.IntRange(min=1))
@_reason
@click.option("--undo", is_flag=True, help="Put a retracted submission back.")
@board_option
def retract(number: int, reason: str, board: Path, *, undo: bool) -> None:
    """Take submission NUMBER off the board. It stays in the history."""
    opened = _opened(board)
    if undo:
        opened.restore(number, reason)
    else:
        opened.retract(number, reason)
    click.echo(f"submission {number}: {'restored' if undo else 'retracted'}")


@command.command()
@click.option(
    "--with-gaps", is_flag=True, help="Also where a submission that counts has no final run."
)
@board_option
def finish(board: Path, *, with_gaps: bool) -> None:
    """End the contest: show the final scores from now on. This cannot be undone."""
    _opened(board).finish(with_gaps=with_gaps)
    click.echo("finished; now build the pages again, and publish the unsealed challenges")


def _opened(path: Path) -> Board:
    from plantkit.board.board import Board

    return Board(path, warn=warn)


def _changed(contest: Contest, settings: dict[str, Any]) -> Contest:
    """Returns a contest with the settings that were given on the command line."""
    from dataclasses import replace

    from plantkit.board.contest import Rule

    context = click.get_current_context()
    given = {
        name: value
        for name, value in settings.items()
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    }
    if "rule" in given:
        given["rule"] = Rule(given["rule"])
    if "daily_limit" in given:
        given["daily_limit"] = given["daily_limit"] or None
    return replace(contest, **given)


for one in (build, show, verify):
    command.add_command(one)
