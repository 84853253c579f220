"""Which hand-ins are alike, so that staff look at them."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from plantkit.grading.copies.masks import MaskLikeness, compare_masks
from plantkit.grading.copies.texts import Passage, Texts, compare_texts
from plantkit.networks.masks import Mask

#: Least share of one's code in the other's, where code is listed, and least share times rarity.
LEAST_SHARE = 0.5
LEAST_RARE_SHARE = 0.2
#: Least likeness of masks that are listed, and least of it that counts; see `_unexplained`.
LEAST_LIKENESS = 0.8
LEAST_RARE_LIKENESS = 0.7
#: How much the same masks count, where the same code counts 1: two people can write one formula.
MASKS_COUNT = 0.5
#: A likeness of masks from here on is 1, whatever was lost in rounding.
SAME = 1 - 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of two hand-ins. share: of its code, how much is in the other's, in [0, 1]."""

    id: str
    share: float
    passages: Sequence[Passage] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two hand-ins that are alike. This is a reason to look at them; it proves nothing.

    surprise: in [0, 1]; 1 is the same code, of which nobody else has any. likeness: of the masks,
    1 if they are the same; None if the two have no run in common. runs: how many they have in
    common. as_near: how many hand-ins have masks that are alike as much, these two included.
    nearest: the reference pruner that comes nearest to the masks of one of them, "" if there is
    none. nearest_likeness: of its masks.
    """

    sides: tuple[Side, Side]
    surprise: float
    likeness: float | None = None
    runs: int = 0
    as_near: int = 0
    nearest: str = ""
    nearest_likeness: float = 0.0

    @property
    def ids(self) -> tuple[str, str]:
        first, second = self.sides
        return first.id, second.id


@dataclass(frozen=True, slots=True, kw_only=True)
class SameMasks:
    """Hand-ins that give the same masks. reference: the pruner that gives them too, or ""."""

    ids: Sequence[str]
    reference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """What in a class is alike.

    pairs: the most surprising first. same_masks: all groups, the largest first. unchanged: ids
    of those who add nothing to the code that was handed out. cut: ids of those whose code is too
    long to be compared whole. count: of the hand-ins compared.
    """

    pairs: Sequence[Pair]
    same_masks: Sequence[SameMasks]
    unchanged: Sequence[str]
    cut: Sequence[str]
    count: int


def find_copies(
    texts: Mapping[str, Mapping[str, str]],
    given: Sequence[Mapping[str, str]] = (),
    masks: Mapping[str, Mapping[Hashable, Mask]] | None = None,
    references: Mapping[str, Mapping[Hashable, Mask]] | None = None,
) -> Copies:
    """Returns which hand-ins have the same or nearly the same code or masks.

    Args:
        texts: id to file name to text; see `code_of`.
        given: code that was handed out, file name to text; what is in it does not count.
        masks: id to run to mask, of runs on instances that nobody has seen. A run's key may be
            anything that is the same for the same instance, density and seed.
        references: name of a reference pruner to run to mask, on the same runs. Masks that such
            a pruner gives are no reason to look.
    """
    text = compare_texts(texts, given)
    mask = compare_masks({one: (masks or {}).get(one, {}) for one in text.ids}, references or {})
    shares = np.maximum(text.shares, text.shares.T)
    is_alike = (shares >= LEAST_SHARE) & (shares * text.rarity >= LEAST_RARE_SHARE)
    is_near = np.nan_to_num(mask.likeness) >= LEAST_LIKENESS
    pairs = []
    for first, second in np.argwhere(np.triu(is_alike | is_near, 1)).tolist():
        unexplained = _unexplained(mask, first, second)
        if is_alike[first, second] or unexplained >= LEAST_RARE_LIKENESS:
            pairs.append(_pair(text, mask, first, second, unexplained))
    return Copies(
        pairs=sorted(pairs, key=lambda pair: (-pair.surprise, pair.ids)),
        same_masks=_same_masks(mask),
        unchanged=text.unchanged,
        cut=text.cut,
        count=len(text.ids),
    )


def _unexplained(mask: MaskLikeness, first: int, second: int) -> float:
    """Returns how surprising it is that the masks of two are alike, in [0, 1].

    It is 0 where a reference pruner is as near to one of them, and the less, the more hand-ins are
    as near to one another.
    """
    likeness = mask.likeness[first, second]
    if math.isnan(likeness):
        return 0.0
    known = max(mask.nearest_likeness[first], mask.nearest_likeness[second])
    if known >= SAME or likeness <= known:
        return 0.0
    count = len(mask.ids)
    rarity = math.log((count + 1) / mask.as_near(first, second)) / math.log((count + 1) / 2)
    return float((likeness - known) / (1 - known) * min(1.0, rarity))


def _pair(text: Texts, mask: MaskLikeness, first: int, second: int, unexplained: float) -> Pair:
    both = (first, second), (second, first)
    shares = [float(text.shares[one, other]) for one, other in both]
    rare = max(shares) * float(text.rarity[first, second])
    likeness = float(mask.likeness[first, second])
    known = max(both[0], key=lambda one: mask.nearest_likeness[one])
    one, other = (
        Side(
            id=text.ids[mine],
            share=share,
            passages=text.matching(text.ids[mine], text.ids[theirs]),
        )
        for share, (mine, theirs) in zip(shares, both, strict=True)
    )
    is_known = not math.isnan(likeness)
    return Pair(
        sides=(one, other),
        surprise=1 - (1 - rare) * (1 - MASKS_COUNT * unexplained),
        likeness=likeness if is_known else None,
        runs=int(mask.runs[first, second]),
        as_near=mask.as_near(first, second) if is_known else 0,
        nearest=mask.nearest[known],
        nearest_likeness=float(mask.nearest_likeness[known]),
    )


def _same_masks(mask: MaskLikeness) -> list[SameMasks]:
    groups: list[SameMasks] = []
    left = list(range(len(mask.ids)))
    while left:
        first = left[0]
        group = [one for one in left if one == first or mask.likeness[first, one] >= SAME]
        left = [one for one in left if one not in group]
        if len(group) > 1:
            is_known = mask.nearest_likeness[first] >= SAME
            groups.append(
                SameMasks(
                    ids=[mask.ids[one] for one in group],
                    reference=mask.nearest[first] if is_known else "",
                )
            )
    return sorted(groups, key=lambda group: (-len(group.ids), group.ids))
