"""One page of a file: whole lines or, within an enormous line, whole characters; always with how to go on."""

from __future__ import annotations

import io
from typing import BinaryIO

PAGE = 16 * 1024
"""Bytes of text a page holds unless asked otherwise."""
MAX_PAGE = 20_000
"""Bytes of text a page holds at most: with its first and last line it stays below a result's ceiling."""
WHOLE = 8 * 1024 * 1024
"""Bytes of a file whose lines are counted, and that can be changed by tools."""
SCAN = 64 * 1024 * 1024
"""Bytes looked through for a line's beginning."""
_SNIFF = 8192
_CHUNK = 1024 * 1024


def binary(head: bytes) -> str:
    """What it seems to be when it is not text, by its first bytes, or ""."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "UTF-16 text, which these tools do not read"
    return "binary" if b"\0" in head[:_SNIFF] else ""


def page(file: BinaryIO, name: str, offset: int, limit: int, byte_offset: int | None, max_bytes: int) -> str:
    """The page that begins at line `offset`, or at `byte_offset`."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    head = file.read(_SNIFF)
    if size == 0:
        return f"{name} is empty (0 bytes)"
    if kind := binary(head):
        return f"{name} is {kind}: {size} bytes, beginning with {head[:32].hex(' ')}"
    most = min(max(4, max_bytes), MAX_PAGE)
    if byte_offset is not None:
        return _from_byte(file, name, size, max(0, byte_offset), most)
    return _from_line(file, name, size, max(1, offset), max(1, limit), most)


def _from_line(file: BinaryIO, name: str, size: int, offset: int, limit: int, most: int) -> str:
    start, passed = _line_start(file, offset)
    if start is None and passed < 0:
        return f"Line {offset} of {name} is not within the first {SCAN} of its {size} bytes; go on by byte_offset."
    if start is None or start >= size:
        return f"{name} has {passed} lines; line {offset} is past its end"
    file.seek(start)
    window = file.read(most + 1)
    ended = start + len(window) >= size
    lines = window.split(b"\n")
    rest = lines.pop()
    if ended and rest:
        lines.append(rest)
    shown: list[str] = []
    used = 0
    for line in lines[:limit]:
        text = _text(line, first=start == 0 and not shown).removesuffix("\r")
        used += len(text.encode()) + 1
        if used > most + 1:
            break
        shown.append(text)
    if not shown:
        return _from_byte(file, name, size, start, most, line=offset)
    last = offset + len(shown) - 1
    more = len(shown) < len(lines) or not ended
    total = f" of {_count(file)}" if size <= WHOLE else ""
    notes = ", CRLF line endings" if b"\r\n" in window else ""
    notes += ", bytes that are not UTF-8 shown as \ufffd" if "\ufffd" in "".join(shown) else ""
    end = f"\n[more follows: offset={last + 1}]" if more else ""
    return f"{name} lines {offset}-{last}{total}{notes}\n" + "\n".join(shown) + end


def _from_byte(file: BinaryIO, name: str, size: int, start: int, most: int, line: int = 0) -> str:
    """`line`: its number when it is too long for a page and begins here."""
    if start >= size:
        return f"{name} has {size} bytes; byte {start} is past its end"
    file.seek(start)
    window = file.read(most + 4)
    if start:
        skip = next((i for i, byte in enumerate(window[:4]) if byte & 0xC0 != 0x80), 0)
        start, window = start + skip, window[skip:]
    data = window[:most]
    if line == 0 and start + len(data) < size and b"\n" in data:
        data = data[: data.rindex(b"\n") + 1]
    data = _whole_characters(data, window)
    while len((text := _text(data, first=start == 0)).encode()) > most and len(data) > 1:
        data = _whole_characters(data[: len(data) * 2 // 3], window)
    stop = start + len(data)
    what = f"bytes {start}-{stop} of {size}" + (f", line {line} being longer than a page" if line else "")
    end = f"\n[more follows: byte_offset={stop}]" if stop < size else ""
    return f"{name} {what}\n{text}{end}"


def _whole_characters(data: bytes, window: bytes) -> bytes:
    """`data`, a beginning of `window`, without a last character that is cut in two; never empty."""
    stop = len(data)
    while stop > max(1, len(data) - 3) and stop < len(window) and window[stop] & 0xC0 == 0x80:
        stop -= 1
    return data[:stop]


def _text(raw: bytes, *, first: bool) -> str:
    """As a model reads it; the byte order mark at the beginning of a file is none of the text."""
    text = raw.decode("utf-8", "replace").replace("\0", "\ufffd")
    return text.removeprefix("\ufeff") if first else text


def _line_start(file: BinaryIO, number: int) -> tuple[int | None, int]:
    """Where line `number` begins, else None and how many lines there are; -1 when nobody counted that far."""
    file.seek(0)
    at, passed, last = 0, 0, b"\n"
    while passed < number - 1:
        if at >= SCAN:
            return None, -1
        chunk = file.read(_CHUNK)
        if not chunk:
            return None, passed + (last != b"\n")
        found = chunk.count(b"\n")
        if passed + found >= number - 1:
            where = -1
            for _ in range(number - 1 - passed):
                where = chunk.index(b"\n", where + 1)
            return at + where + 1, number - 1
        at, passed, last = at + len(chunk), passed + found, chunk[-1:]
    return 0, 0


def _count(file: BinaryIO) -> int:
    file.seek(0)
    raw = file.read(WHOLE)
    return raw.count(b"\n") + (not raw.endswith(b"\n"))
