"""What a call took, as the two OpenAI protocols report it: one shape under two names."""

from __future__ import annotations

from typing import Any

from ...domain.messages import Usage
from ..assembly import count_of, object_of


def usage_of(wire: Any, input: str, output: str) -> Usage | None:
    """Usage as reported; None if absent or all zero, as servers without counters send it.

    Args:
        input, output: what this protocol calls the two, `prompt` and `completion` or `input` and `output`.
    """
    if not isinstance(wire, dict):
        return None
    asked, given = object_of(wire, f"{input}_tokens_details"), object_of(wire, f"{output}_tokens_details")
    usage = Usage(
        input=count_of(wire, f"{input}_tokens"),
        output=count_of(wire, f"{output}_tokens"),
        cache_read=count_of(asked, "cached_tokens"),
        cache_write=count_of(asked, "cache_write_tokens"),
        reasoning=count_of(given, "reasoning_tokens"),
    )
    return usage if usage.total else None
