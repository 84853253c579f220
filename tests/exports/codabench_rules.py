"""What Codabench checks when a bundle is uploaded, restated.

Its sources: `unpackers/v2.py` and `base_unpacker.py` of competitions, the serializers of
competitions, tasks and leaderboards, and the columns of its database, as of 2026.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

DATA = ("ingestion_program", "input_data", "scoring_program", "reference_data")
#: Most characters in Codabench's database.
MOST_TITLE, MOST_IMAGE, MOST_LEADERBOARD, MOST_COLUMN = 256, 128, 64, 36
RULES = {
    "Add", "Add_And_Delete", "Add_And_Delete_Multiple", "Force_Last", "Force_Latest_Multiple",
    "Force_Best",
}  # fmt: skip


def faults(bundle: Path) -> list[str]:
    """Returns why Codabench would refuse an unpacked bundle; nothing if it takes it."""
    file = bundle / "competition.yaml"
    if not file.is_file():
        return ["competition.yaml is missing from the root"]
    value = yaml.safe_load(file.read_text(encoding="utf-8"))
    if str(value.get("version", "1")) != "2":
        return ["the version is not 2"]
    parts: list[Callable[[Path, dict[str, Any]], Iterator[str]]] = [
        _texts,
        _pages,
        _tasks,
        _solutions,
        _phases,
        _leaderboards,
    ]
    return [fault for part in parts for fault in part(bundle, value)]


def _texts(bundle: Path, value: dict[str, Any]) -> Iterator[str]:
    if not value.get("title") or len(value["title"]) > MOST_TITLE:
        yield "the title is missing or too long"
    if len(value.get("docker_image", "")) > MOST_IMAGE:
        yield "the name of the image is too long"
    if "image" not in value or not (bundle / value["image"]).is_file():
        yield "the image cannot be found"
    terms = bundle / value.get("terms", "none")
    if not terms.is_file() or not terms.read_text(encoding="utf-8"):
        yield "the terms are missing or empty"


def _pages(bundle: Path, value: dict[str, Any]) -> Iterator[str]:
    for page in value["pages"]:
        path = bundle / page["file"]
        if not path.is_file() or not path.read_text(encoding="utf-8"):
            yield f"page {page['file']} is missing or empty"


def _tasks(bundle: Path, value: dict[str, Any]) -> Iterator[str]:
    indexes = [task.get("index") for task in value.get("tasks", [])]
    if not indexes or None in indexes or len(set(indexes)) != len(indexes):
        yield "tasks are missing, or their indexes are missing or not unique"
    for task in value.get("tasks", []):
        if not task.get("name") or len(task["name"]) > MOST_TITLE:
            yield "a task's name is missing or too long"
        if "scoring_program" not in task:
            yield "a task has no scoring program"
        yield from (
            f"{task[kind]} cannot be found"
            for kind in DATA
            if kind in task and not (bundle / task[kind]).exists()
        )


def _solutions(bundle: Path, value: dict[str, Any]) -> Iterator[str]:
    known = {task.get("index") for task in value.get("tasks", [])}
    for solution in value.get("solutions") or []:
        if not {"index", "tasks", "path"} <= set(solution):
            yield "a solution has no index, tasks or path"
        elif not set(solution["tasks"]) <= known or not (bundle / solution["path"]).exists():
            yield "a solution's task or path cannot be found"


def _phases(bundle: Path, value: dict[str, Any]) -> Iterator[str]:
    known = {task.get("index") for task in value.get("tasks", [])}
    phases = sorted(value.get("phases", []), key=lambda phase: phase.get("index", 0))
    if not phases:
        yield "there are no phases"
    for number, phase in enumerate(phases):
        if not phase.get("tasks") or not set(phase["tasks"]) <= known:
            yield "a phase has no tasks, or one that does not exist"
        if not phase.get("name") or len(phase["name"]) > MOST_TITLE:
            yield "a phase's name is missing or too long"
        for kind in ("public_data", "starting_kit"):
            if kind in phase and not (bundle / phase[kind]).exists():
                yield f"{phase[kind]} cannot be found"
        # A date of YAML becomes midnight there, whatever its time; so it must be text.
        if not isinstance(phase.get("start"), str):
            yield "a phase's start is not text"
        else:
            datetime.fromisoformat(phase["start"])
        if number + 1 < len(phases) and not phase.get("end"):
            yield "a phase before another has no end"


def _leaderboards(_: Path, value: dict[str, Any]) -> Iterator[str]:
    if not value.get("leaderboards"):
        yield "there is no leaderboard"
    for board in value.get("leaderboards", []):
        if len(board["title"]) > MOST_LEADERBOARD or len(board["key"]) > MOST_COLUMN:
            yield "a leaderboard's title or key is too long"
        if board.get("submission_rule", "Add") not in RULES:
            yield "a leaderboard's rule is unknown"
        columns = board["columns"]
        for field in ("index", "key"):
            if len({column[field] for column in columns}) != len(columns) or not columns:
                yield f"columns have no unique {field}"
        for column in columns:
            if not 0 < len(column["title"]) <= MOST_COLUMN or len(column["key"]) > MOST_COLUMN:
                yield f"a column's title or key is too long: {column['key']}"
            if column.get("sorting", "desc") not in {"desc", "asc"}:
                yield "a column's sorting is unknown"
            if not isinstance(column["index"], int) or column["index"] < 0:
                yield "a column's index is not a number from 0"
