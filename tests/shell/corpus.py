"""Lists beside the tests: one entry a line, `#` starts a remark."""

from __future__ import annotations

from pathlib import Path


def lines(name: str) -> list[str]:
    """The entries of a list, in its order."""
    text = Path(__file__).with_name(name).read_text("utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]
