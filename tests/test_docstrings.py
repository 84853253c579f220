"""The examples in the docstrings of the public interface do what they say."""

from __future__ import annotations

import doctest
import importlib

import pytest

import plantkit

#: Those whose docstrings have an example; all that notebooks begin with.
SHOWN = {
    "count_layers",
    "draw_challenge",
    "draw_network",
    "evaluate",
    "list_challenges",
    "list_pruners",
    "load_challenge",
    "load_pruner",
    "plant",
}


@pytest.mark.parametrize("name", sorted(SHOWN))
def test_examples(name):
    function = getattr(plantkit, name)
    module = importlib.import_module(function.__module__)
    [found] = doctest.DocTestFinder(recurse=False).find(function, name, module=module)
    assert found.examples
    results = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(found)
    assert results.failed == 0


def test_everything_public_has_a_docstring():
    for name in plantkit.__all__:
        if not name.startswith("__"):
            assert getattr(plantkit, name).__doc__, name
