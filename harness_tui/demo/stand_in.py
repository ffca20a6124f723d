"""A scripted stand-in for a model, so that the demo needs no key: it behaves like a weak one.

It goes to the site, reads the stories and clicks the arrow of the first. When it meets a login page it looks where it
is, gives up, and claims success. It reacts only to the messages it is given and knows no site: `decide` is a pure
function of them. Told that it is maker or checker of a loop (`loop_stand_in`), or works in the graph of `demo dag`
(`dag_stand_in`), it plays that.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import msgspec

from ..domain.errors import ModelError
from ..domain.messages import (
    Answer,
    Delta,
    Message,
    ModelRequest,
    Part,
    Stop,
    Text,
    ToolCall,
    ToolResult,
    ToolSpec,
    Usage,
)
from ..domain.money import Free, Price
from . import dag_stand_in, loop_stand_in

PACE = "HARNESS_TUI_STAND_IN_PACE"
"""Seconds one answer takes, so that people can watch; unset: none, or what the demo itself sets."""

DONE = "I upvoted the first story."
CHARS_PER_TOKEN = 4

_URL = re.compile(r"https?://[^\s<>\"'`)\]]+")
_LOGIN_PAGE = re.compile(r"log[ -]?in|sign[ -]?in|/vote\b|password", re.IGNORECASE)
_SIGNED_IN = re.compile(r"(signed|logged) (you )?in|authenticated", re.IGNORECASE)
_ALREADY_CLICKED = re.compile(r"must not be repeated.*browser_click", re.DOTALL)
_NOT_DECIDED = re.compile(r"denied|nobody decided", re.IGNORECASE)


class Story(msgspec.Struct, frozen=True):
    """One entry of what `browser_get_stories` answered."""

    id: str
    arrow: str
    voted: bool


class Seen(msgspec.Struct):
    """What the conversation comes to.

    Attributes:
        steps: results since the last message of the harness, oldest first.
        stories: the list as it was read last.
        clicked: selector of the first click of all, or ""; `voted_for` is the id of the story it belonged to.
        began: whether anything was done before that message.
        signed_in: the harness said that it has signed in.
        happened: the harness said that the click is done and must not be repeated.
    """

    url: str = ""
    steps: list[ToolResult] = []
    stories: list[Story] = []
    clicked: str = ""
    voted_for: str = ""
    began: bool = False
    signed_in: bool = False
    happened: bool = False


def decide(messages: Sequence[Message], tools: Sequence[ToolSpec]) -> tuple[Part, ...]:
    """The next answer: a sentence, and at most one call of a tool that is in `tools`. Never raises."""
    scripted = loop_stand_in.move(messages, tools) or dag_stand_in.move(messages, tools)
    say, name, arguments = scripted or _next(_look(messages))
    if not name:
        return (Text(say),)
    if name not in {tool.name for tool in tools}:
        return (Text(f"I cannot do this: I am a scripted stand-in and have no tool {name}."),)
    return (Text(say), ToolCall(_fresh_id(messages), name, arguments))


def _look(messages: Sequence[Message]) -> Seen:
    seen = Seen(url=_start(messages))
    for message in messages:
        if message.role == "user":
            seen.began = seen.began or bool(seen.steps)
            seen.steps = []
            seen.signed_in = seen.signed_in or (seen.began and bool(_SIGNED_IN.search(message.text)))
            seen.happened = seen.happened or bool(_ALREADY_CLICKED.search(message.text))
        for part in message.parts:
            if isinstance(part, ToolResult):
                seen.steps.append(part)
                if part.name == "browser_get_stories":
                    seen.stories = list(_stories(part.text))
            elif isinstance(part, ToolCall) and part.name == "browser_click" and not seen.clicked:
                seen.clicked = str(part.arguments.get("selector", ""))
                seen.voted_for = next((story.id for story in seen.stories if story.arrow == seen.clicked), "")
    return seen


def _start(messages: Sequence[Message]) -> str:
    """The first address the rules name, else the first one a person names."""
    for role in ("system", "user"):
        for message in messages:
            found = _URL.search(message.text) if message.role == role else None
            if found:
                return found.group().rstrip(".,;:!?")
    return ""


_Move = tuple[str, str, dict[str, Any]]
"""What it says, the tool it calls ("" = it is done), and with what."""

_READ: _Move = ("I will read the list of stories.", "browser_get_stories", {})


def _next(seen: Seen) -> _Move:
    """What a weak model does now, judged by the last result alone."""
    last = seen.steps[-1] if seen.steps else None
    match last:
        case None:
            return _READ if seen.began or not seen.url else _open(seen)
        case ToolResult(ok=False, text=text) if _NOT_DECIDED.search(text):
            return _give_up("The operator denied the vote." if "denied" in text.lower() else "Nobody decided in time.")
        case ToolResult(name="browser_navigate", ok=False):
            return _give_up(f"I could not open {seen.url}.")
        case ToolResult(name="browser_navigate"):
            return _READ
        case ToolResult(name="browser_get_stories"):
            return _vote(seen)
        case ToolResult(name="browser_click", ok=False):
            return _give_up("I could not click the arrow of the first story.")
        case ToolResult(name="browser_click", text=text) if _LOGIN_PAGE.search(text) and not seen.signed_in:
            return ("That looks like another page. I will check where I am.", "browser_url", {})
        case _:
            return _give_up(DONE)


def _open(seen: Seen) -> _Move:
    return ("I will open the news site.", "browser_navigate", {"url": seen.url})


def _give_up(say: str) -> _Move:
    return (say, "", {})


def _vote(seen: Seen) -> _Move:
    if not seen.stories:
        opened = any(step.name == "browser_navigate" for step in seen.steps)
        return _give_up("I could not find any story.") if opened or not seen.url else _open(seen)
    first = seen.stories[0]
    if seen.happened or any(story.voted for story in seen.stories if story.id == seen.voted_for):
        return _give_up(DONE)
    if seen.clicked:
        arrows = [story.arrow for story in seen.stories if story.id == seen.voted_for and story.arrow]
        again = arrows[0] if arrows else seen.clicked
        return ("I am signed in now, so I will vote again.", "browser_click", {"selector": again})
    if first.voted:
        return _give_up("The first story was already upvoted.")
    if not first.arrow:
        return _give_up("I could not find an arrow to click.")
    return ("I will click the arrow of the first story.", "browser_click", {"selector": first.arrow})


def _stories(text: str) -> Iterator[Story]:
    """The stories of a result, whole JSON objects only: id, voted and arrow (the usual one where none is named)."""
    decoder = json.JSONDecoder()
    at = text.find("{")
    while at >= 0:
        try:
            entry, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return
        ident, arrow = entry.get("id"), entry.get("arrow", f"#up_{entry.get('id')}")
        if isinstance(ident, str) and ident and isinstance(arrow, str):
            yield Story(ident, arrow, entry.get("voted") is True)
        at = text.find("{", end)


def _fresh_id(messages: Sequence[Message]) -> str:
    """One more than the highest id still in sight: unique even when old messages were trimmed away."""
    found = (re.fullmatch(r"call_(\d{1,9})", call.id) for message in messages for call in message.calls)
    return f"call_{max((int(match.group(1)) for match in found if match), default=0) + 1}"


class StandIn:
    """The stand-in behind the same interface as a model. Labelled wherever it shows, never chosen silently."""

    label = "stand-in (scripted, not a model)"

    def __init__(self, url: str = "", model: str = "stand-in", key: str = "") -> None:
        """`url` and `key` are taken and ignored: there is no endpoint."""
        self.name = model

    async def stream(self, request: ModelRequest) -> AsyncIterator[Delta | Answer]:
        """A few deltas and the answer; usage is estimated from the characters read and written.

        Raises ModelError where a demo wants to show what becomes of one.
        """
        if dag_stand_in.stumbles(request.messages):
            raise ModelError(dag_stand_in.STUMBLED, kind="refused")
        parts = decide(request.messages, request.tools)
        words = [word for part in parts if isinstance(part, Text) for word in re.findall(r"\S+\s*", part.text)]
        pause = _pace(dag_stand_in.PACE if dag_stand_in.plays(request.messages) else 0.0) / max(1, len(words))
        for word in words:
            await asyncio.sleep(pause)
            yield Delta(word)
        calls = any(isinstance(part, ToolCall) for part in parts)
        usage = Usage(input=_tokens((request.messages, request.tools)), output=_tokens(parts))
        stop: Stop = "tool_calls" if calls else "end"
        yield Answer(parts, usage, stop, self.name, usage_reported=False, usd=0, mark="priced")

    async def price(self) -> Price | None:
        return Free("a stand-in costs nothing")

    async def close(self) -> None:
        """There is nothing to close."""


def _tokens(what: object) -> int:
    return -(-len(msgspec.json.encode(what)) // CHARS_PER_TOKEN)


def _pace(usual: float) -> float:
    try:
        return min(60.0, max(0.0, float(os.environ.get(PACE, usual))))
    except ValueError:
        return usual
