"""What people hand in: each form is read as it is meant, and anything else is refused."""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import sys
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from plantkit.errors import PluginError
from plantkit.submissions import reading
from plantkit.submissions import submission as submissions
from plantkit.submissions.reading import read_standard_input, read_submission
from plantkit.submissions.submission import ACCEPTED, Submission

PRUNER = "def prune(problem, density, seed):\n    return {}\n"


def notebook(*cells: str | list[str]) -> str:
    return json.dumps({"cells": [{"cell_type": "code", "source": cell} for cell in cells]})


def laid_out(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def zipped(path: Path, files: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def refused(path: Path) -> str:
    with pytest.raises(PluginError) as error:
        read_submission(path)
    assert error.value.plugin == str(path)
    return error.value.message


#: Files in a folder, and the one that defines the pruner.
LAYOUTS = {
    "one file": ({"a.py": PRUNER}, "a.py"),
    "one file without prune, which is said later": ({"a.py": "x = 1"}, "a.py"),
    "helpers": ({"a.py": PRUNER, "b.py": "def pruned(): ...", "data.json": "{}"}, "a.py"),
    "a package": ({"__init__.py": "from .core import prune", "core.py": PRUNER}, "__init__.py"),
    "a file in a package": ({"__init__.py": "", "core.py": PRUNER}, "core.py"),
    "a hook": ({"a.py": "def plantkit_pruners():\n    return []", "b.py": ""}, "a.py"),
    "an assigned function": ({"a.py": "prune = other", "b.py": "import prune"}, "a.py"),
    "Windows line ends": ({"a.py": f"x = 1\r\n{PRUNER}", "b.py": "prune(1)"}, "a.py"),
    "a notebook": ({"n.ipynb": notebook(PRUNER), "b.py": "y = 1"}, "n.ipynb"),
    "a notebook of lines": (
        {"n.ipynb": notebook(["x = 1\n", *PRUNER.splitlines(True)]), "m.ipynb": notebook("x")},
        "n.ipynb",
    ),
    "a method in a notebook": (
        {"a.py": PRUNER, "n.ipynb": notebook("class A:\n    def prune(self):\n        ...")},
        "a.py",
    ),
    "a helper with a function of that name": (
        {"a.py": PRUNER, "b.py": "def prune(weights, k=1):\n    ..."},
        "a.py",
    ),
    "further down": ({"README.md": "", "src/deep/a.py": PRUNER}, "src/deep/a.py"),
    "what is further up counts": ({"a.py": PRUNER, "old/a.py": PRUNER}, "a.py"),
    "the named one": ({"a.py": PRUNER, "b/pruner.py": "", "pruner.py": PRUNER}, "pruner.py"),
    "what tools leave behind": (
        {
            "a.py": PRUNER,
            "__MACOSX/._a.py": PRUNER,
            "._a.py": PRUNER,
            ".git/x.py": PRUNER,
            "Icon\r": "",
            "__MACOSX/._Icon\r": "",
        },
        "a.py",
    ),
}


@pytest.mark.parametrize(("files", "main"), LAYOUTS.values(), ids=LAYOUTS)
def test_folders_and_zips(tmp_path, files, main):
    folder = laid_out(tmp_path / "mine", files)
    odd = ("._", ".git", "Icon")
    kept = {n: text.encode() for n, text in files.items() if not any(part in n for part in odd)}
    read = read_submission(folder)
    assert read.main == f"mine/{main}"
    assert read.main_path == str(folder / main)
    assert read.files == {f"mine/{name}": content for name, content in kept.items()}
    packed = read_submission(zipped(tmp_path / "mine.zip", files))
    assert (packed.main, packed.files) == (main, kept)
    wrapped = zipped(tmp_path / "all.ZIP", {f"mine/{name}": text for name, text in files.items()})
    assert read_submission(wrapped).main == f"mine/{main}"
    assert read_submission(wrapped).files == read.files


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"README.md": "x"}, "holds no Python file and no notebook; expected "),
        ({"a.py": PRUNER, "b.py": PRUNER}, "holds 2 files that define a pruner: a.py, b.py; give"),
        (
            {"a.py": "", "b.py": ""},
            "holds 2 Python files, and none defines prune(problem, density, seed): a.py, b.py;",
        ),
    ],
)
def test_folders_and_zips_without_one_pruner(tmp_path, files, expected):
    assert expected in refused(laid_out(tmp_path / "mine", files))
    assert expected in refused(zipped(tmp_path / "mine.zip", files))


