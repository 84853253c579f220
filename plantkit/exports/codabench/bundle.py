"""Writes the competition bundle: a zip with `competition.yaml`, pages, data and programs."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from plantkit.challenges import bundles
from plantkit.challenges.bundles import PublicChallenge
from plantkit.challenges.manifests import read_stated
from plantkit.challenges.sealing import KEY_VARIABLE, SecretKey
from plantkit.errors import UsageError
from plantkit.exports.codabench import receipts
from plantkit.exports.codabench.plan import KEY_FILE, Plan
from plantkit.exports.codabench.scoring import columns
from plantkit.files import about, write_whole
from plantkit.isolation.problems import write_problem
from plantkit.plugins import find_challenges
from plantkit.scoring.protocol import Protocol, resolve_densities
from plantkit.version import __version__

#: The bundle's own files: pages and settings with blanks to be filled in, and both programs.
_TEMPLATES = Path(__file__).parent / "templates"
#: Most characters in Codabench's database.
_MOST_TITLE = 256
_MOST_IMAGE = 128


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
    start: datetime | None = None
    key: SecretKey | None = None


def export(
    competition: Competition, output: Path, challenge_directories: Sequence[Path] = ()
) -> list[str]:
    """Writes the bundle, all or nothing, and returns the ids of its challenges.

    Raises:
        UsageError: no such suite, a density that cannot be used, a title or image name that is
            too long for Codabench, or a key and nothing sealed.
        BundleError: a challenge is invalid.
        SealedTruthError: a key was given, and a truth is sealed for another.
    """
    for what, text, most in (
        ("title", competition.title or "", _MOST_TITLE),
        ("docker image", competition.docker_image, _MOST_IMAGE),
    ):
        if len(text) > most:
            raise UsageError(f"the {what} has {len(text)} characters; Codabench takes {most}")
    found = find_challenges(challenge_directories)
    suite = found.suite(competition.suite)
    protocol = Protocol.of(suite)
    protocol = replace(protocol, seeds=competition.seeds or protocol.seeds)
    challenges = [_load(path, competition.key) for path in found.bundles_of(suite)]
    is_sealed = any(challenge.is_sealed for challenge in challenges)
    if competition.key is not None and not is_sealed:
        raise UsageError(
            f"no challenge of {suite.name} is sealed, so that no key is needed; leave out --key"
        )
    plan = Plan(
        suite=suite.name,
        protocol=protocol,
        densities={one.id: resolve_densities(one, protocol) for one in challenges},
        time_seconds=competition.time_seconds,
        memory_mib=competition.memory_mib,
    )
    with (
        about(output),
        tempfile.TemporaryDirectory(dir=output.parent, prefix=".plantkit-") as scratch,
    ):
        root = Path(scratch) / "bundle"
        shutil.copytree(_TEMPLATES, root, ignore=shutil.ignore_patterns("__pycache__"))
        _fill_in(
            root,
            title=competition.title or suite.title,
            competition=competition,
            plan=plan,
            start=competition.start or datetime.now(UTC),
            columns=columns(challenges),
            is_sealed=is_sealed,
            key_file=KEY_FILE,
            key_variable=KEY_VARIABLE,
            version=__version__,
        )
        (root / "solution").mkdir()
        shutil.copy(root / "starting_kit" / "my_pruner.py", root / "solution")
        if competition.key is not None:  # where no submission runs
            path = root / "scoring_program" / KEY_FILE
            write_whole(path, competition.key.to_text() + "\n", mode=0o600)
        receipts.write_key([root / "ingestion_program", root / "scoring_program"])
        _write_data(root, plan, challenges)
        staged = Path(scratch) / "bundle.zip"
        with zipfile.ZipFile(staged, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
            for path in sorted(root.rglob("*")):
                if path.is_file():
                    archive.write(path, path.relative_to(root).as_posix())
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
        records = read_stated(challenge.path).records
        for name in (bundles.MANIFEST, *challenge.manifest["files"], *records):
            shutil.copyfile(challenge.path / name, directory / name)


def _fill_in(root: Path, **values: object) -> None:
    """Fills in the blanks of all pages and settings below `root`."""
    environment = Environment(
        loader=FileSystemLoader(root),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False}  # YAML has no surrogates
    for name in environment.list_templates(extensions=["md", "yaml"]):
        text = environment.get_template(name).render(values)
        write_whole(root / name, text)
