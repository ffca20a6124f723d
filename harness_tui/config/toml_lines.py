"""On which line of a TOML text a value stands: `tomllib` does not say, so it is asked about ever longer beginnings."""

from __future__ import annotations

import tomllib
from bisect import bisect_left

Step = str | int
"""A key, or the index of an element."""


def line_of(source: str, path: tuple[Step, ...]) -> int:
    """The line (from 1) where the value at `path` begins, else the nearest table around it, else 1.

    `source` must be valid TOML.
    """
    lines = source.split("\n")
    while path and not _holds(tomllib.loads(source), path):
        path = path[:-1]
    if not path:
        return 1

    def told(count: int) -> bool:
        """Whether the beginning that ends with the statement on line `count` has the value."""
        return _holds(tomllib.loads("\n".join(lines[: _end(lines, count)])), path)

    start = bisect_left(range(1, len(lines) + 1), True, key=told) + 1
    return _element(lines, start, path)


def _end(lines: list[str], count: int) -> int:
    """The last line of the statement that line `count` belongs to."""
    while count < len(lines) and _parsed(lines[:count]) is None:
        count += 1
    return count


def _element(lines: list[str], start: int, path: tuple[Step, ...]) -> int:
    """The line of one element, if the statement at `start` is an array over several lines."""
    for count in range(start, _end(lines, start)):
        value = _parsed([*lines[:count], "]"])
        if value is not None and _holds(value, path):
            return count
    return start


def _parsed(lines: list[str]) -> object:
    try:
        return tomllib.loads("\n".join(lines))
    except tomllib.TOMLDecodeError:
        return None


def _holds(value: object, path: tuple[Step, ...]) -> bool:
    for step in path:
        try:
            value = value[step]  # type: ignore[index]
        except (KeyError, IndexError, TypeError):
            return False
    return True
