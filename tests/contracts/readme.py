"""The README as data: what stands between its markers."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text("utf-8")


def between(name: str) -> str:
    """The text between `<!-- NAME:begin -->` and `<!-- NAME:end -->`, without the code fence."""
    found = re.search(rf"<!-- {name}:begin -->\n(.*?)<!-- {name}:end -->", TEXT, re.S)
    assert found, f"README.md has no markers for {name}"
    return re.sub(r"^```\w*\n", "", found[1], flags=re.M)