@pytest.mark.parametrize("name", ["notes.txt", "mask.pkl", "my_pruner", "a.tar.gz"])
def test_a_wrong_kind_of_file_says_what_is_accepted(tmp_path, name):
    (tmp_path / name).write_text(PRUNER)
    assert refused(tmp_path / name) == f"is not a submission; expected {ACCEPTED}"


def test_paths_that_hold_nothing(tmp_path):
    assert "expected" in refused(tmp_path / "missing.py")
    (tmp_path / "empty").mkdir()
    assert "holds no Python file" in refused(tmp_path / "empty")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.py")
        assert "is not a submission" in refused(tmp_path / "pipe.py")  # and does not wait


def test_a_file_that_cannot_be_read(tmp_path, monkeypatch):
    def deny(*_: object) -> bytes:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "mine.py").touch()
    monkeypatch.setattr(reading, "read_file", deny)  # root may read everything
    assert refused(tmp_path / "mine.py") == "cannot be read: Permission denied"


class TestHelpers:
    """Modules next to a single file: those that it imports, and no other submission."""

    def names(self, root: Path, files: dict[str, str]) -> set[str]:
        return set(read_submission(laid_out(root, files) / "mine.py").files)

    @pytest.mark.parametrize(
        "line",
        [
            "import helpers",
            "import os, helpers as h",
            "from helpers import keep",
            "    from helpers import (\n  keep)",
            "from . import helpers",
            "import \\\n helpers",
            "importlib.import_module('helpers')",
        ],
    )
    def test_imported_ones_belong_to_it(self, tmp_path, line):
        files = {"mine.py": line + "\n" + PRUNER, "helpers.py": "import more", "more.py": "z = 1"}
        assert self.names(tmp_path, files | {"other.py": ""}) == {
            "mine.py", "helpers.py", "more.py",
        }  # fmt: skip

    def test_of_a_notebook(self, tmp_path):
        laid_out(tmp_path, {"n.ipynb": notebook("import helpers", PRUNER), "helpers.py": ""})
        assert set(read_submission(tmp_path / "n.ipynb").files) == {"n.ipynb", "helpers.py"}

    def test_packages_with_all_their_modules(self, tmp_path):
        files = {"mine.py": "import parts.deep", "parts/deep/a.py": "import b", "parts/x.txt": ""}
        found = self.names(tmp_path, {**files, "b.py": ""})
        assert found == {"mine.py", "parts/deep/a.py", "b.py"}

    def test_other_submissions_do_not(self, tmp_path):
        files = {"mine.py": "import bob, carol", "bob.py": PRUNER, "carol/a.py": PRUNER}
        assert self.names(tmp_path, files) == {"mine.py"}

    @pytest.mark.parametrize(
        ("head", "is_helper"),
        [
            ("def prune(weights, k):", True),
            ("def prune(problem, density, seed):", False),
            ("def prune(problem,\n    density, *,\n    seed):", False),
            ("def prune(*arguments):", False),
            ("def plantkit_pruners():", False),
            ("prune = 0.5\nif prune:", True),
            ("prune = Pruner().prune\nif prune:", False),
            ("prune: object = Pruner()\nif prune:", False),
        ],
    )
    def test_a_function_called_prune_does_not_make_a_submission(self, tmp_path, head, is_helper):
        files = {"mine.py": "import other", "other.py": f"{head}\n    pass\n"}
        assert ("other.py" in self.names(tmp_path, files)) is is_helper

    def test_standard_modules_and_ours_are_never_taken_from_there(self, tmp_path):
        files = {"mine.py": "import random, torch, plantkit, numpy"}
        beside = {"random.py": "", "torch.py": "", "plantkit/__init__.py": "", "numpy.py": ""}
        assert self.names(tmp_path, files | beside) == {"mine.py"}

    def test_links_are_not_followed(self, tmp_path):
        (tmp_path / "secret.txt").write_text("secret")
        place = laid_out(tmp_path / "place", {"mine.py": "import helpers, parts"})
        (place / "helpers.py").symlink_to(tmp_path / "secret.txt")
        (place / "parts").symlink_to(tmp_path)
        assert set(read_submission(place / "mine.py").files) == {"mine.py"}

    def test_a_package_that_is_too_large_is_named(self, tmp_path, monkeypatch):
        monkeypatch.setattr(submissions, "MOST_FILES", 3)
        files = {"mine.py": "import parts", **{f"parts/m{number}.py": "" for number in range(4)}}
        expected = "imports 'parts', and the folder of that name next to it holds more than 3 files"
        assert expected in refused(laid_out(tmp_path, files) / "mine.py")


