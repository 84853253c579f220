"""Text, names and paths as other systems write them."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import record_of

from plantkit.challenges.keys import write_keys
from plantkit.challenges.manifests import MANIFEST, read_manifest
from plantkit.challenges.sealing import SecretKey, find_key
from plantkit.challenges.suites import read_suites
from plantkit.errors import BundleError, RubricError, UsageError
from plantkit.evaluation.run_directory import RunDirectory
from plantkit.files import write_whole
from plantkit.grading.rubric import read_rubric
from plantkit.pruners.sources import parse_pruner

ROOT = Path(__file__).resolve().parents[2]
BOM = b"\xef\xbb\xbf"


class TestPaths:
    @pytest.mark.parametrize(
        ("text", "base", "options"),
        [
            ("snip:epochs=2,scope=erk", "snip", {"epochs": "2", "scope": "erk"}),
            (r"C:\x\my_pruner.py:option=3", r"C:\x\my_pruner.py", {"option": "3"}),
            (r"C:\runs=2\my_pruner.py", r"C:\runs=2\my_pruner.py", {}),
            (r"C:\runs=2\my_pruner.py:option=3", r"C:\runs=2\my_pruner.py", {"option": "3"}),
            ("C:/runs=2/my_pruner.py", "C:/runs=2/my_pruner.py", {}),
            (r"D:my_pruner.py", r"D:my_pruner.py", {}),
            (r"\\server\share\my.py:a=b", r"\\server\share\my.py", {"a": "b"}),
            (r"mine.py:start=C:\weights", "mine.py", {"start": r"C:\weights"}),
            ("mine.py:time=12:30", "mine.py", {"time": "12:30"}),
            ("runs=2/mine.py", "runs=2/mine.py", {}),
        ],
    )
    def test_options_and_drives_are_told_apart(self, text, base, options, monkeypatch):
        exists = {base}
        for name in ("is_file", "exists"):
            monkeypatch.setattr(Path, name, lambda path, **_: str(path) in exists)
        source = parse_pruner(text)
        if base == "snip":
            exists.clear()
            source = parse_pruner(text)
            assert source.name == "snip"
        else:
            assert source.path == str(Path(base).resolve())
        assert source.options == options

    def test_a_missing_file_is_named_whole(self):
        with pytest.raises(UsageError, match=r"C:\\x=1\\mine.py does not exist"):
            parse_pruner(r"C:\x=1\mine.py")

    def test_spaces_and_other_letters(self, plantkit_cli, tmp_path, tiny_challenges):
        root = tmp_path / "Müller, Ωmega (1)"
        shutil.copytree(tiny_challenges, root / "my challenges")
        mine = root / "mine.py"
        code = "def prune(problem, density, seed):\n    return {}  # π\n"
        write_whole(mine, code)
        done = plantkit_cli(
            *("evaluate", mine, "--challenges", root / "my challenges", "--challenge", "relu-3x8"),
            *("--baselines", "none", "--density", "0.5", "--seeds", "1", "--jobs", "1"),
            *("--isolation", "none", "-o", root / "out put.txt"),
        )
        assert done.code == 1, done
        assert "mine" in (root / "out put.txt").read_text(encoding="utf-8")

    @pytest.mark.parametrize("name", ["con", "NUL", "aux", "prn", "com1", "lpt9"])
    def test_names_of_devices_are_refused(self, plantkit_cli, tmp_path, name):
        done = plantkit_cli("new", "pruner", tmp_path / f"{name}.py")
        assert done.code == 2
        assert "is the name of a device on Windows; did you mean" in done.err
        assert list(tmp_path.iterdir()) == []
        done = plantkit_cli("new", "plugin", name.lower(), "--directory", tmp_path)
        assert done.code == 2

    def test_output_files_have_names_of_their_own_on_every_system(self, tmp_path, relu):
        labels = ["x:a=b", "x:a=B", "x_a=b", "x/a=b", "x:a=" + "b" * 300, "x:a=" + "b" * 301]
        with RunDirectory(tmp_path, {}, resume=False) as run:
            for label in labels:
                run.save_output(record_of(relu, pruner=label), label)
        found = list((tmp_path / "output").iterdir())
        assert {path.read_text(encoding="utf-8") for path in found} == set(labels)
        assert len({path.name.lower() for path in found}) == len(labels)
        assert max(len(path.name) for path in found) < 150
        assert (tmp_path / "output" / "relu-3x8-x_a=b-0.5-0.txt").exists()


class TestLineEndsAndMarks:
    def test_a_manifest_with_crlf_is_the_same_challenge(self, copied_bundle, plantkit_cli):
        path = copied_bundle / MANIFEST
        before, digest = path.read_bytes(), read_manifest(copied_bundle)[1]
        path.write_bytes(before.replace(b"\n", b"\r\n"))
        assert read_manifest(copied_bundle)[1] == digest
        assert plantkit_cli("verify", copied_bundle).code == 0
        path.write_bytes(before.replace(b"\n", b"\r\n").replace(b"Circle", b"Square"))
        with pytest.raises(BundleError, match="has been altered"):
            read_manifest(copied_bundle)

    def test_a_bundle_with_crlf_can_be_sealed(self, copied_bundle, plantkit_cli, tmp_path):
        path = copied_bundle / MANIFEST
        before, digest = path.read_bytes(), read_manifest(copied_bundle)[1]
        path.write_bytes(before.replace(b"\n", b"\r\n"))
        key = tmp_path / "contest.key"
        write_keys(SecretKey.generate(), key)
        assert plantkit_cli("seal", copied_bundle, "--key", f"{key}.pub").code == 0
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
        assert read_manifest(copied_bundle)[1] == digest
        assert plantkit_cli("unseal", copied_bundle, "--key", key).code == 0
        assert path.read_bytes() == before

    def test_a_layout_that_cannot_be_restored_is_still_refused(
        self, copied_bundle, plantkit_cli, tmp_path
    ):
        path = copied_bundle / MANIFEST
        path.write_bytes(path.read_bytes() + b"\n")
        key = tmp_path / "contest.key"
        write_keys(SecretKey.generate(), key)
        done = plantkit_cli("seal", copied_bundle, "--key", key)
        assert done.code == 4
        assert "is not laid out as plantkit writes it" in done.err

    def test_a_key_that_an_editor_saved(self, tmp_path):
        path = tmp_path / "contest.key"
        key = SecretKey.generate()
        write_keys(key, path)
        text = path.read_bytes()
        assert text == key.to_text().encode() + b"\n"
        path.write_bytes(BOM + text.replace(b"\n", b"\r\n"))
        assert find_key(path) == key

    def test_suites_and_rubrics_that_an_editor_saved(self, tiny_challenges, tmp_path):
        path = tmp_path / "suites.toml"
        text = (tiny_challenges / "suites.toml").read_bytes().replace(b"\r\n", b"\n")
        path.write_bytes(BOM + text.replace(b"\n", b"\r\n"))
        assert read_suites(path) == read_suites(tiny_challenges / "suites.toml")
        path = tmp_path / "rubric.toml"
        text = (ROOT / "examples/rubric.toml").read_bytes()
        path.write_bytes(BOM + text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
        assert read_rubric(path).criteria == read_rubric(ROOT / "examples/rubric.toml").criteria

    def test_what_powershell_redirects_is_named(self, tmp_path):
        """PowerShell 5 writes UTF-16."""
        path = tmp_path / "rubric.toml"
        path.write_bytes('title = "x"\n'.encode("utf-16"))
        with pytest.raises(RubricError, match=r"rubric\.toml: cannot be read"):
            read_rubric(path)
        path.rename(tmp_path / "suites.toml")
        with pytest.raises(BundleError, match="is not valid TOML"):
            read_suites(tmp_path / "suites.toml")


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git repository")
def test_git_on_windows_changes_no_line_end(tmp_path):
    def git(*arguments: str, directory: Path = ROOT) -> None:
        command = ["git", "-c", "core.autocrlf=true", "-c", "core.safecrlf=false", *arguments]
        subprocess.run(command, cwd=directory, check=True, capture_output=True)

    names = [".ci/run", "challenges/circle-5x100/challenge.json", "constraints.txt"]
    git("checkout-index", f"--prefix={tmp_path}/ours/", "--", *names)
    for name in names:
        assert b"\r" not in (tmp_path / "ours" / name).read_bytes(), name
    plain = tmp_path / "plain"  # without our .gitattributes it does
    plain.mkdir()
    (plain / "a.json").write_bytes(b"{\n}\n")
    git("init", directory=plain)
    git("add", "a.json", directory=plain)
    git("checkout-index", f"--prefix={tmp_path}/theirs/", "--", "a.json", directory=plain)
    assert (tmp_path / "theirs/a.json").read_bytes() == b"{\r\n}\r\n"


class TestConsoles:
    @pytest.mark.parametrize("encoding", ["cp1252", "ascii", "cp437", "utf-8"])
    @pytest.mark.parametrize(
        ("arguments", "code"),
        [
            (["show", "helix-5x100"], 0),
            (["list", "challenges"], 0),
            (["show", "hélix-\N{GREEK SMALL LETTER PI}"], 2),
            (["evaluate", "\N{PILE OF POO}.py"], 2),
        ],
        ids=["title", "list", "unknown", "missing"],
    )
    def test_every_character_can_be_shown(self, encoding, arguments, code):
        environment = os.environ | {"PYTHONIOENCODING": encoding}
        done = subprocess.run(
            [sys.executable, "-m", "plantkit", *arguments],
            capture_output=True,
            check=False,
            env=environment,
        )
        assert done.returncode == code, done
        assert b"Traceback" not in done.stderr
        assert b"bug" not in done.stderr
        done.stdout.decode("utf-8" if encoding == "ascii" else encoding)  # as click writes there
        if arguments == ["show", "helix-5x100"] and encoding == "cp1252":
            assert rb"8\u03c0" in done.stdout

    def test_no_colour_where_it_is_not_wanted(self, plantkit_cli, monkeypatch):
        monkeypatch.setattr("click._compat.isatty", lambda stream: True)
        for name, value in (("NO_COLOR", ""), ("TERM", "xterm")):
            monkeypatch.setenv(name, value)
        assert "\x1b[" in plantkit_cli("show", "nothing").err
        assert "\x1b[" in plantkit_cli("doctor").out
        for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
            with monkeypatch.context() as patch:
                patch.setenv(name, value)
                assert "\x1b[" not in plantkit_cli("show", "nothing").err
                assert "\x1b[" not in plantkit_cli("doctor").out


def calls_without_encoding(tree: ast.AST) -> Iterator[int]:
    """Yields the lines of calls that read or write text in the system's encoding, or whose line
    ends are the system's."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        of_os = isinstance(function, ast.Attribute) and getattr(function.value, "id", "") == "os"
        given = {keyword.arg for keyword in node.keywords}
        constants = [one.value for one in node.args if isinstance(one, ast.Constant)]
        if name in {"open", "fdopen"} and not (of_os and name == "open"):
            place = 1 if isinstance(function, ast.Name) or name == "fdopen" else 0
            written = [one.value for one in node.args[place:] if isinstance(one, ast.Constant)]
            mode = next((one for one in written if isinstance(one, str)), "r")
            wanted = set() if "b" in mode else {"encoding"}
            wanted |= {"newline"} if set(mode) & set("wax") and "b" not in mode else set()
        elif name == "read_text":
            wanted = set() if constants else {"encoding"}
        elif name == "write_text":
            wanted = {"encoding", "newline"}
        elif name in {"run", "Popen", "check_output"} and given & {"text", "universal_newlines"}:
            wanted = {"encoding"}
        else:
            continue
        if wanted - given:
            yield node.lineno


def test_calls_without_encoding_are_found():
    code = """
open("a")
open("a", "w", encoding="utf-8")
path.read_text()
path.write_text("x", encoding="utf-8")
os.fdopen(1, "w")
subprocess.run(["a"], text=True)
open("a", "rb"); os.open("a", 0); path.read_text("utf-8"); path.open("w", encoding="x", newline="")
"""
    assert list(calls_without_encoding(ast.parse(code))) == [2, 3, 4, 5, 6, 7]


#: Devices, pipes between our own processes, and JSON without a line end.
ALLOWED = {
    "plantkit/cli/__init__.py": 1,
    "plantkit/grading/handins/zips.py": 1,
    "plantkit/isolation/wire.py": 1,
    "plantkit/submissions/archives.py": 1,
}


def test_all_text_has_an_encoding_and_line_ends_of_its_own():
    found = {}
    for folder in ("plantkit", "plugins", "docs", "benchmarks"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            if lines := list(calls_without_encoding(tree)):
                found[path.relative_to(ROOT).as_posix()] = lines
    unexpected = {name: at for name, at in found.items() if len(at) > ALLOWED.get(name, 0)}
    assert unexpected == {}
