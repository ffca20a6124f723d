"""Keeping filled secrets out of every text the browser gives back: the value and the forms it travels in."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

HIDDEN = "[secret]"
_SHORT = 4


class Redaction:
    """Values that must not leave; `repr` shows none of them."""

    def __init__(self) -> None:
        self._values: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def __repr__(self) -> str:
        return f"Redaction({len(self._values)} values)"

    @property
    def values(self) -> tuple[str, ...]:
        return tuple(self._values)

    def add(self, values: Iterable[str]) -> None:
        """Hide these from now on; empty ones are ignored."""
        fresh = {value for value in values if value.strip()} - self._values
        if fresh:
            self._values |= fresh
            forms = sorted({form for value in self._values for form in _forms(value)}, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(_piece, forms)))

    def __call__(self, text: str) -> str:
        """`text` with every known form of every value replaced. Apply before cutting a text, never after."""
        return self._pattern.sub(HIDDEN, text) if self._pattern else text


def _piece(form: str) -> str:
    # A short value is hidden only as a word of its own: hiding every "a" would leave no text to read.
    return re.escape(form) if len(form) >= _SHORT else rf"(?<!\w){re.escape(form)}(?!\w)"


def _forms(value: str) -> set[str]:
    raw = value.encode("utf-8", "surrogatepass")
    forms = {value, " ".join(value.split()), quote(raw, safe=""), quote_plus(raw), html.escape(value)}
    forms |= {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], raw.hex()}
    forms |= {quote(raw, safe="").lower()}
    if len(value) >= _SHORT:
        forms |= {base64.b64encode(raw).decode().rstrip("="), base64.urlsafe_b64encode(raw).decode().rstrip("=")}
    return {form for form in forms if form}
