"""What `plantkit new` makes is tested by running it."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
import yaml

from plantkit.cli.new.scaffolding import (
    new_assignment,
    new_leaderboard,
    new_package,
    new_pruner,
)
from plantkit.errors import UsageError
from plantkit.pruners.sources import PrunerSource
from plantkit.schemas import violations
from plantkit.testing import CHECKS, Laboratory, run_checks
from plantkit.version import __version__

ROOT = Path(__file__).resolve().parents[2]
PLUGIN_FILES = [
    ".github/workflows/tests.yml",
    ".gitignore",
    "README.md",
    "pyproject.toml",
    "src/plantkit_gradient/__init__.py",
    "tests/test_conformance.py",
]
ASSIGNMENT_FILES = [
    ".gitattributes",
    ".github/workflows/grade.yml",
    ".gitignore",
    "README.md",
    "requirements.txt",
    "rubric.toml",
    "staff/README.md",
    "staff/gradescope/make_zip.py",
    "staff/gradescope/run_autograder",
    "staff/gradescope/setup.sh",
    "staff/rubric.toml",
    "submissions/my_pruner.py",
]
PULL_REQUEST_WORKFLOWS = [
    "course/.github/workflows/grade.yml",
    "plantkit-gradient/.github/workflows/tests.yml",
    "plantkit-reader/.github/workflows/tests.yml",
    "plantkit-ripple/.github/workflows/tests.yml",
]
LEADERBOARD_FILES = [
    ".gitattributes",
    ".github/workflows/board.yml",
    ".gitignore",
    "README.md",
    "leaderboard.sqlite",
    "requirements.txt",
]


def files_in(directory: Path) -> list[str]:
    return sorted(
        path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file()
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A directory with the assignment `course` and the plugin `plantkit-gradient`."""
    root = tmp_path_factory.mktemp("made")
    new_assignment(root / "course", title='Find the "ticket"')
    new_package("plugin", "plantkit-gradient", root)
    new_package("family", "plantkit-ripple", root)
    new_package("attacker", "plantkit-reader", root)
    new_leaderboard(root / "board", title="Find the ticket", board=b"a board")
    return root


# --- what is made


def test_the_files_of_a_plugin(made):
    assert files_in(made / "plantkit-gradient") == PLUGIN_FILES


@pytest.mark.parametrize("name", ["ripple", "reader"])
def test_the_files_of_a_family_and_of_an_attacker(made, name):
    wanted = [file.replace("gradient", name) for file in PLUGIN_FILES]
    assert files_in(made / f"plantkit-{name}") == wanted


def test_the_files_of_an_assignment(made):
    assert files_in(made / "course") == ASSIGNMENT_FILES


def test_the_files_of_a_leaderboard(made):
    assert files_in(made / "board") == LEADERBOARD_FILES
    assert (made / "board/leaderboard.sqlite").read_bytes() == b"a board"


def test_every_template_is_used_and_filled(made):
    templates = files_in(ROOT / "plantkit/templates")
    assert {name.partition("/")[0] for name in templates} == {
        "assignment", "attacker", "family", "leaderboard", "package", "plugin", "pruner", "rubric"
    }  # fmt: skip
    assert all(name.endswith(".in") for name in templates)
    for path in made.rglob("*"):
        assert not path.is_file() or "@{" not in path.read_text(encoding="utf-8")


def test_scripts_can_be_run_and_nothing_else(made):
    executable = [
        path.name for path in made.rglob("*") if path.is_file() and os.access(path, os.X_OK)
    ]
    assert sorted(executable) == ["run_autograder", "setup.sh"]


@pytest.mark.parametrize(
    "project", ["course", "plantkit-gradient", "plantkit-ripple", "plantkit-reader"]
)
def test_the_code_is_clean(project, made):
    for arguments in (["check", "--select", "E,F,W,I,N,UP,B,SIM,RUF"], ["format", "--check"]):
        subprocess.run(
            [sys.executable, "-m", "ruff", *arguments, "--isolated", "--line-length=100", "."],
            cwd=made / project,
            check=True,
            timeout=60,
        )


