"""What is read of a board: its standings, its pages, and whether it is right."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plantkit.cli import options
from plantkit.cli.output import json_text, table_text, warn, write_output
from plantkit.cli.progress import ProgressBar
from plantkit.errors import NothingEvaluatedError, ResultsError, UsageError

if TYPE_CHECKING:
    from plantkit.board.contest import Submission

#: How wide lines of words are.
_COLUMNS = 80
#: Columns of a place on the terminal; other formats have all.
_SHORT = ("rank", "team", "score", "95% interval", "failures", "entry", "tries", "since (UTC)")


def _file(_ctx: click.Context, _param: click.Parameter, value: Path) -> Path:
    return value / "leaderboard.sqlite" if value.is_dir() else value


board_option = click.option(
    "--board",
    type=click.Path(path_type=Path),
    default=Path("leaderboard.sqlite"),
    envvar="PLANTKIT_BOARD",
    callback=_file,
    help="The board's file, or its directory.",
)


@click.command()
@click.option("--public", is_flag=True, help="The public scores, also when it is finished.")
@click.option("--entries", is_flag=True, help="Every submission and what became of it.")
@click.option("--history", is_flag=True, help="Every change, in order.")
@options.formats("table", "markdown", "csv", "json")
@board_option
def show(board: Path, output_format: str, *, public: bool, entries: bool, history: bool) -> None:
    """Show the standings: public ones, or the final ones once the contest is finished."""
    from plantkit.board import tables
    from plantkit.board.content import read_content

    if entries and history:
        raise UsageError("--entries and --history exclude each other; give one of them")
    content = read_content(board)
    phase, tracks = tables.shown_places(content, public=public)
    notes: list[str] = []
    if history:
        found = [("History", tables.event_rows(content))]
    elif entries:
        found = [("Submissions", tables.submission_rows(content, tracks))]
    else:
        found = [
            (
                f"{content.contest.title}: {phase} standings{tables.TRACKS[track.start]}",
                tables.track_rows(track),
            )
            for track in tracks
        ]
        notes = tables.rules(content, phase, tracks)
    if output_format == "json":
        standings = {
            "title": content.contest.title,
            "phase": phase.value,
            "tracks": [tables.track_json(track) for track in tracks],
        }
        write_output(json_text(found[0][1] if history or entries else standings))
    elif output_format == "csv":
        write_output("\n".join(_table(rows, "csv") for _, rows in found if rows))
    else:
        parts = [f"{title}\n\n{_table(rows, output_format)}" for title, rows in found if rows]
        parts = parts or ["No submissions yet."]
        parts += ["\n".join(textwrap.fill(note, _COLUMNS) for note in notes)] * bool(notes)
        write_output("\n\n".join(parts))
    for line in tables.same_files(content):
        warn(line)


def _table(rows: Sequence[dict[str, str]], output_format: str) -> str:
    names = list(rows[0])
    if output_format == "table" and "rank" in names:
        names = [name for name in _SHORT if any(row[name] for row in rows)]
    cells = [[row[name] for name in names] for row in rows]
    return table_text(names, cells, output_format)


@click.command()
@click.argument("directory", type=options.OutputDirectory())
@click.option(
    "--all-reports",
    is_flag=True,
    help="A report of every submission, not only of those that count; each takes 1 MB.",
)
@board_option
def build(directory: Path, board: Path, *, all_reports: bool) -> None:
    """Write the board as pages into DIRECTORY, ready for any web server.

    Nothing of the final scores is in them before the contest is finished.
    """
    from plantkit.board.content import read_content
    from plantkit.board.site import build_site

    files = build_site(board, read_content(board), directory, all_reports=all_reports)
    click.echo(f"{directory / 'index.html'}: {len(files)} files")


@click.command()
@click.argument("numbers", metavar="[NUMBER]...", nargs=-1, type=click.IntRange(min=1))
@click.option("--public", is_flag=True, help="The public scores, also when it is finished.")
@click.option(
    "--tolerance",
    type=options.FiniteRange(min=0),
    default=0.01,
    help="How far figures of trained networks may lie apart.",
)
@options.jobs
@options.key
@options.challenges
@board_option
@click.pass_context
def verify(
    ctx: click.Context,
    numbers: tuple[int, ...],
    tolerance: float,
    jobs: int | None,
    key_file: Path | None,
    challenge_directories: tuple[Path, ...],
    board: Path,
    *,
    public: bool,
) -> None:
    """Score submissions again from the masks on the board and the published tickets.

    NUMBER are submissions; those that count if none is given. The tickets come from unsealed
    bundles in --challenges, or from sealed ones with --key. Exit code 1 if anything differs.

    \b
    Examples:
      plantkit leaderboard verify --challenges published
      plantkit leaderboard verify 3 7 --challenges published
    """
    from plantkit.board import tables
    from plantkit.board.content import read_content
    from plantkit.board.database import broken_parts
    from plantkit.board.verifying import problems_of_phase, protocol_words, published
    from plantkit.board.verifying import verify as verify_entries
    from plantkit.challenges.sealing import find_secret_key
    from plantkit.machine import available_cores
    from plantkit.plugins import find_challenges

    if broken := broken_parts(board):
        raise ResultsError(
            f"{board} is corrupted: {'; '.join(broken[:3])}; take its last good copy"
        )
    content = read_content(board)
    phase, tracks = tables.shown_places(content, public=public)
    counting = [place.submission for track in tracks for place in track.places]
    chosen = _chosen(content.submissions, numbers) if numbers else counting
    chosen = [one for one in chosen if phase in one.runs]
    if not chosen:
        raise NothingEvaluatedError(f"no submission has a run of the {phase} phase")
    catalog = find_challenges(challenge_directories)
    challenges = published(content, phase, catalog, find_secret_key(key_file))
    wrong = problems_of_phase(board, content, phase, catalog)
    with ProgressBar() as progress:
        found = verify_entries(
            board,
            content,
            chosen,
            phase,
            challenges,
            tolerance=tolerance,
            jobs=jobs or available_cores(),
            progress=progress.show,
        )
    rows = [
        (
            str(one.submission.id),
            one.submission.team.name,
            f"{one.score:.2f}",
            f"{one.again:.2f}",
            str(one.runs),
            str(one.failed),
            f"{one.largest:.1g}" if one.largest else "0",
            "differs" if one.problems else "same" if one.runs else "no masks",
        )
        for one in found
    ]
    headers = ("entry", "team", "score", "again", "runs", "failed", "largest", "")
    write_output(
        f"{phase} scores, computed again\n\n{table_text(headers, rows)}\n\n"
        "runs: those with a mask. failed: those without, which score nothing.\n"
        "largest: largest difference of a figure of a trained network.\n"
        f"{textwrap.fill(protocol_words(content, phase), _COLUMNS)}\n"
    )
    for line in wrong:
        click.echo(f"the {phase} phase: {line}", err=True)
    for one in found:
        for line in one.problems:
            click.echo(f"submission {one.submission.id}: {line}", err=True)
    if wrong or any(one.problems for one in found):
        ctx.exit(1)


def _chosen(submissions: Any, numbers: tuple[int, ...]) -> list[Submission]:
    by_number = {one.id: one for one in submissions}
    for number in numbers:
        if number not in by_number:
            raise UsageError(f"no submission has the number {number}; there are {len(by_number)}")
    return [by_number[number] for number in dict.fromkeys(numbers)]
