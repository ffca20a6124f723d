"""The Gemini wire outward, pure: neutral messages to request JSON; and what an error's body says."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from ...domain.messages import (
    Image,
    Message,
    ModelRequest,
    Opaque,
    Part,
    Text,
    ToolCall,
    ToolResult,
    ToolSpec,
)
from ...domain.task import Options
from ..assembly import object_of, text_of
from ..family import Refused, line

FAMILY = "gemini"
NOTHING = "(no message)"
"""What is sent where the protocol wants a word of the user and there is none."""

_IMAGES = frozenset({"image/heic", "image/heif", "image/jpeg", "image/png", "image/webp"})
_NAME = re.compile(r"[a-zA-Z0-9_.:-]+")
_NAME_LENGTH = 64

_CONFIG = "generationConfig"
_NAMED = {
    "seed": re.compile(r"\bseed\b"),
    "temperature": re.compile(r"\btemperature\b", re.IGNORECASE),
    "thinkingConfig": re.compile(r"thinking[ _]?(config|level|budget)|include_?thoughts|thinking is\b", re.IGNORECASE),
}
"""How refusals name a parameter, by its path or in a sentence."""
OPTIONAL = frozenset(f"{_CONFIG}.{name}" for name in _NAMED)
"""Parameters that may be left out."""

Wire = dict[str, Any]


def model_path(model: str) -> str:
    """The resource a model's name stands for: `models/NAME`, unless it names its collection itself."""
    collections = ("models/", "projects/", "publishers/", "tunedModels/")
    return model if model.startswith(collections) else f"models/{model}"


def model_line(model: str) -> str:
    """The model line, however the name was given."""
    return line(model.rpartition("/")[2])


def body_of(
    request: ModelRequest,
    model: str,
    options: Options = Options(),  # noqa: B008 - frozen
    dropped: Collection[str] = (),
) -> Wire:
    """The request's JSON; what may change from call to call stands behind the conversation.

    Args:
        dropped: names as in OPTIONAL that are left out.
    """
    system = [
        {"text": part.text}
        for message in request.messages
        if message.role == "system"
        for part in message.parts
        if isinstance(part, Text) and part.text
    ]
    body: Wire = {"systemInstruction": {"parts": system}} if system else {}
    if request.search:
        body["tools"] = [{"googleSearch": {}}]
    elif request.tools:
        specs = sorted(request.tools, key=lambda spec: spec.name)
        body["tools"] = [{"functionDeclarations": [_declaration(spec) for spec in specs]}]
    body["contents"] = contents_of(request.messages, model)
    config = {key: value for key, value in _config(request, options).items() if f"{_CONFIG}.{key}" not in dropped}
    if config:
        body[_CONFIG] = config
    return body


def _config(request: ModelRequest, options: Options) -> Wire:
    config: Wire = {}
    limits = [limit for limit in (request.max_output, options.max_tokens) if limit is not None]
    if limits:
        config["maxOutputTokens"] = max(1, min(limits))
    if options.temperature is not None:
        config["temperature"] = options.temperature
    if options.seed is not None:
        config["seed"] = options.seed
    if options.effort:
        config["thinkingConfig"] = {"thinkingLevel": options.effort.upper(), "includeThoughts": True}
    return config


def _declaration(spec: ToolSpec) -> Wire:
    # `parameters` takes a subset of OpenAPI and refuses every other key; this field takes JSON Schema as it is.
    schema = {"type": "object", **spec.schema}
    return {"name": spec.name, "description": spec.description or spec.name, "parametersJsonSchema": schema}


class _Said(NamedTuple):
    """One message: the wire parts of a model, or the neutral ones of what it was told; and its calls by neutral id."""

    by_model: bool
    parts: list[Any]
    calls: list[tuple[str, Wire]]


def contents_of(messages: Sequence[Message], model: str) -> list[Wire]:
    """Neutral messages as turns: the first and the last a user's, every call followed by exactly one response.

    Messages of one side are one turn, but the responses stand alone: servers do not take a turn that mixes them with
    text, and do take two turns of the user in a row. A message of ours with an Opaque is sent as exactly that.
    """
    said = [s for s in (_said(message, model) for message in messages if message.role != "system") if s.parts]
    contents: list[Wire] = []
    calls: list[tuple[str, Wire]] = []
    for by_model, run in groupby(said, key=lambda one: one.by_model):
        together = list(run)
        parts = [part for one in together for part in one.parts]
        if by_model:
            contents += [] if contents else [_user([{"text": NOTHING}])]
            contents.append({"role": "model", "parts": parts})
            calls = [call for one in together for call in one.calls]
        else:
            contents += _answering(calls, parts)
            calls = []
    contents += _answering(calls, [])
    if not contents or contents[-1]["role"] == "model":
        contents.append(_user([{"text": NOTHING}]))
    return contents


