"""Server-sent events, read from bytes that may be split anywhere. Pure.

Stricter and more forgiving than the HTTP library's own reader: bytes that are no UTF-8 are an error instead of being
replaced, and what a stream ends with in the middle of an event, or sends beside the format, is handed out as well.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

MAX_EVENT = 16 * 1024 * 1024
"""Characters of one event; a server that sends more is broken."""

_FIELDS = frozenset({"", "data", "event", "id", "retry"})
_LINE_END = re.compile("\r\n|\n|\r")


class Reader:
    """Bytes in, the data of each event out. Raises ValueError for bytes that are no UTF-8 and for endless events."""

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8-sig")().decode
        self._after_cr = False
        self._line: list[str] = []
        self._data: list[str] = []
        self._stray: list[str] = []
        self._held = 0

    def feed(self, raw: bytes) -> Iterator[str]:
        """The data of every event that these bytes complete."""
        text = self._decode(raw)
        if self._after_cr and text:
            text = text.removeprefix("\n")
            self._after_cr = False
        self._after_cr = self._after_cr or text.endswith("\r")
        *ended, rest = _LINE_END.split(text)
        for piece in ended:
            self._hold(piece)
            line, self._line = "".join(self._line), []
            yield from self._take(line)
        self._hold(rest)

    def _hold(self, piece: str) -> None:
        self._line.append(piece)
        self._held += len(piece)
        if self._held > MAX_EVENT:
            raise ValueError("an event without end")

    def end(self) -> Iterator[str]:
        """What the stream ended with: an event without its blank line, then lines that belong to no event."""
        self._decode(b"", True)
        yield from self._take("".join(self._line))
        yield from self._take("")
        if any(self._stray):
            yield "\n".join(self._stray)

    def _take(self, line: str) -> Iterator[str]:
        if not line:
            if self._data:
                yield "\n".join(self._data)
            self._data, self._held = [], sum(map(len, self._stray))
            return
        name, _, value = line.partition(":")
        if name == "data":
            self._data.append(value.removeprefix(" "))
        elif name not in _FIELDS:
            self._stray.append(line)
        elif not name:
            self._held -= len(line)
