"""What work leaves behind, by rote: TODOs, merged branches, spaces at line ends. Pure text, for the stand-in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

MARKS = r"\b(TODO|FIXME)\b"
ASKED = re.compile(r"\b(TODO|FIXME)s?\b")
"""In a prompt: it wants them looked for."""
SPACES = r"[ \t]+$"
MOST = 20
"""Lines of a report on one kind of leftover."""
_HIT = re.compile(r"([^:\n]+):(\d+):(.*)")
_BRANCH = re.compile(r"  (\S+) +[0-9a-f]{4,40} (.*)")
_PLACE = re.compile(r"^- (.+?:\d+) ", re.MULTILINE)
_OWN = ("loops/", "main", "master", "trunk", "develop")


class Hit(NamedTuple):
    """A line that matched; its spaces as they are."""

    path: str
    line: int
    text: str


class Diff(NamedTuple):
    """Changed files, and the lines that went and came, without their marks."""

    files: list[str]
    removed: list[str]
    added: list[str]

    @classmethod
    def of(cls, diff: str) -> Diff:
        """Of git's text; line by line within hunks, so that no line of a file passes for a name."""
        found = cls([], [], [])
        inside = False
        for line in diff.splitlines():
            if line.startswith("diff --git "):
                inside = False
                found.files.append(line.rpartition(" b/")[2])
            elif line.startswith("@@"):
                inside = True
            elif inside and line[:1] in "+-":
                (found.added if line[0] == "+" else found.removed).append(line[1:])
        return found


def hits(text: str) -> list[Hit]:
    """Of what grep answers: `path:line:text`."""
    found = (_HIT.fullmatch(line) for line in text.split("\n"))
    return [Hit(match[1], int(match[2]), match[3]) for match in found if match]


def merged(listed: str) -> list[str]:
    """Branches of `git branch --merged -v` that nobody stands on, but for those that stay."""
    found = (_BRANCH.match(line) for line in listed.splitlines())
    return [match[1] for match in found if match and not match[1].startswith(_OWN)]


def report(marks: Sequence[Hit], branches: Sequence[str]) -> list[str]:
    """Under a heading each, one line a leftover."""
    todos = [f"- {hit.path}:{hit.line} {' '.join(hit.text.split())}" for hit in marks[:MOST]]
    stale = [f"- branch {name} is merged and can go" for name in branches[:MOST]]
    return [*(["TODOs", *todos, ""] if todos else []), *(["Stale branches", *stale, ""] if stale else [])]


def places(claim: str) -> list[str]:
    """`path:line` of each TODO in a report."""
    return _PLACE.findall(claim)


def tidiable(found: Sequence[Hit], besides: str) -> str:
    """The first file whose lines end in spaces that mean nothing, "" = none. In Markdown they break a line.

    Args:
        besides: files named in it are left alone.
    """
    paths = (hit.path for hit in found if not hit.path.endswith((".md", ".markdown", ".diff", ".patch")))
    return next((path for path in paths if path not in besides), "")


def trimmed(lines: Sequence[str]) -> tuple[list[str], list[str]]:
    """The stretch from the first to the last line that ends in spaces, and the same without them."""
    bad = [at for at, line in enumerate(lines) if line != line.rstrip()]
    stretch = [*lines[bad[0] : bad[-1] + 2]] if bad else []  # with a line more, it is there only once
    return stretch, [line.rstrip() for line in stretch]