@pytest.mark.slow
def test_the_pruners_pass_every_check(made, tmp_path):
    (own,) = new_pruner(tmp_path / "deep" / "mine.py")
    plugin = made / "plantkit-gradient/src/plantkit_gradient/__init__.py"
    with Laboratory() as laboratory:
        for path in (own, plugin):
            for result in run_checks(PrunerSource(path=str(path)), laboratory, is_trusted=True):
                assert result.status == "ok", result
    assert own.read_bytes() == (made / "course/submissions/my_pruner.py").read_bytes().replace(
        b"my_pruner", b"mine"
    ).replace(b"submissions/mine.py", f"{tmp_path.as_posix()}/deep/mine.py".encode())


def test_the_plugin_declares_itself(made):
    project = tomllib.loads((made / "plantkit-gradient/pyproject.toml").read_text())["project"]
    assert project["name"] == "plantkit-gradient"
    assert project["entry-points"]["plantkit"] == {"gradient": "plantkit_gradient"}
    assert project["dependencies"] == [f"plantkit>={__version__}"]


def test_an_attacker_needs_what_the_audit_needs(made):
    project = tomllib.loads((made / "plantkit-reader/pyproject.toml").read_text())["project"]
    assert project["dependencies"] == [f"plantkit[audit]>={__version__}"]


def test_a_family_cannot_be_called_like_one_of_the_kit(tmp_path):
    with pytest.raises(UsageError, match="'circle' is taken"):
        new_package("family", "plantkit-circle", tmp_path)


