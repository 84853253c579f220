"""A Codabench bundle whose truths stay sealed: who gets the key, and who must not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_codabench import submit_to  # noqa: F401

from plantkit.challenges import bundles
from plantkit.challenges.bundles import SEALED, TRUTH
from plantkit.challenges.freezing import seal_bundle
from plantkit.challenges.keys import write_keys
from plantkit.challenges.sealing import KEY_VARIABLE, SecretKey
from plantkit.errors import SealedTruthError, UsageError
from plantkit.exports.codabench.bundle import Competition, export
from plantkit.exports.codabench.ingestion import ingest
from plantkit.exports.codabench.plan import KEY_FILE
from plantkit.exports.codabench.scoring import score

SUITES = """
[sealed]
title = "A sealed challenge"
challenges = ["circle-3x60"]
densities = ["planted", 0.5]
seeds = 1
[open]
title = "An open challenge"
challenges = ["relu-3x8"]
densities = [0.5]
seeds = 1
"""
GOOD = """
def prune(problem, density, seed):
    import torch
    flat = torch.cat([w.abs().flatten() for w in problem.weights.values()])
    keep = torch.zeros(len(flat)); keep[flat.topk(problem.budget).indices] = 1
    pieces = keep.split([w.numel() for w in problem.weights.values()])
    return {n: p.reshape(problem.weights[n].shape) for n, p in zip(problem.weights, pieces)}
"""
#: Reads all that it can below the container's root, its own and its ancestors' environment and
#: memory maps, and tells in its error message what it found.
SPY = """
import os
def contents():
    for root, _, names in os.walk({app!r}):
        for name in names:
            yield os.path.join(root, name)
    for pid in ("self", "1", str(os.getppid())):
        yield f"/proc/{{pid}}/environ"
        yield f"/proc/{{pid}}/cmdline"
def prune(problem, density, seed):
    seen, found = 0, []
    for path in contents():
        try:
            data = open(path, "rb").read()
        except OSError:
            continue
        seen += 1
        for what in ({needles}):
            if bytes.fromhex(what) in data or what.encode() in data:
                found.append(path)
    raise ValueError(f"found {{found}} in {{seen}} readable files; {{sorted(os.environ)}}")
