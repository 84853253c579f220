"""The words of Python code without what a copier changes first: names, comments and layout.

Python's own tokenizer reads the code. Pygments also reads what is not Python, but takes minutes for
200 kB of blank lines: hand-ins are hostile until shown otherwise.
"""

from __future__ import annotations

import builtins
import io
import itertools
import keyword
import re
import token
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from plantkit.submissions.notebooks import NotebookError, code_cells

#: Most words of one hand-in that are compared: about 5,000 lines of code.
MOST_WORDS = 50_000
#: Most characters of one hand-in that are looked at, comments included, all files together.
MOST_CHARACTERS = 500_000
#: Largest notebook that is opened, in characters. What it shows counts too, such as pictures.
MOST_NOTEBOOK = 8_000_000

#: In place of a name that the author chose, of a string and of a number.
NAME, STRING, NUMBER = "name", "string", "number"
_CLOSING = {")", "]", "}"}
_BUILTINS = frozenset(dir(builtins))
#: IPython's own lines in a cell.
_MAGIC = re.compile(r"^[ \t]*[%!].*$", re.MULTILINE)
#: Words of what is not Python.
_CRUDE = re.compile(r"\w+|[^\w\s]")
_LAYOUT = {token.NEWLINE, token.INDENT, token.DEDENT}
_IGNORED = {token.COMMENT, token.NL, token.ENDMARKER, token.ENCODING}
#: Since Python 3.12 an f-string is several tokens.
_OPENS = getattr(token, "FSTRING_START", -1), getattr(token, "TSTRING_START", -1)
_CLOSES = getattr(token, "FSTRING_END", -1), getattr(token, "TSTRING_END", -1)


@dataclass(frozen=True, slots=True)
class Word:
    """A word of code, and the line of the file on which it stands.

    In a notebook, lines are those of its code cells, written one below the other.
    """

    text: str
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class _Token:
    kind: int
    text: str
    line: int


def words_of(files: Mapping[str, str]) -> tuple[list[Word], bool]:
    """Returns the words of a hand-in, file by file, and whether these are all of them.

    Names that Python and its libraries define stay: keywords, builtins, and attributes such as
    `.topk`, unless the hand-in itself defines one of that name. Other names, strings and numbers
    become `NAME`, `STRING` and `NUMBER`. Comments, docstrings, imports, layout and trailing commas
    are left out.

    Args:
        files: name to text. Those that come last are cut where there is too much. Of notebooks,
            whose names end in `.ipynb`, the code cells count.
    """
    read: dict[str, list[_Token]] = {}
    characters, words, is_whole = MOST_CHARACTERS, MOST_WORDS, True
    for file, text in files.items():
        code = _code_of(file, text)
        tokens = _tokens(code[:characters], words + 1)
        is_whole &= len(code) <= characters and len(tokens) <= words
        is_whole &= len(text) <= MOST_NOTEBOOK or not _is_notebook(file)
        characters -= min(len(code), characters)
        read[file] = _statements(tokens[:words])
        words -= len(tokens[:words])
    own = {name for tokens in read.values() for name in _defined(tokens)}
    found = [
        Word(text, file, line)
        for file, tokens in read.items()
        for text, line in _normalised(tokens, own)
    ]
    return found, is_whole


def _is_notebook(file: str) -> bool:
    return file.lower().endswith(".ipynb")


def _code_of(file: str, text: str) -> str:
    if _is_notebook(file):
        try:
            cells = code_cells(text.encode()) if len(text) <= MOST_NOTEBOOK else []
        except NotebookError:
            cells = []
        text = _MAGIC.sub("", "\n".join(cells))
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _statements(tokens: Sequence[_Token]) -> list[_Token]:
    """Returns tokens without those of imports and without strings that stand alone."""
    statements: list[_Token] = []
    statement: list[_Token] = []
    for one in [*tokens, _Token(token.NEWLINE, "", 0)]:
        if one.kind not in _LAYOUT and one.text != ";":
            statement.append(one)
            continue
        is_import = bool(statement) and statement[0].text in {"import", "from"}
        if not is_import and any(word.kind != token.STRING for word in statement):
            statements += statement
        statement = []
    return statements


def _tokens(code: str, most: int) -> list[_Token]:
    """Returns the first tokens that count, at most so many; an f-string is one.

    What is not Python is cut up crudely.
    """
    found: list[_Token] = []
    depth = 0
    try:
        for one in tokenize.generate_tokens(io.StringIO(code).readline):
            if len(found) >= most:
                break
            if one.type in _OPENS:
                if not depth:
                    found.append(_Token(token.STRING, "", one.start[0]))
                depth += 1
            elif one.type in _CLOSES:
                depth -= 1
            elif not depth and one.type not in _IGNORED:
                found.append(_Token(one.type, one.string, one.start[0]))
    except Exception:  # also SystemError and others, of what C makes of hostile text
        crude = (
            _Token(token.NAME if word[0].isidentifier() else token.OP, word[0], line)
            for line, written in enumerate(code.split("\n"), start=1)
            for word in _CRUDE.finditer(written)
        )
        return list(itertools.islice(crude, most))
    return found


def _defined(tokens: Sequence[_Token]) -> Iterator[str]:
    """Yields names of functions and classes, and attributes of `self`."""
    for before, after in itertools.pairwise(tokens):
        if before.text in {"def", "class"}:
            yield after.text
    for owner, dot, name in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if (owner.text, dot.text) == ("self", "."):
            yield name.text


def _normalised(tokens: Sequence[_Token], own: set[str]) -> Iterator[tuple[str, int]]:
    """Yields the words of tokens, and their lines."""
    before = ""
    nothing = _Token(token.NEWLINE, "", 0)
    for one, after in itertools.pairwise([*tokens, nothing]):
        text = one.text
        if text == "," and after.text in _CLOSING:
            continue
        if one.kind == token.STRING:
            if before == STRING:  # strings next to one another are one
                continue
            text = STRING
        elif one.kind == token.NUMBER:
            text = NUMBER
        elif one.kind == token.NAME and not keyword.iskeyword(text):
            is_known = before == "." or text in _BUILTINS
            text = text if is_known and text not in own else NAME
        yield text, one.line
        before = text
