"""The cache on disk: accuracies of masks, masks of installed pruners, costs of tickets' entries,
whole evaluations, and the machine's speed.

The key of an entry is a digest of all that it depends on: the bundle, the mask or pruner, the
seed, plantkit's own source, the versions of Python's packages and the processor. When one of
them changes, the entry is not found any more. An entry that cannot be read counts as not found.

Masks are kept only for pruners of installed plugins, whose code is known from the files of their
package and the installed versions. A submission may read other files, so it runs anew each time,
except as `remembered` says; its masks are still not trained again if they are the same.

Entries are in `$PLANTKIT_CACHE_DIR`, else `$XDG_CACHE_HOME/plantkit`, else
`~/.cache/plantkit`. Beyond `MOST_MIB` those that were used longest ago are removed.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import math
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plantkit.errors import MaskError
from plantkit.files import write_whole
from plantkit.machine import name_and_version
from plantkit.networks.training.accuracies import Accuracies

if TYPE_CHECKING:
    import torch

    from plantkit.networks import Network
    from plantkit.networks.masks import Mask

#: Part of every key. Raise it when the meaning of an entry changes.
FORMAT = 1
#: Size beyond which entries are removed.
MOST_MIB = 1024

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A mask that a pruner returned, with the time and memory of the run.

    effort: its processor time in seconds of the reference machine; None where nobody asked.
    """

    mask: Mask
    seconds: float
    peak_rss_mib: float | None
    cpu_seconds: float | None = None
    effort: float | None = None


class Cache:
    """The entries below `directory`, which is created at the first write."""

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = default_directory() if directory is None else directory

    def accuracies(self, key: str) -> Accuracies | None:
        """Returns the accuracies kept under `key`, or None."""
        content = self._read(key, ".json")
        if content is not None:
            with contextlib.suppress(ValueError, TypeError, KeyError):
                value = json.loads(content)
                return Accuracies(strong=float(value["strong"]), weak=float(value["weak"]))
        return None

    def keep_accuracies(self, key: str, value: Accuracies) -> None:
        """Keeps `value` under `key`."""
        content = json.dumps({"strong": value.strong, "weak": value.weak})
        self._write(key, ".json", content.encode())

    def answer(self, key: str, network: Network, budget: int) -> Answer | None:
        """Returns the answer kept under `key`, its mask validated anew, or None."""
        from safetensors import SafetensorError
        from safetensors.torch import load as load_tensors

        from plantkit.networks.masks import Mask, validate_mask

        content = self._read(key, ".safetensors")
        if content is not None:
            with contextlib.suppress(SafetensorError, MaskError, ValueError, KeyError, TypeError):
                tensors = load_tensors(content)
                seconds, *others = tensors["facts"].tolist()
                peak, cpu, effort = (None if math.isnan(fact) else fact for fact in others)
                mask = validate_mask(_part(tensors, "mask."), network, budget)
                return Answer(
                    mask=Mask(mask, saliency=_part(tensors, "saliency.") or None),
                    seconds=seconds,
                    peak_rss_mib=peak,
                    cpu_seconds=cpu,
                    effort=effort,
                )
        return None

    def keep_answer(self, key: str, answer: Answer) -> None:
        """Keeps `answer` under `key`."""
        import torch
        from safetensors.torch import save as save_tensors

        facts = (answer.seconds, answer.peak_rss_mib, answer.cpu_seconds, answer.effort)
        tensors = {f"mask.{name}": value for name, value in answer.mask.items()}
        for name, value in (answer.mask.saliency or {}).items():
            tensors[f"saliency.{name}"] = value.contiguous()
        known = [math.nan if fact is None else fact for fact in facts]
        tensors["facts"] = torch.tensor(known, dtype=torch.float64)
        self._write(key, ".safetensors", save_tensors(tensors))

    def costs(self, key: str, network: Network) -> dict[str, torch.Tensor] | None:
        """Returns the costs of a ticket's entries kept under `key`, or None."""
        from safetensors import SafetensorError
        from safetensors.torch import load as load_tensors

        content = self._read(key, ".safetensors")
        if content is not None:
            with contextlib.suppress(SafetensorError):
                costs = load_tensors(content)
                if {name: tuple(cost.shape) for name, cost in costs.items()} == network.shapes:
                    return costs
        return None

    def keep_costs(self, key: str, costs: Mapping[str, torch.Tensor]) -> None:
        """Keeps the costs of a ticket's entries under `key`, for this user alone to read."""
        from safetensors.torch import save as save_tensors

        self._write(key, ".safetensors", save_tensors(dict(costs)), mode=0o600)

    def evaluation(self, key: str) -> Mapping[str, Any] | None:
        """Returns the evaluation kept under `key`, as JSON, and what it depends on; or None."""
        content = self._read(key, ".json")
        if content is not None:
            with contextlib.suppress(ValueError, TypeError, KeyError, RecursionError):
                value = json.loads(content)
                if isinstance(value["identity"], dict) and isinstance(value["evaluation"], dict):
                    return dict(value)
        return None

    def keep_evaluation(
        self, key: str, identity: Mapping[str, Any], evaluation: Mapping[str, Any]
    ) -> None:
        """Keeps an evaluation under `key`, with what it depends on besides the key."""
        value = {"identity": identity, "evaluation": evaluation}
        self._write(key, ".json", json.dumps(value).encode())

    def speed(self, key: str) -> float | None:
        """Returns the machine's speed kept under `key`, or None."""
        content = self._read(key, ".json")
        if content is not None:
            with contextlib.suppress(ValueError, TypeError, KeyError):
                speed = float(json.loads(content)["speed"])
                return speed if 0 < speed < math.inf else None
        return None

    def keep_speed(self, key: str, value: float) -> None:
        """Keeps a machine's speed under `key`."""
        self._write(key, ".json", json.dumps({"speed": value}).encode())

    def trim(self, most_mib: float = MOST_MIB) -> None:
        """Removes the entries used longest ago until the rest takes at most `most_mib`."""
        entries = []
        with contextlib.suppress(OSError):
            for path in self.directory.glob("*/*"):
                status = path.stat()
                entries.append((status.st_mtime, status.st_size, path))
        total = sum(size for _, size, _ in entries)
        for _, size, path in sorted(entries):
            if total <= most_mib * _MIB:
                break
            with contextlib.suppress(OSError):
                path.unlink()
                total -= size

    def _path(self, key: str, suffix: str) -> Path:
        return self.directory / key[:2] / f"{key[2:]}{suffix}"

    def _read(self, key: str, suffix: str) -> bytes | None:
        path = self._path(key, suffix)
        try:
            content = path.read_bytes()
            os.utime(path)  # used just now: `trim` removes it last
        except OSError:
            return None
        return content

    def _write(self, key: str, suffix: str, content: bytes, mode: int | None = None) -> None:
        """Writes all or nothing. On a full or read-only disk only the entry is lost."""
        path = self._path(key, suffix)
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, content, mode=mode)


