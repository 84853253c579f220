"""The example notebooks run, and their stored outputs are what they give now."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
#: Most bytes of a notebook with its outputs.
MOST_BYTES = 400_000
#: How far figures may differ: another processor adds in another order, and trainings drift apart.
TOLERANCE = 0.05
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
#: The effort of a run is a time, and so differs from run to run: the last cell of its row.
EFFORT = re.compile(r"(?<=>) *[\d.]+ *(?=</td></tr>)|[\d.]+$", re.MULTILINE)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Makes `python3` the kernel of this environment, whatever kernels the user has."""
    directory = tmp_path / "kernels/python3"
    directory.mkdir(parents=True)
    spec = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Python 3",
        "language": "python",
    }
    (directory / "kernel.json").write_text(json.dumps(spec), encoding="utf-8", newline="\n")
    monkeypatch.setattr(KernelSpecManager, "kernel_dirs", [str(tmp_path / "kernels")])


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


@pytest.mark.parametrize(
    ("path", "most_cells"),
    [
        *(pytest.param(path, None, marks=pytest.mark.slow, id=path.stem) for path in NOTEBOOKS),
        pytest.param(ROOT / "examples/why_helix.ipynb", 11, id="why_helix, before it trains most"),
    ],
)
def test_outputs_are_what_the_notebook_gives(path, most_cells, kernel):
    stored = read(path)
    fresh = read(path)
    for notebook in (stored, fresh):
        notebook.cells = notebook.cells[:most_cells]
    for cell in fresh.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    NotebookClient(
        fresh, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}}
    ).execute()
    for number, (before, after) in enumerate(zip(stored.cells, fresh.cells, strict=True)):
        if before.cell_type == "code":
            assert differences(before.outputs, after.outputs) == [], f"cell {number}"


def differences(stored: list[Any], fresh: list[Any]) -> list[str]:
    """Returns what differs between the outputs of a cell, in words."""
    before, after = contents(stored), contents(fresh)
    if before.keys() != after.keys():
        return [f"it has {sorted(after)} instead of {sorted(before)}"]
    found = []
    for kind, text in before.items():
        if kind == "image/svg+xml":
            old, new = words(text), words(after[kind])
        else:
            old, new = text, after[kind]
            if "effort" in text:
                old, new = EFFORT.sub("", old), EFFORT.sub("", new)
        if NUMBER.sub("#", old).split() != NUMBER.sub("#", new).split():
            found.append(f"{kind} was {old!r}, is {new!r}")
        found += [
            f"{kind} had {one}, has {other}"
            for one, other in zip(NUMBER.findall(old), NUMBER.findall(new), strict=False)
            if abs(float(one) - float(other)) > TOLERANCE * max(1.0, abs(float(one)))
        ]
    return found


def contents(outputs: list[Any]) -> dict[str, str]:
    """Returns the texts of outputs by number and kind."""
    found: dict[str, str] = {}
    for output in outputs:
        data = output["data"] if "data" in output else {output["name"]: output["text"]}
        for kind, text in data.items():
            found[kind] = found.get(kind, "") + text
    return found


def words(svg: str) -> str:
    """Returns what a reader reads in a picture."""
    return "\n".join(re.findall(r"<text[^>]*>([^<]*)</text>", svg))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_small_and_tell_nothing_of_who_ran_them(path):
    assert path.stat().st_size < MOST_BYTES
    notebook = read(path)
    assert notebook.metadata.kernelspec.name == "python3"
    assert all(cell.metadata == {} for cell in notebook.cells)
    text = path.read_text(encoding="utf-8")
    assert "/home/" not in text
    assert "/tmp/" not in text


@pytest.mark.parametrize(
    ("stored", "fresh", "found"),
    [
        ("digits 0.495", "digits 0.499", []),
        ("digits 0.495", "digits 0.695", ["stdout had 0.495, has 0.695"]),
        ("digits 0.495", "bends 0.495", ["stdout was 'digits 0.495', is 'bends 0.495'"]),
        ("score  effort\n6.3  0.10", "score  effort\n6.3  0.90", []),
        ("effort<td>6</td><td> 0.10</td></tr>", "effort<td>6</td><td> 0.90</td></tr>", []),
        ("score  effort\n6.3  0.10", "score  effort\n9.3  0.10", ["stdout had 6.3, has 9.3"]),
    ],
)
def test_a_changed_output_is_found(stored, fresh, found):
    one, other = ([{"name": "stdout", "text": text}] for text in (stored, fresh))
    assert differences(one, other) == found