def test_a_link_in_a_folder_is_refused(tmp_path):
    folder = laid_out(tmp_path / "mine", {"a.py": PRUNER})
    (folder / "data.txt").symlink_to("/etc/passwd")
    assert refused(folder) == "holds a symbolic link, mine/data.txt; put the file itself there"
    (folder / "data.txt").unlink()
    (folder / "deep").symlink_to("/etc")
    assert "holds a symbolic link, mine/deep" in refused(folder)


def test_files_that_would_take_the_memory_of_who_reads_them(tmp_path):
    """What reads a submission is not isolated: it stays small whatever is handed in."""
    many = "import " + ",".join(f"m{number}" for number in range(5000))
    (tmp_path / "mine.py").write_text(many)
    assert refused(tmp_path / "mine.py") == "imports more than 2000 names"
    (tmp_path / "book.ipynb").write_text("[[[]," * 200_000)  # as JSON, it would be far larger
    tracemalloc.start()
    read_submission(tmp_path / "book.ipynb")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 10 * (tmp_path / "book.ipynb").stat().st_size


def test_environments_are_left_out(tmp_path):
    files = {"a.py": PRUNER, "env/pyvenv.cfg": "", "env/lib/b.py": PRUNER, "__pycache__/a.py": ""}
    assert set(read_submission(laid_out(tmp_path / "m", files)).files) == {"m/a.py"}


def test_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(submissions, "MOST_FILES", 3)
    monkeypatch.setattr(submissions, "MOST_BYTES", 1024 * 1024)
    many = {f"f{number}.txt": "" for number in range(4)}
    large = {"a.py": PRUNER, "data": "x" * (1024 * 1024)}
    for files, expected in ((many, "more than 3 files"), (large, "larger than 1 MiB")):
        assert expected in refused(laid_out(tmp_path / expected, files))
        assert expected in refused(zipped(tmp_path / f"{expected}.zip", files))
    alone = tmp_path / "mine.py"
    alone.write_text("#" * (1024 * 1024 + 1))
    assert "larger than 1 MiB" in refused(alone)
    deep = "/".join(["deep" * 20] * 6)
    assert "name is too long" in refused(laid_out(tmp_path / "deep", {f"{deep}/a.py": PRUNER}))


def test_a_zip_as_tar_writes_it(tmp_path):
    path = zipped(tmp_path / "mine.zip", {"./": "", "./pruner.py": PRUNER, "./data/a.txt": "x"})
    assert set(read_submission(path).files) == {"pruner.py", "data/a.txt"}


