"""Notebooks: their code in order, and nothing that only IPython understands."""

from __future__ import annotations

import json

import pytest

from plantkit.submissions.notebooks import NotebookError, code_cells, python_of


def test_code_cells_in_order_of_format_4():
    cells = [
        {"cell_type": "markdown", "source": "# title"},
        {"cell_type": "code", "source": ["x = 1\n", "y = 2"]},
        {"cell_type": "raw", "source": "raw"},
        {"cell_type": "code", "source": "z = 3"},
    ]
    assert code_cells(json.dumps({"cells": cells}).encode()) == ["x = 1\ny = 2", "z = 3"]


def test_code_cells_of_format_3():
    sheets = [{"cells": [{"cell_type": "code", "input": ["a = 1"]}]}, {"cells": []}, "odd"]
    assert code_cells(json.dumps({"worksheets": sheets}).encode()) == ["a = 1"]


@pytest.mark.parametrize(
    "odd",
    [
        [{"cell_type": "code"}],
        [{"cell_type": "code", "source": 3}],
        [{"cell_type": "code", "source": [1, None]}],
        [1, None, "text", []],
    ],
)
def test_odd_cells_hold_no_code(odd):
    assert "".join(code_cells(json.dumps({"cells": odd}).encode())) == ""


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"print(1)", "is not a notebook: Expecting value"),
        (b"\xff\xfe\xfa", "is not a notebook"),
        (b"[" * 100_000, "is not a notebook"),
        (b"[]", "holds no JSON object"),
        (b"{}", "has no cells; expected nbformat 3 or 4"),
        (b'{"cells": 3}', "has no cells"),
        (b'{"cells": [], "metadata": {"kernelspec": {"language": "R"}}}', "a notebook in 'r'"),
        (b'{"cells": [], "metadata": {"language_info": {"name": "julia"}}}', "in 'julia'"),
    ],
)
def test_what_is_not_a_notebook(content, expected):
    with pytest.raises(NotebookError) as error:
        code_cells(content)
    assert expected in str(error.value)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("!pip install -q \\\n  einops \\\n  more\nx = 1", "pass\n\n\nx = 1"),
        ("%matplotlib inline\nx = 1", "pass\nx = 1"),
        ("!pip install torch", "pass"),
        ("?print", "pass"),
        ("print?", "pass"),
        ("torch.nn??", "pass"),
        ("files = !ls", "pass"),
        ("a, b = %sx ls", "pass"),
        ("if x:\n    !ls\n    y = 1", "if x:\n    pass\n    y = 1"),
        ("%time y = 3", "y = 3"),
        ("%%time\ny = 3", "\ny = 3"),
        ("\n%%capture out\ny = 3", "\n\ny = 3"),
        ("%%bash\nls\nls", "\n\n"),
        ("%%\nls", "\n"),
        ("", ""),
        # A remainder, not a magic; a string, not a shell line; a question in a comment.
        ("x = (7\n     % 3)", "x = (7\n     % 3)"),
        ("x = 7 \\\n  % 3", "x = 7 \\\n  % 3"),
        ('x = """\n!ls\n"""', 'x = """\n!ls\n"""'),
        ("x = 1  # why?", "x = 1  # why?"),
        ("x != 3\ny %= 2", "x != 3\ny %= 2"),
        ("a\r\n!ls\rb", "a\npass\nb"),
        # What is broken stays, so that the compiler says where.
        ("if x:\n   a\n  b\n!ls", "if x:\n   a\n  b\npass"),
    ],
)
def test_what_only_ipython_understands_is_dropped_in_place(cell, expected):
    assert python_of(cell).rstrip("\n") == expected.rstrip("\n")
    assert python_of(cell).count("\n") >= expected.count("\n")