@pytest.mark.no_cover
@pytest.mark.parametrize("name", ["ripple", "reader"])
def test_a_new_family_and_a_new_attacker_pass_their_tests(made, tmp_path, name):
    project = made / f"plantkit-{name}"
    points = tomllib.loads((project / "pyproject.toml").read_text())["project"]["entry-points"]
    metadata = tmp_path / f"plantkit_{name}-0.1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: plantkit-{name}\n")
    [(key, value)] = points["plantkit"].items()
    (metadata / "entry_points.txt").write_text(f"[plantkit]\n{key} = {value}\n")
    paths = [str(tmp_path), str(project / "src"), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_students_do_not_get_the_staff_files(made):
    course = made / "course"
    subprocess.run(["git", "init", "-q", course], check=True)
    subprocess.run(["git", "-C", course, "add", "-A"], check=True)
    listed = subprocess.run(
        ["git", "-C", course, "ls-files"], check=True, capture_output=True, text=True
    )
    assert listed.stdout.split() == [
        name for name in ASSIGNMENT_FILES if not name.startswith("staff/")
    ]
    assert "helix" not in (course / "rubric.toml").read_text()
    assert "helix" in (course / "staff/rubric.toml").read_text()


def test_the_two_rubrics_differ_in_the_hidden_criteria_only(made):
    students, staff = (
        tomllib.loads((made / "course" / name).read_text())
        for name in ("rubric.toml", "staff/rubric.toml")
    )
    assert students["title"] == staff["title"] == 'Find the "ticket"'
    shown = [
        [criterion for criterion in rubric["criteria"] if not criterion.get("hidden")]
        for rubric in (students, staff)
    ]
    assert shown[0] == shown[1]
    hidden = [[c for c in rubric["criteria"] if c.get("hidden")] for rubric in (students, staff)]
    assert [set(criterion) for criterion in hidden[0]] == [{"name", "hidden", "points"}]
    for mine, theirs in zip(*hidden, strict=True):
        assert mine.items() <= theirs.items()
    assert violations(students, "rubric") == violations(staff, "rubric") == []


def test_workflows_can_only_read_and_know_no_secrets(made):
    workflows = [made / name for name in PULL_REQUEST_WORKFLOWS]
    board = made / "board/.github/workflows/board.yml"
    assert {*made.glob("*/.github/workflows/*.yml")} == {*workflows, board}
    for path in workflows:
        text = path.read_text()
        assert "\npermissions:\n  contents: read\n" in text
        assert text.count("permissions:") == 1
        assert "write" not in text
        assert "secrets." not in text
        assert "pull_request_target" not in text
        assert "persist-credentials: false" in text
        assert text.count("uses:") == 2
        assert "timeout-minutes:" in text


def test_the_board_is_published_by_a_job_that_runs_nothing_of_the_repository(made):
    workflow = yaml.safe_load((made / "board/.github/workflows/board.yml").read_text("utf-8"))
    assert set(workflow[True]) == {"push", "workflow_dispatch"}  # YAML takes `on` for true
    assert workflow["permissions"] == {"contents": "read"}
    build, publish = workflow["jobs"]["build"], workflow["jobs"]["publish"]
    assert "permissions" not in build
    assert publish["permissions"] == {"pages": "write", "id-token": "write"}
    assert [list(step) for step in publish["steps"]] == [["id", "uses"]]
    assert "plantkit leaderboard build site" in [step.get("run") for step in build["steps"]]
    assert build["steps"][-1]["with"] == {"path": "site"}


# --- the autograder


@pytest.fixture
def autograder(made, tmp_path) -> Path:
    """The root of a grading host, with the zip unpacked into `source`."""
    staff = made / "course/staff"
    subprocess.run([sys.executable, staff / "gradescope/make_zip.py"], check=True, timeout=60)
    with zipfile.ZipFile(staff / "autograder.zip") as archive:
        archive.extractall(tmp_path / "source")
        for entry in archive.infolist():
            (tmp_path / "source" / entry.filename).chmod(entry.external_attr >> 16)
    (staff / "autograder.zip").unlink()
    (tmp_path / "submission").mkdir()
    return tmp_path


def run_autograder(root: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [root / "source/run_autograder"],
        env={**os.environ, "AUTOGRADER_ROOT": str(root), **variables},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_the_zip_holds_what_the_host_runs(autograder, made):
    assert files_in(autograder / "source") == ["rubric.toml", "run_autograder", "setup.sh"]
    for name in ("run_autograder", "setup.sh"):
        path = autograder / "source" / name
        assert os.access(path, os.X_OK)
        subprocess.run(["bash", "-n", path], check=True)
    assert (autograder / "source/rubric.toml").read_bytes() == (
        made / "course/staff/rubric.toml"
    ).read_bytes()


def test_the_zip_takes_challenges_and_wheels_along(tmp_path):
    new_assignment(tmp_path / "course")
    staff = tmp_path / "course/staff"
    for name in ("challenges/secret-3x9/challenge.json", "gradescope/wheels/plantkit.whl"):
        (staff / name).parent.mkdir(parents=True)
        (staff / name).write_text("{}")
    zips = []
    for _ in range(2):
        subprocess.run([sys.executable, staff / "gradescope/make_zip.py"], check=True, timeout=60)
        zips.append((staff / "autograder.zip").read_bytes())
    assert zips[0] == zips[1]
    with zipfile.ZipFile(staff / "autograder.zip") as archive:
        assert sorted(archive.namelist()) == [
            "challenges/secret-3x9/challenge.json",
            "rubric.toml",
            "run_autograder",
            "setup.sh",
            "wheels/plantkit.whl",
        ]


@pytest.mark.parametrize(
    ("files", "graded"),
    [
        (["my_pruner.py", "helpers.py"], "submission/my_pruner.py"),
        (["README.md", "submissions/my_pruner.py"], "submission/submissions/my_pruner.py"),
        (["all.zip"], "submission/all.zip"),
        (["work.ipynb"], "submission"),
        (["deep/other.py"], "submission"),
    ],
)
def test_the_autograder_calls_grade(autograder, files, graded):
    stub = autograder / "stub"
    stub.write_text('#!/bin/sh\npwd > "$STUB_LOG"\nprintf "%s\\n" "$@" >> "$STUB_LOG"\n')
    stub.chmod(0o755)
    for name in files:
        (autograder / "submission" / name).parent.mkdir(exist_ok=True)
        (autograder / "submission" / name).write_text("")
    (autograder / "source/challenges").mkdir()
    log = autograder / "log"
    done = run_autograder(autograder, AUTOGRADER_PLANTKIT=str(stub), STUB_LOG=str(log))
    assert done.returncode == 0, done.stderr
    assert log.read_text().splitlines() == [
        str(autograder / "source"),
        "grade",
        str(autograder / graded),
        "--rubric",
        "rubric.toml",
        "--hidden",
        "run",
        "--gradescope",
        str(autograder / "results/results.json"),
        "--challenges",
        "challenges",
    ]


def test_the_autograder_finds_no_submission(autograder):
    done = run_autograder(autograder, AUTOGRADER_PLANTKIT="false")
    assert done.returncode == 0
    result = json.loads((autograder / "results/results.json").read_text())
    assert result["score"] == 0
    assert "my_pruner.py is missing" in result["output"]


@pytest.mark.slow
def test_the_skeleton_is_graded(autograder, made):
    submission = (made / "course/submissions/my_pruner.py").read_text()
    (autograder / "submission/my_pruner.py").write_text(submission)
    plantkit = Path(sysconfig.get_path("scripts")) / "plantkit"
    done = run_autograder(autograder, AUTOGRADER_PLANTKIT=str(plantkit))
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads((autograder / "results/results.json").read_text())
    scores = {test["name"]: test["score"] / test["max_score"] for test in result["tests"]}
    assert scores["Masks are valid"] == scores["Same seed, same mask"] == 1.0
    assert any(name.startswith("A challenge that was not shown") for name in scores)
    assert scores["Circle: a weak ticket at a fiftieth"] < 0.5  # there is something to do
    assert 0.2 < result["score"] / 100 < 0.7


@pytest.mark.slow
def test_the_plugin_is_installed_and_listed_and_its_tests_pass(made, tmp_path):
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv/bin/python"
    (site,) = (tmp_path / "venv/lib").glob("python3.*/site-packages")
    # plantkit and torch come from this environment: installing torch again takes minutes.
    paths = [sysconfig.get_path("purelib"), str(ROOT), str(ROOT / "plugins")]
    (site / "this_environment.pth").write_text("\n".join(paths) + "\n")

    def run(*arguments: str | Path) -> str:
        done = subprocess.run(
            [python, *arguments],
            cwd=made / "plantkit-gradient",
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("-m", "pip", "install", "--quiet", ".")
    cli = ("-c", "from plantkit.cli import main; main()")
    listed = {
        entry["name"]: entry
        for entry in json.loads(run(*cli, "list", "pruners", "--format", "json"))
    }
    assert listed["gradient"]["plugin"] == "gradient"
    assert {"scope=global", "power=1.0"} <= set(listed["gradient"]["options"].split(", "))
    assert f"gradient: {len(CHECKS)} ok" in run(*cli, "check", "gradient:power=2")
    assert f"{len(CHECKS) + 2} passed" in run("-m", "pytest", "-q")


# --- names, and files that exist


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mine", r"mine does not end in \.py; did you mean '.*/mine\.py'\?"),
        ("class.py", r"is a keyword of Python; did you mean 'class_pruner\.py'"),
        ("random.py", r"would hide the module 'random'; did you mean 'random_pruner\.py'"),
        ("3D Pruner.py", r"cannot be a Python module's name; .*; did you mean 'pruner_3d\.py'"),
        ("my-pruner.py", r"did you mean 'my_pruner\.py'"),
        ("élan.py", r"cannot be a Python module's name"),
    ],
)
def test_names_of_pruners(name, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        new_pruner(tmp_path / name)
    assert files_in(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("My_Pruner", "expected lower-case letters, .*; did you mean 'plantkit-my-pruner'"),
        ("../elsewhere", "expected lower-case letters, .*; did you mean 'plantkit-elsewhere'"),
        ("", "did you mean 'plantkit-my-pruner'"),
        ("synflow", "'synflow' is taken .*; did you mean 'plantkit-my-synflow'"),
        ("plantkit-synflow", "'synflow' is taken .*; did you mean 'plantkit-my-synflow'"),
        ("plantkit-saliency", "'saliency' is taken"),
        ("plantkit-3d", "expected a letter at its start; did you mean 'plantkit-pruner-3d'"),
        ("plantkit", "would hide the module 'plantkit'; did you mean 'plantkit-my-pruner'"),
        ("json", "would hide the module 'json'; did you mean 'plantkit-json'"),
        ("lambda", "is a keyword of Python; did you mean 'plantkit-lambda-pruner'"),
        ("safetensors", "a package named 'safetensors' is installed already"),
    ],
)
def test_names_of_plugins(name, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        new_package("plugin", name, tmp_path)
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("title", ["", "  ", "two\nlines", "x" * 201])
def test_titles_of_assignments(title, tmp_path):
    with pytest.raises(UsageError, match="expected one line of 1 to 200 characters"):
        new_assignment(tmp_path / "course", title=title)


def test_a_title_is_made_of_the_directory(tmp_path):
    new_assignment(tmp_path / "find-the_ticket")
    assert (tmp_path / "find-the_ticket/README.md").read_text().startswith("# Find the ticket\n")


def test_nothing_is_overwritten(tmp_path, plantkit_cli):
    for arguments in (
        ("pruner", tmp_path / "mine.py"),
        ("plugin", "plantkit-mine", "--directory", tmp_path),
        ("assignment", tmp_path / "course"),
    ):
        first = plantkit_cli("new", *arguments)
        assert first.code == 0, first
        made = [Path(line) for line in first.out.splitlines()]
        assert all(path.is_file() for path in made)
        for path in made[1:]:
            path.unlink()
        made[0].write_text("mine")
        again = plantkit_cli("new", *arguments)
        assert again.code == 2
        assert f"{made[0]} exists already; nothing was written" in again.err
        assert made[0].read_text() == "mine"
        assert not any(path.exists() for path in made[1:])


def test_an_existing_directory_is_filled(tmp_path):
    (tmp_path / "course/.git").mkdir(parents=True)
    assert len(new_assignment(tmp_path / "course")) == len(ASSIGNMENT_FILES)


def test_what_cannot_be_written(tmp_path, plantkit_cli):
    (tmp_path / "file").write_text("")
    outcome = plantkit_cli("new", "pruner", tmp_path / "file" / "mine.py")
    assert outcome.code == 2
    assert "cannot be written: Not a directory" in outcome.err or "File exists" in outcome.err


def test_the_kind_may_be_misspelt(plantkit_cli):
    outcome = plantkit_cli("new", "plugn", "x")
    assert outcome.code == 2
    assert "no kind of template is named 'plugn'; did you mean 'plugin'?" in outcome.err
    outcome = plantkit_cli("new", "xyz")
    assert "expected assignment, attacker, family, plugin, pruner" in outcome.err


# --- where plantkit comes from


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (None, f"plantkit=={__version__}"),
        ("plantkit>=0.1,<2", "plantkit>=0.1,<2"),
        ("plantkit[seal]==1.0", "plantkit[seal]==1.0"),
        ("git+https://example.org/plantkit@v1", "plantkit @ git+https://example.org/plantkit@v1"),
        ("https://example.org/plantkit.whl", "plantkit @ https://example.org/plantkit.whl"),
    ],
)
def test_what_an_assignment_installs(given, line, tmp_path):
    new_assignment(tmp_path / "course", plantkit_from=given)
    assert (tmp_path / "course/requirements.txt").read_text() == f"{line}\n"
    setup = (tmp_path / "course/staff/gradescope/setup.sh").read_text()
    assert shlex.split(setup)[-1] == line
    assert files_in(tmp_path / "course") == ASSIGNMENT_FILES


