"""The outcome of one run of a pruner, before it is scored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plantkit.networks.masks import Mask


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One run of a pruner before scoring. `mask` is None unless `status` is "ok".

    cpu_seconds: processor time of the run. effort: the same in seconds of the reference machine.
    rewind_step: the step of dense training that the mask is trained from. output: the end of what
    the run printed, with tracebacks. note: what its author should know of a mask that is valid.
    traceback: of the error, in the submission's own lines.
    """

    pruner: str
    target_density: float
    is_planted_density: bool
    seed: int
    status: str
    mask: Mask | None
    error: str
    seconds: float
    peak_rss_mib: float | None
    cpu_seconds: float | None = None
    effort: float | None = None
    rewind_step: int = 0
    output: str = ""
    note: str = ""
    traceback: str = ""
