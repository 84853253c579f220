"""One JSON object, valid against the shipped schema `results`."""

import json

from plantkit.scoring.evaluation import Evaluation

name = "json"


def render(evaluation: Evaluation) -> str:
    return json.dumps(evaluation.to_json(), indent=2, allow_nan=False) + "\n"
