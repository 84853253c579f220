"""What the lottery-ticket studies cost on this machine, from a few steps of each network.

    python benchmarks/studies.py && python docs/figures.py

It writes docs/results/study-costs.json: CPU seconds of a step and of a training of each network,
and CPU hours of each study with one seed. Nobody's files are needed: the steps are on random
images.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from plantkit.machine import environment
from plantkit.research.studies import find_study
from plantkit.research.studies.bench import measured_pace
from plantkit.research.studies.calibration import Calibration
from plantkit.research.studies.setups import SETUPS

OUT = Path(__file__).parent.parent / "docs/results/study-costs.json"


def costs(name: str) -> dict[str, object]:
    """Returns what one network costs."""
    pace = measured_pace(name)
    setup = SETUPS[name]
    calibration = Calibration(seconds_per_step=0.0, seconds_per_parameter=0.0, paces={name: pace})
    hours = {}
    for study in map(find_study, ("lottery", "stability")):
        units = [
            unit
            for unit in study.units(quick=False, seeds=1)
            if unit.coordinates["network"] == name
        ]
        if units:
            hours[study.name] = sum(study.seconds(unit, calibration) for unit in units) / 3600
    return {
        "title": setup.title,
        "data": setup.data,
        "parameters": setup.network.total,
        "step_seconds": pace.step,
        "training_seconds": pace.step * setup.steps,
        "hours": hours,
    }


def main() -> None:
    found = {
        "env": environment(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "networks": {name: costs(name) for name in SETUPS},
    }
    OUT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
