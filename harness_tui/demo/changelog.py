"""A changelog by rote: which heading a commit's subject belongs under, and where its line goes. Pure text.

What the stand-in knows of changelogs; a model would say it in a user's words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

NAMES = ("CHANGELOG.md", "CHANGES.md", "HISTORY.md", "NEWS.md")
HEADINGS = ("Added", "Changed", "Fixed")
_FIRST = {
    "Added": "add adds added allow allows create creates feat feature implement implements introduce introduces new "
    "support supports",
    "Fixed": "avoid avoids bugfix correct corrects fix fixed fixes handle handles hotfix prevent prevents repair "
    "repairs restore restores",
    "": "begin build bump changelog chore ci doc docs draft fixup format initial lint merge refactor release revert "
    "squash style test tests tidy typo wip",
}
_HEADING = {word: heading for heading, words in _FIRST.items() for word in words.split()}
_KIND = re.compile(r"([\w.-]+)(?:\([^)]*\))?!?: +(?=\S)")
"""`fix(parser): ` of a conventional commit, or the name of whoever made it."""
_HASH = re.compile(r" \(([0-9a-f]{4,40})\)$")
_UNRELEASED = re.compile(r"##\s+\[?unreleased\]?\s*$", re.IGNORECASE)


class Commit(NamedTuple):
    hash: str
    subject: str


Entries = dict[str, list[str]]
"""Heading -> its lines, without the dash."""


def commits(log: str) -> list[Commit]:
    """Of lines `HASH TAB SUBJECT`, newest first; what is no such line is left out."""
    pairs = (line.split("\t", 1) for line in log.splitlines())
    return [Commit(pair[0], pair[1].strip()) for pair in pairs if len(pair) == 2 and pair[1].strip()]


def heading(subject: str) -> str:
    """The one its first word calls for, "Changed" for a word nobody listed, "" = no user notices it."""
    kind = _KIND.match(subject)
    if kind and kind[1].lower() in _HEADING:
        return _HEADING[kind[1].lower()]
    words = re.findall(r"\w+", subject[kind.end() :] if kind else subject)
    return _HEADING.get(words[0].lower(), "Changed") if words else ""


def line(commit: Commit) -> str:
    """`Count words in other alphabets (1a2b3c4)`: the subject without what conventional commits put before it."""
    kind = _KIND.match(commit.subject)
    said = commit.subject[kind.end() :] if kind else commit.subject
    return f"{said[:1].upper()}{said[1:]} ({commit.hash})"


def entries(found: Sequence[Commit], known: str = "", without: str = "") -> Entries:
    """The lines these commits (newest first) call for, oldest first.

    Args:
        known: the changelog as it is; what it says already is left out.
        without: a word whose lines are left out.
    """
    sorted_: Entries = {name: [] for name in HEADINGS}
    for commit in reversed(found):
        said = line(commit)
        plain = _HASH.sub("", said)
        unwanted = without and without.lower() in said.lower()
        if heading(commit.subject) and plain not in known and not unwanted:
            sorted_[heading(commit.subject)].append(said)
    return {name: lines for name, lines in sorted_.items() if lines}


def drafted(found: Entries) -> list[str]:
    """The lines under their headings."""
    return [line for name, lines in found.items() for line in (f"### {name}", *(f"- {each}" for each in lines), "")]


def shorter(found: Entries) -> Entries:
    """The same lines without the commits they rest on."""
    return {name: [_HASH.sub("", each) for each in lines] for name, lines in found.items()}


def merged(old: Sequence[str], new: Entries) -> tuple[list[str], list[str]]:
    """How a changelog begins, and how it is to begin instead: with these entries under `## Unreleased`.

    Nothing of the old lines is lost, nor moved past another.
    """
    start = next((at for at, each in enumerate(old) if _UNRELEASED.match(each)), -1)
    if start < 0:
        at = next((at for at, each in enumerate(old) if each.startswith("## ")), -1)
        if at < 0:
            at = next((at + 1 for at, each in enumerate(old) if each.strip()), 0)
            return [*old[:at]], [*old[:at], "", "## Unreleased", "", *drafted(new)[:-1]]
        return [*old[: at + 1]], [*old[:at], "## Unreleased", "", *drafted(new), old[at]]
    end = next((at for at in range(start + 1, len(old)) if old[at].startswith("## ")), len(old))
    return [*old[:end]], [*old[:start], *_section(old[start:end], new)]


def _section(old: Sequence[str], new: Entries) -> list[str]:
    lines, left = [*old], {**new}
    for name in [name for name in new if f"### {name}" in old]:
        at = last = lines.index(f"### {name}")
        while last + 1 < len(lines) and not lines[last + 1].startswith("#"):
            last += 1
            at = last if lines[last].strip() else at
        lines[at + 1 : at + 1] = [f"- {each}" for each in left.pop(name)]
    if not left:
        return lines
    end = next(at for at in range(len(lines), 0, -1) if lines[at - 1].strip())
    return [*lines[:end], "", *drafted(left)[:-1], *lines[end:]]


def unfounded(lines: Sequence[str], log: Sequence[Commit]) -> list[str]:
    """A sentence for each line that rests on no commit of the log, or on another one than it names."""
    wrong = []
    for each in lines:
        named = _HASH.search(each)
        said = _HASH.sub("", each)
        behind = [commit for commit in log if said == _HASH.sub("", line(commit))]
        if not behind:
            wrong.append(f'No commit says "{said}".')
        elif named and not any(
            commit.hash.startswith(named[1]) or named[1].startswith(commit.hash) for commit in behind
        ):
            wrong.append(f'"{said}" is not what {named[1]} says.')
    return wrong
