"""Results too long for a model: head and tail are shown."""

from __future__ import annotations


def cut(text: str, limit: int) -> str:
    """`text`, or its head and tail with a note of how many bytes were left out: at most `limit` bytes and the note."""
    raw = text.encode()
    if len(raw) <= limit:
        return text
    half = limit // 2
    head, tail = raw[:half].decode(errors="ignore"), raw[-half:].decode(errors="ignore")
    left_out = len(raw) - len(head.encode()) - len(tail.encode())
    return f"{head}\n[... {left_out} bytes left out ...]\n{tail}"
