"""Which parameter of a request a server does not take, read from what it says of a 400. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from .error_body import read
from .retry import rule

if TYPE_CHECKING:
    from .family import Refused


def refused_parameter(error: Refused, body: Mapping[str, Any], optional: Collection[str]) -> str:
    """The one optional parameter of `body` that a 400 names, or "".

    A limit on the answer is given up only where the server does not know it, not where its value is refused: the
    budget stands on it.
    """
    told = read(error.body)
    if error.status not in (400, 422) or told.page or rule(error.status, told, {}, lambda: 0.0).kind != "refused":
        return ""
    parameter = told.parameter.partition("[")[0]
    outer = parameter.partition(".")[0]
    known = [name for name in (parameter, outer) if name in optional and _has(body, name)]
    if not known and outer not in body:  # not said, or by another name: look for one in the words
        named = [name for name in sorted(optional) if _has(body, name) and _names(told.message, name)]
        known = [name for name in named if not any(other.startswith(f"{name}.") for other in named)]
        known = known if len(known) == 1 else []
    if not known or (_LIMIT.search(known[0]) and _VALUE.search(told.message)):
        return ""
    return known[0]


_LIMIT = re.compile(r"max_?(completion_|output_)?tokens", re.IGNORECASE)
_VALUE = re.compile(
    r"too (large|small|high|low)|at (most|least)|minimum|maximum|(less|greater) than|must be|exceed|[<>]", re.IGNORECASE
)
_OTHER_NAMES = (
    ("reasoning_effort", re.compile(r"does not support thinking|reasoning value|reasoning effort", re.IGNORECASE)),
    ("reasoning_effort", re.compile(r"\bthinking\b.*not supported", re.IGNORECASE)),
    ("parallel_tool_calls", re.compile(r"parallel (tool|function) call", re.IGNORECASE)),
)
"""What servers call a parameter in their sentences, when they do not name it."""


def _names(told: str, name: str) -> bool:
    words = "_".join(re.findall(r"[A-Z]?[a-z\d]+", name)).lower()  # generationConfig is generation_config in sentences
    spelled = "|".join({re.escape(name), re.escape(words)}) if "." not in name else re.escape(name)
    if re.search(rf"(?<![\w.])({spelled})(?![\w])", told):
        return True
    return any(name == known and pattern.search(told) for known, pattern in _OTHER_NAMES)


def _has(body: Mapping[str, Any], name: str) -> bool:
    """Whether a parameter is in the body, `inner.name` inside `inner`."""
    outer, _, inner = name.partition(".")
    value = body.get(outer)
    return outer in body and (not inner or (isinstance(value, dict) and inner in value))
