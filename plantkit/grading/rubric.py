"""Reading a `rubric.toml`: what a submission is graded on. A mistake names its line."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plantkit.errors import RubricError, did_you_mean
from plantkit.grading.credit import Credit
from plantkit.grading.measures import MEASURES, Measure
from plantkit.grading.positions import KeyPath, key_lines, line_of
from plantkit.schemas import load_schema

#: Keys that only a criterion of kind "metric" takes.
_METRIC_KEYS = ("metric", "track", "density", "seeds", "baseline", "margin", "fresh")
#: Keys by which a value becomes points.
_CREDIT_KEYS = ("at_least", "at_most", "zero_at", "steps")
_MANIFEST = "challenge.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """One line of a grade.

    challenge: an id or path, or None for all of the run's. over_seeds: "mean", "min" or
    "max". is_stub: a hidden criterion of which this copy of the rubric tells name and points
    only.
    """

    position: int
    name: str
    description: str
    hidden: bool
    kind: str
    metric: str
    track: str
    challenge: str | None
    density: float | str | None
    over_seeds: str
    baseline: str | None
    fresh: int | None
    credit: Credit
    is_stub: bool

    @property
    def points(self) -> float:
        return self.credit.points


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """What the submission is run on; None stands for the suite's own."""

    suite: str | None = None
    challenges: tuple[str, ...] = ()
    densities: tuple[float | str, ...] = ()
    seeds: int | None = None
    time_seconds: float = 300.0
    memory_mib: int = 4096
    fresh_seed_env: str = "PLANTKIT_FRESH_SEED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rubric:
    """A checked rubric. pass_share: in [0, 1], of the points that were at stake."""

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


