"""New files from templates: a pruner, a plugin package, an assignment.

Templates are package data: `templates/KIND` is laid out as what is made of it, each file with the
suffix `.in`. `@{name}` in paths and texts is filled in. Nothing is ever overwritten: either all
files of a kind are made, or none.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import keyword
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from plantkit.board.database import BOARD_FILE
from plantkit.cli.new.requirements import WHEELS, find_requirement
from plantkit.errors import UsageError
from plantkit.files import about
from plantkit.hookspecs import PROJECT
from plantkit.version import __version__

_PREFIX = f"{PROJECT}-"
_MOST_TITLE = 200
#: What a class of the plugin template may not be called.
_RESERVED = ("saliency",)
#: What Windows takes for a device, whatever suffix follows.
_DEVICE = re.compile(r"con|prn|aux|nul|com\d|lpt\d", re.IGNORECASE)
_TEMPLATES = Path(__file__).resolve().parents[2] / "templates"


def new_pruner(path: Path) -> list[Path]:
    """Makes a file with a pruner that works, and returns its path in a list.

    Raises:
        UsageError: the file exists, or its name is not one of a Python module.
    """
    if path.suffix != ".py":
        near = path.with_name(f"{_module(path.stem)}.py")
        raise _UnusableError(f"{path} does not end in .py", str(near))
    _check_module(
        path.stem, what=f"file name {path.name!r}", suggestion=_module(path.stem), suffix=".py"
    )
    shown = path.as_posix()
    if not re.fullmatch(r"[\w./ -]+", shown):
        shown = path.name
    return _make(_filled("pruner", path.parent, {"name": path.stem, "path": shown}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A kind of plugin package. template: its directory. kind: what it brings, in a word.

    requirement: of plantkit, that it needs.
    """

    template: str
    kind: str
    requirement: str = PROJECT


#: By the command that makes them: `plantkit new NAME`.
PACKAGES = {
    one.template: one
    for one in (
        Package(template="plugin", kind="pruner"),
        Package(template="family", kind="family"),
        Package(template="attacker", kind="attacker", requirement=f"{PROJECT}[audit]"),
    )
}


def new_package(template: str, name: str, directory: Path) -> list[Path]:
    """Makes an installable package `directory`/`name` and returns its files.

    What it brings is called like the package, without the prefix `plantkit-`.

    Args:
        template: one of `PACKAGES`.

    Raises:
        UsageError: files exist, or the name cannot be one of a package and what it brings.
    """
    wanted = PACKAGES[template]
    suggestion = _distribution(name) if name != PROJECT else f"{_PREFIX}my-pruner"
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise _UnusableError(
            f"{name!r} cannot be a package's name; expected lower-case letters, digits and dashes",
            suggestion,
        )
    package, item = name.replace("-", "_"), name.removeprefix(_PREFIX)
    kind = wanted.kind
    if not item[0].isalpha():
        raise _UnusableError(
            f"{name!r} cannot be {_a(kind)}'s name; expected a letter at its start", suggestion
        )
    _check_module(package, what=f"package name {name!r}", suggestion=suggestion)
    problem = None
    if importlib.util.find_spec(package) is not None:
        problem = f"a package named {package!r} is installed already"
    elif item in _taken(kind):
        problem = f"the name {item!r} is taken by an installed plugin or by plantkit itself"
    elif kind != "pruner" and len(item) > _most_name():
        problem = f"the name {item!r} is longer than {_most_name()} characters"
    if problem:
        suggestion = f"{_PREFIX}my-{item}" if len(item) < 20 else f"{_PREFIX}my-{kind}"
        raise _UnusableError(f"{problem}; choose another name", suggestion)
    words = [part.capitalize() for part in item.split("-")]
    camel = "".join(words)
    values = {
        "distribution": name,
        "package": package,
        "kind": kind,
        "item": item,
        "title": " ".join(words),
        "class_name": camel if camel.endswith(kind.capitalize()) else camel + kind.capitalize(),
        "requirement": wanted.requirement,
        "plantkit_version": __version__,
    }
    root = directory / name
    return _make({**_filled("package", root, values), **_filled(template, root, values)})


def _taken(kind: str) -> set[str]:
    """Returns the names that a new pruner, family or attacker cannot have."""
    taken = {*_RESERVED, *importlib.metadata.entry_points(group=PROJECT).names}
    if kind == "family":
        from plantkit.planting.families import NAMES

        taken.update(NAMES)
    elif kind == "attacker":
        from plantkit.research.audit.attackers import ATTACKERS, STRONGEST

        taken.update([STRONGEST, *(one.name for one in ATTACKERS)])
    return taken


def _most_name() -> int:
    from plantkit.planting.contract import MOST_NAME

    return MOST_NAME


