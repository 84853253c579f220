"""Every `plantkit` command line in the documentation can be parsed; the cheap ones run."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from markdown_it import MarkdownIt

from plantkit.cli import cli

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    ROOT / "README.md",
    # What extending.md adds to the kit is unknown here; its own test runs its commands.
    *sorted(page for page in (ROOT / "docs").glob("*.md") if page.name != "extending.md"),
    *sorted((ROOT / "plantkit/templates").rglob("*.md.in")),
]
SHELLS = {"sh", "bash", "console"}
_BETWEEN = {"&&", "||", ";", "|"}
#: Commands that neither train nor plant.
CHEAP = {"list", "show", "schema", "doctor", "new", "keygen"}


def shell_lines(page: Path) -> list[str]:
    """Returns the shell command lines of a page's code blocks, without prompts and output."""
    lines = []
    for token in MarkdownIt().parse(page.read_text()):
        language = token.info.strip()
        if token.type != "fence" or language not in SHELLS:
            continue
        text = token.content.replace("\\\n", " ")
        if language == "console":
            lines += [line[2:] for line in text.splitlines() if line.startswith("$ ")]
        else:
            lines += text.splitlines()
    return lines


def inline_lines(page: Path) -> list[str]:
    """Returns what stands in a page's `code` and begins like a command line."""
    return [
        " ".join(child.content.split())
        for token in MarkdownIt().parse(page.read_text())
        for child in token.children or ()
        if child.type == "code_inline" and re.match(r"plantkit [a-z-]", child.content)
    ]


def commands(line: str) -> Iterator[list[str]]:
    """Yields the arguments of every `plantkit` in a shell line, without redirections."""
    words = shlex.split(line, comments=True)
    while words:
        end = next((at for at, word in enumerate(words) if word in _BETWEEN), len(words))
        command, words = words[:end], words[end + 1 :]
        while command and re.match(r"[A-Z_]+=", command[0]):
            command = command[1:]
        if command[:1] == ["plantkit"]:
            yield command[1:]


def parse(arguments: list[str]) -> None:
    """Parses a command line, subcommands and choices included, and runs nothing.

    Raises:
        click.UsageError: it cannot be used.
    """
    context = cli.make_context("plantkit", list(arguments))
    while isinstance(context.command, click.Group):
        rest = [*context._protected_args, *context.args]
        if not rest:
            return  # a group by itself shows its help
        name, command, rest = context.command.resolve_command(context, rest)
        assert command is not None
        context = command.make_context(name, rest, parent=context)


def written(lines: Callable[[Path], list[str]]) -> list[Any]:
    return [
        pytest.param(arguments, id=f"{page.relative_to(ROOT)}: {shlex.join(arguments)[:60]}")
        for page in PAGES
        for line in lines(page)
        for arguments in commands(line)
    ]


@pytest.mark.parametrize("arguments", written(shell_lines))
def test_a_command_line_can_be_parsed(arguments: list[str]) -> None:
    parse(arguments)


@pytest.mark.parametrize("arguments", written(inline_lines))
def test_a_command_line_within_a_sentence_can_be_parsed_but_may_leave_things_out(
    arguments: list[str],
) -> None:
    try:
        parse([word for word in arguments if word != "..."])
    except (click.MissingParameter, click.exceptions.Exit):  # the latter shows help
        return
    except click.BadOptionUsage as error:  # an option is named without its value
        if "requires an argument" not in error.format_message():
            raise
    except click.BadParameter as error:  # NAME stands for a value
        placeholders = [word for word in arguments if word.isupper()]
        if not any(f"'{word}' is not" in error.format_message() for word in placeholders):
            raise


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("plantkit evaluat x.py", "did you mean 'evaluate'"),
        ("A=1 plantkit evaluate x.py --suit starter", "No such option"),
        ("true && plantkit evaluate x.py --isolation most", "is not one of"),
        ("plantkit evaluate x.py --seeds two # a comment", "is not a valid integer"),
        ("plantkit new pruners x.py", "no kind of template"),
        ("plantkit show", "Missing argument"),
        ("plantkit show a b", "unexpected extra argument"),
    ],
)
def test_a_mistake_would_be_found(line: str, words: str) -> None:
    [arguments] = commands(line)
    with pytest.raises(click.UsageError) as error:
        parse(arguments)
    assert words in error.value.format_message()


def test_the_pages_are_read() -> None:
    lines = {page.name: len(shell_lines(page)) for page in PAGES}
    assert lines["README.md"] > 5
    assert lines["organisers.md"] > 5
    found = [words for page in PAGES for line in shell_lines(page) for words in commands(line)]
    assert {"evaluate", "grade", "new", "keygen", "check"} <= {words[0] for words in found}


def run_pages(
    wanted: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plantkit_cli: Any
) -> int:
    for directory in ("submissions", "examples", "challenges"):
        shutil.copytree(ROOT / directory, tmp_path / directory)
    monkeypatch.chdir(tmp_path)
    found = [
        arguments
        for page in PAGES
        for line in shell_lines(page)
        for arguments in commands(line)
        if arguments[0] in wanted and not any("@{" in word for word in arguments)
    ]
    unique = list(dict.fromkeys(map(tuple, found)))
    for arguments in unique:
        outcome = plantkit_cli(*arguments)
        assert outcome.code == 0, (arguments, outcome)
        assert outcome.out.strip(), arguments
    return len(unique)


def test_the_cheap_command_lines_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plantkit_cli: Callable[..., Any]
) -> None:
    assert run_pages(CHEAP, tmp_path, monkeypatch, plantkit_cli) >= 4


@pytest.mark.slow
def test_the_checks_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plantkit_cli: Callable[..., Any]
) -> None:
    assert run_pages({"check"}, tmp_path, monkeypatch, plantkit_cli) >= 1
