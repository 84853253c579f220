"""What commands printed, and figures in it."""

from __future__ import annotations

import re

from sources import RESULTS, FigureError, read, source, table

OUTPUTS = RESULTS / "outputs.json"


def lines(command: str) -> list[str]:
    try:
        return list(read(OUTPUTS)[command])
    except KeyError:
        raise FigureError(f"no output of {command!r} is stored in {OUTPUTS.name}") from None


@source
def output(*words: str) -> str:
    """Returns a command and what it printed."""
    return "\n".join(["```console", f"$ {' '.join(words)}", *lines(" ".join(words)), "```"])


EVALUATE = "plantkit evaluate submissions/my_pruner.py gates:effort=1 edge-popup"
EVALUATE_SYNFLOW = "plantkit evaluate synflow --baselines none --format markdown"


@source
def example() -> str:
    """Returns the example and what it prints."""
    return output(*EVALUATE.split())


@source
def standings() -> str:
    """Returns the command of the example, and its standings alone."""
    printed = lines(EVALUATE)
    first = next(place for place, line in enumerate(printed) if line.startswith("Standings"))
    last = next(place for place, line in enumerate(printed) if "(the ticket)" in line)
    return "\n".join(["```console", f"$ {EVALUATE}", *printed[first : last + 1], "```"])


@source
def evaluated(challenge: str, pruner: str, density: str, column: str) -> str:
    """Returns a cell of the table of a kind of challenge."""
    printed = lines(EVALUATE_SYNFLOW)
    title = next(n for n, line in enumerate(printed) if line.startswith(f"## {challenge}"))
    names, _, *rows = (
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in printed[title + 1 :]
        if line.startswith("|")
    )
    found = next(row for row in rows if row[:2] == [pruner, density])
    return found[names.index(column)]


@source
def planted_score() -> str:
    """Returns what the ticket itself scores in the example."""
    [found] = re.findall(r"\(the ticket\) +([\d.]+)", "\n".join(lines(EVALUATE)))
    return found


@source
def existence() -> str:
    """Returns a table of what `plantkit exists` says."""
    rows = []
    for family, depth in (("relu", 3), ("relu", 5), ("relu", 10), ("circle", 5), ("helix", 5)):
        text = "\n".join(lines(f"plantkit exists {family} --depth {depth} --epsilon 0.1"))
        [chance] = re.findall(r"exists: at least (.*)\.\n", text)
        [width] = re.findall(r"probability 0.9: (.*)\.\n", text)
        rows.append((f"{family}, depth {depth}", chance, width))
    return table(
        "target, outputs within 0.1 | probability at width 100, at least"
        " | width for 0.9 in the hidden layers",
        rows,
    )


@source
def likeness(file: str, *keys: str) -> str:
    """Returns a figure of `copies.json` or `memories.json`; of shares, per cent.

    An underscore in a key stands for a space.
    """
    value = read(RESULTS / f"{file}.json")
    for key in keys:
        value = {name.replace(" ", "_"): inner for name, inner in value.items()}[key]
    if isinstance(value, list):
        return str(len(value))
    if isinstance(value, float) and value < 1:
        return f"{100 * value:.3g}%"
    return f"{value:,}"


@source
def rubric() -> str:
    """Returns a table of what pruners earn by the example rubric."""
    rows = []
    pruners = ("random", "submissions/my_pruner.py", "magnitude", "snip", "grasp", "synflow")
    for name in pruners:
        command = f"plantkit grade {name} --rubric examples/rubric.toml --hidden run"
        text = "\n".join(lines(command))
        [(points, verdict)] = re.findall(r"([\d.]+) of 100 points: (not passed|passed)", text)
        [hidden] = re.findall(r"Hidden criteria +([\d.]+) of 20", text)
        visible = f"{float(points) - float(hidden):.1f}"
        rows.append((f"`{name}`", visible, f"{float(points):.1f}", verdict))
    return table("pruner | visible criteria, of 80 | all, of 100 | |", rows).replace("| | |", "| |")