def read_rubric(path: Path) -> Rubric:
    """Returns the rubric in a TOML file.

    Raises:
        RubricError: the file cannot be read or breaks its schema; `line` is the line at fault.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RubricError(path, f"cannot be read: {error}; expected a rubric in TOML") from error
    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RubricError(path, f"is not valid TOML: {error}", line=_line_in(error)) from error
    lines = key_lines(text)
    _check_schema(path, value, lines)
    run = value.get("run", {})
    rubric = Rubric(
        path=path,
        title=value["title"],
        pass_share=float(value["pass"]),
        decimals=value.get("decimals", 2),
        gradescope_hidden=value.get("gradescope_hidden", "hidden"),
        run=RunPlan(
            suite=run.get("suite"),
            challenges=tuple(_located(path, name) for name in run.get("challenges", ())),
            densities=tuple(run.get("densities", ())),
            seeds=run.get("seeds"),
            time_seconds=float(run.get("time_seconds", 300.0)),
            memory_mib=run.get("memory_mib", 4096),
            fresh_seed_env=run.get("fresh_seed_env", "PLANTKIT_FRESH_SEED"),
        ),
        criteria=tuple(
            _criterion(path, position, entry) for position, entry in enumerate(value["criteria"])
        ),
        lines=lines,
    )
    if "suite" in run and "challenges" in run:
        raise rubric.error("[run] has both suite and challenges; give one", "run", "challenges")
    for criterion, entry in zip(rubric.criteria, value["criteria"], strict=True):
        _check_criterion(rubric, criterion, entry)
    return rubric


def _criterion(path: Path, position: int, entry: Mapping[str, Any]) -> Criterion:
    kind = entry.get("kind", "metric")
    challenge = entry.get("challenge")
    is_stub = (
        entry.get("hidden", False)
        and "kind" not in entry
        and not any(key in entry for key in (*_METRIC_KEYS, *_CREDIT_KEYS, "challenge"))
    )
    return Criterion(
        position=position,
        name=entry["name"],
        description=entry.get("description", ""),
        hidden=entry.get("hidden", False),
        kind=kind,
        metric=entry.get("metric", ""),
        track=entry.get("track", ""),
        challenge=None if challenge is None else _located(path, challenge),
        density=entry.get("density"),
        over_seeds=entry.get("seeds", "mean"),
        baseline=entry.get("baseline"),
        fresh=entry.get("fresh"),
        credit=_credit(entry, kind),
        is_stub=is_stub,
    )


def _credit(entry: Mapping[str, Any], kind: str) -> Credit:
    points = float(entry["points"])
    if "steps" in entry:
        word = "at_least" if "at_least" in entry["steps"][0] else "at_most"
        steps = [(float(step.get(word, 0.0)), float(step["points"])) for step in entry["steps"]]
        return Credit(
            points=points,
            target=None,
            steps=tuple(sorted(steps, reverse=word == "at_most")),
            is_higher_better=word == "at_least",
            margin=float(entry.get("margin", 0.0)),
        )
    zero_at = entry.get("zero_at")
    is_higher_better = "at_most" not in entry
    target = entry.get("at_least" if is_higher_better else "at_most")
    if target is None:
        target = 1.0 if kind != "metric" else float("inf")
    return Credit(
        points=points,
        target=float(target),
        zero_at=None if zero_at is None else float(zero_at),
        is_higher_better=is_higher_better,
        margin=float(entry.get("margin", 0.0)),
    )


def _located(rubric: Path, name: str) -> str:
    """Returns the path of a bundle given relative to the rubric, or the id as it is."""
    directory = rubric.parent / name
    return str(directory) if (directory / _MANIFEST).is_file() else name


def _check_criterion(rubric: Rubric, criterion: Criterion, entry: Mapping[str, Any]) -> None:
    def fail(message: str, key: str = "name") -> RubricError:
        text = f"criterion {criterion.name!r}: {message}"
        return rubric.error(text, "criteria", criterion.position, key)

    for other in rubric.criteria[: criterion.position]:
        if other.name == criterion.name:
            raise fail("another criterion has this name already; names must differ")
    if criterion.is_stub:
        return
    for word, group in (("at_least", ("at_most", "steps")), ("at_most", ("steps",))):
        for other_key in group:
            if word in entry and other_key in entry:
                raise fail(f"has both {word} and {other_key}; give one of them", other_key)
    _check_credit(criterion.credit, entry, fail)
    if criterion.kind == "metric":
        _check_metric(criterion, entry, fail)
    else:
        for key in _METRIC_KEYS:
            if key in entry:
                raise fail(f"{key} has no meaning for kind = {criterion.kind!r}; drop it", key)


def _check_credit(credit: Credit, entry: Mapping[str, Any], fail: Any) -> None:
    if "steps" in entry:
        if "zero_at" in entry:
            raise fail("has both zero_at and steps; give one of them", "zero_at")
        word = "at_least" if credit.is_higher_better else "at_most"
        if any(word not in step for step in entry["steps"]):
            raise fail("mixes at_least and at_most in its steps; use one of them", "steps")
        best = max(points for _, points in credit.steps)
        if best != credit.points:
            raise fail(
                f"its best step gives {best:g} points; expected its points, {credit.points:g}",
                "steps",
            )
        return
    if (
        credit.zero_at is None
        or credit.target is None
        or ("kind" in entry and not any(key in entry for key in ("at_least", "at_most")))
    ):
        return
    is_worse = (
        credit.zero_at < credit.target
        if credit.is_higher_better
        else credit.zero_at > credit.target
    )
    if not is_worse and any(key in entry for key in ("at_least", "at_most")):
        word, side = ("at_least", "below") if credit.is_higher_better else ("at_most", "above")
        raise fail(
            f"zero_at is {credit.zero_at:g}; expected a value {side} {word} = {credit.target:g}",
            "zero_at",
        )


def _check_metric(criterion: Criterion, entry: Mapping[str, Any], fail: Any) -> None:
    if not criterion.metric:
        raise fail(f"has no metric; expected one of {', '.join(MEASURES)}")
    if not any(key in entry for key in ("at_least", "at_most", "steps")):
        raise fail("has no threshold; expected at_least, at_most or steps")
    if "margin" in entry and criterion.baseline is None:
        raise fail("margin needs a baseline, from which the difference is taken", "margin")
    if criterion.fresh is not None and criterion.challenge is None:
        raise fail("fresh needs a challenge, of which fresh instances are planted", "fresh")
    measure = MEASURES.get(criterion.metric)
    if measure is not None:
        check_measure(criterion, measure, fail)


def check_measure(criterion: Criterion, measure: Measure, fail: Any) -> None:
    """Raises what `fail` makes unless the criterion has the track and density it needs."""
    name = criterion.metric
    if measure.has_track and not criterion.track:
        raise fail(f"metric {name!r} has two tracks; give track = 'strong' or 'weak'", "metric")
    if criterion.track and not measure.has_track:
        raise fail(f"metric {name!r} has no track; drop it", "track")
    if measure.needs_density and criterion.density is None:
        raise fail(f"metric {name!r} needs a density: a number in (0, 1] or 'planted'", "metric")
    if criterion.density is not None and measure.extract is None:
        raise fail(f"metric {name!r} goes over all densities; drop density", "density")


def _check_schema(path: Path, value: Mapping[str, Any], lines: Mapping[KeyPath, int]) -> None:
    import jsonschema

    validator = jsonschema.Draft202012Validator(load_schema("rubric"))
    found = []
    for error in validator.iter_errors(value):
        place = list(error.absolute_path)
        message = error.message
        if error.validator == "additionalProperties":
            known = list(error.schema["properties"])
            unknown = next(key for key in error.instance if key not in known)
            place.append(unknown)
            message = f"unknown key {unknown!r}{did_you_mean(unknown, known)}"
            if not did_you_mean(unknown, known):
                message += f"; expected one of {', '.join(known)}"
        elif error.validator == "enum":
            known = [str(one) for one in error.validator_value]
            near = did_you_mean(str(error.instance), known)
            message = f"{place[-1]} is {error.instance!r}; expected one of {', '.join(known)}{near}"
        elif error.validator == "required":
            missing = next(key for key in error.validator_value if key not in error.instance)
            near = did_you_mean(missing, error.instance)
            message = f"{_place_name(place)} has no {missing!r}{near}"
        elif error.validator == "oneOf":
            message = f"{_place_name(place)} needs either at_least or at_most"
        elif error.validator == "anyOf":
            message = f"{_place_name(place)} is {error.instance!r}; expected a number in (0, 1] or "
            message += "'planted'"
        elif place:
            message = f"{_place_name(place)}: {message}"
        found.append((line_of(lines, place) or 1, message[:400]))
    if found:
        line, message = min(found)
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise RubricError(path, message + more, line=line)


def _place_name(place: Sequence[str | int]) -> str:
    """Returns a place in words: `criteria 2, density`; positions count from 1."""
    if not place:
        return "the rubric"
    words: list[str] = []
    for part in place:
        if isinstance(part, int):
            words[-1] += f" {part + 1}"
        else:
            words.append(part)
    return ", ".join(words)


def _line_in(error: tomllib.TOMLDecodeError) -> int | None:
    line = getattr(error, "lineno", None)  # from Python 3.14 on
    if isinstance(line, int):
        return line
    _, found, rest = str(error).partition("at line ")
    digits = rest.partition(",")[0].partition(" ")[0]
    return int(digits) if found and digits.isdigit() else None
