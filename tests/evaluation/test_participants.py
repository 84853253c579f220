"""Submissions that take part, and how those of one name are told apart."""

from __future__ import annotations

import os

import pytest

from plantkit.errors import UsageError
from plantkit.evaluation.participants import with_unique_labels
from plantkit.pruners.sources import PrunerSource, parse_pruner
from plantkit.scoring.entries import Entry
from plantkit.submissions.submission import ACCEPTED

PRUNER = "def prune(problem, density, seed):\n    return {}\n"


def entry(path, label: str = "mine") -> Entry:
    return Entry(label=label, source=PrunerSource(path=str(path)).read())


def labels(*entries: Entry) -> list[str]:
    return [one.label for one in with_unique_labels(entries)]


@pytest.fixture
def laid_out(tmp_path):
    """Writes a pruner to each name and returns the directory."""

    def make(*names: str):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(PRUNER)
        return tmp_path

    return make


def test_one_file_name_in_several_folders(laid_out):
    root = laid_out("submission_123/mine.py", "submission_124/mine.py")
    expected = ["submission_123/mine", "submission_124/mine"]
    folders = [root / "submission_123", root / "submission_124"]
    assert labels(*(entry(folder / "mine.py") for folder in folders)) == expected
    assert labels(*map(entry, folders)) == expected
    assert labels(entry(folders[0])) == ["mine"]


def test_folders_of_one_name_take_theirs_along(laid_out):
    root = laid_out("a/x/mine.py", "b/x/mine.py", "b/y/mine.py")
    found = labels(*(entry(root / name) for name in ("a/x/mine.py", "b/x", "b/y/mine.py")))
    assert found == ["a/x/mine", "b/x/mine", "y/mine"]


def test_packages_are_told_apart_by_the_folder_around_them(laid_out):
    root = laid_out("a/mine/__init__.py", "b/mine/__init__.py")
    assert labels(entry(root / "a/mine"), entry(root / "b/mine")) == ["a/mine", "b/mine"]


def test_other_file_names_and_installed_pruners(laid_out):
    root = laid_out("one.py", "two.py")
    installed = Entry(label="snip", source=PrunerSource(name="snip"))
    found = labels(entry(root / "one.py", "snip"), entry(root / "two.py", "snip"), installed)
    assert found == ["snip (one.py)", "snip (two.py)", "snip"]


def test_options_stay_at_the_end(laid_out):
    root = laid_out("a/mine.py", "b/mine.py")
    found = labels(*(entry(root / f"{name}/mine.py", "mine:rounds=3") for name in "ab"))
    assert found == ["a/mine:rounds=3", "b/mine:rounds=3"]


def test_odd_folder_names_are_printable(laid_out):
    root = laid_out("a\x1b[31m\u202e/mine.py", "b/mine.py")
    assert labels(entry(root / "a\x1b[31m\u202e/mine.py"), entry(root / "b/mine.py")) == [
        "a?[31m?/mine",
        "b/mine",
    ]


@pytest.mark.parametrize("second", ["a/mine.py", "a", "./a/../a/mine.py", "link.py"])
def test_the_very_same_file_was_given_twice(laid_out, second):
    root = laid_out("a/mine.py")
    (root / "link.py").symlink_to(root / "a/mine.py")
    sources = [parse_pruner(f"{root}/{name}").read() for name in ("a/mine.py", second)]
    with pytest.raises(UsageError) as error:
        with_unique_labels([Entry(label="mine", source=source) for source in sources])
    expected = f"pruner 'mine' of {sources[0].path} was given twice; give it once"
    assert str(error.value) == expected


def test_an_installed_pruner_given_twice():
    with pytest.raises(UsageError, match=r"^pruner 'snip' was given twice; give it once$"):
        labels(*[Entry(label="snip", source=PrunerSource(name="snip"))] * 2)


class TestParsing:
    def test_paths_of_every_form_take_options(self, laid_out):
        root = laid_out("a/mine.py", "n.ipynb", "z.zip", "with=sign/mine.py")
        for name in ("a/mine.py", "a", "a/", "n.ipynb", "z.zip", "with=sign", "with=sign/mine.py"):
            source = parse_pruner(f"{root}/{name}:rounds=3,scope=erk")
            assert source.path == os.path.normpath(root / name)
            assert source.options == {"rounds": "3", "scope": "erk"}
            assert parse_pruner(f"{root}/{name}").options == {}

    def test_what_does_not_exist_says_what_is_accepted(self, tmp_path):
        for name in ("mine.py", "a.zip", "n.ipynb", "folder/", "a/b"):
            with pytest.raises(UsageError) as error:
                parse_pruner(f"{tmp_path}/{name}")
            assert f"does not exist; expected {ACCEPTED}, or the name of" in str(error.value)

    def test_a_word_is_an_installed_pruner_or_what_exists(self, laid_out, monkeypatch):
        monkeypatch.chdir(laid_out("snip/mine.py", "box/mine.py", "word"))
        assert parse_pruner("snip").name == "snip"
        assert parse_pruner("nothing:x=1") == PrunerSource(name="nothing", options={"x": "1"})
        for given in ("./snip", "box", "word", "."):
            assert parse_pruner(given).path == os.path.realpath(given)