@pytest.mark.parametrize(
    "given",
    [
        "numpy", "plantkitten==1", "-r other.txt", "plantkit==1\n--index-url=x", "plantkit; $(id)",
        "no-such.whl", "plantkit==1 # x", "",
    ],
)  # fmt: skip
def test_what_no_assignment_can_install(given, tmp_path, plantkit_cli):
    outcome = plantkit_cli("new", "assignment", tmp_path / "course", "--plantkit-from", given)
    assert outcome.code == 2
    assert "expected a requirement such as" in outcome.err
    assert files_in(tmp_path) == []


def test_a_wheel_goes_along(tmp_path, plantkit_cli):
    name = "plantkit-9.9-py3-none-any.whl"
    (tmp_path / name).write_bytes(b"\x00wheel")
    course = tmp_path / "course"
    outcome = plantkit_cli("new", "assignment", course, "--plantkit-from", tmp_path / name)
    assert outcome.code == 0
    carried = [f"staff/gradescope/wheels/{name}", f"wheels/{name}"]
    assert files_in(course) == sorted([*ASSIGNMENT_FILES, *carried])
    assert all((course / path).read_bytes() == b"\x00wheel" for path in carried)
    assert (course / "requirements.txt").read_text() == f"./wheels/{name}\n"
    other = tmp_path / "torch-1-py3-none-any.whl"
    other.write_bytes(b"")
    outcome = plantkit_cli("new", "assignment", tmp_path / "b", "--plantkit-from", other)
    assert (outcome.code, "is not a wheel of plantkit" in outcome.err) == (2, True)


