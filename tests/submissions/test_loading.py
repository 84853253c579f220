"""Importing a submission: its own modules are found, and errors name places as users know them."""

from __future__ import annotations

import inspect
import json
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from plantkit.errors import PluginError
from plantkit.plugins import load_submission
from plantkit.submissions.loading import _Finder, import_submission
from plantkit.submissions.reading import read_submission
from plantkit.submissions.submission import Staged

PRUNER = "def prune(problem, density, seed):\n    return {}\n"


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Forgets what was imported, as the end of a child process would."""
    yield
    for finder in [one for one in sys.meta_path if isinstance(one, _Finder)]:
        finder.forget()


@pytest.fixture
def stage(tmp_path: Path) -> Callable[..., Staged]:
    """Writes files, reads them as a submission and lays it out as in a cell."""
    count = 0

    def make(files: dict[str, str], given: str) -> Staged:
        nonlocal count
        count += 1
        home = tmp_path / f"home{count}"
        for name, text in files.items():
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).write_text(text)
        return read_submission(home / given).stage(tmp_path / f"cell{count}")

    return make


@pytest.fixture
def load(stage) -> Callable[..., ModuleType]:
    return lambda files, given="mine.py": import_submission(stage(files, given))


def notebook(*cells: str) -> str:
    return json.dumps({"cells": [{"cell_type": "code", "source": cell} for cell in cells]})


def test_each_submission_sees_its_own_modules(load):
    first = load({"mine.py": "import helpers\nx = helpers.x", "helpers.py": "x = 1"})
    second = load({"mine.py": "import helpers\nx = helpers.x", "helpers.py": "x = 2"})
    assert (first.x, second.x) == (1, 2)
    with pytest.raises(PluginError, match=r"No module named 'helpers'"):
        load({"mine.py": "import helpers"})
    assert "helpers" not in sys.modules


def test_a_module_may_be_imported_late(load):
    module = load({"mine.py": "def f():\n    import helpers\n    return helpers.x",
                   "helpers.py": "x = 3"})  # fmt: skip
    assert module.f() == 3


@pytest.mark.parametrize("marked", [True, False])
def test_packages_and_folders_without_init(load, marked):
    files = {"mine.py": "from parts.deep import a", "parts/deep/a.py": "from ..b import x",
             "parts/b.py": "x = 5"}  # fmt: skip
    if marked:
        files |= {"parts/__init__.py": "", "parts/deep/__init__.py": ""}
    assert load(files).a.x == 5


@pytest.mark.parametrize("line", ["from .core import x", "from box.core import x", "import core"])
def test_a_submission_that_is_a_package(load, line):
    module = load({"box/__init__.py": f"{line}\nprune = 1", "box/core.py": "x = 7"}, "box")
    assert getattr(module, "x", None) == 7 or module.core.x == 7


def test_a_main_file_in_a_package_can_import_relatively(load):
    files = {"box/__init__.py": "y = 1", "box/core.py": "x = 7",
             "box/main.py": f"from . import y\nfrom .core import x\n{PRUNER}"}  # fmt: skip
    module = load(files, "box")
    assert (module.x, module.y) == (7, 1)


def test_a_folder_never_hides_an_installed_package_or_a_standard_module(load):
    files = {"m/a.py": f"import jinja2, statistics\n{PRUNER}", "m/jinja2/data.txt": "",
             "m/statistics.py": "raise ValueError", "m/jinja2/__pycache__/x": ""}  # fmt: skip
    module = load(files, "m")
    assert module.jinja2.__version__
    assert module.statistics.mean([1, 3]) == 2


def test_files_next_to_it_are_found_by_its_path(load):
    code = f"from pathlib import Path\nx = (Path(__file__).parent / 'x.txt').read_text()\n{PRUNER}"
    assert load({"m/a.py": code, "m/x.txt": "data"}, "m").x == "data"


def test_no_compiled_files_are_written(load, tmp_path):
    load({"mine.py": "import helpers", "helpers.py": ""})
    assert not list(tmp_path.rglob("*.pyc"))


def test_source_text_is_found_where_the_files_are_not(stage, tmp_path):
    staged = stage({"mine.py": f"# a comment\n{PRUNER}"}, "mine.py")
    (tmp_path / "home1/mine.py").unlink()
    module = import_submission(staged)
    assert inspect.getsource(module.prune) == PRUNER


#: Files, what is given of them, the place, and the message's end.
PLACES = {
    "a file": ({"mine.py": "x = 1\n1/0"}, "mine.py", "", 2),
    "a helper": ({"mine.py": "import h", "h.py": "\n\n1/0"}, "mine.py", "h.py", 3),
    "a folder": ({"m/a.py": f"{PRUNER}1/0"}, "m", "a.py", 3),
    "a package": ({"m/__init__.py": "", "m/a/b.py": f"{PRUNER}1/0"}, "m", "a/b.py", 3),
    "a notebook": ({"n.ipynb": notebook("x = 1", "y = 1\n1/0")}, "n.ipynb", "code cell 2", 2),
    "a notebook in a folder": (
        {"m/n.ipynb": notebook(f"{PRUNER}1/0")}, "m", "n.ipynb, code cell 1", 3,
    ),
    "a library": ({"mine.py": "import json\njson.loads('{')"}, "mine.py", "", 2),
    "syntax": ({"mine.py": "x = 1\nx = = 2"}, "mine.py", "", 2),
    "syntax of a helper": ({"mine.py": "import h", "h.py": "\nx = = 2"}, "mine.py", "h.py", 2),
    "syntax of a cell": ({"n.ipynb": notebook("", "!ls\nx = = 1")}, "n.ipynb", "code cell 2", 2),
    "syntax of something else": ({"mine.py": "\ncompile('=', 'x', 'exec')"}, "mine.py", "", 2),
}  # fmt: skip


@pytest.mark.parametrize(("files", "given", "place", "line"), PLACES.values(), ids=PLACES)
def test_errors_name_the_place(stage, tmp_path, files, given, place, line):
    with pytest.raises(PluginError) as error:
        load_submission(stage(files, given))
    assert (error.value.place, error.value.line) == (place, line)
    where = ", ".join(filter(None, [str(tmp_path / "home1" / given), place, f"line {line}: "]))
    assert str(error.value).startswith(where.rstrip())
    assert "cell1" not in str(error.value)


def test_tracebacks_show_files_as_the_user_knows_them(stage, tmp_path):
    files = {"n.ipynb": notebook("import h", f"{PRUNER}def f(): return h.f()"),
             "h.py": "def f(): return 1/0  # here"}  # fmt: skip
    module = import_submission(stage(files, "n.ipynb"))
    with pytest.raises(ZeroDivisionError) as error:
        module.f()
    shown = "".join(traceback.format_exception(error.value))
    home = tmp_path / "home1"
    assert f'File "{home / "n.ipynb"}, code cell 2", line 3, in f' in shown
    assert f'File "{home / "h.py"}", line 1, in f\n    def f(): return 1/0  # here' in shown


class TestNotebook:
    def test_cells_share_names_and_future_imports(self, load):
        module = load(
            {"n.ipynb": notebook("from __future__ import annotations", "def f(x: nothing): ...")},
            "n.ipynb",
        )
        assert module.f.__annotations__ == {"x": "nothing"}

    def test_display_prints(self, load, capsys):
        load({"n.ipynb": notebook("display('shown')")}, "n.ipynb")
        assert capsys.readouterr().out == "shown\n"

    def test_what_is_no_notebook(self, stage):
        with pytest.raises(PluginError, match=r"n\.ipynb: is not a notebook: Expecting value"):
            load_submission(stage({"n.ipynb": "x"}, "n.ipynb"))


@pytest.mark.parametrize(
    ("files", "given", "name"),
    [
        ({"My Pruner.py": PRUNER}, "My Pruner.py", "my-pruner"),
        ({"box/a.py": PRUNER}, "box", "a"),
        ({"Box/__init__.py": PRUNER}, "Box", "box"),
        ({"n.ipynb": notebook(PRUNER)}, "n.ipynb", "n"),
    ],
)
def test_names(stage, files, given, name):
    assert [found.name for found in load_submission(stage(files, given))] == [name]
