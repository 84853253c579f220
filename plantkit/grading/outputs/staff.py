"""The whole grade as JSON, hidden details included. Its schema: `plantkit schema grade`."""

from __future__ import annotations

import json

from plantkit.grading.grade import Grade


def render(grade: Grade) -> str:
    """Returns the JSON object, indented."""
    return json.dumps(grade.to_json(), indent=2) + "\n"
