"""Reads a `rubric.toml`: what a submission is graded on. Errors name the line at fault."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema

from plantkit.challenges.densities import EXPECTED
from plantkit.errors import RubricError, did_you_mean
from plantkit.grading.credit import Credit
from plantkit.grading.measures import MEASURES, Measure
from plantkit.grading.toml_lines import KeyPath, key_lines, line_of
from plantkit.schemas import load_schema

#: The keys that a stub of a hidden criterion may have.
_STUB_KEYS = {"name", "description", "points", "hidden"}
#: Keys that only a criterion of kind "metric" takes.
_METRIC_KEYS = ("metric", "track", "density", "seeds", "baseline", "margin", "fresh")
#: Pairs of keys that exclude each other.
_EXCLUSIVE = (
    ("at_least", "at_most"),
    ("at_least", "steps"),
    ("at_most", "steps"),
    ("steps", "zero_at"),
)
_MANIFEST = "challenge.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """One line of a grade, with the keys that the rubric's schema describes.

    position: its number, from 0. challenge: an id or path, or None for all of the run's.
    is_stub: whether it is hidden and this copy of the rubric only has its name and points.
    """

    position: int
    is_stub: bool
    name: str
    points: float
    description: str = ""
    hidden: bool = False
    kind: str = "metric"
    metric: str = ""
    track: str = ""
    challenge: str | None = None
    density: float | str | None = None
    seeds: str = "mean"
    baseline: str | None = None
    fresh: int | None = None
    margin: float = 0.0
    at_least: float | None = None
    at_most: float | None = None
    zero_at: float | None = None
    steps: Sequence[Mapping[str, float]] = ()

    @property
    def word(self) -> str:
        """`at_most` where less is better, else `at_least`."""
        is_most = self.at_most is not None or any("at_most" in step for step in self.steps)
        return "at_most" if is_most else "at_least"

    @property
    def credit(self) -> Credit:
        is_higher_better = self.word == "at_least"
        target = self.at_least if is_higher_better else self.at_most
        if not self.steps and target is None:
            target = 1.0  # of kinds other than metric
        steps = [(step[self.word], float(step["points"])) for step in self.steps]
        return Credit(
            points=self.points,
            target=target,
            zero_at=self.zero_at,
            steps=tuple(sorted(steps, reverse=not is_higher_better)),
            is_higher_better=is_higher_better,
            margin=self.margin,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """What the submission is run on; None stands for the suite's own."""

    suite: str | None = None
    challenges: Sequence[str] = ()
    densities: Sequence[float | str] = ()
    seeds: int | None = None
    time_seconds: float = 300.0
    memory_mib: int = 4096
    fresh_seed_env: str = "PLANTKIT_FRESH_SEED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rubric:
    """A checked rubric. pass_share: needed to pass, in [0, 1] of the points at stake."""

    path: Path
    title: str
    pass_share: float
    decimals: int
    gradescope_hidden: str
    run: RunPlan
    criteria: tuple[Criterion, ...]
    lines: Mapping[KeyPath, int]

    def error(self, message: str, *path: str | int) -> RubricError:
        """Returns the error that names the line of `path`: ("criteria", 2, "metric")."""
        return RubricError(self.path, message, line=line_of(self.lines, path))

    def fault(self, criterion: Criterion, message: str, key: str = "name") -> RubricError:
        """Returns the error of a criterion that names the line of its `key`."""
        text = f"criterion {criterion.name!r}: {message}"
        return self.error(text, "criteria", criterion.position, key)


