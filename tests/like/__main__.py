"""Runs Python as if this were Windows or macOS: `python tests/like windows -m pytest`.

What those systems lack is hidden from the code of this project, and of submissions, in every Python
process that starts from this one. See `likeness`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from likeness import PLATFORMS, VARIABLE
from likeness.names import absent_names


def main() -> int:
    parser = argparse.ArgumentParser(prog="python tests/like", description=__doc__)
    parser.add_argument("system", choices=PLATFORMS)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="what Python gets")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix=f"like-{chosen.system}-") as directory:
        likeness = Path(directory) / "likeness.json"
        absent = absent_names(PLATFORMS[chosen.system])
        content = {"system": chosen.system, "absent": absent}
        likeness.write_text(json.dumps(content), encoding="utf-8")
        path = [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {
            **os.environ,
            VARIABLE: str(likeness),
            "PYTHONPATH": os.pathsep.join(path),
            # On macOS the directory for temporary files is reached by a symbolic link.
            "TMPDIR": str(_linked(Path(directory))) if chosen.system == "macos" else directory,
        }
        try:
            return subprocess.call([sys.executable, *chosen.arguments], env=environment)
        except KeyboardInterrupt:
            return 130


def _linked(directory: Path) -> Path:
    (directory / "private").mkdir()
    link = directory / "temporary"
    link.symlink_to("private", target_is_directory=True)
    return link


if __name__ == "__main__":
    sys.exit(main())
