"""The stand-in in a graph of jobs: it reads notes, compares them, and plans what is missing. A script, no model.

It knows the prompts of `demo dag` alone and reacts to what it is told and to what its tools answer: `move` is a pure
function of the conversation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from ..domain.dag.spec import Job
from ..domain.messages import Message, ToolResult, ToolSpec
from . import dag

Move = tuple[str, str, dict[str, Any]]
"""What it says, the tool it calls ("" = it is done), and with what."""

SIGNED = "Written by a scripted stand-in, not by a model."
STUMBLED = "The scripted stand-in stumbled here on purpose, once."
PACE = 0.4
"""Seconds one answer takes, so that people can watch."""
OWN = "on a server of our own"

_JOB = re.compile(r"\s*You do one job of a larger work\..*?^Your job, \S+: (.*?)(?=\n\n|\Z)", re.DOTALL | re.MULTILINE)
_PLANNER = re.compile(r"\s*You plan a graph of jobs.*? is published as (/.*?): behind a gate", re.DOTALL)
_READ = re.compile(r"Read (notes/[\w.-]+) and say what it is")
_COMPARE = re.compile(r"Compare the tools: ")
_FAILED_BEFORE = "\n\nThe attempt before this one failed "
_FEEDBACK = re.compile(r"it came back\. Why:\n(~{3,})\n(.*?)\n\1", re.DOTALL)
_NOTE = re.compile(r"^(\w+)\nIt is: (.*)\nOwn server: (yes|no)\nBeside it: (.*)$", re.MULTILINE)
_FOUND = re.compile(r"\b(\w+): ([^.\n]*)\. Own server: (yes|no)\. Named beside it: ([\w, ]*)\.")
_LEFT_OUT = re.compile(r"Named beside them, and not looked at: ([\w, ]+)\.")
_BOARD = re.compile(r"^(\S+) \((\w+), (\w+), by [^)\n]*\)(?: after [^:\n]*)?(?:: (.*))?$", re.MULTILINE)


class _Line(NamedTuple):
    """A job, as the planner is told of it."""

    id: str
    kind: str
    state: str
    said: str


def plays(messages: Sequence[Message]) -> bool:
    """Whether this is a conversation of `demo dag`."""
    text = _task(messages)
    found = _JOB.match(text)
    return bool(_PLANNER.match(text) or (found and (_READ.search(found[1]) or _COMPARE.match(found[1]))))


def stumbles(messages: Sequence[Message]) -> bool:
    """Whether it is to fail now: told so, after it has read, in the first attempt."""
    text = _task(messages)
    found = _JOB.match(text)
    told = found is not None and dag.STUMBLES in found[1] and _FAILED_BEFORE not in text
    return told and _last(messages) is not None


def move(messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Move | None:
    """What a job or the planner does next; None when the conversation is none of `demo dag`. Never raises."""
    if not plays(messages):
        return None
    text, last = _task(messages), _last(messages)
    if planner := _PLANNER.match(text):
        return _plan(text, planner[1], last, {tool.name for tool in tools})
    found = _JOB.match(text)
    if found and (file := _READ.search(found[1])):
        return _read(file[1], last)
    return _compare(text), "", {}


def _task(messages: Sequence[Message]) -> str:
    return next((message.text for message in messages if message.role == "user"), "")


def _last(messages: Sequence[Message]) -> ToolResult | None:
    """What its last call came to."""
    results = [part for message in messages for part in message.parts if isinstance(part, ToolResult)]
    return results[-1] if results else None


# -- jobs -----------------------------------------------------------------------------------------------------------


def _read(path: str, last: ToolResult | None) -> Move:
    if last is None:
        return f"I will read {path}.", "read_file", {"path": path}
    note = _NOTE.search(last.text) if last.ok else None
    if note is None:
        return f"I could not read {path}.", "", {}
    name, what, own, beside = note.groups()
    return f"{name}: {what}. Own server: {own}. Named beside it: {beside}.", "", {}


def _compare(text: str) -> str:
    """The verdict first: whoever plans is shown the beginning of it."""
    found = {name: (what, own, beside) for name, what, own, beside in _FOUND.findall(text)}
    if not found:
        return "I was given nothing to compare."
    fit = [name for name, (_, own, _) in found.items() if own == "yes"]
    named = {each for _, _, beside in found.values() for each in beside.split(", ") if each}
    left = sorted(named - found.keys())
    lines = [f"Of {len(found)} tools {' and '.join(fit) or 'none'} {'run' if len(fit) > 1 else 'runs'} {OWN}."]
    if left:
        lines[0] += f" Named beside them, and not looked at: {', '.join(left)}."
    lines += ["", *(f"- {name}: {what}; own server: {own}" for name, (what, own, _) in found.items()), ""]
    if asked := _FEEDBACK.search(text):
        lines += [f"Asked of me: {' '.join(asked[2].split()).rstrip('.')}. A script cannot do that.", ""]
    return "\n".join([*lines, SIGNED])


# -- the planner ----------------------------------------------------------------------------------------------------


def _plan(text: str, path: str, last: ToolResult | None, offered: set[str]) -> Move:
    if last is not None:
        return ("I have said how the plan is to change." if last.ok else "My plan was refused."), "", {}
    say, patch = _patch([_Line(*found) for found in _BOARD.findall(text)], path)
    patch["reason"] = say
    return (say, "plan", patch) if "plan" in offered else (json.dumps(patch), "", {})


def _patch(board: Sequence[_Line], path: str) -> tuple[str, dict[str, Any]]:
    """(why, what changes)."""
    ids = {line.id for line in board}
    compared = [line for line in board if line.state == "succeeded" and OWN in line.said]
    if any(line.state in ("dead_lettered", "cancelled") for line in board) or not compared or dag.PUBLISH in ids:
        return "Nothing I could add would help.", {"done": True}
    known = {found[1]: line.id for line in board if (found := _FOUND.match(line.said))}
    newest = compared[-1]
    left = _LEFT_OUT.search(newest.said)
    fresh = [name for name in left[1].split(", ") if name.lower() not in ids] if left else []
    if fresh:
        names = (*known.values(), *(name.lower() for name in fresh))
        jobs = (*(dag.research(name.lower()) for name in fresh), dag.compare("compare-all", names))
        return f"The answers name {' and '.join(fresh)}, and the comparison leaves it out.", _added(jobs)
    jobs = dag.publishing(newest.id, path, tuple(known))
    return f"The comparison leaves nothing out; it can be published as {dag.PUBLISHED}.", _added(jobs)


def _added(jobs: Sequence[Job]) -> dict[str, Any]:
    """As a model writes it: JSON."""
    return {"add": msgspec.json.decode(msgspec.json.encode(jobs))}
