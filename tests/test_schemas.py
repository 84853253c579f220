"""The shipped schemas are valid, and name what is wrong."""

from __future__ import annotations

import jsonschema
import pytest

from plantkit.errors import UnknownNameError
from plantkit.schemas import load_schema, schema_names, violations


@pytest.mark.parametrize("name", schema_names())
def test_every_schema_is_a_valid_schema(name):
    jsonschema.Draft202012Validator.check_schema(load_schema(name))


def test_names():
    assert {"challenge", "results", "suites"} <= set(schema_names())
    with pytest.raises(UnknownNameError, match="did you mean 'results'"):
        load_schema("result")


def test_violations_name_the_place():
    assert violations({"x": {"title": 1}}, "suites")
    assert any("$.x.title" in line for line in violations({"x": {"title": 1}}, "suites"))
    assert violations({}, "suites") == []
