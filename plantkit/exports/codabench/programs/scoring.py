"""Codabench's scoring program: see metadata.yaml for its arguments."""

import sys
from pathlib import Path


def main() -> int:
    from plantkit.exports.codabench.scoring import score

    inputs, output = map(Path, sys.argv[1:3])
    score(inputs, output)
    print("scores written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