def default_directory() -> Path:
    """Returns the default directory; see the module."""
    if given := os.environ.get("PLANTKIT_CACHE_DIR"):
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "plantkit"
    except RuntimeError:  # a user without a home, as in a container: nothing can be kept here
        return Path(os.devnull) / "plantkit"


def accuracy_key(*, bundle: str, mask: str, seed: int, device: str, rewind: int = 0) -> str:
    """Returns the key of a mask's accuracies on a bundle; both are given by digest.

    The bundle's digest stands for the weights, the data, the network and the recipe. rewind: the
    step of dense training that the mask is trained from.
    """
    return _digest("performances", bundle, mask, seed, device, rewind, _surroundings())


def costs_key(bundle: str) -> str:
    """Returns the key of what the removal of each of a ticket's entries costs."""
    return _digest("costs", bundle, _surroundings())


def speed_key() -> str:
    """Returns the key of this machine's speed: it depends on the machine and its versions alone."""
    import torch

    machine = [platform.node(), platform.platform(), _processor(), platform.python_version()]
    return _digest("speed", machine, str(torch.__version__))


def answer_key(
    *,
    module: str,
    pruner: str,
    options: Mapping[str, str],
    bundle: str,
    density: float,
    seed: int,
) -> str | None:
    """Returns the key of an installed pruner's answer, or None where it cannot be known.

    Args:
        module: where the plugin's entry point leads; the files of its whole package count.
    """
    package = module_digest(module)
    if package is None:
        return None
    chosen = sorted(options.items())
    return _digest("answer", package, pruner, chosen, bundle, density, seed, _surroundings())


def module_digest(module: str) -> str | None:
    """Returns a digest of the files of the package that `module` is in, or None without any."""
    return _package_digest(module.partition(":")[0].partition(".")[0]) if module else None


def _digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps([FORMAT, *parts]).encode()).hexdigest()


def evaluation_key(request: str) -> str:
    """Returns the key of the evaluation that a request asks for; see `remembered`."""
    return _digest("evaluation", request)


@functools.cache
def _surroundings() -> list[str]:
    """Returns what a result may depend on besides the inputs of its run."""
    import torch

    return [
        *versions(),
        torch.backends.cpu.get_cpu_capability(),
        torch.cuda.get_device_name() if torch.cuda.is_available() else "",
    ]


@functools.cache
def versions() -> list[str]:
    """Returns plantkit's source and the installed packages, by digests, Python and the machine."""
    packages = map(name_and_version, importlib.metadata.distributions())
    installed = sorted(f"{name}=={version}" for name, version in packages)
    return [
        _files_digest(Path(__file__).parents[1], "*.py"),
        hashlib.sha256("\n".join(installed).encode()).hexdigest(),
        platform.python_version(),
        platform.platform(),
        _processor(),
    ]


def forget_digests() -> None:
    """Has the digests of plantkit, packages and plugins taken anew when they are asked for."""
    versions.cache_clear()
    _package_digest.cache_clear()


def _processor() -> str:
    """Returns the processor's name: another processor may add in another order."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


@functools.cache
def _package_digest(package: str) -> str | None:
    """Returns a digest of a package's source files, or None where it has none on disk."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return None
    if spec is None or (spec.origin is None and not spec.submodule_search_locations):
        return None
    if spec.submodule_search_locations:
        return _digest(*(_files_digest(Path(root)) for root in spec.submodule_search_locations))
    path = Path(spec.origin or "")
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def _files_digest(root: Path, pattern: str = "*") -> str:
    """Returns a digest of names and contents of the files below `root`, except compiled ones."""
    state = hashlib.sha256()
    for path in sorted(root.rglob(pattern)):
        if path.is_file() and path.suffix != ".pyc":
            state.update(f"{path.relative_to(root)}\0{path.stat().st_size}\0".encode())
            state.update(path.read_bytes())
    return state.hexdigest()


def _part(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
