"""Writes the figures of the pages from the files that they come from.

    python docs/figures.py           # rewrites the pages
    python docs/figures.py --check   # exit code 1 if a page differs, and says where
    python docs/figures.py --run     # runs the commands of results/outputs.json again (minutes)

A page marks a figure by two comments, which no reader sees:

    a ticket of <!-- manifest circle-5x100 ticket.kept -->227<!-- / --> parameters

The first comment names one of the functions in `sources/` that are marked `@source`, and its
arguments. Between the comments stands what the function returns. Tables and outputs are marked
alike.

Most figures come from the bundles in `challenges/`. Figures that take minutes to compute are stored
in `results/`: the outputs of commands, and audits of other networks than the bundles'.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import sources
from sources import ROOT, SOURCES, FigureError, outputs, read

MARKED = re.compile(r"<!-- (\w+)((?: [^ <>]+)*) -->(.*?)<!-- / -->", re.DOTALL)
for module in iter_modules(sources.__path__):
    import_module(f"sources.{module.name}")


def pages() -> list[Path]:
    found = (path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts)
    return [ROOT / "README.md", *sorted(found)]


def written(text: str) -> str:
    """Returns a page with the text of every figure as its source says.

    Raises:
        FigureError: there is no such source, or an inline figure begins a line, where the
            comment would make a paragraph of raw HTML.
    """

    def replace(match: re.Match[str]) -> str:
        name, arguments = match[1], match[2].split()
        if name not in SOURCES:
            raise FigureError(f"no figure is called {name!r}")
        new = SOURCES[name](*arguments)
        start = match.string.rfind("\n", 0, match.start()) + 1
        begins = not match.string[start : match.start()].strip(" >*-")
        if "\n" in new:
            new = f"\n\n{new}\n\n"
        elif begins:
            raise FigureError(f"{match[0]!r} begins a line")
        return match[0][: match.start(3) - match.start()] + new + "<!-- / -->"

    return MARKED.sub(replace, text)


def differences(page: Path) -> list[str]:
    """Returns what of a page its sources say otherwise, one line per figure."""
    text = page.read_text(encoding="utf-8")
    old, new = MARKED.finditer(text), MARKED.finditer(written(text))
    return [
        f"{page.relative_to(ROOT)}: <!-- {a[1]}{a[2]} --> has {a[3].strip()!r}, "
        f"not {b[3].strip()!r}"
        for a, b in zip(old, new, strict=True)
        if a[3] != b[3]
    ]


def run() -> None:
    """Runs the stored commands and keeps what they print."""
    kept = {}
    for command in read(outputs.OUTPUTS):
        arguments = shlex.split(command)
        # A submission that does not pass its grading has the exit code 1.
        done = subprocess.run(
            arguments, cwd=ROOT, stdout=subprocess.PIPE, encoding="utf-8", check=False
        )
        kept[command] = done.stdout.rstrip().splitlines()
    outputs.OUTPUTS.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8", newline="\n")
    read.cache_clear()


def main(arguments: list[str]) -> int:
    if "--check" in arguments:
        found = [line for page in pages() for line in differences(page)]
        print("\n".join(found) or "every figure is as its source says")
        return 1 if found else 0
    if "--run" in arguments:
        run()
    for page in pages():
        page.write_text(written(page.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