def _said(message: Message, model: str) -> _Said:
    if message.role != "assistant":
        return _Said(False, [p for p in message.parts if _is_text(p) or isinstance(p, ToolResult | Image)], [])
    own = [p for p in message.parts if isinstance(p, Opaque) and (p.family, p.model) == (FAMILY, model_line(model))]
    parts = own[0].raw["parts"] if own else [wire for part in message.parts for wire in spoken(part)]
    return _Said(True, parts, list(zip((call.id for call in message.calls), functions_in(parts), strict=False)))


def functions_in(parts: Sequence[Wire]) -> list[Wire]:
    return [function for part in parts if (function := object_of(part, "functionCall"))]


def spoken(part: Part) -> Iterator[Wire]:
    match part:
        case Text(text) if text:
            yield {"text": text}
        case ToolCall():
            # The server takes an object only: text that was none returns in one that carries it.
            arguments = {"unparsable_arguments": part.raw} if part.error else part.arguments
            name = "_".join(_NAME.findall(part.name))[:_NAME_LENGTH] or "unnamed"
            yield {"functionCall": {"id": part.id, "name": name, "args": arguments}}


def _answering(calls: list[tuple[str, Wire]], heard: list[Part]) -> Iterator[Wire]:
    """The user's turns after these calls: the responses in the order of the calls, then the rest."""
    waiting = {ident for ident, _ in calls}
    results: dict[str, ToolResult] = {}
    rest: list[Wire] = []
    for part in heard:
        match part:
            case ToolResult(id=ident) if ident in waiting and ident not in results:
                results[ident] = part
            case ToolResult(text=text) | Text(text):
                rest.append({"text": text or NOTHING})
            case Image(media, data) if media in _IMAGES:
                rest.append({"inlineData": {"mimeType": media, "data": data}})
            case Image(media):
                rest.append({"text": f"(a picture of type {media}, which cannot be shown)"})
    for parts in ([_response(function, results.get(ident)) for ident, function in calls], rest):
        if parts:
            yield _user(parts)


def _response(function: Wire, result: ToolResult | None) -> Wire:
    """The answer to one call, under the very name and id the call has on the wire."""
    told = {"error": "This call has no result."}
    if result is not None:
        told = {"result" if result.ok else "error": result.text}
    same = {key: function[key] for key in ("id", "name") if key in function}
    return {"functionResponse": {**same, "response": told}}


def _user(parts: list[Wire]) -> Wire:
    return {"role": "user", "parts": parts}


def _is_text(part: Part) -> bool:
    return isinstance(part, Text) and bool(part.text)


def told_as_text(contents: Sequence[Wire]) -> list[Wire]:
    """The turns with calls told as text, and their responses too, where a turn of the model has no signed call."""
    turns: list[Wire] = []
    unsigned = False
    for turn in contents:
        parts = turn["parts"]
        if turn["role"] == "model":
            unsigned = not any("thoughtSignature" in part for part in parts if "functionCall" in part)
        parts = [_as_text(part) for part in parts] if unsigned else parts
        if unsigned and turns and turns[-1]["role"] == turn["role"]:
            parts = [*turns.pop()["parts"], *parts]
        turns.append({**turn, "parts": parts})
    return turns


def _as_text(part: Wire) -> Wire:
    call, response = object_of(part, "functionCall"), object_of(part, "functionResponse")
    if call:
        return {"text": f"(called {call['name']} with {json.dumps(call.get('args', {}), ensure_ascii=False)})"}
    if response:
        return {"text": f"({response['name']} gave {json.dumps(response['response'], ensure_ascii=False)})"}
    return part


def asks_for_signatures(error: Refused) -> bool:
    """Whether a request was refused because calls in it carry no thought signature."""
    told = text_of(error.body.get("message")) if isinstance(error.body, dict) else ""
    return error.status == 400 and bool(re.search(r"thought[_ ]?signature", told, re.IGNORECASE))


def error_of(value: Any) -> Any:
    """The `error` object of an error's body, which may come in an array, with the parameter it names as `param`."""
    first = value[0] if isinstance(value, list) and value else value
    error = first.get("error", first) if isinstance(first, dict) else first
    if not isinstance(error, dict):
        return error
    named = [name for name, words in _NAMED.items() if words.search(text_of(error.get("message")))]
    return {"param": f"{_CONFIG}.{named[0]}", **error} if len(named) == 1 else error