def _a(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def new_assignment(
    directory: Path, *, title: str | None = None, plantkit_from: str | None = None
) -> list[Path]:
    """Makes a repository for students with a staff directory inside, and returns its files.

    Args:
        title: of the assignment, at most 200 characters; made of the directory's name if None.
        plantkit_from: what its workflow and autograder install, see
            `plantkit.cli.new.requirements.find_requirement`; None for this version from the index.

    Raises:
        UsageError: files exist, or the title or `plantkit_from` cannot be used.
    """
    if title is None:
        words = re.sub(r"[^\w]+|_+", " ", directory.resolve().name).strip()
        title = words[:1].upper() + words[1:] or "Pruning"
    if not title.strip() or not title.isprintable() or len(title) > _MOST_TITLE:
        raise UsageError(
            f"title {title[:50]!r} cannot be used; expected one line of 1 to {_MOST_TITLE} "
            "characters"
        )
    requirement = find_requirement(plantkit_from)
    values = {
        "requirement": requirement.line,
        "shell_requirement": requirement.shell,
        "title": title,
        "toml_title": json.dumps(title, ensure_ascii=False)[1:-1],
        "plantkit_version": __version__,
        "name": "my_pruner",
        "path": "submissions/my_pruner.py",
    }
    files = {
        **_filled("assignment", directory, values),
        **_filled("pruner", directory / "submissions", values),
        **_filled("rubric", directory, values),
        **_filled("rubric", directory / "staff", values | {"staff": ""}),
    }
    if requirement.wheel is not None:
        name, content = requirement.wheel
        for place in (directory, directory / "staff/gradescope"):
            files[place / WHEELS / name] = content
    return _make(files)


def new_leaderboard(
    directory: Path, *, title: str, board: bytes, plantkit_from: str | None = None
) -> list[Path]:
    """Makes a repository for a contest's board, and returns its files.

    Args:
        title: of the contest, one line.
        board: the content of the board's file.
        plantkit_from: what its workflow installs; see `new_assignment`.

    Raises:
        UsageError: files exist, or `plantkit_from` cannot be used.
    """
    requirement = find_requirement(plantkit_from)
    files = _filled("leaderboard", directory, {"title": title, "requirement": requirement.line})
    files[directory / BOARD_FILE] = board
    if requirement.wheel is not None:
        name, content = requirement.wheel
        files[directory / WHEELS / name] = content
    return _make(files)


def _filled(kind: str, directory: Path, values: Mapping[str, str]) -> dict[Path, bytes]:
    """Returns the files that a kind of template makes below `directory`, with their contents."""
    root = _TEMPLATES / kind
    return {
        directory / _fill(path.relative_to(root).as_posix().removesuffix(".in"), values): _fill(
            path.read_text("utf-8"), values
        ).encode()
        for path in sorted(root.rglob("*.in"))
    }


def _fill(text: str, values: Mapping[str, str]) -> str:
    """Returns `text` with `@{name}` replaced; `$` and `{` are common in the templates.

    Lines that begin with `@{staff}` are left out unless `values` has it.
    """
    if "staff" not in values:
        text = re.sub(r"(?m)^@\{staff\}.*\n", "", text)
    return re.sub(r"@\{([a-z_]+)\}", lambda found: values[found[1]], text)


def _make(files: Mapping[Path, bytes]) -> list[Path]:
    """Writes new files; those that begin with `#!` can be run."""
    existing = [path for path in files if path.exists() or path.is_symlink()]
    if existing:
        more = f", and {len(existing) - 1} more files of the template" if len(existing) > 1 else ""
        raise UsageError(f"{existing[0]} exists already{more}; nothing was written")
    made: list[Path] = []
    try:
        for path, content in files.items():
            with about(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("xb") as file:
                    made.append(path)
                    file.write(content)
                if content.startswith(b"#!"):
                    path.chmod(0o755)
    except OSError as error:
        for path in made:
            with suppress(OSError):
                path.unlink()
        raise UsageError(f"{error.filename} cannot be written: {error.strerror}") from error
    return list(files)


class _UnusableError(UsageError):
    """A name cannot be used; the message suggests one that can."""

    def __init__(self, problem: str, suggestion: str) -> None:
        super().__init__(f"{problem}; did you mean {suggestion!r}?")


def _check_module(name: str, *, what: str, suggestion: str, suffix: str = "") -> None:
    """Raises UsageError unless `name` can be the name of a new module."""
    problem = None
    if keyword.iskeyword(name):
        problem = "is a keyword of Python"
    elif not (name.isidentifier() and name.isascii()):
        problem = (
            "cannot be a Python module's name; expected letters, digits and underscores, a letter "
            "first"
        )
    elif _DEVICE.fullmatch(name):
        problem = "is the name of a device on Windows"
    elif name in sys.stdlib_module_names or name in {"torch", "numpy", PROJECT}:
        problem = f"would hide the module {name!r}"
    if problem:
        other = suggestion if suggestion != name else f"{name}_pruner"
        raise _UnusableError(f"{what} {problem}", other + suffix)


def _module(text: str) -> str:
    """Returns the nearest name of a module: `3D Pruner` becomes `pruner_3d`."""
    stem = text.removesuffix(".py")
    words = re.findall(r"[a-z0-9]+", stem.lower())
    while words and words[0][0].isdigit():
        words = [*words[1:], words[0]] if len(words) > 1 else ["pruner", words[0]]
    name = "_".join(words) or "my_pruner"
    return f"{name}_pruner" if keyword.iskeyword(name) else name


def _distribution(text: str) -> str:
    return _PREFIX + _module(text.removeprefix(_PREFIX)).replace("_", "-")
