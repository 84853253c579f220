"""Which pairs are listed, and in which order: what is common is no reason to look."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
import torch
from builders import random_mask
from test_copied_texts import BASELINES, ORIGINAL, renamed

from plantkit.grading.copies.masks import compare_masks
from plantkit.grading.copies.pairs import find_copies
from plantkit.grading.copies.sources import code_of
from plantkit.networks import PerceptronSpec
from plantkit.networks.masks import Mask

SPEC = PerceptronSpec(widths=(2, 30, 30, 3))
RUNS = [("fresh1", 0.1, 0), ("fresh1", 0.1, 1), ("fresh2", 0.1, 0)]
#: Twelve people whose code has nothing in common.
CLASS = {
    f"s{number:02}": {"my.py": "\n".join(f"x = f(a.b{number}, {'-' * n}1)" for n in range(9))}
    for number in range(12)
}


def masks(seed: int, density: float = 0.1) -> dict[object, Mask]:
    return {run: random_mask(SPEC, density, 100 * seed + n) for n, run in enumerate(RUNS)}


def near(these: dict[object, Mask], share: float, seed: int) -> dict[object, Mask]:
    """Returns masks with a share of the kept entries replaced."""
    found = {}
    for number, (run, mask) in enumerate(these.items()):
        vector = mask.vector(SPEC)
        generator = torch.Generator().manual_seed(1000 * seed + number)
        kept = vector.nonzero().ravel()
        moved = kept[torch.randperm(len(kept), generator=generator)[: round(share * len(kept))]]
        free = (~vector).nonzero().ravel()
        vector[moved] = False
        vector[free[torch.randperm(len(free), generator=generator)[: len(moved)]]] = True
        found[run] = Mask.from_vector(SPEC, vector)
    return found


def class_of(**own: dict[object, Mask]) -> dict[str, dict[object, Mask]]:
    return {one: masks(number) for number, one in enumerate(CLASS)} | own


def ids_of(copies) -> list[tuple[str, str]]:
    return [pair.ids for pair in copies.pairs]


def test_likeness_is_one_for_the_same_masks_and_none_by_chance():
    found = compare_masks({"a": masks(1), "b": masks(1), "c": masks(2)}, {"r": masks(2)})
    assert found.likeness[0, 1] == pytest.approx(1.0)
    assert abs(found.likeness[0, 2]) < 0.1
    assert found.runs[0, 1] == 3
    assert (found.nearest[2], found.nearest_likeness[2]) == ("r", pytest.approx(1.0))
    assert found.as_near(0, 1) == 2


def test_likeness_of_masks_counted_by_hand():
    def mask(*kept: int) -> dict[object, Mask]:
        vector = torch.zeros(SPEC.total, dtype=torch.bool)
        vector[list(kept)] = True
        return {"run": Mask.from_vector(SPEC, vector)}

    found = compare_masks({"a": mask(1, 2, 3), "b": mask(2, 3, 4, 5)}, {})
    chance = 3 * 4 / SPEC.total
    assert found.likeness[0, 1] == pytest.approx((2 - chance) / (4 - chance))


def test_masks_that_keep_all_or_nothing_tell_nothing():
    full = {"run": Mask.full(SPEC)}
    empty = {"run": Mask.from_vector(SPEC, torch.zeros(SPEC.total, dtype=torch.bool))}
    for one in (full, empty):
        found = compare_masks({"a": one, "b": one}, {"r": one})
        assert found.runs[0, 1] == 0
        assert found.nearest == ["", ""]
        assert find_copies({"a": {}, "b": {}}, masks={"a": one, "b": one}).pairs == []


def test_only_runs_that_both_have_count():
    first, second = masks(1), masks(1)
    del second[RUNS[0]]
    found = compare_masks({"a": first, "b": second, "c": {}}, {})
    assert found.runs[0, 1] == 2
    assert found.runs[0, 2] == 0


def test_the_same_masks_are_listed_unless_a_reference_pruner_gives_them():
    own = class_of(s01=masks(0))
    [pair] = find_copies(CLASS, masks=own, references={"magnitude": masks(99)}).pairs
    assert pair.ids == ("s00", "s01")
    assert (pair.likeness, pair.runs, pair.as_near) == (pytest.approx(1.0), 3, 2)
    known = find_copies(CLASS, masks=own, references={"magnitude": masks(0)})
    assert known.pairs == []
    [group] = known.same_masks
    assert (group.ids, group.reference) == (["s00", "s01"], "magnitude")


def test_near_masks_are_listed_unless_a_reference_pruner_is_as_near():
    own = class_of(s01=near(masks(0), 0.08, 1), s02=near(masks(0), 0.5, 2))
    [pair] = find_copies(CLASS, masks=own).pairs
    assert pair.ids == ("s00", "s01")
    assert 0.85 < pair.likeness < 0.95
    assert find_copies(CLASS, masks=own, references={"snip": masks(0)}).pairs == []
    nearer = find_copies(CLASS, masks=own, references={"snip": near(masks(0), 0.08, 3)})
    assert nearer.pairs == []


def test_masks_that_a_third_of_the_class_has_are_not_listed():
    own = class_of(**{f"s{number:02}": masks(50) for number in range(6)})
    copies = find_copies(CLASS, masks=own)
    assert copies.pairs == []
    [group] = copies.same_masks
    assert (len(group.ids), group.reference) == (6, "")


def test_pairs_alike_in_code_and_masks_come_first_then_those_alike_in_code():
    texts = dict(CLASS)
    texts["s00"] = {"a.py": ORIGINAL}
    texts["s01"] = {"b.py": renamed(ORIGINAL).replace("argsort", "sort")}
    texts |= {"s06": BASELINES["lamp"], "s07": BASELINES["magnitude"]}
    copies = find_copies(texts, masks=class_of(s01=masks(0), s05=masks(4)))
    assert ids_of(copies) == [("s00", "s01"), ("s06", "s07"), ("s04", "s05")]
    both, code, formula = copies.pairs
    assert 0.9 < both.sides[0].share < both.surprise
    assert max(side.share for side in code.sides) < both.sides[0].share
    assert formula.surprise == pytest.approx(0.5)


def test_passages_name_lines_of_both():
    first = "y = 1\n" * 3 + ORIGINAL
    texts = CLASS | {"s00": {"a.py": first}, "s01": {"b.py": "\n" + ORIGINAL}}
    [pair] = find_copies(texts).pairs
    (one,), (other,) = (side.passages for side in pair.sides)
    end = len(ORIGINAL.splitlines())
    assert (one.file, one.lines) == ("a.py", f"7-{end + 3}")
    assert (other.file, other.lines) == ("b.py", f"5-{end + 1}")


def test_those_who_added_nothing_are_told_apart():
    texts = CLASS | {"s00": {"a.py": ORIGINAL}, "s01": {"a.py": renamed(ORIGINAL)}, "s02": {}}
    copies = find_copies(texts, [{"a.py": ORIGINAL}])
    assert copies.unchanged == ["s00", "s01"]
    assert copies.pairs == []


def test_an_empty_class_and_one_student():
    assert find_copies({}).pairs == []
    assert find_copies({"a": {"a.py": ORIGINAL}}).pairs == []


def test_two_students_are_enough():
    [pair] = find_copies({"a": {"a.py": ORIGINAL}, "b": {"b.py": renamed(ORIGINAL)}}).pairs
    assert pair.surprise == pytest.approx(1.0)


def test_code_is_read_from_any_form_even_if_it_cannot_be_graded(tmp_path: Path):
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "a.py").write_bytes(b"def prune(\r\n")
    (folder / "b.PY").write_bytes(b"x = '\xff'")
    (folder / "notes.txt").write_bytes(b"not code")
    notebook = json.dumps({"cells": [], "nbformat": 4})
    (folder / "c.ipynb").write_bytes(notebook.encode())
    assert code_of(folder) == {
        "deep/a.py": "def prune(\r\n",
        "b.PY": "x = '\ufffd'",
        "c.ipynb": notebook,
    }
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("inner/a.py", "x = 1\n")
    assert code_of(tmp_path / "z.zip") == {"inner/a.py": "x = 1\n"}
    (tmp_path / "broken.zip").write_bytes(b"PK no zip")
    assert code_of(tmp_path / "broken.zip") == {}
    (tmp_path / "main.py").write_bytes(b"import helper\n")
    (tmp_path / "helper.py").write_bytes(b"y = 2\n")
    assert code_of(tmp_path / "main.py") == {"main.py": "import helper\n", "helper.py": "y = 2\n"}
    assert code_of(tmp_path / "missing.py") == {}