def read_rubric(path: Path) -> Rubric:
    """Returns the rubric in a TOML file.

    Raises:
        RubricError: the file cannot be read or breaks its schema; `line` is the line at fault.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors begin a file with a mark
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RubricError(path, f"cannot be read: {reason}; expected a rubric in TOML") from error
    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        line = int(found[1]) if found else None
        raise RubricError(path, f"is not valid TOML: {error}", line=line) from error
    lines = key_lines(text)
    _check_schema(path, value, lines)
    run = value.get("run", {})
    names = [_located(path, name) for name in run.get("challenges", ())]
    rubric = Rubric(
        path=path,
        title=value["title"],
        pass_share=float(value["pass"]),
        decimals=value.get("decimals", 2),
        gradescope_hidden=value.get("gradescope_hidden", "hidden"),
        run=RunPlan(**run | {"challenges": names}),
        criteria=tuple(
            _criterion(path, position, entry) for position, entry in enumerate(value["criteria"])
        ),
        lines=lines,
    )
    if "suite" in run and "challenges" in run:
        raise rubric.error("[run] has both suite and challenges; give one", "run", "challenges")
    for criterion, entry in zip(rubric.criteria, value["criteria"], strict=True):
        for message, key in _faults(rubric, criterion, entry):
            raise rubric.fault(criterion, message, key)
        if criterion.metric in MEASURES and not criterion.is_stub:
            check_measure(rubric, criterion, MEASURES[criterion.metric])
    return rubric


def _criterion(path: Path, position: int, entry: Mapping[str, Any]) -> Criterion:
    fields = dict(entry) | {"points": float(entry["points"])}
    if "challenge" in fields:
        fields["challenge"] = _located(path, fields["challenge"])
    is_stub = fields.get("hidden", False) and set(fields) <= _STUB_KEYS
    return Criterion(position=position, is_stub=is_stub, **fields)


def _located(rubric: Path, name: str) -> str:
    """Returns the path of the bundle that lies at `name` from the rubric, else `name`, an id."""
    directory = rubric.parent / name
    return str(directory) if (directory / _MANIFEST).is_file() else name


def _faults(
    rubric: Rubric, criterion: Criterion, entry: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """Yields what is wrong with a criterion, and the key at fault."""
    if any(other.name == criterion.name for other in rubric.criteria[: criterion.position]):
        yield "another criterion has this name already; names must differ", "name"
    if criterion.is_stub:
        return
    for one, other in _EXCLUSIVE:
        if one in entry and other in entry:
            yield f"has both {one} and {other}; give one of them", other
    if criterion.steps:
        if any(criterion.word not in step for step in criterion.steps):
            yield "mixes at_least and at_most in its steps; use one of them", "steps"
        best = max(step["points"] for step in criterion.steps)
        if best != criterion.points:
            expected = f"expected its points, {criterion.points:g}"
            yield f"its best step gives {best:g} points; {expected}", "steps"
    target, zero_at = entry.get(criterion.word), criterion.zero_at
    if zero_at is not None and target is not None:
        side = "below" if criterion.word == "at_least" else "above"
        if not (zero_at < target if side == "below" else zero_at > target):
            expected = f"expected a value {side} {criterion.word} = {target:g}"
            yield f"zero_at is {zero_at:g}; {expected}", "zero_at"
    if criterion.kind == "metric":
        yield from _metric_faults(criterion, entry)
        return
    for key in _METRIC_KEYS:
        if key in entry:
            yield f"{key} has no meaning for kind = {criterion.kind!r}; drop it", key


def _metric_faults(criterion: Criterion, entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if not criterion.metric:
        yield f"has no metric; expected one of {', '.join(MEASURES)}", "name"
    if not any(key in entry for key in ("at_least", "at_most", "steps")):
        yield "has no threshold; expected at_least, at_most or steps", "name"
    if "margin" in entry and criterion.baseline is None:
        yield "margin needs a baseline, from which the difference is taken", "margin"
    if criterion.fresh is not None and criterion.challenge is None:
        yield "fresh needs a challenge, of which fresh instances are planted", "fresh"


def check_measure(rubric: Rubric, criterion: Criterion, measure: Measure) -> None:
    """Raises `RubricError` unless the criterion has the track and density that it needs."""
    key, problem = "metric", ""
    if measure.has_track and not criterion.track:
        problem = "has two tracks; give track = 'strong' or 'weak'"
    elif criterion.track and not measure.has_track:
        key, problem = "track", "has no track; drop it"
    elif measure.needs_density and criterion.density is None:
        problem = f"needs a density: {EXPECTED}"
    elif criterion.density is not None and measure.extract is None:
        key, problem = "density", "goes over all densities; drop density"
    if problem:
        raise rubric.fault(criterion, f"metric {criterion.metric!r} {problem}", key)


def _check_schema(path: Path, value: Mapping[str, Any], lines: Mapping[KeyPath, int]) -> None:
    validator = jsonschema.Draft202012Validator(load_schema("rubric"))
    explained = map(_explained, validator.iter_errors(value))
    found = [(line_of(lines, place) or 1, message[:400]) for place, message in explained]
    if found:
        line, message = min(found, key=lambda one: ("unknown key" not in one[1], one))
        others = len(found) - 1
        more = f" (and {others} more mistake{'s' if others > 1 else ''})" if others else ""
        raise RubricError(path, message + more, line=line)


def _explained(error: Any) -> tuple[KeyPath, str]:
    """Returns where a validation error of jsonschema is, and what is wrong there."""
    place = tuple(error.absolute_path)
    where = _place_name(place)
    match error.validator:
        case "additionalProperties":
            known = list(error.schema["properties"])
            unknown = next(key for key in error.instance if key not in known)
            near = did_you_mean(unknown, known, most=1) or f"; expected one of {', '.join(known)}"
            return (*place, unknown), f"unknown key {unknown!r}{near}"
        case "enum":
            known = [str(one) for one in error.validator_value]
            near = did_you_mean(str(error.instance), known)
            words = f"{error.instance!r}; expected one of {', '.join(known)}{near}"
            return place, f"{place[-1]} is {words}"
        case "required":
            missing = next(key for key in error.validator_value if key not in error.instance)
            return place, f"{where} has no {missing!r}"
        case "oneOf":
            return place, f"{where} needs either at_least or at_most"
        case "anyOf":
            wanted = f"expected {EXPECTED}"
            return place, f"{where} is {error.instance!r}; {wanted}"
    return place, f"{where}: {error.message}" if place else error.message


def _place_name(place: Sequence[str | int]) -> str:
    """Returns a place in words: `criteria 2, density`; positions count from 1."""
    words = "".join(f" {part + 1}" if isinstance(part, int) else f", {part}" for part in place)
    return words.removeprefix(", ") or "the rubric"