"""


@pytest.fixture(scope="module")
def key() -> SecretKey:
    return SecretKey.generate()


@pytest.fixture(scope="module")
def sealed_challenges(
    tiny_challenges: Path, key: SecretKey, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """circle-3x60 sealed, relu-3x8 open, and a suite of each."""
    root = tmp_path_factory.mktemp("sealed")
    seal_bundle(tiny_challenges / "circle-3x60", key.public, root / "circle-3x60")
    shutil.copytree(tiny_challenges / "relu-3x8", root / "relu-3x8")
    (root / "suites.toml").write_text(SUITES)
    return root


def unpacked(root: Path, challenges: Path, key: SecretKey | None, suite: str = "sealed") -> Path:
    competition = Competition(suite=suite, docker_image="example.org/plantkit:1", key=key)
    export(competition, root / "bundle.zip", [challenges])
    with zipfile.ZipFile(root / "bundle.zip") as archive:
        archive.extractall(root / "bundle")
    return root / "bundle"


def files_with(root: Path, needle: bytes) -> list[str]:
    """Returns the files below a directory that hold `needle`."""
    return sorted(
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.is_file() and needle in path.read_bytes()
    )


def test_a_bundle_holds_neither_truth_nor_key(
    tmp_path: Path, sealed_challenges: Path, tiny_challenges: Path, key: SecretKey
) -> None:
    root = unpacked(tmp_path, sealed_challenges, None)
    assert [path.parent.parent.name for path in root.rglob(SEALED)] == ["reference_data"]
    assert not list(root.rglob(TRUTH))
    assert files_with(root, key.data) == files_with(root, key.data.hex().encode()) == []
    salt = bundles.load(tiny_challenges / "circle-3x60").truth.salt
    seed = bundles.load(tiny_challenges / "circle-3x60").truth.planting_seed
    for secret in (salt, seed):
        assert files_with(root, secret.encode()) == []
    assert "the secret key is not in this archive" in (root / "ORGANISERS.md").read_text()


def test_a_key_goes_into_the_scoring_program_alone(
    tmp_path: Path, sealed_challenges: Path, key: SecretKey
) -> None:
    root = unpacked(tmp_path, sealed_challenges, key)
    assert files_with(root, key.data.hex().encode()) == [f"scoring_program/{KEY_FILE}"]
    assert "who has\nthis archive has the tickets" in (root / "ORGANISERS.md").read_text()
    assert "make_programs_available: false" in (root / "competition.yaml").read_text()


def test_a_key_is_tried_before_anything_is_written(
    tmp_path: Path, sealed_challenges: Path, key: SecretKey
) -> None:
    with pytest.raises(SealedTruthError):
        unpacked(tmp_path, sealed_challenges, SecretKey.generate())
    with pytest.raises(UsageError, match="no challenge of open is sealed"):
        unpacked(tmp_path, sealed_challenges, key, suite="open")
    assert list(tmp_path.iterdir()) == []


def test_the_command_takes_a_key_by_name_only(
    tmp_path: Path,
    sealed_challenges: Path,
    key: SecretKey,
    plantkit_cli: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arguments = ["export", "codabench", "--challenges", sealed_challenges, "--suite", "sealed"]
    arguments += ["--docker-image", "x:1", "-o", tmp_path / "bundle.zip"]
    public = write_keys(key, tmp_path / "my.key")
    refused = plantkit_cli(*arguments, "--key", public)
    assert (refused.code, "holds a public key" in refused.err) == (2, True)
    monkeypatch.setenv(KEY_VARIABLE, key.to_text())
    for more, expected in (([], 0), (["--key", tmp_path / "my.key"], 1)):
        outcome = plantkit_cli(*arguments, *more)
        assert outcome.code == 0, outcome
        with zipfile.ZipFile(tmp_path / "bundle.zip") as archive:
            names = archive.namelist()
        assert sum(name.endswith(KEY_FILE) for name in names) == expected


@pytest.mark.slow
def test_both_programs_score_a_sealed_challenge_as_the_open_one(
    tmp_path: Path,
    sealed_challenges: Path,
    tiny_challenges: Path,
    key: SecretKey,
    submit_to: Callable[..., Any],  # noqa: F811
    plantkit_cli: Callable[..., Any],
) -> None:
    root = unpacked(tmp_path, sealed_challenges, key)
    _, second, scoring = submit_to(root, {"my_pruner.py": GOOD})
    assert second.code == 0, second.err
    scores = json.loads((scoring / "output" / "scores.json").read_text())
    assert scores["failures"] == 0
    (tmp_path / "my_pruner.py").write_text(GOOD)
    outcome = plantkit_cli(
        "evaluate", tmp_path / "my_pruner.py", "--challenge", tiny_challenges / "circle-3x60",
        "--density", "planted", "--density", "0.5", "--seeds", "1", "--baselines", "none",
        "--jobs", "1", "--format", "json",
    )  # fmt: skip
    (standing,) = json.loads(outcome.out)["standings"]
    for name in ("score", "strong_area", "weak_area", "f1"):
        assert scores[name] == pytest.approx(standing[name], abs=1e-6), name
    for shown in (scoring / "output").iterdir():
        assert key.data.hex() not in shown.read_text()


def test_scoring_takes_the_key_from_a_file_or_the_environment_and_fails_without(
    tmp_path: Path,
    sealed_challenges: Path,
    key: SecretKey,
    submit_to: Callable[..., Any],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = unpacked(tmp_path, sealed_challenges, None)
    _, second, scoring = submit_to(root, {"my_pruner.py": GOOD})
    assert second.code == 1
    assert "is sealed, and no key was given" in second.err
    assert "Traceback" not in second.err
    assert not (scoring / "output" / "scores.json").exists()
    write_keys(key, scoring / "program" / KEY_FILE)
    by_file = score(scoring / "input", scoring / "output", scoring / "program")
    monkeypatch.setenv(KEY_VARIABLE, key.to_text())
    assert score(scoring / "input", scoring / "output") == by_file
    monkeypatch.setenv(KEY_VARIABLE, SecretKey.generate().to_text())
    with pytest.raises(SealedTruthError) as caught:
        score(scoring / "input", scoring / "output")
    assert key.data.hex() not in str(caught.value)


@pytest.mark.parametrize("where", ["program", "input", "truth", "sealed", "variable"])
def test_ingestion_refuses_to_run_beside_a_secret(
    where: str, tmp_path: Path, key: SecretKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs, program = tmp_path / "input_data", tmp_path / "program"
    (inputs / "circle").mkdir(parents=True)
    program.mkdir()
    if where == "variable":
        monkeypatch.setenv(KEY_VARIABLE, key.to_text())
    else:
        names = {"program": program / KEY_FILE, "input": inputs / KEY_FILE}
        names |= {"truth": inputs / "circle" / TRUTH, "sealed": inputs / "circle" / SEALED}
        names[where].write_text(key.to_text())
    with pytest.raises(UsageError, match="neither key nor truth") as caught:
        ingest(inputs, tmp_path, tmp_path, program)
    assert key.data.hex() not in str(caught.value)


@pytest.mark.slow
def test_a_submission_that_reads_all_of_its_container_finds_no_secret(
    tmp_path: Path,
    sealed_challenges: Path,
    tiny_challenges: Path,
    key: SecretKey,
) -> None:
    """At the level `process` a submission reads what its container can: the worst case of a
    container that cannot lock it away further."""
    root = unpacked(tmp_path, sealed_challenges, key)
    truth = bundles.load(tiny_challenges / "circle-3x60").truth
    app = tmp_path / "ingestion" / "app"
    (app / "output").mkdir(parents=True)
    (app / "ingested_program").mkdir()
    shutil.copytree(root / "input_data", app / "input_data")
    shutil.copytree(root / "ingestion_program", app / "program")
    secrets = (key.data.hex(), truth.salt.encode().hex(), truth.planting_seed.encode().hex())
    spy = SPY.format(app=str(app), needles=", ".join(map(repr, secrets)) + ",")
    (app / "ingested_program" / "spy.py").write_text(spy)  # it holds its own needles
    script = (
        "import sys; from pathlib import Path; import functools\n"
        "from plantkit.exports.codabench import ingestion\n"
        "from plantkit.isolation.opening import open_backend\n"
        "from plantkit.isolation.levels import Isolation, Level\n"
        "level = Isolation(level=Level.PROCESS)\n"
        "ingestion.open_backend = functools.partial(open_backend, isolation=level)\n"
        "ingestion.ingest(*map(Path, sys.argv[1:5]))\n"
    )
    places = [app / name for name in ("input_data", "output", "ingested_program", "program")]
    environment = {name: value for name, value in os.environ.items() if name != KEY_VARIABLE}
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, places)],
        capture_output=True, text=True, timeout=120, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    attempts = json.loads((app / "output" / "attempts.json").read_text())
    assert len(attempts) == 2
    for attempt in attempts.values():
        assert attempt["status"] == "crash"
        own = str(app / "ingested_program" / "spy.py")
        message = attempt["error"].replace(repr(own), "own").replace("own, ", "")
        assert "found [own]" in message, message  # it reads files, and finds only its own text
        assert " in 0 readable" not in message
        assert KEY_VARIABLE not in message
