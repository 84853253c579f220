"""Where an assignment gets plantkit from: an index, a repository, or a wheel that it carries."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from plantkit.errors import UsageError
from plantkit.hookspecs import PROJECT
from plantkit.isolation.leftovers import scratch_directory
from plantkit.version import __version__

#: The directory of wheels, in the students' repository and next to the autograder.
WHEELS = "wheels"

_WHEEL = re.compile(rf"{PROJECT}-[A-Za-z0-9_.!+]+(-[A-Za-z0-9_.]+){{3,4}}\.whl")
_REQUIREMENT = re.compile(rf"{PROJECT}(\[[a-z, -]+\])?\s*(@\s*\S+|[<>=!~][^;#\\]*)?")
_URL = re.compile(r"(git\+|https://|http://|file://)\S+")
_BUILD_SECONDS = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """What pip is told to install.

    line: of `requirements.txt`, installed from the repository's root. shell: a word of a shell
    script that runs next to the directory `WHEELS` in "$source_directory". wheel: name and
    content of a wheel that the assignment carries, or None.
    """

    line: str
    shell: str
    wheel: tuple[str, bytes] | None = None


def find_requirement(text: str | None) -> Requirement:
    """Returns the requirement that `text` stands for.

    Args:
        text: a requirement such as `plantkit==1.0`, a URL that pip takes, the path of a wheel
            of plantkit, or that of its source, of which a wheel is built; None for this
            version from the index.

    Raises:
        UsageError: it is none of these, or the wheel cannot be built.
    """
    if text is None:
        text = f"{PROJECT}=={__version__}"
    path = Path(text).expanduser()
    if path.is_file() and path.suffix == ".whl":
        return _carried(path)
    if text and (path / "pyproject.toml").is_file():
        with scratch_directory() as directory:
            return _carried(_built(path, directory))
    if _URL.fullmatch(text):
        text = f"{PROJECT} @ {text}"
    if not (_REQUIREMENT.fullmatch(text) and text.isprintable()):
        raise UsageError(
            f"--plantkit-from {text!r} cannot be used; expected a requirement such as "
            f"'{PROJECT}=={__version__}', a URL such as 'git+https://...', or the path of a wheel "
            f"or of {PROJECT}'s source"
        )
    return Requirement(line=text, shell=shlex.quote(text))


def _carried(path: Path) -> Requirement:
    if not _WHEEL.fullmatch(path.name):
        raise UsageError(f"{path} is not a wheel of {PROJECT}; expected {PROJECT}-VERSION-....whl")
    return Requirement(
        line=f"./{WHEELS}/{path.name}",
        shell=f'"$source_directory/{WHEELS}/{path.name}"',
        wheel=(path.name, path.read_bytes()),
    )


def _built(source: Path, directory: Path) -> Path:
    """Returns the wheel that pip builds of a source directory."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    try:
        done = subprocess.run(
            [*command, "--wheel-dir", str(directory), str(source)],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_BUILD_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise UsageError(
            f"building a wheel of {source} took longer than {_BUILD_SECONDS} seconds"
        ) from error
    wheels = list(directory.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        last = (done.stderr.strip().splitlines() or ["pip gave no wheel"])[-1]
        raise UsageError(f"no wheel can be built of {source}: {last}")
    return wheels[0]
