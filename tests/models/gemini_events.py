"""Streamed responses of Gemini as its API sends them, and a strict model of what it takes."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

from harness_tui.domain.messages import Answer, Message, ModelRequest
from harness_tui.models.gemini.stream import GeminiAssembly

SIGNATURE = "EpwCCpkCAXLI2nwTAz0kfBZ+"


def event(*parts: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    """One response with these parts; `more` goes beside the candidates (usageMetadata)."""
    ended = {"finishReason": finish} if finish else {}
    return {"candidates": [{"content": {"role": "model", "parts": list(parts)}, "index": 0, **ended}], **more}


def call(name: str, args: dict[str, Any] | None = None, ident: str = "", signature: str = "") -> dict[str, Any]:
    function: dict[str, Any] = {"name": name} | ({"args": args} if args is not None else {})
    return {"functionCall": ({"id": ident} if ident else {}) | function} | (
        {"thoughtSignature": signature} if signature else {}
    )


def usage(prompt: int, candidates: int, **more: int) -> dict[str, Any]:
    return {"promptTokenCount": prompt, "candidatesTokenCount": candidates, **more}


def assembled(*events: Any, request: ModelRequest = ModelRequest((Message.say("user", "u"),))) -> Answer:  # noqa: B008
    assembly = GeminiAssembly(request, "tiny")
    for one in events:
        list(assembly.feed(one))
    return assembly.answer()


# -- GenerateContentRequest as published -------------------------------------------------------------------------------

_NAME = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
_TYPES: dict[str, dict[str, Any]] = {
    "Request": {
        "systemInstruction": "System",
        "tools": ["Tool"],
        "toolConfig": dict,
        "contents": ["Content"],
        "generationConfig": "Config",
    },
    "System": {"parts": ["Part"]},
    "Content": {"role": ("user", "model"), "parts": ["Part"]},
    "Part": {
        "text": str,
        "inlineData": "Blob",
        "functionCall": "Call",
        "functionResponse": "Response",
        "executableCode": dict,
        "thought": bool,
        "thoughtSignature": str,
    },
    "Blob": {"mimeType": str, "data": str},
    "Call": {"id": str, "name": _NAME, "args": dict},
    "Response": {"id": str, "name": _NAME, "response": dict},
    "Tool": {"functionDeclarations": ["Declaration"]},
    "Declaration": {"name": _NAME, "description": str, "parametersJsonSchema": dict},
    "Config": {"maxOutputTokens": int, "temperature": float, "seed": int, "thinkingConfig": "Thinking"},
    "Thinking": {"includeThoughts": bool, "thinkingLevel": ("MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH")},
}
_NEEDED = {
    "Request": {"contents"},
    "Content": {"role", "parts"},
    "System": {"parts"},
    "Blob": {"mimeType", "data"},
    "Call": {"name"},
    "Response": {"name", "response"},
    "Declaration": {"name", "description"},
}
_DATA = {"text", "inlineData", "functionCall", "functionResponse", "executableCode"}


def faults(body: Any, kind: Any = "Request", at: str = "body") -> list[str]:
    """Where a request is not as the API's reference has it, or breaks its rules about turns; [] = it is valid."""
    found: list[str] = []
    if isinstance(kind, list):
        if not isinstance(body, list) or not body:
            return [f"{at}: no list, or an empty one"]
        return [fault for n, item in enumerate(body) for fault in faults(item, kind[0], f"{at}[{n}]")]
    if isinstance(kind, tuple):
        return [] if body in kind else [f"{at}: {body!r}"]
    if isinstance(kind, re.Pattern):
        return [] if isinstance(body, str) and kind.fullmatch(body) else [f"{at}: {body!r} is no name"]
    if isinstance(kind, type):
        fits = isinstance(body, int | float if kind is float else kind) and (kind is bool or not isinstance(body, bool))
        return [] if fits else [f"{at}: {body!r} is no {kind.__name__}"]
    if not isinstance(body, dict):
        return [f"{at}: no object"]
    found += [f"{at}: unknown {name}" for name in body.keys() - _TYPES[kind].keys()]
    found += [f"{at}: no {name}" for name in _NEEDED.get(kind, set()) - body.keys()]
    for name in body.keys() & _TYPES[kind].keys():
        found += faults(body[name], _TYPES[kind][name], f"{at}.{name}")
    if kind == "Part" and "thoughtSignature" not in body and (len(body.keys() & _DATA) != 1 or body.get("text") == ""):
        found.append(f"{at}: not one kind of data, or an empty text")
    return found + (_turn_faults(body["contents"]) if kind == "Request" and not found else [])


def _turn_faults(contents: list[dict[str, Any]]) -> list[str]:
    found = [] if contents[0]["role"] == contents[-1]["role"] == "user" else ["the user does not begin and end"]
    waiting: list[dict[str, Any]] = []
    for turn in contents:
        responses = [part["functionResponse"] for part in turn["parts"] if "functionResponse" in part]
        asked = [(c.get("id"), c["name"]) for c in waiting]
        if [(r.get("id"), r["name"]) for r in responses] != asked:
            found.append(f"{asked} is not answered directly and in order")
        if responses and len(responses) != len(turn["parts"]):
            found.append("responses are mixed with other parts")
        waiting = [part["functionCall"] for part in turn["parts"] if "functionCall" in part]
        if waiting and turn["role"] != "model":
            found.append("a call of the user")
    for one, two in pairwise(contents):
        if one["role"] == two["role"] and (one["role"] == "model" or "functionResponse" not in one["parts"][0]):
            found.append("two turns of one side that could be one")
    return found
