"""A checker's verdict, read as a form. Prose, however kind, is none: only what is exactly of the form counts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, cast

from ..events import Verdict, VerdictGiven
from ..messages import ToolCall

TOOL = "verdict"
WORDS = ("clean", "concerns", "failed")
REASONS = 20
"""Reasons kept of one verdict, and REASON characters of each."""
REASON = 500
LONGEST = 64 * 1024
"""Characters of an answer that is read at all."""

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "verdict": {"type": "string", "enum": list(WORDS)},
        "reasons": {"type": "array", "items": {"type": "string", "maxLength": REASON}, "maxItems": REASONS},
    },
    "required": ["verdict", "reasons"],
    "additionalProperties": False,
}
"""JSON Schema of the form: the arguments of the tool `verdict`, and the object an answer has to be."""

FORM = (
    "End with your verdict: call the tool `verdict` once. Or make your final answer exactly one JSON object:\n"
    '{"verdict": "clean", "reasons": ["what you looked at, and what you found"]}\n'
    'The verdict is "clean" (you looked, and it is right), "concerns" (somebody should look at the points you name) or '
    '"failed" (it is wrong, or does not do what was asked). If you could not check something, that is a concern. '
    f"At most {REASONS} reasons, one sentence each. Any other answer counts as no verdict."
)
"""What a checker is told of how to answer."""

_FENCE = re.compile(r"```json[ \t]*\n(.*)\n[ \t]*```", re.DOTALL)


class _NoVerdict(ValueError):
    """Why something is no verdict: a part of a sentence."""


def read(answer: str, calls: Iterable[ToolCall] = ()) -> VerdictGiven:
    """The verdict of a checker, or "" with a note on why there is none. Never raises.

    Args:
        answer: its final answer: the JSON object alone, or in one ```json fence.
        calls: what it called; those of the tool `verdict` count. Given twice, it must be the same verdict.
    """
    given: list[VerdictGiven] = []
    note = ""
    for call in calls:
        if call.name == TOOL:
            try:
                given.append(_form("its call of verdict", _sane(call)))
            except _NoVerdict as wrong:
                note = str(wrong)
    try:
        given.append(_form("its answer", _parsed(answer)))
    except _NoVerdict as wrong:
        note = note or str(wrong)
    if not given:
        return VerdictGiven("", (), note)
    if len({each.verdict for each in given}) > 1:
        said = " and ".join(dict.fromkeys(each.verdict for each in given))
        return VerdictGiven("", (), f"the checker gave two verdicts: {said}")
    return given[0]


def _sane(call: ToolCall) -> dict[str, Any]:
    if call.error:
        raise _NoVerdict("its call of verdict could not be parsed")
    return call.arguments


def _parsed(answer: str) -> Any:
    text = answer.strip()
    if not text:
        raise _NoVerdict("the checker answered nothing")
    if len(text) > LONGEST:
        raise _NoVerdict(f"its answer is longer than {LONGEST} characters")
    fenced = _FENCE.fullmatch(text)
    try:
        return json.loads(fenced[1] if fenced else text, object_pairs_hook=_once)
    except _NoVerdict:
        raise
    except (ValueError, RecursionError):
        raise _NoVerdict("its answer is not one JSON object of a verdict") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object that says a thing twice could be read either way."""
    if len(dict(pairs)) != len(pairs):
        raise _NoVerdict("its answer names a field twice")
    return dict(pairs)


def _form(where: str, found: Any) -> VerdictGiven:
    if not isinstance(found, dict):
        raise _NoVerdict(f"{where} is not a JSON object")
    if extra := sorted(str(key)[:40] for key in found if key not in SCHEMA["properties"]):
        raise _NoVerdict(f'{where} has a field that is not of the form: "{_plain(extra[0])}"')
    word, reasons = found.get("verdict"), found.get("reasons", [])
    if not isinstance(word, str) or word not in WORDS:
        said = f'"{_plain(word[:40])}"' if isinstance(word, str) else "missing, or no word"
        raise _NoVerdict(f"{where} has no verdict of {', '.join(WORDS)}: it is {said}")
    if not isinstance(reasons, list | tuple) or not all(isinstance(each, str) for each in reasons):
        raise _NoVerdict(f"the reasons of {where} are no list of sentences")
    kept = (_plain(each.strip()[:REASON]) for each in reasons[:REASONS])
    return VerdictGiven(cast(Verdict, word), tuple(filter(None, kept)))


def _plain(text: str) -> str:
    """Without lone surrogates, which JSON can spell and no journal can hold."""
    return text.encode("utf-8", "replace").decode()
