"""Every error has a documented exit code and says what to do."""

from __future__ import annotations

import pytest

from plantkit import errors


def test_exit_codes():
    codes = {
        "PlantkitError": 3,
        "UsageError": 2,
        "UnknownNameError": 2,
        "WidthError": 2,
        "MissingExtraError": 2,
        "PluginError": 1,
        "MaskError": 1,
        "PlantingError": 2,
        "BundleError": 4,
        "IsolationError": 3,
        "ResultsError": 2,
        "NothingEvaluatedError": 5,
    }
    found = {
        name: value.exit_code
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.PlantkitError)
    }
    assert codes.items() <= found.items()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("snap", "; did you mean 'snip'?"),
        ("xyzzy", ""),
        ("drop", "; did you mean 'drip'?"),
        ("SNIP", "; did you mean 'snip'?"),
    ],
)
def test_did_you_mean(name, expected):
    found = errors.did_you_mean(name, ["snip", "grasp", "drip"])
    assert found.startswith(expected) if expected else found == ""


def test_a_missing_extra_names_the_command():
    error = errors.MissingExtraError(extra="seal", needed_for="sealing")
    assert 'pip install "plantkit[seal]"' in str(error)
