"""Which hand-ins know the answer of an instance that is public, and have none on a new one.

The masks of an honest pruner differ from instance to instance, and are good on some by chance. So a
hand-in is only named for what no honest pruner comes near to: its masks hold much more of the
ticket where that is public than on fresh instances of the same kind, on which its runs may also all
fail. Or they work there without training, and are no better than guessing on fresh instances.
Accuracy after training is no evidence: on `relu`, honest pruners recover all of it on one instance
and nothing on the next, some of them even without training. docs/staff.md says what was measured.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from plantkit.scoring.records import SCORED_OVERLAP

#: What is looked at, in words, the surest first: how much better it has to be on what is public.
OVERLAP, STRONG = "the ticket found", "digits without training"
LEAST_GAIN = {OVERLAP: 0.4, STRONG: 0.6}
#: How many digits there may be without training on fresh instances.
MOST_FRESH = 0.1
#: Fresh instances, and instances of one kind that are told apart by a letter.
_INSTANCE = re.compile(r"-(?:fresh\d+|[a-z])(?=-|$)")
#: Densities are the same if they are as near: whole parameters are kept.
_NEAR = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """A hand-in that seems to know the answer of a public instance.

    id: of the hand-in. challenge: the public one. multiple: the density, over the planted one.
    what: `OVERLAP` or `STRONG`. known: how much of that on the public instance; fresh: on average
    over fresh instances of its kind, None if all runs failed there; both in [0, 1]. instances: how
    many of these.
    """

    id: str
    challenge: str
    multiple: float
    what: str
    known: float
    fresh: float | None
    instances: int

    @property
    def gain(self) -> float:
        """How much better it is on the public instance."""
        return self.known - (self.fresh or 0.0)


def find_memories(
    records: Mapping[str, Sequence[Mapping[str, Any]]], unseen: Collection[str]
) -> list[Memory]:
    """Returns hand-ins that know the answer of a public instance, each once for a challenge.

    Args:
        records: id to JSON of the records of all runs, those on public and on fresh instances.
        unseen: digests of the challenges that nobody has seen, or how they begin.
    """
    found: dict[tuple[str, str], Memory] = {}
    for one in sorted(records):
        for memory in _memories(one, records[one], tuple(unseen)):
            best = found.get((one, memory.challenge))
            if best is None or memory.gain > best.gain:
                found[one, memory.challenge] = memory
    return list(found.values())


def _memories(
    one: str, records: Sequence[Mapping[str, Any]], unseen: tuple[str, ...]
) -> Iterator[Memory]:
    is_fresh = [bool(unseen) and record["bundle_sha256"].startswith(unseen) for record in records]
    fresh = [record for record, new in zip(records, is_fresh, strict=True) if new]
    public = [record for record, new in zip(records, is_fresh, strict=True) if not new]
    for challenge, multiple in dict.fromkeys(
        (record["challenge"], record["density_multiple"]) for record in public
    ):
        mine = [
            record
            for record in public
            if (record["challenge"], record["density_multiple"]) == (challenge, multiple)
            and record["status"] == "ok"
        ]
        alike = [
            record
            for record in fresh
            if _kind(record["challenge"]) == _kind(challenge)
            and abs(record["density_multiple"] / multiple - 1) <= _NEAR
        ]
        if not mine or not alike:
            continue
        # A run that failed has no answer, and hides none.
        answered = [record for record in alike if record["status"] == "ok"]
        for what, least in LEAST_GAIN.items():
            memory = Memory(
                id=one,
                challenge=challenge,
                multiple=multiple,
                what=what,
                known=fmean(_value(record, what) for record in mine),
                fresh=fmean(_value(record, what) for record in answered) if answered else None,
                instances=len({record["bundle_sha256"] for record in answered or alike}),
            )
            is_guessing = memory.fresh is not None and memory.fresh <= MOST_FRESH
            if memory.gain >= least and (what == OVERLAP or is_guessing):
                yield memory
                break


def _kind(challenge: str) -> str:
    return _INSTANCE.sub("", challenge)


def _value(record: Mapping[str, Any], what: str) -> float:
    if what == OVERLAP:
        return float(record["overlap"][SCORED_OVERLAP])
    return float(record["strong"]["recovered_digits"])
