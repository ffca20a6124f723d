"""The Anthropic Messages wire outward, pure: neutral messages to request JSON; and what an error's body says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from ...domain.messages import Image, Message, ModelRequest, Opaque, Part, Text, ToolCall, ToolResult, ToolSpec
from ...domain.task import Options
from ..family import line

FAMILY = "anthropic"
MAX_TOKENS = 8192
"""Tokens of one answer when nobody says: the protocol wants a number."""
NO_SAMPLING = "2026-10-21"
"""The version of the API from which on it takes no sampling parameters."""
CACHE = {"type": "ephemeral"}
SEARCH: dict[str, Any] = {"type": "web_search_20260318", "name": "web_search", "max_uses": 1}
"""The vendor's own search, which its server performs within the call."""

_IMAGES = frozenset({"image/gif", "image/jpeg", "image/png", "image/webp"})
_NAME = re.compile(r"[a-zA-Z0-9_-]+")


def body_of(
    request: ModelRequest,
    model: str,
    options: Options = Options(),  # noqa: B008 - frozen
    *,
    cache: bool = True,
) -> dict[str, Any]:
    """The request's JSON.

    With `cache` the tools and the system prompt end in a breakpoint each, which other conversations share; the one at
    the end of the messages the server sets itself, so that nothing in them changes from request to request.
    """
    system = [_text(text) for message in request.messages if message.role == "system" for text in _texts(message)]
    tools = [SEARCH] if request.search else [_tool(spec) for spec in sorted(request.tools, key=lambda spec: spec.name)]
    body: dict[str, Any] = {"model": model}
    for name, blocks in (("tools", tools), ("system", system)):
        if blocks:
            body[name] = [*blocks[:-1], {**blocks[-1], "cache_control": CACHE}] if cache else blocks
    body["messages"] = messages_of(request.messages, model)
    wanted = options.max_tokens or MAX_TOKENS
    body["max_tokens"] = wanted if request.max_output is None else max(1, min(wanted, request.max_output))
    body["stream"] = True
    if tools and options.parallel_tools is False:
        body["tool_choice"] = {"type": "auto", "disable_parallel_tool_use": True}
    if options.effort:
        body["thinking"] = {"type": "adaptive"}
        body["output_config"] = {"effort": options.effort}
    if options.temperature is not None and "temperature" not in unsendable(options):
        body["temperature"] = options.temperature
    if cache:
        body["cache_control"] = CACHE
    return body


def unsendable(options: Options) -> dict[str, str]:
    """Options this protocol has no place for, and why."""
    reasons = {}
    if options.seed is not None:
        reasons["seed"] = "this protocol has none"
    if options.temperature is not None and not "" < options.version < NO_SAMPLING:
        reasons["temperature"] = f"version {options.version or NO_SAMPLING} of the API takes no sampling parameters"
    elif options.temperature is not None and options.effort:
        reasons["temperature"] = "it cannot be set together with effort"
    return reasons


def messages_of(messages: Sequence[Message], model: str) -> list[dict[str, Any]]:
    """Neutral messages as alternating turns, the first a user's; every call is followed by exactly one result.

    An assistant message with an Opaque of this family and model line is sent as that; of others reasoning is left out.
    """
    said = [(_role(message), _blocks(message, model)) for message in messages if message.role != "system"]
    turns: list[dict[str, Any]] = []
    calls: list[str] = []
    for role, run in groupby(((role, block) for role, blocks in said for block in blocks), key=lambda item: item[0]):
        blocks = [block for _, block in run]
        if role == "assistant":
            turns += [] if turns else [_turn("user", [_text("(no message)")])]
            calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
        else:
            blocks, calls = _answering(calls, blocks), []
        turns.append(_turn(role, blocks))
    if calls or not turns:
        turns.append(_turn("user", _answering(calls, []) or [_text("(no message)")]))
    return turns