class TestHostileZips:
    """Nothing leaves the zip, and nothing is unpacked beyond the bounds."""

    def made(self, path: Path, *members: tuple[zipfile.ZipInfo | str, bytes]) -> Path:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, content in members:
                archive.writestr(member, content)
        return path

    @pytest.mark.parametrize(
        "name",
        [
            "../escaped.py", "a/../../escaped.py", "/etc/cron.d/x", "C:/x.py", "C:\\x.py",
            "..\\escaped.py", "a//b.py", "./../x.py", "a/./b.py", "tab\tname.py", "a.py:stream",
            "dots./a.py", "space /a.py", "x" * 256 + ".py", "\u202egnp.py",
        ],
    )  # fmt: skip
    def test_names_that_lead_elsewhere(self, tmp_path, name):
        path = self.made(tmp_path / "mine.zip", ("pruner.py", PRUNER.encode()), (name, b""))
        assert "holds a member named" in refused(path)
        assert sorted(tmp_path.iterdir()) == [path]

    def test_backslashes_are_folders(self, tmp_path):
        path = self.made(tmp_path / "mine.zip", ("mine\\a.py", PRUNER.encode()))
        assert read_submission(path).main == "mine/a.py"

    @pytest.mark.parametrize(
        ("kind", "expected"),
        [(stat.S_IFLNK, "a symbolic link"), (stat.S_IFIFO, "a special file")],
    )
    def test_links_and_special_files(self, tmp_path, kind, expected):
        member = zipfile.ZipInfo("link.py")
        member.external_attr = (kind | 0o777) << 16
        path = self.made(tmp_path / "mine.zip", ("a.py", PRUNER.encode()), (member, b"/etc/passwd"))
        assert f"holds {expected}, link.py" in refused(path)

    @pytest.mark.filterwarnings("ignore:Duplicate name")
    @pytest.mark.parametrize(
        ("first", "second", "expected"),
        [
            ("a.py", "a.py", "holds 'a.py' twice"),
            ("a.py", "A.PY", "holds 'A.PY' twice"),
            ("caf\u00e9.py", "cafe\u0301.py", "twice"),
            ("a", "a/b.py", "holds 'a' as a file and as a folder"),
        ],
    )
    def test_names_that_are_one(self, tmp_path, first, second, expected):
        path = self.made(tmp_path / "mine.zip", (first, PRUNER.encode()), (second, b""))
        assert expected in refused(path)

    def test_a_bomb(self, tmp_path):
        path = self.made(tmp_path / "mine.zip", ("zeros", bytes(8 * 1024 * 1024)))
        assert "times as large when unpacked" in refused(path)

    def test_a_size_that_is_a_lie(self, tmp_path):
        path = self.made(tmp_path / "mine.zip", ("zeros", bytes(8 * 1024 * 1024)))
        content = path.read_bytes()
        size = (8 * 1024 * 1024).to_bytes(4, "little")
        path.write_bytes(content.replace(size, (10).to_bytes(4, "little")))
        assert "is not a zip file that can be read" in refused(path)

    def test_more_members_than_are_looked_at(self, tmp_path):
        path = tmp_path / "mine.zip"
        path.write_bytes(b"PK\x01\x02" * 3000)
        assert "holds more than 2000 members" in refused(path)

    def test_encrypted_and_oddly_compressed_members(self, tmp_path):
        path = self.made(tmp_path / "mine.zip", ("a.py", PRUNER.encode()))
        content = bytearray(path.read_bytes())
        for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            content[content.index(mark) + offset] |= 1
        path.write_bytes(content)
        assert "holds a.py, which is encrypted" in refused(path)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
            archive.writestr("a.py", PRUNER)
        assert "compressed by another method than deflate" in refused(path)

    def test_whatever_the_bytes_are(self, tmp_path):
        """Every byte of a zip, changed, gives files or a message."""
        path = self.made(tmp_path / "mine.zip", ("m/a.py", PRUNER.encode()), ("m/b.txt", b"x" * 99))
        content = path.read_bytes()
        outcomes = set()
        for position in range(len(content)):
            for value in (0, 0xFF, content[position] ^ 1):
                changed = content[:position] + bytes([value]) + content[position + 1 :]
                path.write_bytes(changed)
                try:
                    outcomes.add(type(read_submission(path)))
                except PluginError as error:
                    outcomes.add(type(error))
        assert outcomes == {Submission, PluginError}

    def test_a_zip_cut_off(self, tmp_path):
        path = self.made(tmp_path / "mine.zip", ("a.py", PRUNER.encode()))
        path.write_bytes(path.read_bytes()[:-30])
        assert "is not a zip file that can be read" in refused(path)


class TestStandardInput:
    @pytest.fixture
    def give(self, monkeypatch):
        def read(content: bytes) -> Submission:
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
            return read_standard_input()

        return read

    def test_forms_are_told_by_their_content(self, give, tmp_path):
        code = give(PRUNER.encode())
        assert (code.path, code.main, code.files) == (
            "stdin.py", "stdin.py", {"stdin.py": PRUNER.encode()},
        )  # fmt: skip
        assert give(notebook(PRUNER).encode()).main == "stdin.ipynb"
        packed = give(zipped(tmp_path / "x.zip", {"m/a.py": PRUNER}).read_bytes())
        assert (packed.path, packed.main) == ("stdin.zip", "m/a.py")

    def test_nothing_is_refused(self, give):
        for content in (b"", b" \n"):
            with pytest.raises(PluginError, match="standard input: is empty; expected"):
                give(content)

    def test_without_standard_input(self, monkeypatch):
        monkeypatch.setattr(sys, "stdin", None)
        with pytest.raises(PluginError, match="is empty"):
            read_standard_input()


class TestDigest:
    def test_of_a_file_alone_is_that_of_its_content(self, tmp_path):
        (tmp_path / "a.py").write_bytes(b"import b")
        alone = read_submission(tmp_path / "a.py").digest
        assert alone == hashlib.sha256(b"import b").hexdigest()
        (tmp_path / "b.py").write_bytes(b"")
        assert read_submission(tmp_path / "a.py").digest != alone

    def test_everything_counts(self, tmp_path):
        files = {"m/a.py": PRUNER, "m/b.py": "x = 1", "m/c.bin": "data"}
        seen = {read_submission(laid_out(tmp_path / "0", files) / "m").digest}
        changes = ({"m/b.py": "x = 2"}, {"m/c.bin": "DATA"}, {"m/d": ""}, {"m/a.py": PRUNER + "#"})
        for number, change in enumerate(changes, start=1):
            root = laid_out(tmp_path / str(number), files | change)
            seen.add(read_submission(root / "m").digest)
        assert len(seen) == 5
        again = laid_out(tmp_path / "9", dict(reversed(files.items())))
        assert read_submission(again / "m").digest in seen
