"""A contest of three teams with a sealed final, from its key to its verified result.

    python examples/contest/run.py DIRECTORY

DIRECTORY is made. All that happens there is done by the commands below.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

from plantkit.cli import main

HERE = Path(__file__).resolve().parent

#: What the organisers do, and the exit code of each command where it is not 0.
COMMANDS = """
plantkit keygen --out contest.key
plantkit plant teacher --depth 4 --width 30 --variant a --seal --key contest.key.pub
plantkit plant teacher --depth 4 --width 30 --variant b --seal --key contest.key.pub
plantkit plant teacher --depth 4 --width 30 --variant c --seal --key contest.key.pub
plantkit plant teacher --depth 4 --width 30 --variant d --seal --key contest.key.pub
plantkit leaderboard init board --public public --final final --daily-limit 2
plantkit leaderboard team Ada --board board --author "Ada L." --author "Alan T."
plantkit leaderboard team Bob --board board --author "Bob"
plantkit leaderboard team Cleo --board board --author "Cleo"
plantkit evaluate teams/ada_magnitude.py teams/bob_snip.py teams/cleo_crash.py --suite public \
    --baselines random --key contest.key --run-dir runs/monday  # exit code 1
plantkit leaderboard add runs/monday --board board --team Ada --pruner ada_magnitude
plantkit leaderboard add runs/monday --board board --team Bob --pruner bob_snip
plantkit leaderboard add runs/monday --board board --team Cleo --pruner cleo_crash
plantkit leaderboard team random --board board --reference
plantkit leaderboard add runs/monday --board board --team random --pruner random
plantkit leaderboard show --board board
plantkit evaluate teams/ada_trained.py teams/cleo_copy.py --suite public --baselines none \
    --key contest.key --run-dir runs/tuesday
plantkit leaderboard add runs/tuesday --board board --team Ada --pruner ada_trained
plantkit leaderboard add runs/tuesday --board board --team Cleo --pruner cleo_copy
plantkit leaderboard add runs/tuesday --board board --team Ada --pruner cleo_copy
plantkit leaderboard add runs/tuesday --board board --team Ada --pruner ada_trained
plantkit leaderboard retract 6 --board board --reason "copied from Ada, as Cleo told us"
plantkit leaderboard show --board board
plantkit evaluate teams/ada_magnitude.py teams/ada_trained.py teams/bob_snip.py \
    teams/cleo_crash.py --suite final --baselines random --key contest.key \
    --run-dir runs/final  # exit code 1
plantkit leaderboard add runs/final --board board --team Ada --pruner ada_magnitude
plantkit leaderboard add runs/final --board board --team Ada --pruner ada_trained
plantkit leaderboard add runs/final --board board --team Bob --pruner bob_snip
plantkit leaderboard finish --board board  # exit code 2
plantkit leaderboard add runs/final --board board --team Cleo --pruner cleo_crash
plantkit leaderboard add runs/final --board board --team random --pruner random
plantkit leaderboard finish --board board
plantkit leaderboard show --board board
plantkit leaderboard show --history --board board
plantkit leaderboard build site --board board
plantkit unseal challenges/teacher-4x30-c --key contest.key --out published/teacher-4x30-c
plantkit unseal challenges/teacher-4x30-d --key contest.key --out published/teacher-4x30-d
plantkit leaderboard verify --board site --challenges published
"""


def hold(directory: Path) -> None:
    """Holds the contest in a new directory; raises if a command ends with another code."""
    directory.mkdir(parents=True)
    shutil.copytree(HERE / "teams", directory / "teams")
    (directory / "challenges").mkdir()
    shutil.copy(HERE / "suites.toml", directory / "challenges")
    os.chdir(directory)
    for line in COMMANDS.replace("\\\n", " ").strip().splitlines():
        command, _, comment = line.partition("  # exit code ")
        print(f"\n$ {' '.join(command.split())}", flush=True)
        try:
            main(shlex.split(command)[1:])
        except SystemExit as end:
            if end.code != int(comment or 0):
                raise
        sys.stderr.flush()


if __name__ == "__main__":
    hold(Path(sys.argv[1]))
