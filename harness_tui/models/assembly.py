"""What assembling a streamed answer needs in every family: reading wire JSON that may lack anything, whole tool calls.

Pure. Whatever a server sends, the result can be stored and sent on: text is valid Unicode, ids are unique, counts are
finite, arguments are an object or an error.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import msgspec

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


# -- fields of wire JSON -----------------------------------------------------------------------------------------


def text_of(value: Any) -> str:
    """Text of a field that may be absent, null or, as some servers have it, a list of typed pieces."""
    if isinstance(value, str):
        return value
    return "".join(text_of(piece.get("text")) for piece in items_of(value))


def items_of(value: Any) -> list[dict[str, Any]]:
    """The objects of a list that may be absent, null or something else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def object_of(wire: dict[str, Any], key: str) -> dict[str, Any]:
    """The object under `key`; empty when it is absent, null or something else."""
    value = wire.get(key)
    return value if isinstance(value, dict) else {}


def count_of(wire: dict[str, Any], key: str) -> int:
    """A number of tokens; 0 when it is absent or no count."""
    value = wire.get(key)
    return max(0, int(value)) if isinstance(value, int | float) and value == value and abs(value) < 1e15 else 0


def mended(text: str) -> str:
    """Join surrogate pairs that came as two escapes; a lone half becomes U+FFFD, for it can never be written down."""
    if not _LONE_SURROGATE.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


# -- tool calls --------------------------------------------------------------------------------------------------


def parse_arguments(raw: str) -> tuple[dict[str, Any], str]:
    """Return (arguments, error). No text at all and `null` mean a call without arguments."""
    if not raw.strip():
        return {}, ""
    try:
        value = msgspec.json.decode(raw)
    except RecursionError:
        return {}, "the arguments are nested too deeply"
    except (msgspec.DecodeError, ValueError) as error:
        return {}, f"the arguments are not JSON: {error}"
    if value is None:
        return {}, ""
    if not isinstance(value, dict):
        return {}, f"the arguments must be a JSON object, not {_JSON_NAMES.get(type(value), 'a value')}"
    return value, ""


_JSON_NAMES = {list: "an array", str: "a string", int: "a number", float: "a number", bool: "a boolean"}


def free_id(ident: str, taken: Collection[str], turn: int) -> str:
    """`ident` if it is new in the conversation, else a deterministic one: results are paired with calls by id.

    Args:
        taken: the ids of all calls so far.
        turn: the number of messages before this answer, so that a made id is new in later turns too.
    """
    if ident and ident not in taken:
        return ident
    number = 0
    while (made := f"{ident or 'call'}_{turn}_{number}") in taken:
        number += 1
    return made
