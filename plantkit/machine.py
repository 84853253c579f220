"""Facts of this machine that runs are recorded with."""

from __future__ import annotations

import importlib.metadata
import math
import os
import platform
import subprocess
import sys
from pathlib import Path

#: The systems that plantkit supports, by `sys.platform`, and its first and last Python.
SYSTEMS = {"linux": "Linux", "darwin": "macOS", "win32": "Windows"}
PYTHONS = ((3, 11), (3, 14))


def system_name() -> str:
    """Returns the system and its release, as in "Windows 11"."""
    name = SYSTEMS.get(sys.platform, platform.system())
    release = platform.mac_ver()[0] if sys.platform == "darwin" else platform.release()
    return f"{name} {release}".strip()


def is_supported() -> bool:
    """Returns whether plantkit is tested on this system with this Python."""
    first, last = PYTHONS
    return sys.platform in SYSTEMS and first <= sys.version_info[:2] <= last


def available_cores() -> int:
    """Returns the number of cores that this process may use, a container's quota included."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return max(1, min(cores, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):  # no control group, or no quota ("max")
        return cores


def environment() -> dict[str, str]:
    """Returns the versions that results depend on."""
    import numpy as np
    import torch

    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "platform": platform.platform(),
    }


def name_and_version(package: importlib.metadata.Distribution) -> tuple[str, str]:
    """Returns what an installed package is called, and its version.

    They are read off the lines. The standard library parses the whole description as an e-mail,
    which takes a millisecond, and does so again for each of the two.
    """
    lines = (package.read_text("METADATA") or "").partition("\n\n")[0].split("\n")
    names, versions = (
        [line.removeprefix(field).strip() for line in lines if line.startswith(field)]
        for field in ("Name:", "Version:")
    )
    if len(names) == len(versions) == 1:
        return names[0], versions[0]
    return package.name, package.version


def git_hash() -> str | None:
    """Returns the commit of the working directory's repository, or None outside of one."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            capture_output=True,
            encoding="ascii",
            errors="replace",
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
