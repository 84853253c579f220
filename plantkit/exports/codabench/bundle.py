"""Writes the competition bundle: a zip with `competition.yaml`, pages, data and programs."""

from __future__ import annotations

import importlib.resources
import os
import shutil
import string
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from plantkit.challenges import bundles, catalog
from plantkit.challenges.bundles import PublicChallenge
from plantkit.challenges.sealing import KEY_VARIABLE, SecretKey
from plantkit.errors import MissingExtraError, UsageError
from plantkit.exports.codabench.plan import KEY_FILE, Plan
from plantkit.exports.codabench.scoring import columns
from plantkit.isolation.problems import write_problem
from plantkit.plugins import load_installed
from plantkit.scoring.protocol import Protocol
from plantkit.version import __version__

INGESTION_COMMAND = (
    "python3 /app/program/ingestion.py /app/input_data/ /app/output/ /app/program "
    "/app/ingested_program"
)
SCORING_COMMAND = "python3 /app/program/scoring.py /app/input/ /app/output/"
_PAGES = ("overview", "evaluation", "data", "terms")


@dataclass(frozen=True, slots=True, kw_only=True)
class Competition:
    """What a competition is made of.

    docker_image: with Python and this version of plantkit. time_seconds, memory_mib: of one
    run. execution_seconds: of all runs of a submission together. start: None for now. key: of
    sealed challenges, to be put into the scoring program; None leaves it to the organiser.
    """

    suite: str
    docker_image: str
    title: str | None = None
    seeds: int | None = None
    time_seconds: float = 60.0
    memory_mib: int = 2048
    execution_seconds: int = 3600
    submissions_per_day: int = 5
    start: datetime | None = None
    key: SecretKey | None = None


def export(
    competition: Competition, output: Path, challenge_directories: Sequence[Path] = ()
) -> list[str]:
    """Writes the bundle, all or nothing, and returns the ids of its challenges.

    Raises:
        UsageError: no such suite, a density that cannot be used, or a key and nothing sealed.
        BundleError: a challenge is invalid.
        SealedTruthError: a key was given, and a truth is sealed for another.
        MissingExtraError: PyYAML is not installed.
    """
    installed = load_installed().challenge_directories()
    found = catalog.find(challenge_directories, plugins=installed)
    suite = found.suite(competition.suite)
    protocol = Protocol.of(suite)
    protocol = replace(protocol, seeds=competition.seeds or protocol.seeds)
    directories = [found.bundle(name) for name in suite.challenges]
    challenges = [_load(directory, competition.key) for directory in directories]
    is_sealed = any(challenge.is_sealed for challenge in challenges)
    if competition.key is not None and not is_sealed:
        raise UsageError(
            f"no challenge of {suite.name} is sealed, so that no key is needed; leave out --key"
        )
    plan = Plan.of(
        suite.name,
        challenges,
        protocol,
        time_seconds=competition.time_seconds,
        memory_mib=competition.memory_mib,
    )
    title = competition.title or suite.title
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".plantkit-") as scratch:
        root = Path(scratch) / "bundle"
        root.mkdir()
        _write_data(root, plan, challenges)
        _write_programs(root, competition.key)
        _write_texts(root, _words(competition, plan, title, is_sealed=is_sealed))
        (root / "logo.png").write_bytes(_logo())
        _write_yaml(root / "competition.yaml", _competition(competition, title, challenges))
        staged = Path(scratch) / "bundle.zip"
        _zip(root, staged)
        staged.chmod(0o600)  # it holds the truth, or the key to it
        staged.replace(output)
    return [challenge.id for challenge in challenges]


def _load(directory: Path, key: SecretKey | None) -> PublicChallenge:
    """Returns a challenge with all of it checked that can be: a sealed truth needs the key."""
    public = bundles.load_public(directory)
    return public if public.is_sealed and key is None else bundles.load(directory, key=key)


def _write_data(root: Path, plan: Plan, challenges: Sequence[PublicChallenge]) -> None:
    """Writes public halves for ingestion, and whole bundles, sealed where they are, for scoring."""
    public, reference = root / "input_data", root / "reference_data"
    public.mkdir()
    reference.mkdir()
    plan.write(public)
    plan.write(reference)
    for challenge in challenges:
        write_problem(public / challenge.id, challenge.problem(density=1.0, seed=0))
        directory = reference / challenge.id
        directory.mkdir()
        for name in (bundles.MANIFEST, *challenge.manifest["files"]):
            shutil.copyfile(challenge.path / name, directory / name)


def _write_programs(root: Path, key: SecretKey | None) -> None:
    """Writes both programs; the key goes into the scoring program alone, which no submission
    shares a container with."""
    for name, command in (("ingestion", INGESTION_COMMAND), ("scoring", SCORING_COMMAND)):
        directory = root / f"{name}_program"
        directory.mkdir()
        (directory / f"{name}.py").write_text(_resource("programs", f"{name}.py"), "utf-8")
        _write_yaml(directory / "metadata.yaml", {"command": command})
    if key is not None:
        path = root / "scoring_program" / KEY_FILE
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(key.to_text() + "\n")


def _write_texts(root: Path, words: Mapping[str, str]) -> None:
    def fill(folder: str, name: str) -> str:
        return string.Template(_resource(folder, name)).substitute(words)

    for directory in ("pages", "starting_kit", "solution"):
        (root / directory).mkdir()
    for page in _PAGES:
        (root / "pages" / f"{page}.md").write_text(fill("pages", f"{page}.md"), "utf-8")
    (root / "ORGANISERS.md").write_text(fill("pages", "ORGANISERS.md"), "utf-8")
    (root / "starting_kit" / "README.md").write_text(fill("starting_kit", "README.md"), "utf-8")
    sample = _resource("starting_kit", "my_pruner.py")
    for directory in ("starting_kit", "solution"):
        (root / directory / "my_pruner.py").write_text(sample, "utf-8")


