"""Code that was copied is found under what copiers change, and honest code is not."""

from __future__ import annotations

import ast
import json
import random
import re
from collections.abc import Mapping
from pathlib import Path

import plantkit_baselines
import pytest

from plantkit.grading.copies.sources import code_of
from plantkit.grading.copies.texts import compare_texts
from plantkit.grading.copies.words import (
    MOST_CHARACTERS,
    MOST_NOTEBOOK,
    MOST_WORDS,
    words_of,
)

ROOT = Path(__file__).parents[3]
STARTER = (ROOT / "submissions" / "my_pruner.py").read_text(encoding="utf-8")
BASELINES = {
    path.stem: {path.name: path.read_text(encoding="utf-8")}
    for path in sorted(Path(plantkit_baselines.__file__).parent.glob("[a-z]*.py"))
}
ORIGINAL = '''"""SNIP over several batches, smoothed."""
import torch

RATE = 0.9
BATCH = 64  # samples


def gradients(problem, module, seed):
    """Returns the mean gradient of each parameter."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(problem.train.inputs), generator=generator)
    smoothed = {name: torch.zeros_like(p) for name, p in module.named_parameters()}
    for chunk in order.split(BATCH)[:20]:
        module.zero_grad()
        loss = problem.loss(module(problem.train.inputs[chunk]), problem.train.targets[chunk])
        loss.backward()
        for name, p in module.named_parameters():
            smoothed[name] = RATE * smoothed[name] + (1 - RATE) * p.grad.abs()
    return smoothed


def top(scores, budget):
    flat = torch.cat([value.flatten() for value in scores.values()])
    keep = torch.zeros(len(flat), dtype=torch.bool)
    keep[flat.argsort(descending=True)[:budget]] = True
    pieces = keep.split([value.numel() for value in scores.values()])
    return {name: piece.view_as(scores[name]) for name, piece in zip(scores, pieces)}


def prune(problem, density, seed):
    module = problem.module()
    found = gradients(problem, module, seed)
    scores = {name: found[name] * problem.weights[name].abs() for name in found}
    if density >= 1:
        raise ValueError("nothing to prune")
    return top(scores, problem.budget)
'''


def _functions(text: str) -> tuple[str, list[str]]:
    head, *functions = re.split(r"(?m)^(?=def )", text)
    return head, functions


def renamed(text: str) -> str:
    for old, new in {
        "gradients": "g_avg", "smoothed": "ema", "module": "net", "chunk": "idx", "order": "perm",
        "found": "gs", "scores": "imp", "flat": "v", "keep": "sel", "pieces": "bits",
        "piece": "bit", "name": "k", "value": "t", "top": "choose", "RATE": "BETA", "loss": "l",
    }.items():  # fmt: skip
        text = re.sub(rf"(?<![.\w]){old}\b(?!\()|(?<=def ){old}\b|(?<![.\w]){old}(?=\()", new, text)
    return text


def reordered(text: str) -> str:
    head, functions = _functions(text)
    return head + "\n".join(reversed(functions))


def with_other_comments(text: str) -> str:
    text = text.replace("Returns the mean gradient of each parameter.", "my own idea")
    text = text.replace("nothing to prune", "density too high!").replace("# samples", "# ok")
    text = text.replace("0.9", "0.95").replace("64", "128")
    return text.replace("    module.zero_grad()", "    # start again\n        module.zero_grad()")


def with_dead_code(text: str) -> str:
    head, functions = _functions(text)
    dead = "".join(
        f"def unused_{n}(a, b=1):\n    total = 0\n    for i in range(a + {n}):\n"
        "        total += i % b if i else b\n    print(total)\n    return [total, a, b]\n\n\n"
        for n in range(4)
    )
    unused = "    unused = [1, 2, 3]\n    unused.append(len(unused))\n"
    body = functions[0].replace("    smoothed = {", f"{unused}    smoothed = {{")
    return head + dead + "".join([body, *functions[1:]])


def with_other_layout(text: str) -> str:
    return "\ufeff" + ast.unparse(ast.parse(text)).replace("\n", "\r\n").replace("    ", "\t")


def as_notebook(text: str) -> str:
    head, functions = _functions(text)
    cells = [f"%pip install torch\n{head}", *functions, "!ls"]
    notebook = {
        "cells": [{"cell_type": "markdown", "source": ["# My pruner"]}]
        + [{"cell_type": "code", "source": cell.splitlines(True), "outputs": []} for cell in cells],
        "metadata": {},
        "nbformat": 4,
    }
    return json.dumps(notebook)


def in_two_files(text: str) -> dict[str, str]:
    head, functions = _functions(text)
    return {
        "helpers.py": head + functions[1] + functions[0],
        "main.py": "from helpers import gradients, top\n\n\n" + functions[2],
    }


def share_of_copy(copy: Mapping[str, str]) -> tuple[float, float]:
    """Returns what share of the original is in the copy, and how rare that is among baselines."""
    texts = compare_texts({**BASELINES, "~a": {"a.py": ORIGINAL}, "~b": copy}, [{"s.py": STARTER}])
    a, b = texts.ids.index("~a"), texts.ids.index("~b")
    return float(texts.shares[a, b]), float(texts.rarity[a, b])


