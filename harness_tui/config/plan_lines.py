"""On which line of a plan in TOML a value stands. A long plan is cut at its `[[jobs]]`, and one piece is asked about:
asking about the whole would read thousands of jobs again and again."""

from __future__ import annotations

import re
import tomllib

from . import toml_lines
from .toml_lines import Step

WHOLE = 64 * 1024
"""Characters up to which a plan is asked about as it is."""

_JOB = re.compile(r"^[ \t]*\[\[[ \t]*jobs[ \t]*\]\]", re.M)


def line_of(source: str, path: tuple[Step, ...]) -> int:
    """The line (from 1) where the value at `path` begins, else the table around it, else 1. `source` must be TOML."""
    if len(source) <= WHOLE:
        return toml_lines.line_of(source, path)
    cuts = [found.start() for found in _JOB.finditer(source)]
    pieces = [source[start:end] for start, end in zip([0, *cuts], [*cuts, len(source)], strict=True)]
    match path:
        case ("jobs", int(index), *rest) if index < len(cuts):
            first, piece, inner = cuts[index], pieces[index + 1], ("jobs", 0, *rest)
        case ("jobs", *_) if cuts:
            return source.count("\n", 0, cuts[0]) + 1
        case _:
            first, piece, inner = next(
                ((start, piece, path) for start, piece in zip([0, *cuts], pieces, strict=True) if _says(piece, path)),
                (0, "", ()),
            )
    try:
        return source.count("\n", 0, first) + toml_lines.line_of(piece, inner)
    except tomllib.TOMLDecodeError:  # what looked like the head of a job stands inside a text
        return source.count("\n", 0, first) + 1


def _says(piece: str, path: tuple[Step, ...]) -> bool:
    """Whether the piece speaks of the value at all. Only pieces that hold the word are read."""
    if not path or str(path[0]) not in piece:
        return False
    try:
        return path[0] in tomllib.loads(piece)
    except tomllib.TOMLDecodeError:
        return False
