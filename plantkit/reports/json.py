"""One JSON object, valid against the shipped schema `results`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plantkit.scoring.evaluation import Evaluation


@dataclass(frozen=True, slots=True)
class JsonReporter:
    name: str = "json"

    def render(self, evaluation: Evaluation) -> str:
        return json.dumps(evaluation.to_json(), indent=2, allow_nan=False) + "\n"


reporter = JsonReporter()
