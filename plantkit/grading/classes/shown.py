"""What the terminal shows of a class: a few lines, with names or pseudonyms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from plantkit.grading.classes.figures import ClassFigures
from plantkit.grading.classes.graded import GradedHandIn
from plantkit.grading.grade import clean

#: Most names in one line, and causes.
_MOST_NAMES = 8
_MOST_CAUSES = 8


def lines(
    title: str, figures: ClassFigures, name: Callable[[GradedHandIn], str], *, is_anonymous: bool
) -> Iterator[str]:
    """Yields lines on a class.

    Args:
        name: of a hand-in, as it is to be shown.
        is_anonymous: whether messages of hand-ins are left out, too.
    """

    def names(some: Sequence[GradedHandIn]) -> str:
        shown = sorted(clean(name(one), 60) for one in some)
        more = f" and {len(shown) - _MOST_NAMES} more" if len(shown) > _MOST_NAMES else ""
        return ", ".join(shown[:_MOST_NAMES]) + more

    given = len(figures.graded) + len(figures.ungradable) + len(figures.waiting)
    yield f"{clean(title, 200)}: {len(figures.graded)} of {given} hand-ins graded"
    if figures.mean is not None and figures.quartiles is not None:
        low, middle, high = figures.quartiles
        yield (
            f"{figures.mean:.1f} of {figures.max_points:g} points on average, median "
            f"{middle:.1f}, the middle half {low:.1f} to {high:.1f}; {figures.passed} passed"
        )
    for words, some in (
        ("missing", figures.missing),
        ("late", figures.late),
        ("not graded yet", figures.waiting),
    ):
        if some:
            yield f"{words}: {len(some)} ({names(some)})"
    for failing in figures.failing[:_MOST_CAUSES]:
        yield f"{failing.what}: {len(failing.handins)} ({names(failing.handins)})"
    left_out = len(figures.failing) - _MOST_CAUSES
    if left_out > 0:
        yield f"and {left_out} other cause{'s' if left_out > 1 else ''}, in summary.html"
    for one in figures.ungradable:
        reason = "" if is_anonymous else f": {one.message}"
        yield f"could not be graded: {clean(name(one), 60)}{reason}"
