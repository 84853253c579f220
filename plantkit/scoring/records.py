"""The record of one run, and its JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

#: Version of the JSON output and of run directories.
RESULTS_VERSION = 2
#: The overlap that counts for the score, of those that a record holds.
SCORED_OVERLAP = "adjusted_recall"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackScore:
    """Test accuracy (R² in regression), and what it recovers of the ticket's, both in [0, 1].

    The field is called `performance` as it is in the JSON output.
    """

    performance: float
    recovered_accuracy: float
    recovered_digits: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The result of one run: of one pruner, on one challenge, at one density, with one seed.

    A run that failed has a status other than "ok", an error, and zeros for scores.
    target_density is the density that was asked for, density_multiple how many times the planted
    density that is, and density the mask's own. `overlap` holds precision, recall, f1, iou, lift,
    adjusted_recall, which counts for the score, and average_precision where the pruner gave
    saliencies. `seconds` is the pruner's wall time, `cpu_seconds` its processor time on
    all cores, and `effort` that in seconds of the reference machine; None where not measured.
    rewind_step: the step of dense training that the mask was trained from, 0 for the
    initialisation. note: what the pruner's author should know of a mask that is valid.
    traceback: of the error, in the submission's own lines.
    """

    pruner: str
    challenge: str
    bundle_sha256: str
    target_density: float
    density_multiple: float
    is_planted_density: bool
    seed: int
    status: str
    strong: TrackScore
    weak: TrackScore
    density: float
    sparsity: float
    effective_density: float
    collapsed_layers: int
    overlap: Mapping[str, float]
    seconds: float
    peak_rss_mib: float | None
    error: str
    mask_sha256: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    cpu_seconds: float | None = None
    effort: float | None = None
    rewind_step: int = 0
    note: str = ""
    traceback: str = ""

    @property
    def key(self) -> tuple[str, str, float, int]:
        return (self.pruner, self.bundle_sha256, self.target_density, self.seed)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Record:
        """Returns the record that `to_json` made `value` of.

        Raises:
            ValueError: a figure that no run can have, such as a share above 1.
            KeyError, TypeError: it is not such a value.
        """
        fields = dict(value)
        fields["strong"] = TrackScore(**fields["strong"])
        fields["weak"] = TrackScore(**fields["weak"])
        record = cls(**fields)
        record._check_figures()
        return record

    def _check_figures(self) -> None:
        shares = {
            **{
                f"{name} {part}": getattr(track, part)
                for name, track in (("strong", self.strong), ("weak", self.weak))
                for part in ("recovered_accuracy", "recovered_digits")
            },
            "density": self.density,
            **{f"overlap {name}": found for name, found in self.overlap.items() if name != "lift"},
        }
        for name, share in shares.items():
            if not 0 <= share <= 1:
                raise ValueError(f"{name} is {share}; expected 0 to 1")
        if not 0 <= self.seconds < math.inf:
            raise ValueError(f"seconds is {self.seconds}; expected 0 or more")