@pytest.mark.parametrize(
    ("change", "least"),
    [
        (renamed, 1.0),
        (with_other_comments, 1.0),
        (with_other_layout, 1.0),
        (reordered, 0.9),
        (with_dead_code, 0.9),
        (lambda text: renamed(reordered(with_other_comments(with_dead_code(text)))), 0.9),
    ],
)
def test_a_copy_is_found_under_what_was_changed(change, least):
    copy = change(ORIGINAL)
    compile(copy.lstrip("\ufeff"), "copy", "exec")
    assert copy != ORIGINAL
    share, rarity = share_of_copy({"b.py": copy})
    assert share >= least - 1e-9
    assert rarity > 0.9


def test_a_copy_in_a_notebook_is_found():
    share, _ = share_of_copy({"b.ipynb": as_notebook(ORIGINAL)})
    assert share == pytest.approx(1.0)


def test_a_copy_in_two_files_is_found():
    share, _ = share_of_copy(in_two_files(ORIGINAL))
    assert share >= 0.9


def test_a_copied_function_in_other_code_is_found():
    _, functions = _functions(ORIGINAL)
    copy = BASELINES["synflow"]["synflow.py"] + "\n\n" + functions[0]
    texts = compare_texts({**BASELINES, "~a": {"a.py": functions[0]}, "~b": {"b.py": copy}})
    a, b = texts.ids.index("~a"), texts.ids.index("~b")
    assert texts.shares[a, b] == pytest.approx(1.0)
    assert texts.shares[b, a] < 0.5


def test_what_was_handed_out_does_not_count():
    first = STARTER + "\n\nBATCH = 64\n"
    texts = compare_texts({"a": {"a.py": STARTER}, "b": {"b.py": first}}, [{"s.py": STARTER}])
    assert texts.unchanged == ["a"]
    assert texts.shares[0, 1] == texts.shares[1, 0] == 0.0
    without = compare_texts({"a": {"a.py": STARTER}, "b": {"b.py": first}})
    assert without.shares[0, 1] == pytest.approx(1.0)


def test_what_everybody_wrote_counts_little():
    several = {f"s{n}": {"a.py": ORIGINAL} for n in range(12)}
    texts = compare_texts({**BASELINES, **several})
    crowd = texts.rarity[texts.ids.index("s0"), texts.ids.index("s1")]
    assert crowd < 0.5 < share_of_copy({"b.py": ORIGINAL})[1]


def test_code_of_different_people_is_not_alike():
    """The reference pruners are by one author, who repeats himself more than a class does."""
    texts = compare_texts(BASELINES, [{"s.py": STARTER}])
    off = [
        texts.shares[a, b] * texts.rarity[a, b]
        for a in range(len(texts.ids))
        for b in range(len(texts.ids))
        if a != b
    ]
    assert max(off) < 0.4


@pytest.mark.parametrize(
    "text",
    [
        "def f(:\n    x = 1\n",
        "x = '''\n",
        "a\n  b\n c\n",
        "((((" * 99,
        "\x00x = 1",
        "f'{",
        "é$?`",
        "",
    ],
)
def test_what_is_not_python_is_read_too(text):
    words, _ = words_of({"a.py": text})
    assert [word.text for word in words if word.text == "("] == ["("] * text.count("(")
    assert words_of({"a.ipynb": text}) == ([], True)


def test_no_text_breaks_the_reading_of_it():
    """Python's tokenizer in C fails on some of these in ways that it does not tell of."""
    choose = random.Random(0)
    characters = "()[]{}'\"\\\n\t fb0x1_.:;,=#é\x00\x0c!%@$`~a"
    for _ in range(500):
        text = "".join(choose.choices(characters, k=choose.randrange(80)))
        words_of({"a.py": text})


def test_long_texts_are_cut():
    words, is_whole = words_of({"a.py": "x = 1\n" * 20_000, "b.py": "y = 2\n"})
    assert {word.file for word in words} == {"a.py"}
    assert len(words) <= MOST_WORDS
    assert not is_whole
    assert words_of({"a.py": "x = 1\n" * 1_000, "b.py": "y = 2\n"})[1]
    assert not words_of({"a.py": "#\n" * MOST_CHARACTERS})[1]
    assert not words_of({"a.ipynb": " " * (MOST_NOTEBOOK + 1)})[1]


def test_comments_and_docstrings_hide_no_code():
    padding = "# nothing to see here\n" * 10_000
    docstring = f'"""{"nothing to see here " * 10_000}"""\n'
    for before in (padding, docstring):
        assert share_of_copy({"b.py": before + renamed(ORIGINAL)})[0] == pytest.approx(1.0)
    assert share_of_copy({"a.py": padding, "b.py": ORIGINAL})[0] == pytest.approx(1.0)


def test_padding_comes_after_the_code_of_the_pruner(tmp_path):
    for name, text in {
        "a.py": "junk = [1, 2, 3]\n" * 20_000,
        "b.py": "rest = 1\n",
        "my.py": ORIGINAL + "\n\n" + "x = [1]\n" * 200,
    }.items():
        (tmp_path / name).write_text(text, encoding="utf-8", newline="\n")
    code = code_of(tmp_path)
    assert list(code) == ["my.py", "b.py", "a.py"]
    texts = compare_texts({**BASELINES, "~a": {"a.py": ORIGINAL}, "~b": code})
    a, b = texts.ids.index("~a"), texts.ids.index("~b")
    assert texts.shares[a, b] == pytest.approx(1.0)
    assert texts.cut == ["~b"]


def test_an_f_string_is_one_word_in_every_python():
    words, _ = words_of({"a.py": "x = f\"{y!r:>{w}} {z}\" 'more'\n"})
    assert [word.text for word in words] == ["name", "=", "string"]