@pytest.mark.slow
def test_an_assignment_installs_the_wheel_of_a_checkout_and_checks_its_skeleton(tmp_path):
    """The steps of the workflow and of Gradescope's setup, each in a fresh environment; torch
    and other dependencies come from this one, since downloading them takes minutes."""
    course = tmp_path / "course"
    new_assignment(course, plantkit_from=str(ROOT))
    pinned = {**os.environ, "PIP_NO_DEPS": "1", "PIP_IGNORE_INSTALLED": "1"}
    dependencies = sysconfig.get_path("purelib")

    def run(python: Path, *arguments: str | Path) -> str:
        done = subprocess.run(
            [python, *arguments], cwd=course, env=pinned, capture_output=True, text=True,
            timeout=600, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def borrow(environment: Path) -> None:
        (site,) = (environment / "lib").glob("python3.*/site-packages")
        (site / "this_environment.pth").write_text(dependencies + "\n")

    students = tmp_path / "students"
    venv.create(students, with_pip=True)
    borrow(students)
    run(students / "bin/python", "-m", "pip", "install", "--quiet", "-r", "requirements.txt")
    where = run(students / "bin/python", "-c", "import plantkit; print(plantkit.__file__)")
    assert Path(where.strip()).is_relative_to(students)
    text = run(students / "bin/plantkit", "check", "submissions/my_pruner.py")
    assert f"my_pruner: {len(CHECKS) - 1} ok" in text
    assert "circle-5x100" in run(students / "bin/plantkit", "list", "challenges")

    subprocess.run([sys.executable, course / "staff/gradescope/make_zip.py"], check=True)
    source = tmp_path / "source"
    with zipfile.ZipFile(course / "staff/autograder.zip") as archive:
        archive.extractall(source)
    setup = {**pinned, "AUTOGRADER_ROOT": str(source.parent), "AUTOGRADER_PYTHON": sys.executable}
    subprocess.run(["bash", source / "setup.sh"], env=setup, check=True, timeout=600)
    borrow(source / ".venv")
    assert f"plantkit, version {__version__}" in run(source / ".venv/bin/plantkit", "--version")
