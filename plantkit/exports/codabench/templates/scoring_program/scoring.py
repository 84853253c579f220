"""Codabench's scoring program: see metadata.yaml for its arguments."""

import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    from plantkit.errors import PlantkitError
    from plantkit.exports.codabench.scoring import score

    inputs, output = map(Path, arguments)
    try:
        score(inputs, output, Path(__file__).resolve().parent)
    except (PlantkitError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("scores written")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