def _words(competition: Competition, plan: Plan, title: str, *, is_sealed: bool) -> dict[str, str]:
    return {
        "title": title,
        "challenges": ", ".join(plan.densities),
        "densities": ", ".join(str(density) for density in plan.protocol.densities),
        "seeds": str(plan.protocol.seeds),
        "time_seconds": f"{plan.time_seconds:g}",
        "memory_mib": str(plan.memory_mib),
        "strong_weight": f"{plan.protocol.strong_weight:g}",
        "weak_weight": f"{plan.protocol.weak_weight:g}",
        "f1_weight": f"{plan.protocol.f1_weight:g}",
        "version": __version__,
        "requirement": f"plantkit{'[seal]' if is_sealed else ''}=={__version__}",
        "docker_image": competition.docker_image,
        "execution_seconds": str(competition.execution_seconds),
        "ingestion_command": INGESTION_COMMAND,
        "scoring_command": SCORING_COMMAND,
        "sealing": _sealing_text(competition, is_sealed=is_sealed),
    }


def _sealing_text(competition: Competition, *, is_sealed: bool) -> str:
    """Returns what organisers must know of the truth and its key."""
    if not is_sealed:
        return (
            "This archive holds the truth of its challenges in the clear (`reference_data/`): "
            "give it to\nCodabench, never to participants."
        )
    warning = (
        "The ingestion container, which runs submissions, must never see the key: put it "
        "neither into\nthe image, which both containers run, nor into a directory that both "
        "mount, nor into their shared\nenvironment. Ingestion refuses to start where it finds "
        f"`{KEY_VARIABLE}` or `{KEY_FILE}`."
    )
    if competition.key is None:
        return (
            "The truths in `reference_data/` are sealed, and the secret key is not in this "
            f"archive. The\nscoring program looks for it in the file `{KEY_FILE}` beside "
            f"`scoring.py`, then in the variable\n`{KEY_VARIABLE}`; without either it fails, and "
            "says so. On your own worker, give it to the scoring\ncontainer alone: "
            f"`-v /SAFE/{KEY_FILE}:/app/program/{KEY_FILE}:ro`.\n{warning}"
        )
    return (
        f"The truths in `reference_data/` are sealed, and `scoring_program/{KEY_FILE}` opens "
        "them: who has\nthis archive has the tickets. Give it to Codabench, never to "
        "participants, and leave\n`make_programs_available: false` in `competition.yaml`. To "
        "keep the key from Codabench's storage,\nexport without `--key` and run a worker of your "
        f"own.\n{warning}"
    )


def _competition(
    competition: Competition, title: str, challenges: Sequence[PublicChallenge]
) -> dict[str, Any]:
    start = competition.start or datetime.now(UTC)
    return {
        "version": 2,
        "title": title,
        "description": "Find the ticket that is planted in a neural network.",
        "image": "logo.png",
        "terms": "pages/terms.md",
        "docker_image": competition.docker_image,
        "registration_auto_approve": False,
        "make_programs_available": False,
        "make_input_data_available": False,
        "enable_detailed_results": True,
        "pages": [{"title": page.capitalize(), "file": f"pages/{page}.md"} for page in _PAGES],
        "phases": [
            {
                "index": 0,
                "name": "Competition",
                "description": "Submit a pruner.",
                "start": start.strftime("%Y-%m-%d %H:%M:%S"),
                "max_submissions_per_day": competition.submissions_per_day,
                "execution_time_limit": competition.execution_seconds,
                "hide_prediction_output": False,
                "starting_kit": "starting_kit",
                "tasks": [0],
            }
        ],
        "tasks": [
            {
                "index": 0,
                "name": title,
                "description": "Run a pruner on every challenge, density and seed.",
                "input_data": "input_data",
                "reference_data": "reference_data",
                "ingestion_program": "ingestion_program",
                "scoring_program": "scoring_program",
            }
        ],
        "solutions": [{"index": 0, "path": "solution", "tasks": [0]}],
        "leaderboards": [
            {
                "title": "Results",
                "key": "main",
                "submission_rule": "Force_Best",
                "columns": columns(challenges),
            }
        ],
    }


def _write_yaml(path: Path, value: Mapping[str, Any]) -> None:
    try:
        import yaml
    except ImportError as error:
        raise MissingExtraError(extra="codabench", needed_for="export codabench") from error
    text = yaml.safe_dump(dict(value), sort_keys=False, allow_unicode=True, width=100)
    path.write_text(text, encoding="utf-8")


def _resource(folder: str, name: str) -> str:
    package = importlib.resources.files(__package__ or "plantkit.exports.codabench")
    return package.joinpath(folder, name).read_text("utf-8")


def _zip(root: Path, target: Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(root.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(root))


def _logo(size: int = 16, scale: int = 16) -> bytes:
    """Returns a PNG of a sparse grid: Codabench demands a logo."""
    rows = []
    for y in range(size):
        row = b"".join(
            (b"\x1b\x7a\x43" if (x * 7 + y * 11) % 13 == 0 else b"\xee\xee\xea") * scale
            for x in range(size)
        )
        rows += [b"\x00" + row] * scale
    header = struct.pack(">IIBBBBB", size * scale, size * scale, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"".join(rows), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
