"""The stand-in as maker and checker of a loop: a script that draws up changelogs and finds leftovers, no model.

It reacts to what it is told and to what its tools answer, and knows no repository: `move` is a pure function of the
conversation. A script asks for one call after the other; the conversation is what it has got answers to so far.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Sequence
from typing import Any

from ..domain.loop.round import NOTHING
from ..domain.messages import Message, ToolCall, ToolResult, ToolSpec
from . import changelog, leftovers
from .told import Told, heard

Move = tuple[str, str, dict[str, Any]]
"""What it says, the tool it calls ("" = it is done), and with what."""
Script = Generator[Move, ToolResult, str]
"""Asks for calls, is sent their results, returns the final answer."""

SIGNED = "Written by a scripted stand-in, not by a model."
LOG = ["--no-merges", "--format=%h%x09%s"]
MOST = "--max-count=200"

_ENTRY = re.compile(r"^- (?:round \d+) \([^)]*\): (.*)\n  the maker said: (.*)$", re.MULTILINE)
_REFUSED = re.compile(r"still waits|denied by the operator|rolled back")
_ENDED_WELL = re.compile(r"reported|escalated|proceeded")
_WITHOUT = re.compile(r"\b(?:without|drop|omit|leave out)\s+(?:the\s+)?[\"'`]?([\w./-]+)", re.IGNORECASE)
_MOVED = re.compile(r"\bbase (has )?moved\b|\brebase\b", re.IGNORECASE)


def move(messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Move | None:
    """What maker or checker does next; None when the conversation is none of a loop. Never raises."""
    told = heard(messages)
    if told is None:
        return None
    offered = frozenset(tool.name for tool in tools)
    script = _SCRIPTS[told.role, told.subject](told, offered)
    answers = _answers(messages)
    try:
        wanted = next(script)
        while (result := answers.get(_key(wanted[1], wanted[2]))) is not None:
            wanted = script.send(result)
    except StopIteration as done:
        return str(done.value), "", {}
    if wanted[1] not in offered:
        return f"I cannot do this: I am a scripted stand-in and have no tool {wanted[1]}.", "", {}
    return wanted


def _answers(messages: Sequence[Message]) -> dict[str, ToolResult]:
    """What each call came to, by what was asked; of the same call made twice, the first."""
    asked: dict[str, ToolCall] = {}
    found: dict[str, ToolResult] = {}
    for message in messages:
        for part in message.parts:
            if isinstance(part, ToolCall):
                asked[part.id] = part
            elif isinstance(part, ToolResult) and (call := asked.get(part.id)):
                found.setdefault(_key(call.name, call.arguments), part)
    return found


def _key(name: str, arguments: dict[str, Any]) -> str:
    return f"{name} {json.dumps(arguments, sort_keys=True, default=str)}"


# -- calls --------------------------------------------------------------------------------------------------------


def _git(say: str, *words: str) -> Generator[Move, ToolResult, tuple[bool, str]]:
    """Whether it went well, and what git printed."""
    result = yield (say, "shell_read", {"program": "git", "args": list(words)})
    _, _, printed = result.text.partition("\n")
    return result.ok, printed if result.ok else result.text


def _page(path: str) -> Generator[Move, ToolResult, list[str] | None]:
    """The lines of a file, the first page of a long one; None = it cannot be read, [] = it is empty."""
    result = yield (f"I will read {path}.", "read_file", {"path": path})
    if not result.ok:
        return None
    head, _, body = result.text.partition("\n")
    lines = body.split("\n") if " lines " in head else []
    return lines[:-1] if lines and lines[-1].startswith("[more follows: ") else lines


def _grep(say: str, pattern: str, **more: str) -> Generator[Move, ToolResult, list[leftovers.Hit]]:
    result = yield (say, "grep", {"pattern": pattern, **more})
    return leftovers.hits(result.text) if result.ok else []


# -- makers -------------------------------------------------------------------------------------------------------


def _draft(told: Told, offered: frozenset[str]) -> Script:
    """Maker of a changelog: the commits since it was written last, under headings; written into it if it may."""
    writes = {"edit_file", "write_file"} <= offered
    _, listed = yield from _git("I will look for the changelog.", "ls-files", "--", *changelog.NAMES)
    file = next((name for name in changelog.NAMES if name in listed.splitlines()), "")
    start = ""
    if file:
        _, start = yield from _git("Where does it end?", "log", "-1", "--format=%H", "--", file)
    else:
        ok, start = yield from _git("There is none; is there a tag?", "describe", "--tags", "--abbrev=0")
        start = start if ok else ""
    start = start.strip()
    ok, log = yield from _git("What came since?", "log", *LOG, MOST, f"{start}..HEAD" if start else "HEAD")
    if not ok:
        return f"I could not read the log: {log.strip()}\n\n{SIGNED}"
    found = changelog.commits(log)
    old: list[str] | None = []
    if file:
        old = yield from _page(file)
    if old is None:
        return f"I could not read {file}.\n\n{SIGNED}"
    without = _WITHOUT.search(told.feedback)
    new = changelog.entries(found, "\n".join(old), without[1] if without else "")
    if not new:
        return NOTHING
    since = f"{start[:7]}.." if start else "up to "
    count = sum(map(len, new.values()))
    head = f"Changelog: {count} {'entry' if count == 1 else 'entries'}, {since}{found[0].hash}"
    if _known(told, head, writes):
        return NOTHING
    new = _heeded(told.feedback, new, without is not None)
    if writes and (problem := (yield from _write(file or changelog.NAMES[0], old, new))):
        return f"{problem}\n\n{SIGNED}"
    left = len(found) - count
    return "\n".join([head, "", *changelog.drafted(new), f"{len(found)} commits read, {left} left out. {SIGNED}"])


def _heeded(feedback: str, new: changelog.Entries, done: bool) -> changelog.Entries:
    """Simple words are followed; what it does not understand goes in as a line, for a person to see."""
    if re.search(r"\bshort", feedback, re.IGNORECASE):
        return changelog.shorter(new)
    if not feedback or done or _MOVED.search(feedback):
        return new
    said = {"Changed": [*new.get("Changed", []), " ".join(feedback.split())]}
    return {name: (new | said)[name] for name in changelog.HEADINGS if name in new | said}


def _write(file: str, old: list[str], new: changelog.Entries) -> Generator[Move, ToolResult, str]:
    """What went wrong, or ""."""
    if old:
        before, after = changelog.merged(old, new)
        given = {"path": file, "old_string": "\n".join(before), "new_string": "\n".join(after)}
        result = yield ("I will put the entries in.", "edit_file", given)
    else:
        text = "\n".join(["# Changelog", "", "## Unreleased", "", *changelog.drafted(new)])
        result = yield ("I will begin a changelog.", "write_file", {"path": file, "content": text})
    return "" if result.ok else f"I could not write {file}: {result.text}"


def _look_around(told: Told, offered: frozenset[str]) -> Script:
    """Maker of a clean-up: TODOs and merged branches, if asked for; spaces at line ends go if it may write."""
    writes = "edit_file" in offered
    ok, log = yield from _git("What came in lately?", "log", *LOG, "--max-count=10")
    newest = changelog.commits(log) if ok else []
    report: list[str] = []
    if leftovers.ASKED.search(told.prompt):
        marks = yield from _grep("I will look for TODOs.", leftovers.MARKS)
        _, listed = yield from _git("Which branches are merged?", "branch", "--list", "--merged", "HEAD", "-v")
        report = leftovers.report(marks, leftovers.merged(listed))
    count = sum(each.startswith("- ") for each in report)
    head = f"Leftovers at {newest[0].hash if newest else 'no commit'}: {count}"
    tidied = ""
    if writes:
        tidied = yield from _tidy(told)
    if (not report and not tidied) or _known(told, tidied or head, writes):
        return NOTHING
    said = [f"Asked of me: {' '.join(told.feedback.split())}. A script cannot do that."] if told.feedback else []
    latest = [f"Newest commit: {newest[0].hash} {newest[0].subject}"] if newest else []
    found = [head, "", *report] if report else [""]
    return "\n".join([*([tidied] if tidied else []), *found, *latest, *said, SIGNED])


def _tidy(told: Told) -> Generator[Move, ToolResult, str]:
    """One file, of those the prompt lists by a pattern; returns what was done, or ""."""
    listed = re.search(r"`([\w./-]*\*[\w.*/-]*)`", told.prompt)
    more = {"include": listed[1]} if listed else {}
    found = yield from _grep("Do lines end in spaces?", leftovers.SPACES, **more)
    path = leftovers.tidiable(found, told.feedback)
    page: list[str] | None = None
    if path and not _known(told, (said := f"Tidy {path}: no spaces at line ends"), True):
        page = yield from _page(path)
    if not page:
        return ""
    before, after = leftovers.trimmed(page)
    given = {"path": path, "old_string": "\n".join(before), "new_string": "\n".join(after)}
    result = yield ("I will take them away.", "edit_file", given)
    return said if result.ok else ""


def _known(told: Told, head: str, writes: bool) -> bool:
    """Whether an earlier round came to the same, so that there is nothing new: what a person answered counts more.

    Where it may write, only what waits or was refused stops it: another report of the same is no proposal.
    """
    if told.feedback:
        return False
    stops = _REFUSED if writes else _ENDED_WELL
    return any(head in said and stops.search(facts) for facts, said in _ENTRY.findall(told.recall))


# -- checkers -----------------------------------------------------------------------------------------------------


def _check_draft(told: Told, offered: frozenset[str]) -> Script:
    """Every line of the draft must be a commit, and the change nothing but these lines."""
    ok, log = yield from _git("I will read the log myself.", "log", *LOG, MOST, "HEAD")
    if not ok:
        return (yield from _verdict(offered, "concerns", ["I could not read the log."]))
    change = leftovers.Diff.of(told.diff)
    lines = [each[2:] for each in (change.added if told.diff else told.claim.splitlines()) if each.startswith("- ")]
    wrong = changelog.unfounded(lines, changelog.commits(log))
    if told.diff:
        wrong += [f"{path} was changed too." for path in change.files if path not in changelog.NAMES]
        wrong += [f'An older line is gone: "{each}".' for each in change.removed if each.strip()]
        for path in change.files[:1]:
            page = yield from _page(path)
            wrong += [
                f"{path} does not hold it." for _ in "x" if not {f"- {each}" for each in lines} <= {*(page or ())}
            ]
    if not lines:
        wrong.append("I found no line to check.")
    said = f"{len(lines)} of {len(lines)} lines say what a commit says; compared by a script, not read by a model."
    return (yield from _verdict(offered, "concerns" if wrong else "clean", wrong or [said]))


def _check_report(told: Told, offered: frozenset[str]) -> Script:
    """Every place of the report must be found again, and a change take away nothing but spaces at line ends."""
    found = yield from _grep("I will look for myself.", leftovers.MARKS)
    places = {f"{hit.path}:{hit.line}" for hit in found}
    claimed = leftovers.places(told.claim)
    wrong = [f"There is no TODO at {place}." for place in claimed if place not in places]
    change = leftovers.Diff.of(told.diff)
    for path in change.files[:5]:
        page = yield from _page(path)
        if page is None or any(line != line.rstrip() for line in page):
            wrong.append(f"Lines of {path} still end in spaces, or it cannot be read.")
    if [each.rstrip() for each in change.removed] != change.added:
        wrong.append("The change does more than take spaces away.")
    looked = f"{len(claimed)} places found again, {len(change.files)} changed files compared; by a script, not a model."
    return (yield from _verdict(offered, "concerns" if wrong else "clean", wrong or [looked]))


def _verdict(offered: frozenset[str], word: str, reasons: list[str]) -> Script:
    """By the tool where it is offered, and as the answer."""
    given = {"verdict": word, "reasons": reasons[:20]}
    if "verdict" in offered:
        yield ("I have looked.", "verdict", given)
    return json.dumps(given)


# -- what no script is there for ----------------------------------------------------------------------------------


def _cannot_make(told: Told, offered: frozenset[str]) -> Script:
    yield from ()
    return (
        "I cannot do this. A scripted stand-in drafts changelogs and looks for leftovers; this loop asks for neither."
    )


def _cannot_check(told: Told, offered: frozenset[str]) -> Script:
    return (yield from _verdict(offered, "concerns", ["A scripted stand-in cannot judge this."]))


_SCRIPTS = {
    ("maker", "changelog"): _draft,
    ("maker", "leftovers"): _look_around,
    ("maker", ""): _cannot_make,
    ("checker", "changelog"): _check_draft,
    ("checker", "leftovers"): _check_report,
    ("checker", ""): _cannot_check,
}
