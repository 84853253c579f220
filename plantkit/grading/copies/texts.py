"""How much code two hand-ins share, when what was given, or what everybody wrote, does not count.

A text is cut into all its runs of `LENGTH` words, as in Moss (Schleimer, Wilkerson and Aiken,
"Winnowing", 2003). A run counts the more, the fewer hand-ins have it. Moss keeps a sample of the
runs; hand-ins are small enough to keep all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import sparse

from plantkit.grading.copies.words import Word, words_of

#: Words of a run: about one line and a half of code.
LENGTH = 12
#: Fewest different runs of its own that a hand-in needs to be compared: about five lines.
FEWEST_RUNS = 25

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """Lines of a file; see `Word`."""

    file: str
    first: int
    last: int

    @property
    def lines(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """What the code of a class has in common.

    ids: in the order of rows and columns. unchanged: ids of those that consist of code that was
    given. cut: ids of those that are too long, of which only a part is compared. shares: (n, n),
    what share of the row's code is in the column's; 1 on the diagonal, 0 where there is too little
    code to compare. rarity: (n, n), in [0, 1], how rare the shared runs are: 1 if no other hand-in
    has them.
    """

    ids: Sequence[str]
    unchanged: Sequence[str]
    cut: Sequence[str]
    shares: Floats
    rarity: Floats
    _words: Mapping[str, Sequence[Word]]
    _runs: Mapping[str, npt.NDArray[np.uint64]]
    _given: npt.NDArray[np.uint64]

    def matching(self, first: str, second: str) -> list[Passage]:
        """Returns where the code of `first` is that is in that of `second` too."""
        runs = self._runs[first]
        shared = np.isin(runs, self._runs[second]) & ~np.isin(runs, self._given)
        words = self._words[first]
        is_shared = np.zeros(len(words), dtype=bool)
        for start in np.flatnonzero(shared):
            is_shared[start : start + LENGTH] = True
        passages: list[Passage] = []
        before = -1
        for place in np.flatnonzero(is_shared).tolist():
            word, last = words[place], passages[-1] if passages else None
            is_next = before == place - 1 or (last is not None and word.line <= last.last + 1)
            if last is not None and is_next and last.file == word.file:
                passages[-1] = replace(last, last=word.line)
            else:
                passages.append(Passage(file=word.file, first=word.line, last=word.line))
            before = place
        return passages


def compare_texts(
    texts: Mapping[str, Mapping[str, str]], given: Sequence[Mapping[str, str]] = ()
) -> Texts:
    """Returns what the code of hand-ins has in common.

    Args:
        texts: id to file name to text; see `words_of`.
        given: code that was handed out, file name to text.
    """
    ids = sorted(texts)
    read = {one: words_of(texts[one]) for one in ids}
    words = {one: found for one, (found, _) in read.items()}
    runs = {one: _runs(words[one]) for one in ids}
    handed_out = np.unique(np.concatenate([_runs([]), *(_runs(words_of(one)[0]) for one in given)]))
    own = {one: np.setdiff1d(runs[one], handed_out) for one in ids}
    # Hand-in by run: 1 where the hand-in has it.
    found, column = np.unique(np.concatenate([*own.values(), _runs([])]), return_inverse=True)
    weights = _weight(np.bincount(column, minlength=len(found)), len(ids))
    begins = np.cumsum([0, *(len(own[one]) for one in ids)])
    shape = (len(ids), len(found))
    has = sparse.csr_array((np.ones(len(column)), column, begins), shape=shape)
    weighted = sparse.csr_array((weights[column], column, begins), shape=shape)
    shared = (weighted @ has.T).toarray()
    counts = (has @ has.T).toarray()
    both = counts >= FEWEST_RUNS
    whole = np.diag(shared)
    shares = np.divide(shared, whole[:, None], out=np.zeros_like(shared), where=both)
    rarest = _weight(np.array([2]), len(ids))
    rarity = np.divide(shared, counts * rarest, out=np.zeros_like(shared), where=both)
    return Texts(
        ids=ids,
        unchanged=[one for one in ids if len(runs[one]) and not len(own[one])],
        cut=[one for one, (_, is_whole) in read.items() if not is_whole],
        shares=shares,
        rarity=np.minimum(rarity, 1.0),
        _words=words,
        _runs=runs,
        _given=handed_out,
    )


def _weight(holders: npt.NDArray[np.int64], count: int) -> Floats:
    """Returns how much what `holders` of `count` hand-ins have counts."""
    return np.log((max(count, 2) + 1) / holders)


def _runs(words: Sequence[Word]) -> npt.NDArray[np.uint64]:
    """Returns a number for every run of `LENGTH` words, in order; equal runs have equal numbers."""
    known = {word.text: 0 for word in words}
    for text in known:
        known[text] = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())
    numbers = np.array([known[word.text] for word in words], dtype=np.uint64)
    count = max(0, len(words) - LENGTH + 1)
    runs = np.zeros(count, dtype=np.uint64)
    for offset in range(LENGTH):  # a polynomial of the words, modulo 2^64
        runs = runs * np.uint64(0x9E3779B97F4A7C15) + numbers[offset : offset + count]
    return runs
