"""The seven patterns: loop files to begin with. `loop add --pattern NAME` adds one as it is; `--print` shows it first.

A line that ends in `# L1` or `# L2` holds at that level only, and is a comment at the other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path

from ...domain.errors import UsageError
from ...domain.safetext import clip

_OF_LEVEL = re.compile(r"^(?:# )?(.*[^ ] +# (L[12]))$", re.M)
_LEVEL = re.compile(r'^level = "(L[12])"', re.M)
_NAME = re.compile(r'^name = "[^"]*"', re.M)
_WORKSPACE = re.compile(r'^# workspace = "[^"]*"', re.M)


def names() -> tuple[str, ...]:
    """Of all patterns, sorted."""
    return tuple(sorted(path.stem for path in Path(__file__).parent.glob("*.toml")))


def text(name: str, *, level: str = "", loop: str = "", workspace: str = "") -> str:
    """A pattern as TOML, ready to be added, or to be saved and changed.

    Args:
        level: L1 or L2; "" = the pattern's own.
        loop: name of the loop; "" = the pattern's.
        workspace: absolute path; "" = it says none.

    Raises UsageError for a pattern that does not exist (nearest name given) and a level no loop begins at.
    """
    if name not in names():
        near = get_close_matches(name, names(), 1)
        hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(names())}."
        raise UsageError(f"There is no pattern {clip(name, 60)}.", hint)
    if level not in ("", "L1", "L2"):
        raise UsageError(
            f"A loop begins at L1 or L2, not at {clip(level, 20)}.", "L3 is earned: harness-tui loop promote NAME"
        )
    source = Path(__file__).with_name(f"{name}.toml").read_text(encoding="utf-8")
    if level:
        source = _LEVEL.sub(f'level = "{level}"', source, count=1)
        source = _OF_LEVEL.sub(lambda line: line[1] if line[2] == level else f"# {line[1]}", source)
    if loop:
        source = _NAME.sub(_written("name", loop), source, count=1)
    if workspace:
        source = _WORKSPACE.sub(_written("workspace", workspace), source, count=1)
    return source


def _written(key: str, value: str) -> Callable[[re.Match[str]], str]:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{clip(value, 200)} cannot stand in a loop file: it is no UTF-8.") from None
    line = f"{key} = {json.dumps(value, ensure_ascii=False)}".replace("\x7f", "\\u007f")
    return lambda _: line
