"""New files from templates: a pruner, a plugin package, an assignment.

Templates are package data; `@{name}` in them is filled in. Nothing is ever overwritten: either
all files of a kind are made, or none.
"""

from __future__ import annotations

import importlib.metadata
import importlib.resources
import importlib.util
import json
import keyword
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from plantkit.cli.requirements import WHEELS, find_requirement
from plantkit.errors import UsageError
from plantkit.hookspecs import PROJECT
from plantkit.version import __version__

_PREFIX = f"{PROJECT}-"
_MOST_TITLE = 200
#: What a class of the plugin template may not be called.
_RESERVED = ("saliency",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A file to be made. source: below `templates`. target: below the new directory."""

    source: str
    target: str
    is_executable: bool = False


PLUGIN = (
    Template(source="plugin/pyproject.toml.in", target="pyproject.toml"),
    Template(source="plugin/README.md.in", target="README.md"),
    Template(source="plugin/gitignore.in", target=".gitignore"),
    Template(source="plugin/tests.yml.in", target=".github/workflows/tests.yml"),
    Template(source="plugin/package.py.in", target="src/@{package}/__init__.py"),
    Template(source="plugin/test_conformance.py.in", target="tests/test_conformance.py"),
)
ASSIGNMENT = (
    Template(source="assignment/README.md.in", target="README.md"),
    Template(source="assignment/requirements.txt.in", target="requirements.txt"),
    Template(source="assignment/gitignore.in", target=".gitignore"),
    Template(source="assignment/rubric.toml.in", target="rubric.toml"),
    Template(source="assignment/grade.yml.in", target=".github/workflows/grade.yml"),
    Template(source="pruner/pruner.py.in", target="submissions/my_pruner.py"),
)
STAFF = (
    Template(source="assignment/staff_README.md.in", target="staff/README.md"),
    Template(source="assignment/rubric.toml.in", target="staff/rubric.toml"),
    Template(
        source="assignment/setup.sh.in", target="staff/gradescope/setup.sh", is_executable=True
    ),
    Template(
        source="assignment/run_autograder.in",
        target="staff/gradescope/run_autograder",
        is_executable=True,
    ),
    Template(source="assignment/make_zip.py.in", target="staff/gradescope/make_zip.py"),
)


def new_pruner(path: Path) -> list[Path]:
    """Makes a file with a pruner that works, and returns its path in a list.

    Raises:
        UsageError: the file exists, or its name is not one of a Python module.
    """
    if path.suffix != ".py":
        raise UsageError(
            f"{path} does not end in .py{_suggest(str(path.with_name(_module(path.stem) + '.py')))}"
        )
    _check_module(
        path.stem, what=f"file name {path.name!r}", suggestion=_module(path.stem), suffix=".py"
    )
    shown = path.as_posix()
    if not re.fullmatch(r"[\w./ -]+", shown):
        shown = path.name
    template = Template(source="pruner/pruner.py.in", target=path.name)
    return _make([(template, {"name": path.stem, "path": shown})], path.parent)


def new_plugin(name: str, directory: Path) -> list[Path]:
    """Makes an installable package `directory`/`name` and returns its files.

    The pruner is called like the package, without the prefix `plantkit-`.

    Raises:
        UsageError: files exist, or the name cannot be one of a package and its pruner.
    """
    suggestion = _distribution(name) if name != PROJECT else f"{_PREFIX}my-pruner"
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise UsageError(
            f"{name!r} is no name for a package; expected lower-case letters, digits and dashes"
            + _suggest(suggestion)
        )
    package, pruner = name.replace("-", "_"), name.removeprefix(_PREFIX)
    if not pruner[0].isalpha():
        raise UsageError(
            f"{name!r} is no name for a pruner; expected a letter at its start"
            + _suggest(suggestion)
        )
    _check_module(package, what=f"package name {name!r}", suggestion=suggestion)
    if importlib.util.find_spec(package) is not None:
        raise UsageError(
            f"a package named {package!r} is installed already; choose another name"
            + _suggest(f"{_PREFIX}my-{pruner}")
        )
    taken = sorted(point.name for point in importlib.metadata.entry_points(group=PROJECT))
    if pruner in taken or pruner in _RESERVED:
        raise UsageError(
            f"the name {pruner!r} is taken by an installed plugin or by plantkit itself; "
            f"choose another name{_suggest(f'{_PREFIX}my-{pruner}')}"
        )
    camel = "".join(part.capitalize() for part in pruner.split("-"))
    values = {
        "distribution": name,
        "package": package,
        "pruner": pruner,
        "class_name": camel if camel.endswith("Pruner") else f"{camel}Pruner",
        "plantkit_version": __version__,
    }
    return _make([(template, values) for template in PLUGIN], directory / name)


def new_assignment(
    directory: Path, *, title: str | None = None, plantkit_from: str | None = None
) -> list[Path]:
    """Makes a repository for students with a staff directory inside, and returns its files.

    Args:
        title: of the assignment, at most 200 characters; made of the directory's name if None.
        plantkit_from: what its workflow and autograder install, see
            `plantkit.cli.requirements.find_requirement`; None for this version from the index.

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
    shared = {
        "requirement": requirement.line,
        "shell_requirement": requirement.shell,
        "title": title,
        "toml_title": json.dumps(title, ensure_ascii=False)[1:-1],
        "plantkit_version": __version__,
        "name": "my_pruner",
        "path": "submissions/my_pruner.py",
    }
    students = shared | {"hidden_criteria": _read("assignment/hidden_for_students.toml.in")}
    staff = shared | {"hidden_criteria": _read("assignment/hidden_for_staff.toml.in")}
    return _make(
        [(template, students) for template in ASSIGNMENT]
        + [(template, staff) for template in STAFF],
        directory,
        wheel=requirement.wheel,
    )


def _make(
    files: Sequence[tuple[Template, Mapping[str, str]]],
    directory: Path,
    *,
    wheel: tuple[str, bytes] | None = None,
) -> list[Path]:
    made = {
        directory / _fill(template.target, values): (
            (_fill(_read(template.source), values).rstrip("\n") + "\n").encode(),
            template.is_executable,
        )
        for template, values in files
    }
    if wheel is not None:
        name, content = wheel
        for place in (directory, directory / "staff/gradescope"):
            made[place / WHEELS / name] = (content, False)
    existing = [path for path in made if path.exists() or path.is_symlink()]
    if existing:
        more = f", and {len(existing) - 1} more files of the template" if len(existing) > 1 else ""
        raise UsageError(f"{existing[0]} exists already{more}; nothing was written")
    try:
        for path, (content, is_executable) in made.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                file.write(content)
            if is_executable:
                path.chmod(0o755)
    except OSError as error:
        raise UsageError(f"{error.filename} cannot be written: {error.strerror}") from error
    return list(made)


def _fill(text: str, values: Mapping[str, str]) -> str:
    """Returns `text` with `@{name}` replaced; `$` and `{` are common in the templates."""
    return re.sub(r"@\{([a-z_]+)\}", lambda found: values[found[1]], text)


def _read(source: str) -> str:
    return importlib.resources.files(PROJECT).joinpath("templates", source).read_text("utf-8")


def _check_module(name: str, *, what: str, suggestion: str, suffix: str = "") -> None:
    """Raises UsageError unless `name` can be the name of a new module."""
    other = suggestion if suggestion != name else f"{name}_pruner"
    if keyword.iskeyword(name):
        raise UsageError(f"{what} is a keyword of Python{_suggest(other + suffix)}")
    if not (name.isidentifier() and name.isascii()):
        raise UsageError(
            f"{what} is no name of a Python module; expected letters, digits and underscores, a "
            f"letter first{_suggest(other + suffix)}"
        )
    if name in sys.stdlib_module_names or name in {"torch", "numpy", PROJECT}:
        raise UsageError(f"{what} would hide the module {name!r}{_suggest(other + suffix)}")


def _suggest(name: str) -> str:
    return f"; did you mean {name!r}?"


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
