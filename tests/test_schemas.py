"""The shipped schemas are valid, and name what is wrong."""

from __future__ import annotations

import jsonschema
import pytest

from plantkit.errors import UnknownNameError
from plantkit.networks.residual import MOST_BLOCKS
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


def test_a_stage_has_no_more_blocks_than_the_network_takes():
    network = {"kind": "residual", "image": [1, 8, 8], "outputs": 2}
    for blocks, expected in ((MOST_BLOCKS, []), (MOST_BLOCKS + 1, ["$.network.stages[0][1]"])):
        manifest = {"network": network | {"stages": [[1, blocks, 1]]}}
        found = [line.split(": ")[0] for line in violations(manifest, "challenge")]
        assert [place for place in found if place.startswith("$.network")] == expected
