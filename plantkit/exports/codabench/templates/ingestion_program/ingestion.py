"""Codabench's ingestion program: see metadata.yaml for its arguments."""

import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    from plantkit.errors import PlantkitError
    from plantkit.exports.codabench.ingestion import ingest

    input_data, output, program, submission = map(Path, arguments)
    try:
        written = ingest(input_data, output, submission, program)
    except (PlantkitError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{written} masks written")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
