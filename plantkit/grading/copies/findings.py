"""What staff should look at, as lines on a terminal, as CSV and as a part of a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from plantkit.grading.copies.memories import Memory
from plantkit.grading.copies.pairs import LEAST_LIKENESS, LEAST_SHARE, SAME, Copies, Pair, Side
from plantkit.grading.copies.texts import Passage
from plantkit.grading.grade import clean
from plantkit.reports.grids import grid
from plantkit.reports.spreadsheets import csv_text
from plantkit.reports.templates import fill_in

#: Most rows of a table on a terminal and on a page; the CSV has all.
MOST_LINES, MOST_ON_PAGE = 10, 100
#: Most passages of one hand-in that are named, and names in one cell.
_MOST_PASSAGES, _MOST_NAMES = 6, 12
_CUT = "too long, so that only a part of the code was compared"
_HEADER = (
    "what",
    "first id",
    "first name",
    "second id",
    "second name",
    "surprise",
    "first code in second",
    "second code in first",
    "first lines",
    "second lines",
    "likeness of masks",
    "runs",
    "hand-ins with masks as near",
    "nearest reference pruner",
    "likeness to it",
    "why",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What staff should look at in a class. names: of hand-ins, by id."""

    copies: Copies
    memories: Sequence[Memory]
    names: Mapping[str, str]

    def name(self, one: str, most: int = 200) -> str:
        return clean(self.names.get(one, one), most).replace("\n", " ")

    def lines(self) -> Iterator[str]:
        """Yields lines for a terminal of 80 columns."""
        pairs = self.copies.pairs
        if pairs:
            count = self.copies.count * (self.copies.count - 1) // 2
            yield f"alike, to be looked at: {len(pairs)} of {count:,} pairs"
            rows = [
                [*(self.name(one, 24) for one in pair.ids), *_shares(pair)]
                for pair in pairs[:MOST_LINES]
            ]
            header = ["first", "second", "same code", "same masks"]
            left = ["first", "second", "same masks"]
            yield from grid(header, rows, left=left).splitlines()
            yield from _more(len(pairs))
        if self.memories:
            yield f"seem to know the answer of a public instance: {len(self.memories)}"
            table = [
                [
                    self.name(one.id, 18),
                    clean(f"{one.challenge} at {one.multiple:.3g}x", 26),
                    f"{one.known:.0%}",
                    "failed" if one.fresh is None else f"{one.fresh:.0%}",
                    one.what,
                ]
                for one in self.memories[:MOST_LINES]
            ]
            header = ["hand-in", "public instance", "there", "fresh", "of what"]
            left = ["hand-in", "public instance", "of what"]
            yield from grid(header, table, left=left).splitlines()
            yield from _more(len(self.memories))
        if self.copies.unchanged:
            yield (
                "added nothing to the code that was handed out: "
                f"{self._listed(self.copies.unchanged)}"
            )
        if self.copies.cut:
            yield f"{_CUT}: {self._listed(self.copies.cut)}"

    def csv(self) -> str:
        """Returns all of it as CSV, a row for each pair, each memory and each that was cut."""
        rows = []
        for pair in self.copies.pairs:
            first, second = pair.sides
            likeness = "" if pair.likeness is None else _floor(pair.likeness)
            cells = [
                *("alike", first.id, self.name(first.id), second.id, self.name(second.id)),
                *(f"{value:.3f}" for value in (pair.surprise, first.share, second.share)),
                *(_places(side.passages) for side in pair.sides),
                *(likeness, str(pair.runs), str(pair.as_near or ""), pair.nearest),
                *(f"{pair.nearest_likeness:.3f}" if pair.nearest else "", why(pair)),
            ]
            rows.append(cells)
        empty = [""] * (len(_HEADER) - 4)
        for memory in self.memories:
            cells = ["memory", memory.id, self.name(memory.id), *empty, recalled(memory)]
            rows.append(cells)
        rows += [["cut", one, self.name(one), *empty, _CUT] for one in self.copies.cut]
        return csv_text(_HEADER, rows)

    def html(self) -> str:
        """Returns it as a part of a page; "" where there is nothing to look at."""
        copies = self.copies
        if not (
            copies.pairs or self.memories or copies.unchanged or copies.cut or copies.same_masks
        ):
            return ""
        return fill_in(
            "plantkit.grading.copies",
            "findings.html.j2",
            autoescape=True,
            pairs=copies.pairs[:MOST_ON_PAGE],
            left_out=max(0, len(copies.pairs) - MOST_ON_PAGE),
            count=copies.count * (copies.count - 1) // 2,
            memories=self.memories,
            same_masks=[(group, self._listed(group.ids)) for group in copies.same_masks],
            unchanged=self._listed(copies.unchanged),
            cut=self._listed(copies.cut),
            cut_why=_CUT,
            shown_name=self.name,
            why=why,
            places=_some_places,
            recalled=recalled,
        )

    def _listed(self, ids: Sequence[str]) -> str:
        more = f" and {len(ids) - _MOST_NAMES} more" if len(ids) > _MOST_NAMES else ""
        return "; ".join(self.name(one, 60) for one in ids[:_MOST_NAMES]) + more


