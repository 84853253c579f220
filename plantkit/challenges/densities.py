"""Densities as people write them: a number, or a multiple of the planted density.

A multiple is written as "3x", and "planted" is another name for "1x". Multiples make challenges
of different shapes comparable: at 3x every pruner may keep three times what the ticket keeps.
"""

from __future__ import annotations

import re

PLANTED = "planted"
#: What is accepted, in words for messages.
EXPECTED = "a number in (0, 1], a whole multiple of the planted density such as '3x', or 'planted'"

_MULTIPLE = re.compile(r"([1-9][0-9]{0,3})x")


def parse_density(text: str) -> float | str:
    """Returns the density that `text` names: a number, or a multiple as it is written.

    Raises:
        ValueError: anything else than `EXPECTED`.
    """
    if multiple_of(text) is not None:
        return text
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a density; expected {EXPECTED}") from None
    if not 0.0 < number <= 1.0:
        raise ValueError(f"{text} is out of range; expected {EXPECTED}")
    return number


def multiple_of(density: float | str) -> int | None:
    """Returns how many times the planted density is asked for; None for an absolute density."""
    if density == PLANTED:
        return 1
    found = _MULTIPLE.fullmatch(density) if isinstance(density, str) else None
    return int(found.group(1)) if found else None


def density_of(density: float | str, *, kept: int, total: int) -> float | None:
    """Returns the density in (0, 1] that is asked for, or None where a multiple exceeds 1.

    Args:
        density: as `parse_density` returns it.
        kept, total: parameters of the ticket, and of its network.
    """
    multiple = multiple_of(density)
    if multiple is None:
        return float(density)
    return multiple * kept / total if multiple * kept <= total else None