def _answering(calls: Iterable[str], blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A user's turn after these calls: their results first, then the rest. A result nobody waits for becomes text."""
    waiting = dict.fromkeys(calls)
    results, rest = [], []
    for block in blocks:
        if block["type"] != "tool_result":
            rest.append(block)
        elif block["tool_use_id"] in waiting:
            del waiting[block["tool_use_id"]]
            results.append(block)
        else:
            rest.append(_text(block["content"]))
    return [*results, *(_result(ident, "This call has no result.", ok=False) for ident in waiting), *rest]


def _role(message: Message) -> str:
    return "assistant" if message.role == "assistant" else "user"


def _turn(role: str, blocks: list[dict[str, Any]]) -> dict[str, Any]:
    return {"role": role, "content": blocks}


def _blocks(message: Message, model: str) -> list[dict[str, Any]]:
    if message.role != "assistant":
        return [block for part in message.parts for block in _heard(part)]
    for part in message.parts:
        if isinstance(part, Opaque) and (part.family, part.model) == (FAMILY, line(model)):
            return [*part.raw["content"]]
    blocks = [block for part in message.parts for block in _spoken(part)]
    if blocks and blocks[-1]["type"] == "text":
        blocks[-1] = _text(blocks[-1]["text"].rstrip())  # the server refuses an answer it shall go on with otherwise
    return blocks


def _heard(part: Part) -> Iterator[dict[str, Any]]:
    """A part of what the model is told."""
    match part:
        case Text(text) if text.strip():
            yield _text(text)
        case ToolResult(id=ident, text=text, ok=ok):
            yield _result(_wire_id(ident), text if text.strip() else "(nothing)", ok)
        case Image(media, data) if media in _IMAGES:
            yield {"type": "image", "source": {"type": "base64", "media_type": media, "data": data}}
        case Image(media):
            yield _text(f"(a picture of type {media}, which cannot be shown)")


def _spoken(part: Part) -> Iterator[dict[str, Any]]:
    """A part of what the model said."""
    match part:
        case Text(text) if text.strip():
            yield _text(text)
        case ToolCall():
            yield tool_use(part)


def tool_use(call: ToolCall) -> dict[str, Any]:
    # The server takes an object only: text that was none returns in one that carries it.
    arguments = {"unparsable_arguments": call.raw} if call.error else call.arguments
    name = "_".join(_NAME.findall(call.name))[:128] or "unnamed"
    return {"type": "tool_use", "id": _wire_id(call.id), "name": name, "input": arguments}


def _wire_id(ident: str) -> str:
    """Ids of other families may have characters this one refuses."""
    return ident if _NAME.fullmatch(ident) else f"id_{ident.encode('utf-8', 'surrogatepass').hex()}"


def _result(ident: str, text: str, ok: bool) -> dict[str, Any]:
    block = {"type": "tool_result", "tool_use_id": ident, "content": text}
    return block if ok else {**block, "is_error": True}


def _texts(message: Message) -> Iterator[str]:
    yield from (part.text for part in message.parts if isinstance(part, Text) and part.text.strip())


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _tool(spec: ToolSpec) -> dict[str, Any]:
    described = {"description": spec.description} if spec.description else {}
    return {"name": spec.name, **described, "input_schema": {"type": "object", **spec.schema}}


_PATH = re.compile(r"([a-z_]+)(\.\w+)*: ")


def error_of(body: Any) -> Any:
    """The `error` object of an error's body, or the body where it has none; with the parameter it is about as `param`.

    That is what its message begins with. Breakpoints are one thing wherever they are refused.
    """
    error = body.get("error") if isinstance(body, dict) else None
    error = error if isinstance(error, dict) else body
    if not isinstance(error, dict):
        return body
    if "cache_control" in str(error):
        return {**error, "param": "cache_control"}
    found = _PATH.match(str(error.get("message", "")))
    return {"param": found[1], **error} if found else error