def why(pair: Pair) -> str:
    """Returns what is alike, in words."""
    return "; ".join(filter(None, [_code(pair), _masks(pair)]))


def recalled(memory: Memory) -> str:
    """Returns what a hand-in knows of a public instance, in words."""
    several = "s" if memory.instances > 1 else ""
    there = "all runs failed" if memory.fresh is None else f"{memory.fresh:.0%}"
    return clean(
        f"{memory.what}: {memory.known:.0%} on {memory.challenge} at {memory.multiple:.3g}x, "
        f"{there} on {memory.instances} fresh instance{several} like it",
        200,
    )


def _code(pair: Pair) -> str:
    first, second = (side.share for side in pair.sides)
    if min(first, second) >= SAME:
        return "the same code"
    if max(first, second) < LEAST_SHARE:
        return ""
    which = "first" if first >= second else "second"
    return f"{max(first, second):.0%} of the {which}'s code"


def _masks(pair: Pair) -> str:
    if pair.likeness is None or pair.likeness < LEAST_LIKENESS:
        return ""
    is_same = pair.likeness >= SAME
    text = "the same masks" if is_same else f"masks alike to {_floor(pair.likeness)}"
    if pair.nearest_likeness >= min(pair.likeness, SAME):
        return f"{text}, as of {clean(pair.nearest, 40)}"
    others = pair.as_near - 2
    if others > 0:
        return f"{text}, as {others} other{'s have' if others > 1 else ' has'}"
    return text


def _shares(pair: Pair) -> tuple[str, str]:
    """Returns what share of the code is the same, and of the masks, for a narrow table."""
    code = f"{max(side.share for side in pair.sides):.0%}"
    if pair.likeness is None:
        return code, ""
    masks = "100%" if pair.likeness >= SAME else f"{min(pair.likeness, 0.99):.0%}"
    is_known = pair.nearest_likeness >= min(pair.likeness, SAME)
    return code, f"{masks} (as {clean(pair.nearest, 12)})" if is_known else masks


def _floor(likeness: float) -> str:
    """Returns a likeness with three digits; only that of the same masks becomes 1."""
    return "1.000" if likeness >= SAME else f"{min(likeness, 0.999):.3f}"


def _places(passages: Sequence[Passage]) -> str:
    """Returns passages file by file: `a.py 3-7, 12; b.py 4-9`."""
    files = dict.fromkeys(passage.file for passage in passages)
    return "; ".join(
        f"{clean(file, 100)} "
        + ", ".join(passage.lines for passage in passages if passage.file == file)
        for file in files
    )


def _some_places(side: Side) -> str:
    left = len(side.passages) - _MOST_PASSAGES
    more = f" and {left} more" if left > 0 else ""
    return _places(side.passages[:_MOST_PASSAGES]) + more


def _more(count: int) -> Iterator[str]:
    if count > MOST_LINES:
        yield f"  and {count - MOST_LINES} more, in copies.csv"
