"""How alike the masks of hand-ins are on the same runs, and which a reference pruner explains."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plantkit.networks.masks import Mask

Floats = npt.NDArray[np.float64]

#: Most entries of masks that are multiplied at once, as they take four bytes each.
_MOST_ENTRIES = 16_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskLikeness:
    """How alike the masks of a class are, on average over the runs that two have in common.

    A likeness is 1 where all masks are the same, and about 0 where they are alike by chance.

    ids: in the order of rows and columns. likeness: (n, n); NaN where two have no run in common.
    runs: (n, n), how many they have in common. nearest: the reference pruner whose masks are the
    nearest to a hand-in's, "" if there is none. nearest_likeness: of these, 0 if there is none.
    """

    ids: Sequence[str]
    likeness: Floats
    runs: npt.NDArray[np.int64]
    nearest: Sequence[str]
    nearest_likeness: Floats

    def as_near(self, first: int, second: int) -> int:
        """Returns how many hand-ins have masks that are alike as much as those of these two.

        The two are counted. Of those around `first` and those around `second`, the more count.
        """
        bound = self.likeness[first, second] - 1e-9
        others = np.nan_to_num(self.likeness[[first, second]], nan=-1.0)
        return int((others >= bound).sum(axis=1).max())


def compare_masks(
    masks: Mapping[str, Mapping[Hashable, Mask]],
    references: Mapping[str, Mapping[Hashable, Mask]],
) -> MaskLikeness:
    """Returns how alike the masks of hand-ins are.

    Args:
        masks: id to run to mask. A run is an instance with a density and a seed; equal runs
            have equal keys. Runs that failed are left out.
        references: name of a reference pruner to run to mask.
    """
    ids, names = sorted(masks), sorted(references)
    rows = [masks[one] for one in ids] + [references[name] for name in names]
    total = np.zeros((len(ids), len(rows)))
    count = np.zeros((len(ids), len(rows)), dtype=np.int64)
    for run in dict.fromkeys(key for row in rows[: len(ids)] for key in row):
        have = [place for place, row in enumerate(rows) if run in row]
        likeness, tells = _likeness([rows[place][run] for place in have])
        inside = [place for place, row in enumerate(have) if row < len(ids)]
        mine = np.ix_([have[place] for place in inside], have)
        total[mine] += likeness[inside]
        count[mine] += tells[inside]
    mean = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    near = np.nan_to_num(mean[:, len(ids) :], nan=0.0)
    best = near.argmax(axis=1) if names else np.zeros(len(ids), dtype=np.int64)
    nearest = near.max(axis=1, initial=0.0)
    return MaskLikeness(
        ids=ids,
        likeness=mean[:, : len(ids)],
        runs=count[:, : len(ids)],
        nearest=[
            names[place] if value > 0 else "" for place, value in zip(best, nearest, strict=True)
        ],
        nearest_likeness=nearest,
    )


def _likeness(masks: Sequence[Mask]) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Returns how alike masks of one network are (n, n), and which of these figures tell anything.

    The likeness is the number of entries that both keep, less the number that they would by
    chance, as a share of the most that it could be. It tells nothing where a mask keeps all or
    nothing.
    """
    packed = [_packed(mask) for mask in masks]
    distinct = {one: place for place, one in enumerate(dict.fromkeys(packed))}
    which = [distinct[one] for one in packed]
    size = masks[0].total
    bits = np.frombuffer(b"".join(distinct), dtype=np.uint8).reshape(len(distinct), -1)
    both = np.zeros((len(distinct), len(distinct)))
    step = max(1, _MOST_ENTRIES // (8 * len(distinct)))
    for start in range(0, bits.shape[1], step):
        part = np.unpackbits(bits[:, start : start + step], axis=1).astype(np.float32)
        both += part @ part.T
    kept = np.diag(both)
    chance = np.outer(kept, kept) / size
    most = np.maximum.outer(kept, kept) - chance
    tells = (most > 0) & np.minimum.outer(kept > 0, kept > 0)
    likeness = np.divide(both - chance, most, out=np.zeros_like(both), where=tells)
    return likeness[np.ix_(which, which)], tells[np.ix_(which, which)]


def _packed(mask: Mask) -> bytes:
    entries = [mask[name].numpy().ravel() for name in sorted(mask)]
    return np.packbits(np.concatenate(entries)).tobytes()
