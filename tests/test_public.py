"""The names that `plantkit` exports, which is all that pruners and plugins may use."""

from __future__ import annotations

import subprocess
import sys

import plantkit


def test_the_names_are_these():
    assert plantkit.__all__ == [
        "ConvolutionSpec",
        "EvaluationResult",
        "FrozenNetwork",
        "Mask",
        "Network",
        "NetworkSpec",
        "PerceptronSpec",
        "Problem",
        "Pruner",
        "Recipe",
        "ResidualSpec",
        "SaliencyPruner",
        "Samples",
        "Schedule",
        "Scope",
        "__version__",
        "count_layers",
        "draw_challenge",
        "draw_network",
        "evaluate",
        "hookimpl",
        "list_challenges",
        "list_pruners",
        "load_challenge",
        "load_pruner",
        "load_results",
        "narrow",
        "plant",
        "select",
    ]


def test_every_name_is_there():
    for name in plantkit.__all__:
        assert getattr(plantkit, name) is not None
    assert set(plantkit.__all__) <= set(dir(plantkit))


def test_importing_plantkit_does_not_import_torch():
    code = "import sys, plantkit; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
