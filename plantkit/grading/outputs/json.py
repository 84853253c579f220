"""The whole grade as JSON, hidden details included. Its schema: `plantkit schema grade`."""

import json

from plantkit.grading.grade import Grade

HELP = "Write everything, hidden details included, for staff."


def render(grade: Grade) -> str:
    return json.dumps(grade.to_json(), indent=2) + "\n"
