"""Types of option values, and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from plantkit.cli import options


def parse(option: Any, *arguments: str) -> tuple[dict[str, Any], str]:
    """Returns the values that a command with this option gets, and its messages."""
    values: dict[str, Any] = {}
    command = click.command()(option(lambda **given: values.update(given)))
    result = CliRunner().invoke(command, arguments, standalone_mode=True)
    return values, result.output


@pytest.mark.parametrize(
    ("text", "expected"), [("planted", "planted"), ("1", 1.0), ("1e-3", 0.001), ("0.5", 0.5)]
)
def test_densities(text: str, expected: float | str) -> None:
    assert parse(options.densities("protocol"), "--density", text)[0]["densities"] == (expected,)


@pytest.mark.parametrize("text", ["0", "-0.1", "1.0001", "nan", "inf", "x", ""])
def test_what_is_not_a_density(text: str) -> None:
    values, message = parse(options.densities("protocol"), "--density", text)
    assert values == {}
    assert "expected a number in (0, 1], a whole multiple of the planted" in message


@pytest.mark.parametrize("text", ["nan", "inf", "0", "-1"])
def test_limits_are_finite_and_more_than_nothing(text: str) -> None:
    assert parse(options.limits(), "--time-limit", text)[0] == {}
    assert parse(options.limits(seconds=7.0, mib=9), "--memory-limit", "1")[0] == {
        "time_seconds": 7.0,
        "memory_mib": 1,
    }


def test_seeds_are_bytes() -> None:
    option = click.option("--seed", type=options.seed)
    assert parse(option, "--seed", "00fF")[0] == {"seed": b"\x00\xff"}
    for text in ("", "0", "xy"):
        values, message = parse(option, "--seed", text)
        assert values == {}
        assert "expected hexadecimal digits" in message


def test_dials_come_as_a_mapping_and_each_once() -> None:
    assert parse(options.dials, "--dial", "units=8", "--dial", "kind=a=b")[0]["dials"] == {
        "units": "8",
        "kind": "a=b",
    }
    for texts in (("units",), ("=8",), ("units=",), ("units=8", "units=8")):
        arguments = [word for text in texts for word in ("--dial", text)]
        assert parse(options.dials, *arguments)[0] == {}


def test_an_output_file_lies_in_a_directory_that_exists(tmp_path: Path) -> None:
    target = tmp_path / "x.json"
    assert parse(options.output, "-o", str(target))[0] == {"output": target}
    assert parse(options.output)[0] == {"output": None}
    for path in (tmp_path / "none" / "x.json", tmp_path):
        values, message = parse(options.output, "-o", str(path))
        assert values == {}
        assert "directory" in message


def test_what_takes_a_process_cannot_run_without_one() -> None:
    assert parse(options.isolation, "--isolation", "none")[0] == {"isolation": "none"}
    assert parse(options.process_isolation, "--isolation", "none")[0] == {}
